//! What generations are found by beside their board: whose they are, in the order of lists, and the text
//! of their prompts, folded by the server as the texts of boards are.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, COLUMN_AND_ORDER).await?;
        if sql::is_postgres(manager) {
            sql::run(manager, POSTGRES).await?;
        }
        Ok(())
    }

    /// The extensions stay: others may use them by now.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, WITHOUT).await
    }
}

/// The index of a user's generations, which foreign keys need too, gets the order of lists.
const COLUMN_AND_ORDER: &str = "
ALTER TABLE generations ADD COLUMN prompt_folded text
;
CREATE INDEX generations_of_user ON generations (tenant_id, user_id, created_at DESC, id DESC)
;
DROP INDEX generations_by_user
";

/// As for boards, search works without the extensions, and reads. The expression is that of
/// `store/generation_filter.rs`, to the letter. Boards are not in it: the planner would not use it for many
/// of them. Generations are written often and searched seldom, so entries are gathered first
/// (`fastupdate`, the default).
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
    'CREATE INDEX generations_by_prompt ON generations USING gin (tenant_id,
       coalesce(prompt_folded, lower(coalesce(input_params ->> ''prompt'', input_params ->> ''text'',
         input_params ->> ''user_description''))) %1$s.gin_trgm_ops)', trigrams);
END $migration$
";

const WITHOUT: &str = "
DROP INDEX IF EXISTS generations_by_prompt
;
CREATE INDEX generations_by_user ON generations (tenant_id, user_id)
;
DROP INDEX generations_of_user
;
ALTER TABLE generations DROP COLUMN prompt_folded
";
