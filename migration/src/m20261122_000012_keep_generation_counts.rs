//! The number of generations on a board, kept in its row by triggers: whoever writes generations,
//! also another server or a script, keeps it right in the same transaction. A change of the count is
//! no change of the board: `updated_at` stays.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if sql::is_postgres(manager) {
            sql::run(manager, LOCK).await?;
            sql::run(manager, COLUMN).await?;
            // Room on each page for the next version of a row: no index has the count, so a new
            // version in the same page costs no index entry.
            sql::run(manager, "ALTER TABLE boards SET (fillfactor = 90)").await?;
            sql::run(manager, POSTGRES_TRIGGERS).await?;
        } else {
            sql::run(manager, COLUMN).await?;
            sql::run(manager, SQLITE_TRIGGERS).await?;
        }
        sql::run(manager, BACKFILL).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if sql::is_postgres(manager) {
            sql::run(manager, POSTGRES_WITHOUT).await?;
        } else {
            sql::run(manager, SQLITE_WITHOUT).await?;
        }
        sql::run(manager, "ALTER TABLE boards DROP COLUMN generation_count").await
    }
}

/// Who writes generations waits from here on, and has its rows counted by the triggers. In the order
/// in which writers lock: generations, then the boards that they are on.
const LOCK: &str = "LOCK TABLE generations IN SHARE ROW EXCLUSIVE MODE";

const COLUMN: &str = "ALTER TABLE boards ADD COLUMN generation_count bigint NOT NULL DEFAULT 0";

const BACKFILL: &str = "
UPDATE boards SET generation_count = counted.number
  FROM (SELECT board_id, count(*) AS number FROM generations GROUP BY board_id) AS counted
 WHERE counted.board_id = boards.id
";

/// One function for the rows that a statement added or removed, one for a row that moved. Boards are
/// taken in the order of ids, one by one: two statements cannot deadlock, and the plan is an index
/// lookup whatever the statement that it was first made for. Functions name the schema that they were
/// made in, since sessions may look elsewhere.
///
/// A transition table would be filled by every update of a row, and the worker makes many: moves, which
/// nothing here does, have a trigger for rows.
const POSTGRES_TRIGGERS: &str = "
DO $migration$
BEGIN
  EXECUTE format($function$
    CREATE FUNCTION count_generations() RETURNS trigger LANGUAGE plpgsql AS $body$
    DECLARE board record;
    BEGIN
      FOR board IN SELECT board_id, count(*) AS number FROM changed GROUP BY board_id ORDER BY board_id LOOP
        UPDATE %1$I.boards SET generation_count = generation_count + TG_ARGV[0]::bigint * board.number
         WHERE id = board.board_id;
      END LOOP;
      RETURN NULL;
    END $body$ $function$, current_schema());
  EXECUTE format($function$
    CREATE FUNCTION count_moved_generation() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      IF OLD.board_id < NEW.board_id THEN
        UPDATE %1$I.boards SET generation_count = generation_count - 1 WHERE id = OLD.board_id;
      END IF;
      UPDATE %1$I.boards SET generation_count = generation_count + 1 WHERE id = NEW.board_id;
      IF OLD.board_id > NEW.board_id THEN
        UPDATE %1$I.boards SET generation_count = generation_count - 1 WHERE id = OLD.board_id;
      END IF;
      RETURN NULL;
    END $body$ $function$, current_schema());
  EXECUTE format($function$
    CREATE FUNCTION count_no_generations() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      UPDATE %1$I.boards SET generation_count = 0 WHERE generation_count <> 0;
      RETURN NULL;
    END $body$ $function$, current_schema());
  CREATE FUNCTION begin_without_generations() RETURNS trigger LANGUAGE plpgsql AS $body$
  BEGIN
    NEW.generation_count := 0;
    RETURN NEW;
  END $body$;
END $migration$
;
CREATE TRIGGER generations_added AFTER INSERT ON generations
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_generations('1')
;
CREATE TRIGGER generations_removed AFTER DELETE ON generations
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_generations('-1')
;
CREATE TRIGGER generations_moved AFTER UPDATE ON generations
  FOR EACH ROW WHEN (OLD.board_id <> NEW.board_id) EXECUTE FUNCTION count_moved_generation()
;
CREATE TRIGGER generations_truncated AFTER TRUNCATE ON generations
  FOR EACH STATEMENT EXECUTE FUNCTION count_no_generations()
;
CREATE TRIGGER boards_added BEFORE INSERT ON boards
  FOR EACH ROW WHEN (NEW.generation_count <> 0) EXECUTE FUNCTION begin_without_generations()
";

const SQLITE_TRIGGERS: &str = "
CREATE TRIGGER generations_added AFTER INSERT ON generations BEGIN
  UPDATE boards SET generation_count = generation_count + 1 WHERE id = NEW.board_id;
END
;
CREATE TRIGGER generations_removed AFTER DELETE ON generations BEGIN
  UPDATE boards SET generation_count = generation_count - 1 WHERE id = OLD.board_id;
END
;
CREATE TRIGGER generations_moved AFTER UPDATE OF board_id ON generations WHEN OLD.board_id <> NEW.board_id BEGIN
  UPDATE boards SET generation_count = generation_count - 1 WHERE id = OLD.board_id;
  UPDATE boards SET generation_count = generation_count + 1 WHERE id = NEW.board_id;
END
;
CREATE TRIGGER boards_added AFTER INSERT ON boards WHEN NEW.generation_count <> 0 BEGIN
  UPDATE boards SET generation_count = 0 WHERE id = NEW.id;
END
";

const POSTGRES_WITHOUT: &str = "
DROP TRIGGER boards_added ON boards
;
DROP TRIGGER generations_truncated ON generations
;
DROP TRIGGER generations_moved ON generations
;
DROP TRIGGER generations_removed ON generations
;
DROP TRIGGER generations_added ON generations
;
DROP FUNCTION begin_without_generations()
;
DROP FUNCTION count_no_generations()
;
DROP FUNCTION count_moved_generation()
;
DROP FUNCTION count_generations()
;
ALTER TABLE boards RESET (fillfactor)
";

const SQLITE_WITHOUT: &str = "
DROP TRIGGER boards_added
;
DROP TRIGGER generations_moved
;
DROP TRIGGER generations_removed
;
DROP TRIGGER generations_added
";
