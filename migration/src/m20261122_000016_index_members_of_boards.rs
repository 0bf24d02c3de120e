//! Members of a board, by tenant and board. Every statement asks for both: with an index of each alone
//! PostgreSQL reads all memberships of the tenant to find those of twenty boards.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(manager, BY_TENANT_AND_BOARD).await?;
        if sql::is_postgres(manager) {
            sql::run(manager, "DROP INDEX board_members_by_tenant").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if sql::is_postgres(manager) {
            sql::run(manager, "CREATE INDEX board_members_by_tenant ON board_members (tenant_id)")
                .await?;
        }
        sql::run(manager, BY_BOARD).await
    }
}

const BY_TENANT_AND_BOARD: &str = "
CREATE INDEX board_members_of_board ON board_members (tenant_id, board_id, joined_at, id)
;
DROP INDEX board_members_by_board_joined
";

const BY_BOARD: &str = "
CREATE INDEX board_members_by_board_joined ON board_members (board_id, joined_at, id)
;
DROP INDEX board_members_of_board
";
