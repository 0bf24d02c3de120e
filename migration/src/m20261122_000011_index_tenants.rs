//! Tenants by status, and on PostgreSQL what the deletion of a tenant looks for by tenant alone.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const BY_STATUS: [(&str, &str, &str); 2] = [
    ("tenants_by_status", "tenants", "status, id"),
    // Deleting a generation looks for the transactions that name it.
    ("credit_transactions_by_generation", "credit_transactions", "generation_id"),
];

/// Not on SQLite, whose planner keeps no statistics here and could prefer them to the better index
/// of a list; the tables of the embedded database are small enough to be read through.
const BY_TENANT: [(&str, &str, &str); 5] = [
    ("board_members_by_tenant", "board_members", "tenant_id"),
    ("generation_tags_by_tenant", "generation_tags", "tenant_id"),
    ("generation_inputs_by_tenant", "generation_inputs", "tenant_id"),
    ("credit_transactions_by_tenant", "credit_transactions", "tenant_id"),
    ("lora_models_by_tenant", "lora_models", "tenant_id"),
];

fn indexes(manager: &SchemaManager<'_>) -> Vec<(&'static str, &'static str, &'static str)> {
    let by_tenant: &[_] = if sql::is_postgres(manager) { &BY_TENANT } else { &[] };
    BY_STATUS.iter().chain(by_tenant).copied().collect()
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, columns) in indexes(manager) {
            sql::run(manager, &format!("CREATE INDEX {name} ON {table} ({columns})")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in indexes(manager).iter().rev() {
            sql::run(manager, &format!("DROP INDEX {name}")).await?;
        }
        Ok(())
    }
}
