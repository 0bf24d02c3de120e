//! How far a run is, and its end. Only who holds the job can write either.

use rust_decimal::prelude::FromPrimitive;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
    Statement,
    prelude::Decimal,
    sea_query::{Expr, LockType, Query, SelectStatement, SimpleExpr},
};
use serde_json::Value;

use super::{
    FinishedArtifact, WorkerId, WorkerStore,
    attempts::{self, Outcome},
    cancellations,
};
use crate::{
    domain::{GenerationId, GenerationStatus},
    error::Result,
    store::{
        Event, Generation, Subject, Transaction,
        credits::{self, Ending},
        entity::{
            generations::{self, Column, Entity},
            jobs, users,
        },
        now,
    },
};

/// What a run made beside the artifact that was asked for: a generation of its own.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// The id under which its files are stored.
    pub id: GenerationId,
    /// What it is.
    pub artifact: FinishedArtifact,
}

impl WorkerStore<'_> {
    /// Writes how far a run is, if this worker still holds the job.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn progress(
        &self,
        worker: WorkerId,
        generation: &Generation,
        done: f64,
    ) -> Result<bool> {
        let written = Entity::update_many()
            .col_expr(Column::Progress, hundredths(done))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .filter(Column::Id.eq(generation.id.0))
            .filter(Column::Status.eq(GenerationStatus::Processing.as_str()))
            .filter(Column::Id.in_subquery(job_held_by(worker, generation.id)))
            .exec(self.store.write())
            .await?;
        self.publish(generation);
        Ok(written.rows_affected > 0)
    }

    /// Ends a run that made something. False when this worker no longer holds the job: then nothing
    /// was written, and the files that the run stored are the caller's to delete.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn complete(
        &self,
        worker: WorkerId,
        generation: &Generation,
        artifact: FinishedArtifact,
        siblings: &[Sibling],
    ) -> Result<bool> {
        let now = now();
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Completed.as_str()))
            .col_expr(Column::Progress, hundredths(1.0))
            .col_expr(Column::StorageUrl, Expr::value(artifact.storage_url))
            .col_expr(Column::ThumbnailUrl, Expr::value(artifact.thumbnail_url))
            .col_expr(Column::AdditionalFiles, Expr::value(Value::Array(artifact.additional_files)))
            .col_expr(Column::OutputMetadata, Expr::value(Value::Object(artifact.output_metadata)))
            .col_expr(Column::ErrorMessage, Expr::value(None::<String>))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now));
        let end = End { update, outcome: Outcome::Completed, message: None, siblings };
        self.end(worker, generation, end).await
    }

    /// Ends a run that made nothing, with a message for the user. False as in
    /// [`WorkerStore::complete`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn fail(
        &self,
        worker: WorkerId,
        generation: &Generation,
        message: &str,
    ) -> Result<bool> {
        let now = now();
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Failed.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value(message))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now));
        let end = End { update, outcome: Outcome::Failed, message: Some(message), siblings: &[] };
        self.end(worker, generation, end).await
    }

    async fn end(&self, worker: WorkerId, generation: &Generation, end: End<'_>) -> Result<bool> {
        let transaction = self.store.begin().await?;
        let (tenant, its_credits) = (generation.tenant, Ending::Generations(&[generation.id]));
        credits::hold_users(self.store, &transaction, tenant, its_credits).await?;
        if !end.siblings.is_empty() {
            // New rows of the user need a lock on theirs, which goes before the job, as in a suspension.
            users::Entity::find_by_id(generation.user.0)
                .lock(LockType::KeyShare)
                .one(&transaction)
                .await?;
        }
        if end.outcome == Outcome::Failed {
            // It may have failed here alone, as one that took too long has; of an ended one the provider
            // stops nothing.
            let this = Query::select().expr(Expr::value(generation.id.0)).to_owned();
            cancellations::request(&transaction, this).await?;
        }
        let ended = jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.eq(generation.id.0))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(&transaction)
            .await?;
        if ended.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        // The board's row is locked by new generations on it, and goes before those of generations.
        for sibling in end.siblings {
            insert_sibling(&transaction, generation, sibling).await?;
        }
        let written = end
            .update
            .filter(Column::Id.eq(generation.id.0))
            .filter(Column::Status.eq(GenerationStatus::Processing.as_str()))
            .exec(&transaction)
            .await?;
        attempts::end(&transaction, &[generation.id.0], end.outcome, end.message).await?;
        if written.rows_affected == 0 {
            // It has ended otherwise: then nothing was made beside it either, but its job is done with.
            transaction.rollback().await?;
            self.drop_job(worker, generation).await?;
            return Ok(false);
        }
        if end.outcome == Outcome::Completed {
            credits::settle(self.store, &transaction, tenant, generation.id).await?;
        } else {
            credits::refund(self.store, &transaction, tenant, its_credits).await?;
        }
        transaction.commit().await?;
        self.publish(generation);
        for sibling in end.siblings {
            let subject = Subject::Generation(sibling.id);
            let (tenant, board) = (generation.tenant, generation.board);
            self.store.events().publish(Event { tenant, board, subject });
        }
        // There may be room for one that had to wait for the end of this one.
        self.store.events().job_queued();
        Ok(true)
    }

    async fn drop_job(&self, worker: WorkerId, generation: &Generation) -> Result<()> {
        jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.eq(generation.id.0))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(self.store.write())
            .await?;
        Ok(())
    }
}

/// How a run ends.
struct End<'a> {
    update: sea_orm::UpdateMany<Entity>,
    outcome: Outcome,
    message: Option<&'a str>,
    siblings: &'a [Sibling],
}

/// Inserts a generation that is what another is, but for its artifact.
async fn insert_sibling(
    transaction: &Transaction,
    generation: &Generation,
    sibling: &Sibling,
) -> Result<()> {
    let Some(row) = Entity::find_by_id(generation.id.0).one(transaction).await? else {
        return Ok(());
    };
    let artifact = sibling.artifact.clone();
    let now = now();
    let row = generations::ActiveModel {
        id: Set(sibling.id.0),
        status: Set(GenerationStatus::Completed.as_str().to_owned()),
        progress: Set(Decimal::ONE),
        storage_url: Set(Some(artifact.storage_url)),
        thumbnail_url: Set(artifact.thumbnail_url),
        additional_files: Set(Value::Array(artifact.additional_files)),
        output_metadata: Set(Value::Object(artifact.output_metadata)),
        completed_at: Set(Some(now)),
        updated_at: Set(now),
        ..row.into_active_model().reset_all()
    };
    Entity::insert(row).exec_without_returning(transaction).await?;
    let lineage = "INSERT INTO generation_inputs (generation_id, position, tenant_id, input_id, role) \
         SELECT $1, position, tenant_id, input_id, role FROM generation_inputs WHERE generation_id = $2";
    let values = [sibling.id.0.into(), generation.id.0.into()];
    let backend = transaction.get_database_backend();
    transaction.execute_raw(Statement::from_sql_and_values(backend, lineage, values)).await?;
    Ok(())
}

fn job_held_by(worker: WorkerId, generation: GenerationId) -> SelectStatement {
    Query::select()
        .column(jobs::Column::GenerationId)
        .from(jobs::Entity)
        .and_where(jobs::Column::GenerationId.eq(generation.0))
        .and_where(jobs::Column::WorkerId.eq(worker.0))
        .to_owned()
}

/// The column is `numeric(5, 2)`.
pub(super) fn hundredths(done: f64) -> SimpleExpr {
    Expr::value(Decimal::from_f64(done.clamp(0.0, 1.0)).unwrap_or_default().round_dp(2))
}
