//! What the worker asks and writes. A job is a row in `jobs`; a worker holds it by a lease that it
//! renews, and only the holder can end its generation.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::prelude::FromPrimitive;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, Statement,
    prelude::Decimal,
    sea_query::{Expr, Query},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Event, Generation, Scope, Store, Subject, Transaction, Viewer,
    credits::{self, Ending},
    ending::UNFINISHED,
    entity::{
        generations::{self, Column, Entity},
        jobs,
    },
    now,
};
use crate::{
    domain::{GenerationId, GenerationStatus, JsonObject},
    error::{Error, Result},
};

/// A running worker, new at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// An id that no other worker has.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for WorkerId {
    fn default() -> Self {
        Self::new()
    }
}

/// A job that this worker now holds.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The generation to run.
    pub generation: Generation,
    /// How often it has been claimed, this time included.
    pub attempts: i32,
}

/// What a finished run stored.
#[derive(Clone, Debug)]
pub struct FinishedArtifact {
    /// Where the artifact is.
    pub storage_url: String,
    /// Where the thumbnail is.
    pub thumbnail_url: Option<String>,
    /// Facts about it.
    pub output_metadata: JsonObject,
}

#[derive(FromQueryResult)]
struct ClaimRow {
    generation_id: Uuid,
    attempts: i32,
}

/// See the module.
pub struct WorkerStore<'a> {
    store: &'a Store,
}

