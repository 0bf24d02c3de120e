//! The times of a board, kept in its memberships by triggers, so that an index has the boards of a member
//! in the order of lists: a page of them costs its rows, however many boards somebody is a member of.
//! A change of a board costs one more write for each of its members.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if sql::is_postgres(manager) {
            sql::run(manager, POSTGRES_COLUMNS).await?;
            sql::run(manager, POSTGRES_TRIGGERS).await?;
        } else {
            sql::run(manager, SQLITE_COLUMNS).await?;
            sql::run(manager, SQLITE_TRIGGERS).await?;
        }
        sql::run(manager, INDEXES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, WITHOUT_INDEXES).await?;
        let triggers = if sql::is_postgres(manager) { POSTGRES_WITHOUT } else { SQLITE_WITHOUT };
        sql::run(manager, triggers).await?;
        sql::run(manager, WITHOUT_COLUMNS).await
    }
}

const INDEXES: &str = "
CREATE INDEX board_members_by_board_updated
  ON board_members (tenant_id, user_id, board_updated_at DESC, board_id DESC)
;
CREATE INDEX board_members_by_board_created
  ON board_members (tenant_id, user_id, board_created_at DESC, board_id DESC)
";

const WITHOUT_INDEXES: &str = "
DROP INDEX board_members_by_board_created
;
DROP INDEX board_members_by_board_updated
";

/// Boards first, as whoever changes a board locks them: then nobody changes one between the copy and the
/// trigger.
const POSTGRES_COLUMNS: &str = "
LOCK TABLE boards IN SHARE ROW EXCLUSIVE MODE
;
ALTER TABLE board_members ADD COLUMN board_updated_at {time}, ADD COLUMN board_created_at {time}
;
UPDATE board_members
   SET board_updated_at = boards.updated_at, board_created_at = boards.created_at
  FROM boards WHERE boards.id = board_members.board_id
;
ALTER TABLE board_members ALTER COLUMN board_updated_at SET NOT NULL, ALTER COLUMN board_created_at SET NOT NULL
";

/// A new membership waits for whoever changes its board, and is waited for by them: neither can miss
/// the other. For a board that is not there the foreign key has the last word.
const POSTGRES_TRIGGERS: &str = "
DO $migration$
BEGIN
  EXECUTE format($function$
    CREATE FUNCTION copy_board_times() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      SELECT updated_at, created_at INTO NEW.board_updated_at, NEW.board_created_at
        FROM %1$I.boards WHERE id = NEW.board_id FOR SHARE;
      IF NOT FOUND THEN
        NEW.board_updated_at := now();
        NEW.board_created_at := now();
      END IF;
      RETURN NEW;
    END $body$ $function$, current_schema());
  EXECUTE format($function$
    CREATE FUNCTION pass_board_times_on() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
      UPDATE %1$I.board_members
         SET board_updated_at = NEW.updated_at, board_created_at = NEW.created_at
       WHERE tenant_id = NEW.tenant_id AND board_id = NEW.id;
      RETURN NULL;
    END $body$ $function$, current_schema());
END $migration$
;
CREATE TRIGGER board_members_dated BEFORE INSERT OR UPDATE OF board_id ON board_members
  FOR EACH ROW EXECUTE FUNCTION copy_board_times()
;
CREATE TRIGGER boards_dated AFTER UPDATE OF updated_at, created_at ON boards
  FOR EACH ROW WHEN (OLD.updated_at <> NEW.updated_at OR OLD.created_at <> NEW.created_at)
  EXECUTE FUNCTION pass_board_times_on()
";

const POSTGRES_WITHOUT: &str = "
DROP TRIGGER boards_dated ON boards
;
DROP TRIGGER board_members_dated ON board_members
;
DROP FUNCTION pass_board_times_on()
;
DROP FUNCTION copy_board_times()
";

const SQLITE_COLUMNS: &str = "
ALTER TABLE board_members ADD COLUMN board_updated_at {time}
;
ALTER TABLE board_members ADD COLUMN board_created_at {time}
;
UPDATE board_members
   SET (board_updated_at, board_created_at) =
       (SELECT updated_at, created_at FROM boards WHERE boards.id = board_members.board_id)
";

const SQLITE_TRIGGERS: &str = "
CREATE TRIGGER board_members_dated AFTER INSERT ON board_members BEGIN
  UPDATE board_members
     SET (board_updated_at, board_created_at) =
         (SELECT updated_at, created_at FROM boards WHERE boards.id = NEW.board_id)
   WHERE id = NEW.id;
END
;
CREATE TRIGGER board_members_moved AFTER UPDATE OF board_id ON board_members BEGIN
  UPDATE board_members
     SET (board_updated_at, board_created_at) =
         (SELECT updated_at, created_at FROM boards WHERE boards.id = NEW.board_id)
   WHERE id = NEW.id;
END
;
CREATE TRIGGER boards_dated AFTER UPDATE OF updated_at, created_at ON boards BEGIN
  UPDATE board_members SET board_updated_at = NEW.updated_at, board_created_at = NEW.created_at
   WHERE board_id = NEW.id;
END
";

const SQLITE_WITHOUT: &str = "
DROP TRIGGER boards_dated
;
DROP TRIGGER board_members_moved
;
DROP TRIGGER board_members_dated
";

const WITHOUT_COLUMNS: &str = "
ALTER TABLE board_members DROP COLUMN board_created_at
;
ALTER TABLE board_members DROP COLUMN board_updated_at
";
