//! Indexes that answer by themselves which boards somebody is a member of and which generations of a
//! board are the newest. They have the tenant too, which every statement asks for.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tenant =
            if sql::is_postgres(manager) { ") INCLUDE (tenant_id)" } else { ", tenant_id)" };
        sql::run(manager, &COVERING.replace("{tenant}", tenant)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, WITHOUT).await
    }
}

const COVERING: &str = "
CREATE INDEX board_members_of_user ON board_members (tenant_id, user_id, board_id)
;
DROP INDEX board_members_by_tenant_user
;
CREATE INDEX generations_of_board ON generations (board_id, created_at DESC, id DESC{tenant}
;
DROP INDEX generations_by_board
";

const WITHOUT: &str = "
CREATE INDEX generations_by_board ON generations (board_id, created_at DESC, id DESC)
;
DROP INDEX generations_of_board
;
CREATE INDEX board_members_by_tenant_user ON board_members (tenant_id, user_id)
;
DROP INDEX board_members_of_user
";