impl<'a> WorkerStore<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// The scope of the user who asked for a generation, to ask again what they may.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when they were suspended meanwhile.
    pub async fn scope_of_creator(&self, generation: &Generation) -> Result<Scope> {
        let viewer = Viewer::User(generation.user);
        let scope = Scope::new(self.store, generation.tenant, viewer);
        let creator = scope.users_by_id(&[generation.user]).await?.into_iter().next();
        match creator {
            Some(creator) if creator.disabled_at.is_none() => Ok(scope),
            _ => Err(Error::forbidden("use this tenant")),
        }
    }

    /// Whether a job waits that nobody holds. Reads only, for an idle worker's poll.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_waiting(&self) -> Result<bool> {
        let now = now();
        let waiting = jobs::Entity::find()
            .filter(jobs::Column::WorkerId.is_null().or(jobs::Column::LeaseUntil.lt(now)))
            .filter(jobs::Column::NotBefore.is_null().or(jobs::Column::NotBefore.lte(now)))
            .one(self.store.read())
            .await?;
        Ok(waiting.is_some())
    }

    /// Takes at most `limit` jobs that nobody holds, oldest first, and marks their generations as
    /// processing. A job whose lease has run out is nobody's; one of a tenant that is being deleted
    /// does not run any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(
        &self,
        worker: WorkerId,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<ClaimedJob>> {
        let now = now();
        let transaction = self.store.begin().await?;
        let claims = self.claim_rows(&transaction, worker, limit, now, now + lease).await?;
        if claims.is_empty() {
            transaction.rollback().await?;
            return Ok(Vec::new());
        }
        let rows = begin_runs(&transaction, &claims, now).await?;
        transaction.commit().await?;
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let claim = claims.iter().find(|claim| claim.generation_id == row.id);
            let attempts = claim.map_or(1, |claim| claim.attempts);
            let id = row.id;
            match Generation::try_from(row) {
                Ok(generation) => {
                    self.publish(&generation);
                    jobs.push(ClaimedJob { generation, attempts });
                }
                Err(error) => {
                    tracing::error!(?error, generation = %id, "a row cannot be read");
                    self.discard(worker, id).await?;
                }
            }
        }
        Ok(jobs)
    }

    async fn claim_rows(
        &self,
        transaction: &Transaction,
        worker: WorkerId,
        limit: usize,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Vec<ClaimRow>> {
        let skip_locked = if self.store.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE jobs SET worker_id = $1, lease_until = $2, attempts = attempts + 1 \
              WHERE generation_id IN (\
                SELECT generation_id FROM jobs \
                 WHERE (worker_id IS NULL OR lease_until < $3) \
                   AND (not_before IS NULL OR not_before <= $3) \
                   AND EXISTS (SELECT 1 FROM tenants \
                                WHERE tenants.id = jobs.tenant_id AND tenants.status = 'active') \
                 ORDER BY created_at, generation_id LIMIT $4 {skip_locked}) \
             RETURNING generation_id, attempts"
        );
        let values = [
            worker.0.into(),
            lease_until.into(),
            now.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
        let rows = transaction.query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| ClaimRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }

    /// Ends a job whose generation cannot be read, so that it does not stand before all others.
    async fn discard(&self, worker: WorkerId, generation: Uuid) -> Result<()> {
        let now = now();
        let transaction = self.store.begin().await?;
        jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.eq(generation))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(&transaction)
            .await?;
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Failed.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value("This generation cannot be run"))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.eq(generation))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Renews the leases of the jobs that a worker runs and says which it still holds. A job that
    /// is missing was cancelled, deleted, or taken over. What it holds and no longer runs is left
    /// to run out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew(
        &self,
        worker: WorkerId,
        running: &[GenerationId],
        lease: Duration,
    ) -> Result<HashSet<GenerationId>> {
        let held = jobs::Entity::update_many()
            .col_expr(jobs::Column::LeaseUntil, Expr::value(now() + lease))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .filter(jobs::Column::GenerationId.is_in(running.iter().map(|id| id.0)))
            .exec_with_returning(self.store.write())
            .await?;
        Ok(held.into_iter().map(|job| job.generation_id.into()).collect())
    }

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
    ) -> Result<bool> {
        let now = now();
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Completed.as_str()))
            .col_expr(Column::Progress, hundredths(1.0))
            .col_expr(Column::StorageUrl, Expr::value(artifact.storage_url))
            .col_expr(Column::ThumbnailUrl, Expr::value(artifact.thumbnail_url))
            .col_expr(Column::OutputMetadata, Expr::value(Value::Object(artifact.output_metadata)))
            .col_expr(Column::ErrorMessage, Expr::value(None::<String>))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now));
        self.end(worker, generation, update, true).await
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
        self.end(worker, generation, update, false).await
    }

    async fn end(
        &self,
        worker: WorkerId,
        generation: &Generation,
        update: sea_orm::UpdateMany<Entity>,
        is_made: bool,
    ) -> Result<bool> {
        let transaction = self.store.begin().await?;
        let (tenant, its_credits) = (generation.tenant, Ending::Generations(&[generation.id]));
        credits::hold_users(self.store, &transaction, tenant, its_credits).await?;
        let ended = jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.eq(generation.id.0))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(&transaction)
            .await?;
        if ended.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let written = update
            .filter(Column::Id.eq(generation.id.0))
            .filter(Column::Status.eq(GenerationStatus::Processing.as_str()))
            .exec(&transaction)
            .await?;
        if is_made && written.rows_affected > 0 {
            credits::settle(self.store, &transaction, tenant, generation.id).await?;
        } else {
            credits::refund(self.store, &transaction, tenant, its_credits).await?;
        }
        transaction.commit().await?;
        self.publish(generation);
        Ok(written.rows_affected > 0)
    }

    /// Gives back the jobs that a worker holds when it stops, so that the next one runs them from
    /// the beginning. A stop in good order does not count as an attempt.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hand_back(&self, worker: WorkerId) -> Result<()> {
        let attempts = Expr::col(jobs::Column::Attempts).sub(1);
        self.requeue(jobs::Column::WorkerId.eq(worker.0), attempts, None).await
    }

    /// At the start of the only process on the database: every lease is that of a dead worker.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_over_all(&self) -> Result<()> {
        let attempts = Expr::col(jobs::Column::Attempts);
        self.requeue(jobs::Column::WorkerId.is_not_null(), attempts, None).await
    }

    /// Gives back one job that a worker holds and could not run, to be tried again after `pause`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release(
        &self,
        worker: WorkerId,
        generation: GenerationId,
        pause: Duration,
    ) -> Result<()> {
        let held =
            jobs::Column::WorkerId.eq(worker.0).and(jobs::Column::GenerationId.eq(generation.0));
        self.requeue(held, Expr::col(jobs::Column::Attempts), Some(now() + pause)).await
    }

    /// How a generation stands now; none when it was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status(&self, generation: &Generation) -> Result<Option<GenerationStatus>> {
        let row = Entity::find()
            .filter(Column::TenantId.eq(generation.tenant.0))
            .filter(Column::Id.eq(generation.id.0))
            .one(self.store.write())
            .await?;
        Ok(row.map(Generation::try_from).transpose()?.map(|row| row.status))
    }

    async fn requeue(
        &self,
        which: sea_orm::sea_query::SimpleExpr,
        attempts: sea_orm::sea_query::SimpleExpr,
        not_before: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let transaction = self.store.begin().await?;
        let jobs = jobs::Entity::update_many()
            .col_expr(jobs::Column::WorkerId, Expr::value(None::<Uuid>))
            .col_expr(jobs::Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
            .col_expr(jobs::Column::Attempts, attempts)
            .col_expr(jobs::Column::NotBefore, Expr::value(not_before))
            .filter(which)
            .exec_with_returning(&transaction)
            .await?;
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Pending.as_str()))
            .col_expr(Column::Progress, hundredths(0.0))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .filter(Column::Id.is_in(jobs.iter().map(|job| job.generation_id)))
            .filter(Column::Status.eq(GenerationStatus::Processing.as_str()))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Queues generations that have not ended and have no job: those of a database taken over from
    /// an older server.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_orphans(&self) -> Result<()> {
        let sql = "INSERT INTO jobs (generation_id, tenant_id, attempts, created_at) \
             SELECT g.id, g.tenant_id, 0, g.created_at FROM generations g \
              WHERE g.status IN ('pending', 'processing') \
                AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = g.tenant_id AND t.status = 'active') \
                AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.generation_id = g.id) \
             ON CONFLICT DO NOTHING";
        self.store.write().execute_unprepared(sql).await?;
        Ok(())
    }

    fn publish(&self, generation: &Generation) {
        self.store.events().publish(Event {
            tenant: generation.tenant,
            board: generation.board,
            subject: Subject::Generation(generation.id),
        });
    }
}

