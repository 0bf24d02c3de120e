//! What search finds public boards by: an index of trigrams. Private boards are found by who owns them
//! and who is a member, so only public ones are in it, and writing a private one costs nothing.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, if sql::is_postgres(manager) { POSTGRES } else { SQLITE }).await
    }

    /// The extensions stay: others may use them by now.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let without = if sql::is_postgres(manager) { POSTGRES_WITHOUT } else { SQLITE_WITHOUT };
        sql::run(manager, without).await
    }
}

/// Whoever migrates may not be allowed the extensions, or the server may not have them: then search
/// reads the tenant's public boards. The expressions are those of `store/search.rs`, to the letter. New
/// texts go into the index at once (no `fastupdate`): public boards are written seldom and searched often.
const POSTGRES: &str = "
DO $migration$
DECLARE trigrams text;
BEGIN
  BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE EXTENSION IF NOT EXISTS btree_gin;
  EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'search has no index: %', SQLERRM;
    RETURN;
  END;
  SELECT quote_ident(n.nspname) INTO trigrams
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
  EXECUTE format(
    'CREATE INDEX boards_public_by_text ON boards USING gin (tenant_id,
       coalesce(title_folded, lower(title)) %1$s.gin_trgm_ops,
       coalesce(description_folded, lower(description)) %1$s.gin_trgm_ops)
     WITH (fastupdate = off) WHERE is_public', trigrams);
END $migration$
";

const POSTGRES_WITHOUT: &str = "DROP INDEX IF EXISTS boards_public_by_text";

/// The rows of the full-text table have numbers of their own: VACUUM may give rows of `boards` others.
const SQLITE: &str = "
CREATE TABLE board_texts (number integer NOT NULL PRIMARY KEY, board_id blob NOT NULL UNIQUE)
;
CREATE VIRTUAL TABLE board_trigrams USING fts5 (title, description,
  content = '', contentless_delete = 1, tokenize = 'trigram case_sensitive 1')
;
CREATE TRIGGER board_texts_added AFTER INSERT ON board_texts BEGIN
  INSERT INTO board_trigrams (rowid, title, description)
  SELECT NEW.number, coalesce(title_folded, lower(title)), coalesce(description_folded, lower(description))
    FROM boards WHERE id = NEW.board_id;
END
;
CREATE TRIGGER board_texts_removed AFTER DELETE ON board_texts BEGIN
  DELETE FROM board_trigrams WHERE rowid = OLD.number;
END
;
CREATE TRIGGER boards_text_added AFTER INSERT ON boards WHEN NEW.is_public BEGIN
  INSERT INTO board_texts (board_id) VALUES (NEW.id);
END
;
CREATE TRIGGER boards_text_changed
AFTER UPDATE OF title, description, title_folded, description_folded, is_public ON boards BEGIN
  DELETE FROM board_texts WHERE board_id = NEW.id;
  INSERT INTO board_texts (board_id) SELECT NEW.id WHERE NEW.is_public;
END
;
CREATE TRIGGER boards_text_removed AFTER DELETE ON boards BEGIN
  DELETE FROM board_texts WHERE board_id = OLD.id;
END
;
INSERT INTO board_texts (board_id) SELECT id FROM boards WHERE is_public
";

const SQLITE_WITHOUT: &str = "
DROP TRIGGER boards_text_removed
;
DROP TRIGGER boards_text_changed
;
DROP TRIGGER boards_text_added
;
DROP TABLE board_trigrams
;
DROP TABLE board_texts
";
