//! Invitations by email into a tenant, and users found by email. One that was accepted is deleted
//! in the transaction that makes its user.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let (inviter, email) = if sql::is_postgres(manager) {
            (POSTGRES_INVITER, "lower(email COLLATE \"C\")")
        } else {
            (SQLITE_INVITER, "lower(email)")
        };
        sql::run(manager, &TABLE.replace("{inviter}", inviter).replace("{email}", email)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, "DROP INDEX users_by_email\n;\nDROP TABLE invitations").await
    }
}

/// When the inviter goes, only the inviter becomes null, and never the tenant.
const POSTGRES_INVITER: &str =
    "FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id)
    ON DELETE SET NULL (invited_by)";

/// SQLite cannot name the column that becomes null: a second key does it, and the composite one,
/// which is looked at when the statement ends, holds the tenant.
const SQLITE_INVITER: &str = "FOREIGN KEY (invited_by) REFERENCES users (id) ON DELETE SET NULL,
  FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id)";

const TABLE: &str = "
CREATE TABLE invitations (
  id {id},
  tenant_id {uuid} NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  email varchar(255) NOT NULL,
  role varchar(20) NOT NULL CHECK (role IN ('member', 'admin')),
  invited_by {uuid},
  created_at {now},
  expires_at {time} NOT NULL,
  UNIQUE (tenant_id, email),
  {inviter}
)
;
CREATE INDEX invitations_of_tenant ON invitations (tenant_id, created_at, id)
;
CREATE INDEX invitations_by_inviter ON invitations (tenant_id, invited_by)
;
CREATE INDEX users_by_email ON users (tenant_id, {email})
";
