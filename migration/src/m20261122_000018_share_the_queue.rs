//! What a queue for many workers and providers needs: whose a job is, so that tenants and users take turns;
//! what was sent to a provider, so that nothing is sent twice; every attempt; and what is to be cancelled
//! at a provider although its generation has ended or is gone.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, UP).await?;
        if sql::is_postgres(manager) {
            sql::run(manager, "ALTER TABLE jobs ALTER COLUMN user_id SET NOT NULL").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, DOWN).await
    }
}

const UP: &str = "
ALTER TABLE jobs ADD COLUMN user_id {uuid}
;
ALTER TABLE jobs ADD COLUMN provider varchar(50) NOT NULL DEFAULT ''
;
ALTER TABLE jobs ADD COLUMN submission varchar(10) NOT NULL DEFAULT ''
;
UPDATE jobs SET user_id = (SELECT g.user_id FROM generations g WHERE g.id = jobs.generation_id)
;
DROP INDEX jobs_waiting
;
CREATE INDEX jobs_lanes ON jobs (tenant_id, user_id, provider, created_at, generation_id) WHERE worker_id IS NULL
;
CREATE TABLE generation_attempts (
  generation_id {uuid} NOT NULL,
  number integer NOT NULL,
  tenant_id {uuid} NOT NULL,
  started_at {now},
  ended_at {time},
  outcome varchar(20),
  message text,
  external_job_id varchar(255),
  PRIMARY KEY (generation_id, number),
  FOREIGN KEY (tenant_id, generation_id) REFERENCES generations (tenant_id, id) ON DELETE CASCADE
)
;
CREATE INDEX generation_attempts_of_tenant ON generation_attempts (tenant_id, generation_id)
;
CREATE TABLE provider_cancellations (
  generation_id {uuid} NOT NULL PRIMARY KEY,
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  generator_name varchar(100) NOT NULL,
  external_job_id varchar(255) NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  not_before {time},
  created_at {now}
)
;
CREATE INDEX provider_cancellations_of_tenant ON provider_cancellations (tenant_id)
";

const DOWN: &str = "
DROP TABLE provider_cancellations
;
DROP TABLE generation_attempts
;
DROP INDEX jobs_lanes
;
CREATE INDEX jobs_waiting ON jobs (created_at, generation_id)
;
ALTER TABLE jobs DROP COLUMN submission
;
ALTER TABLE jobs DROP COLUMN provider
;
ALTER TABLE jobs DROP COLUMN user_id
";
