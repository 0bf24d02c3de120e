//! Folded copies of what search looks at, written by the server. Neither database folds all of
//! Unicode by itself; where a copy is null (rows of an older server), search falls back to `lower()`.

use sea_orm_migration::prelude::*;

use crate::sql;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(
            manager,
            "ALTER TABLE boards ADD COLUMN title_folded text
;
ALTER TABLE boards ADD COLUMN description_folded text",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        sql::run(
            manager,
            "ALTER TABLE boards DROP COLUMN description_folded
;
ALTER TABLE boards DROP COLUMN title_folded",
        )
        .await
    }
}
