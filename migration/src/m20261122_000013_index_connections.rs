//! Indexes in the order of lists that are walked by cursor and had none.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Name, table and columns of each index.
const INDEXES: [(&str, &str, &str); 2] = [
    ("boards_by_owner_created", "boards", "tenant_id, owner_id, created_at DESC, id DESC"),
    ("board_members_by_board_joined", "board_members", "board_id, joined_at, id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, columns) in INDEXES {
            sql::run(manager, &format!("CREATE INDEX {name} ON {table} ({columns})")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _, _) in INDEXES.iter().rev() {
            sql::run(manager, &format!("DROP INDEX {name}")).await?;
        }
        Ok(())
    }
}
