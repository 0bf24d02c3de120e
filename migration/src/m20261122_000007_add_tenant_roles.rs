//! People run their tenant: a role in it, suspension, and tenants that are not open yet or go.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, Statement},
};

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        refuse_while_shut(manager).await?;
        sql::run(manager, WITHOUT).await
    }
}

/// Without these columns an older server would let in whom they keep out.
async fn refuse_while_shut(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    for (query, what) in SHUT {
        let statement = Statement::from_string(manager.get_database_backend(), query);
        if connection.query_one_raw(statement).await?.is_some() {
            return Err(DbErr::Custom(format!("{what} would be let in by an older server")));
        }
    }
    Ok(())
}

const SHUT: [(&str, &str); 2] = [
    ("SELECT 1 FROM users WHERE disabled_at IS NOT NULL LIMIT 1", "suspended users"),
    (
        "SELECT 1 FROM tenants WHERE status IN ('pending', 'deleting') LIMIT 1",
        "people of tenants that are pending or being deleted",
    ),
];

const COLUMNS: &str = "
ALTER TABLE users ADD COLUMN disabled_at {time}
;
ALTER TABLE users ADD COLUMN tenant_role varchar(20) NOT NULL DEFAULT 'member'
  CHECK (tenant_role IN ('member', 'admin'))
;
CREATE INDEX users_disabled ON users (disabled_at) WHERE disabled_at IS NOT NULL
;
CREATE INDEX users_of_tenant ON users (tenant_id, created_at, id)
;
ALTER TABLE tenants ADD COLUMN status varchar(20) NOT NULL DEFAULT 'active'
  CHECK (status IN ('active', 'pending', 'deleting'))
;
ALTER TABLE tenants ADD COLUMN registered_by_provider varchar(50)
;
ALTER TABLE tenants ADD COLUMN registered_by_subject varchar(255)
;
CREATE INDEX tenants_registered_by ON tenants (registered_by_provider, registered_by_subject)
  WHERE registered_by_subject IS NOT NULL
";

const WITHOUT: &str = "
DROP INDEX tenants_registered_by
;
ALTER TABLE tenants DROP COLUMN registered_by_subject
;
ALTER TABLE tenants DROP COLUMN registered_by_provider
;
ALTER TABLE tenants DROP COLUMN status
;
DROP INDEX users_of_tenant
;
DROP INDEX users_disabled
;
ALTER TABLE users DROP COLUMN tenant_role
;
ALTER TABLE users DROP COLUMN disabled_at
";
