//! The audit log: one row for each change, refusal and administrative act, or for a run of equal
//! refusals. Rows are added and, when they are old, deleted; a trigger refuses to change them. No
//! foreign keys: what is gone stays on record.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, TABLE).await?;
        let trigger = if sql::is_postgres(manager) { POSTGRES_TRIGGER } else { SQLITE_TRIGGER };
        sql::run(manager, trigger).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, "DROP TABLE audit_events").await?;
        if sql::is_postgres(manager) {
            return sql::run(manager, "DROP FUNCTION audit_events_refuse_update()").await;
        }
        Ok(())
    }
}

const TABLE: &str = "
CREATE TABLE audit_events (
  id {uuid} NOT NULL PRIMARY KEY,
  occurred_at {time} NOT NULL,
  tenant_id {uuid},
  actor_id {uuid},
  access_token_id {uuid},
  provider text,
  subject text,
  address text,
  action text NOT NULL,
  object_type text,
  object_id text,
  decision text NOT NULL,
  reason text,
  count bigint NOT NULL,
  request_id text
)
;
CREATE INDEX audit_events_by_time ON audit_events (occurred_at, id)
;
CREATE INDEX audit_events_by_tenant ON audit_events (tenant_id, occurred_at DESC, id DESC)
;
CREATE INDEX audit_events_by_actor ON audit_events (tenant_id, actor_id, occurred_at DESC, id DESC)
;
CREATE INDEX audit_events_by_action ON audit_events (tenant_id, action, occurred_at DESC, id DESC)
;
CREATE INDEX audit_events_by_object ON audit_events (tenant_id, object_id, occurred_at DESC, id DESC)
";

const SQLITE_TRIGGER: &str = "
CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END
";

const POSTGRES_TRIGGER: &str = "
CREATE FUNCTION audit_events_refuse_update() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$
;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION audit_events_refuse_update()
";
