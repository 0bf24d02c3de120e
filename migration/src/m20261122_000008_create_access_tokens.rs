//! Access tokens that this server issues. Of the token itself there is only its SHA-256: it holds 256
//! random bits, so nothing can be found by trying and a slow hash would protect nothing. A token
//! that was made with another one names it, within the same user.

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
        sql::run(manager, "DROP TABLE access_tokens").await
    }
}

const TABLE: &str = "
CREATE TABLE access_tokens (
  id {id},
  tenant_id {uuid} NOT NULL,
  user_id {uuid} NOT NULL,
  parent_id {uuid},
  name varchar(100) NOT NULL,
  secret_hash varchar(64) NOT NULL UNIQUE CHECK (length(secret_hash) = 64),
  scopes {json} NOT NULL,
  created_at {time} NOT NULL,
  expires_at {time},
  last_used_at {time},
  revoked_at {time},
  UNIQUE (tenant_id, user_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, user_id, parent_id) REFERENCES access_tokens (tenant_id, user_id, id)
    ON DELETE CASCADE
)
;
CREATE INDEX access_tokens_of_user ON access_tokens (tenant_id, user_id, created_at, id)
  WHERE revoked_at IS NULL
;
CREATE INDEX access_tokens_parent ON access_tokens (parent_id) WHERE parent_id IS NOT NULL
;
CREATE INDEX access_tokens_revoked ON access_tokens (revoked_at) WHERE revoked_at IS NOT NULL
";
