//! The queue: one row for each generation that still has to run. A worker holds a row by a lease.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, TABLE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, "DROP TABLE jobs").await
    }
}

const TABLE: &str = "
CREATE TABLE jobs (
  generation_id {uuid} NOT NULL PRIMARY KEY,
  tenant_id {uuid} NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  worker_id {uuid},
  lease_until {time},
  not_before {time},
  created_at {now},
  FOREIGN KEY (tenant_id, generation_id) REFERENCES generations (tenant_id, id) ON DELETE CASCADE
)
;
CREATE INDEX jobs_waiting ON jobs (created_at, generation_id)
;
CREATE INDEX jobs_worker ON jobs (worker_id)
";