/// Marks claimed generations as processing. One that has ended stays so, and its job goes.
async fn begin_runs(
    transaction: &Transaction,
    claims: &[ClaimRow],
    now: DateTime<Utc>,
) -> Result<Vec<generations::Model>> {
    let rows = Entity::update_many()
        .col_expr(Column::Status, Expr::value(GenerationStatus::Processing.as_str()))
        .col_expr(Column::StartedAt, Expr::col(Column::StartedAt).if_null(Expr::value(now)))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.is_in(claims.iter().map(|claim| claim.generation_id)))
        .filter(Column::Status.is_in(UNFINISHED.map(GenerationStatus::as_str)))
        .exec_with_returning(transaction)
        .await?;
    let begun: HashSet<Uuid> = rows.iter().map(|row| row.id).collect();
    let ended: Vec<Uuid> =
        claims.iter().map(|claim| claim.generation_id).filter(|id| !begun.contains(id)).collect();
    if !ended.is_empty() {
        jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.is_in(ended))
            .exec(transaction)
            .await?;
    }
    Ok(rows)
}

fn job_held_by(worker: WorkerId, generation: GenerationId) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(jobs::Column::GenerationId)
        .from(jobs::Entity)
        .and_where(jobs::Column::GenerationId.eq(generation.0))
        .and_where(jobs::Column::WorkerId.eq(worker.0))
        .to_owned()
}

/// The column is `numeric(5, 2)`.
fn hundredths(done: f64) -> sea_orm::sea_query::SimpleExpr {
    Expr::value(Decimal::from_f64(done.clamp(0.0, 1.0)).unwrap_or_default().round_dp(2))
}
