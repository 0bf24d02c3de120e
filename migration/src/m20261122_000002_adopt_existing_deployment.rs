//! Brings the tables of an existing Boards deployment (PostgreSQL) to the shape that a new database
//! has: missing columns, values that may not be null, and foreign keys that carry the tenant.
//!
//! Rows that point into another tenant cannot stay: they are moved to `adoption_quarantine`, whole,
//! with the reason, and an operator decides. On a new database every step finds its work done.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !sql::is_postgres(manager) {
            return Ok(());
        }
        // The triggers go first: they would date every row that a later step touches.
        for step in [DROP_TRIGGERS, COLUMNS, FILL_NULLS, CREDITS, QUARANTINE, TENANT_KEYS] {
            sql::run(manager, step).await?;
        }
        Ok(())
    }

    /// What was brought into shape stays so; only the rows set aside go, with their table.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !sql::is_postgres(manager) {
            return Ok(());
        }
        sql::run(manager, "DROP TABLE IF EXISTS adoption_quarantine").await
    }
}

const COLUMNS: &str = "
ALTER TABLE tenants
  ADD COLUMN IF NOT EXISTS join_policy varchar(10) NOT NULL DEFAULT 'invite'
    CHECK (join_policy IN ('open', 'domain', 'invite')),
  ADD COLUMN IF NOT EXISTS join_domains jsonb NOT NULL DEFAULT '[]'
;
ALTER TABLE board_members ADD COLUMN IF NOT EXISTS tenant_id uuid
;
ALTER TABLE generation_tags ADD COLUMN IF NOT EXISTS tenant_id uuid
;
UPDATE board_members m SET tenant_id = b.tenant_id FROM boards b WHERE b.id = m.board_id AND m.tenant_id IS NULL
;
UPDATE generation_tags t SET tenant_id = g.tenant_id FROM generations g
  WHERE g.id = t.generation_id AND t.tenant_id IS NULL
";

const FILL_NULLS: &str = "
DO $$
DECLARE target record;
BEGIN
  FOR target IN
    SELECT c.table_name, c.column_name,
           CASE WHEN c.data_type = 'jsonb' AND c.column_name IN ('additional_files', 'input_artifacts') THEN '''[]'''
                WHEN c.data_type = 'jsonb' THEN '''{}'''
                WHEN c.data_type = 'boolean' THEN 'false'
                WHEN c.data_type = 'numeric' THEN '0'
                ELSE 'now()' END AS value
      FROM information_schema.columns c
     WHERE c.table_schema = current_schema() AND c.is_nullable = 'YES'
       AND (c.table_name, c.column_name) IN (
         ('tenants', 'settings'), ('tenants', 'created_at'), ('tenants', 'updated_at'),
         ('users', 'metadata'), ('users', 'created_at'), ('users', 'updated_at'),
         ('boards', 'is_public'), ('boards', 'settings'), ('boards', 'metadata'),
         ('boards', 'created_at'), ('boards', 'updated_at'),
         ('board_members', 'joined_at'),
         ('generations', 'additional_files'), ('generations', 'output_metadata'),
         ('generations', 'input_artifacts'), ('generations', 'progress'),
         ('generations', 'created_at'), ('generations', 'updated_at'),
         ('tags', 'metadata'), ('tags', 'created_at'), ('tags', 'updated_at'),
         ('generation_tags', 'created_at'))
  LOOP
    EXECUTE format('UPDATE %I SET %I = %s WHERE %I IS NULL',
                   target.table_name, target.column_name, target.value, target.column_name);
    EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET DEFAULT %s, ALTER COLUMN %I SET NOT NULL',
                   target.table_name, target.column_name, target.value, target.column_name);
  END LOOP;
END $$
";

/// The older server set `updated_at` by trigger on every change; ours says itself what is a change.
const DROP_TRIGGERS: &str = "
DO $$
DECLARE target record;
BEGIN
  FOR target IN
    SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = current_schema()::regnamespace AND t.tgname = 'trg_' || c.relname || '_updated_at'
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %I', target.tgname, target.relname);
  END LOOP;
END $$
";

/// A generation that a credit transaction names could otherwise be neither set aside nor deleted.
const CREDITS: &str = "
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = 'credit_transactions'::regclass
              AND conname = 'credit_transactions_generation_id_fkey' AND confdeltype <> 'n') THEN
    ALTER TABLE credit_transactions DROP CONSTRAINT credit_transactions_generation_id_fkey;
    ALTER TABLE credit_transactions ADD CONSTRAINT credit_transactions_generation_id_fkey
      FOREIGN KEY (generation_id) REFERENCES generations (id) ON DELETE SET NULL;
  END IF;
END $$
";

const QUARANTINE: &str = "
CREATE TABLE IF NOT EXISTS adoption_quarantine (
  table_name text NOT NULL,
  reason text NOT NULL,
  row_data jsonb NOT NULL,
  moved_at timestamptz NOT NULL DEFAULT now()
)
;
UPDATE generations SET status = 'failed', error_message = coalesce(error_message, 'Its status was unknown')
 WHERE status NOT IN ('pending', 'processing', 'completed', 'failed', 'cancelled')
