//! Ending generations by a user's hand: cancelled, or deleted.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    AuthorizedGeneration, Generation,
    entity::{
        generations::{Column, Entity},
        jobs,
    },
    now,
};
use crate::{
    domain::GenerationStatus,
    error::{Error, Result},
};

impl AuthorizedGeneration {
    /// The generation's row.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Stops a generation that has not ended, and tells the worker.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has ended.
    pub async fn cancel(self) -> Result<Generation> {
        let (id, board) = (self.generation.id, self.generation.board);
        let now = now();
        let transaction = self.scope.store().begin().await?;
        // The job first, as the worker does: two who take locks in one order cannot deadlock.
        self.delete_job(&transaction).await?;
        let cancelled =
            Entity::update_many()
                .col_expr(Column::Status, Expr::value(GenerationStatus::Cancelled.as_str()))
                .col_expr(Column::CompletedAt, Expr::value(now))
                .col_expr(Column::UpdatedAt, Expr::value(now))
                .filter(Column::TenantId.eq(self.scope.tenant().0))
                .filter(Column::Id.eq(id.0))
                .filter(Column::Status.is_in([
                    GenerationStatus::Pending.as_str(),
                    GenerationStatus::Processing.as_str(),
                ]))
                .exec_with_returning(&transaction)
                .await?;
        let Some(row) = cancelled.into_iter().next() else {
            return Err(Error::Conflict("This generation has already ended".to_owned()));
        };
        transaction.commit().await?;
        self.scope.store().events().cancel(id);
        self.scope.publish_generation(board, id);
        row.try_into()
    }

    async fn delete_job(&self, transaction: &impl ConnectionTrait) -> Result<()> {
        jobs::Entity::delete_many()
            .filter(jobs::Column::TenantId.eq(self.scope.tenant().0))
            .filter(jobs::Column::GenerationId.eq(self.generation.id.0))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Deletes the generation. The artifact's files are the caller's to delete.
    ///
    /// # Errors
    /// [`Error::NotFound`] when someone else deleted it meanwhile.
    pub async fn delete(self) -> Result<Generation> {
        let transaction = self.scope.store().begin().await?;
        self.delete_job(&transaction).await?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.scope.tenant().0))
            .filter(Column::Id.eq(self.generation.id.0))
            .exec(&transaction)
            .await?;
        if deleted.rows_affected == 0 {
            return Err(Error::NotFound("Generation"));
        }
        transaction.commit().await?;

        self.scope.store().events().cancel(self.generation.id);
        self.scope.publish_generation(self.generation.board, self.generation.id);
        Ok(self.generation)
    }
}
