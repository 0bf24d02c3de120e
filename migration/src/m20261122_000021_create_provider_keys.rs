//! Keys of tenants at providers of generators, encrypted by the server: what is stored says neither the
//! key nor its length.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (user, bytes) = if sql::is_postgres(manager) {
            (POSTGRES_USER, "bytea")
        } else {
            (SQLITE_USER, "blob")
        };
        sql::run(manager, &TABLE.replace("{user}", user).replace("{bytes}", bytes)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, "DROP TABLE provider_keys").await
    }
}

/// When who set the key goes, only they become null, and never the tenant (see `invitations`).
const POSTGRES_USER: &str = "FOREIGN KEY (tenant_id, updated_by) REFERENCES users (tenant_id, id)
    ON DELETE SET NULL (updated_by)";

const SQLITE_USER: &str = "FOREIGN KEY (updated_by) REFERENCES users (id) ON DELETE SET NULL,
  FOREIGN KEY (tenant_id, updated_by) REFERENCES users (tenant_id, id)";

const TABLE: &str = "
CREATE TABLE provider_keys (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  provider varchar(100) NOT NULL,
  ciphertext {bytes} NOT NULL,
  updated_by {uuid},
  created_at {now},
  updated_at {now},
  UNIQUE (tenant_id, provider),
  {user}
)
;
CREATE INDEX provider_keys_by_user ON provider_keys (tenant_id, updated_by)
";
