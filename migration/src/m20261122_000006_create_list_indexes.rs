//! Indexes that follow the lists, so that a page costs its rows and not the table's.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Name, table and columns of each index.
const INDEXES: [(&str, &str, &str); 11] = [
    ("boards_by_owner", "boards", "tenant_id, owner_id, updated_at DESC, id DESC"),
    ("boards_by_visibility_updated", "boards", "tenant_id, is_public, updated_at DESC, id DESC"),
    ("boards_by_visibility_created", "boards", "tenant_id, is_public, created_at DESC, id DESC"),
    ("board_members_by_user", "board_members", "user_id, board_id"),
    ("board_members_by_tenant_user", "board_members", "tenant_id, user_id"),
    ("board_members_by_inviter", "board_members", "tenant_id, invited_by"),
    ("generations_by_board", "generations", "board_id, created_at DESC, id DESC"),
    ("generations_by_tenant", "generations", "tenant_id, created_at DESC, id DESC"),
    ("generations_by_user", "generations", "tenant_id, user_id"),
    ("generation_tags_by_tag", "generation_tags", "tag_id"),
    ("tags_by_name", "tags", "tenant_id, name, id"),
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