;
UPDATE generations g SET input_artifacts = (
  SELECT coalesce(jsonb_agg(entry.value ORDER BY entry.position), '[]')
    FROM jsonb_array_elements(g.input_artifacts) WITH ORDINALITY AS entry (value, position)
   WHERE NOT EXISTS (
     SELECT 1 FROM generations source
      WHERE source.tenant_id <> g.tenant_id
        AND source.id = CASE WHEN entry.value ->> 'generation_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                             THEN (entry.value ->> 'generation_id')::uuid END))
 WHERE jsonb_typeof(g.input_artifacts) = 'array' AND g.input_artifacts <> '[]'
;
WITH moved AS (
  DELETE FROM generation_tags t USING generations g, boards b, users u, users o
   WHERE g.id = t.generation_id AND b.id = g.board_id AND u.id = g.user_id AND o.id = b.owner_id
     AND (b.tenant_id <> g.tenant_id OR u.tenant_id <> g.tenant_id OR o.tenant_id <> b.tenant_id)
   RETURNING t.*)
INSERT INTO adoption_quarantine (table_name, reason, row_data)
SELECT 'generation_tags', 'generation moved', to_jsonb(moved) FROM moved
;
WITH moved AS (
  DELETE FROM generations g USING boards b, users u
   WHERE b.id = g.board_id AND u.id = g.user_id
     AND (b.tenant_id <> g.tenant_id OR u.tenant_id <> g.tenant_id OR EXISTS (
       SELECT 1 FROM users o WHERE o.id = b.owner_id AND o.tenant_id <> b.tenant_id)) RETURNING g.*)
INSERT INTO adoption_quarantine (table_name, reason, row_data)
SELECT 'generations', 'board or user of another tenant', to_jsonb(moved) FROM moved
;
WITH moved AS (
  DELETE FROM board_members m USING users u, boards b, users o
   WHERE u.id = m.user_id AND b.id = m.board_id AND o.id = b.owner_id
     AND (u.tenant_id <> m.tenant_id OR o.tenant_id <> b.tenant_id) RETURNING m.*)
INSERT INTO adoption_quarantine (table_name, reason, row_data)
SELECT 'board_members', 'user of another tenant', to_jsonb(moved) FROM moved
;
UPDATE board_members m SET invited_by = NULL
 WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = m.invited_by AND u.tenant_id <> m.tenant_id)
;
WITH moved AS (
  DELETE FROM generation_tags t USING tags g
   WHERE g.id = t.tag_id AND g.tenant_id <> t.tenant_id RETURNING t.*)
INSERT INTO adoption_quarantine (table_name, reason, row_data)
SELECT 'generation_tags', 'tag of another tenant', to_jsonb(moved) FROM moved
;
WITH moved AS (
  DELETE FROM boards b USING users u
   WHERE u.id = b.owner_id AND u.tenant_id <> b.tenant_id RETURNING b.*)
INSERT INTO adoption_quarantine (table_name, reason, row_data)
SELECT 'boards', 'owner of another tenant', to_jsonb(moved) FROM moved
";

/// Adds what a new table was created with. Constraints are looked up by what they say, since the
/// older server named them otherwise.
const TENANT_KEYS: &str = "
DO $$
DECLARE target record;
BEGIN
  ALTER TABLE board_members ALTER COLUMN tenant_id SET NOT NULL;
  ALTER TABLE generation_tags ALTER COLUMN tenant_id SET NOT NULL;
  FOR target IN
    SELECT * FROM (VALUES
      ('users', 'UNIQUE (tenant_id, id)'),
      ('boards', 'UNIQUE (tenant_id, id)'),
      ('generations', 'UNIQUE (tenant_id, id)'),
      ('tags', 'UNIQUE (tenant_id, id)'),
      ('boards', 'FOREIGN KEY (tenant_id, owner_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE'),
      ('board_members', 'FOREIGN KEY (tenant_id, board_id) REFERENCES boards(tenant_id, id) ON DELETE CASCADE'),
      ('board_members', 'FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE'),
      ('board_members', 'FOREIGN KEY (tenant_id, invited_by) REFERENCES users(tenant_id, id)'),
      ('generations', 'FOREIGN KEY (tenant_id, board_id) REFERENCES boards(tenant_id, id) ON DELETE CASCADE'),
      ('generations', 'FOREIGN KEY (tenant_id, user_id) REFERENCES users(tenant_id, id) ON DELETE CASCADE'),
      ('generation_tags', 'FOREIGN KEY (tenant_id, generation_id) REFERENCES generations(tenant_id, id) ON DELETE CASCADE'),
      ('generation_tags', 'FOREIGN KEY (tenant_id, tag_id) REFERENCES tags(tenant_id, id) ON DELETE CASCADE')
    ) AS wanted(table_name, definition)
     WHERE NOT EXISTS (
       SELECT 1 FROM pg_constraint c
        WHERE c.conrelid = wanted.table_name::regclass AND pg_get_constraintdef(c.oid) = wanted.definition)
     -- A foreign key needs the unique key that it refers to.
     ORDER BY wanted.definition LIKE 'FOREIGN KEY%'
  LOOP
    EXECUTE format('ALTER TABLE %I ADD %s', target.table_name, target.definition);
  END LOOP;
  -- It held a single column and would stop what the composite key allows.
  ALTER TABLE board_members DROP CONSTRAINT IF EXISTS board_members_invited_by_fkey;
END $$
";
