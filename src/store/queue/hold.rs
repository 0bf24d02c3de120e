//! Holding jobs: leases are renewed while a run goes on, and given back when it cannot.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, LockBehavior, LockType, SimpleExpr},
};
use uuid::Uuid;

use super::{
    WorkerId, WorkerStore,
    attempts::{self, Outcome},
    finish::hundredths,
};
use crate::{
    domain::{GenerationId, GenerationStatus},
    error::Result,
    store::{
        Generation, Transaction,
        entity::{
            generations::{Column, Entity},
            jobs,
        },
        now,
    },
};

/// How jobs go back to the queue.
pub(super) struct Requeue<'a> {
    /// How often they have been claimed, from now on.
    pub(super) attempts: SimpleExpr,
    pub(super) not_before: Option<DateTime<Utc>>,
    /// What came of the attempt.
    pub(super) outcome: Outcome,
    pub(super) message: Option<&'a str>,
}

impl WorkerStore<'_> {
    /// Renews the leases of the jobs that a worker runs, whoever of `workers` it was when it took them, and
    /// says which it still holds. A job that is missing was cancelled, deleted, or taken over. What it holds and no longer runs is left
    /// to run out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew(
        &self,
        workers: &[WorkerId],
        running: &[GenerationId],
        lease: Duration,
    ) -> Result<HashSet<GenerationId>> {
        let held = jobs::Entity::update_many()
            .col_expr(jobs::Column::LeaseUntil, Expr::value(now() + lease))
            .filter(held_by(workers))
            .filter(jobs::Column::GenerationId.is_in(running.iter().map(|id| id.0)))
            .exec_with_returning(self.store.write())
            .await?;
        Ok(held.into_iter().map(|job| job.generation_id.into()).collect())
    }

    /// Gives back the jobs that a worker holds when it stops, so that the next one runs them. A stop
    /// in good order does not count as an attempt that failed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hand_back(&self, workers: &[WorkerId]) -> Result<()> {
        let requeue = Requeue {
            attempts: Expr::col(jobs::Column::Attempts).sub(1),
            not_before: None,
            outcome: Outcome::Released,
            message: None,
        };
        self.requeue(held_by(workers), requeue).await
    }

    /// At the start of the only process on the database: every lease is that of a dead worker.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_over_all(&self) -> Result<()> {
        let requeue = Requeue {
            attempts: Expr::col(jobs::Column::Attempts),
            not_before: None,
            outcome: Outcome::Lost,
            message: None,
        };
        self.requeue(jobs::Column::WorkerId.is_not_null(), requeue).await
    }

    /// Gives back one job that a worker holds and could not run, to be tried again after `pause`;
    /// `message` says why.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release(
        &self,
        worker: WorkerId,
        generation: GenerationId,
        pause: Duration,
        message: &str,
    ) -> Result<()> {
        let held =
            jobs::Column::WorkerId.eq(worker.0).and(jobs::Column::GenerationId.eq(generation.0));
        let requeue = Requeue {
            attempts: Expr::col(jobs::Column::Attempts),
            not_before: Some(now() + pause),
            outcome: Outcome::Retried,
            message: Some(message),
        };
        self.requeue(held, requeue).await
    }

    async fn requeue(&self, which: SimpleExpr, requeue: Requeue<'_>) -> Result<()> {
        let transaction = self.store.begin().await?;
        let requeued = self.requeue_within(&transaction, which, requeue).await?;
        transaction.commit().await?;
        for generation in &requeued {
            self.publish(generation);
        }
        if !requeued.is_empty() {
            self.store.events().job_queued();
        }
        Ok(())
    }

    /// Whoever is at one of the jobs at this moment, to end or to cancel it, keeps it.
    pub(super) async fn requeue_within(
        &self,
        transaction: &Transaction,
        which: SimpleExpr,
        requeue: Requeue<'_>,
    ) -> Result<Vec<Generation>> {
        let mut free = jobs::Entity::find()
            .select_only()
            .column(jobs::Column::GenerationId)
            .filter(which)
            .into_query();
        free.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let jobs = jobs::Entity::update_many()
            .col_expr(jobs::Column::WorkerId, Expr::value(None::<Uuid>))
            .col_expr(jobs::Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
            .col_expr(jobs::Column::Attempts, requeue.attempts)
            .col_expr(jobs::Column::NotBefore, Expr::value(requeue.not_before))
            .filter(jobs::Column::GenerationId.in_subquery(free))
            .exec_with_returning(transaction)
            .await?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.generation_id).collect();
        attempts::end(transaction, &ids, requeue.outcome, requeue.message).await?;
        let rows = Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Pending.as_str()))
            .col_expr(Column::Progress, hundredths(0.0))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .filter(Column::Id.is_in(ids))
            .filter(Column::Status.eq(GenerationStatus::Processing.as_str()))
            .exec_with_returning(transaction)
            .await?;
        Ok(rows.into_iter().filter_map(|row| Generation::try_from(row).ok()).collect())
    }
}

fn held_by(workers: &[WorkerId]) -> SimpleExpr {
    jobs::Column::WorkerId.is_in(workers.iter().map(|worker| worker.0))
}
