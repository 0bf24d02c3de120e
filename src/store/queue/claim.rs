//! Taking jobs: one worker at a time decides who is next, so that turns and limits hold over all of them.

use std::collections::HashSet;

use chrono::{DateTime, Duration, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, Statement,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{
    ClaimedJob, ConcurrencyLimits, WorkerId, WorkerStore,
    attempts::{self, Outcome},
    fair_share::{Lane, Running, Waiting, choose},
    hold::Requeue,
    submission,
};
use crate::{
    domain::{GenerationId, GenerationStatus, TenantId},
    error::Result,
    store::{
        Generation, Transaction,
        credits::{self, Ending},
        ending::UNFINISHED,
        entity::{
            generations::{self, Column, Entity},
            jobs,
        },
        now,
    },
};

/// The advisory lock of PostgreSQL under which it is decided who is next.
const CLAIMING: i64 = 0x626f_6172_6473_0002;

/// How often it is asked for, and how long after it was not to be had.
const CLAIM_TRIES: u32 = 50;
const CLAIM_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

#[derive(FromQueryResult)]
struct ClaimRow {
    generation_id: Uuid,
    attempts: i32,
    submission: String,
}

#[derive(FromQueryResult)]
struct WaitingRow {
    generation_id: Uuid,
    tenant_id: Uuid,
    user_id: Uuid,
    provider: String,
    created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct RunningRow {
    tenant_id: Uuid,
    user_id: Uuid,
    provider: String,
    number: i64,
}

impl WorkerStore<'_> {
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

    /// Takes at most `room` jobs that nobody holds, in turns and within `limits`, and marks their
    /// generations as processing. A job whose lease has run out is nobody's; one of a tenant that is
    /// being deleted does not run any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(
        &self,
        worker: WorkerId,
        room: usize,
        lease: Duration,
        limits: &ConcurrencyLimits,
    ) -> Result<Vec<ClaimedJob>> {
        let now = now();
        let Some(transaction) = self.begin_claiming().await? else { return Ok(Vec::new()) };
        let taken_over = self.take_over_expired(&transaction, now).await?;
        let waiting = self.waiting(&transaction, now, room).await?;
        let running = self.running(&transaction).await?;
        let chosen = choose(waiting, running, limits, room);
        let mut claims = Vec::new();
        let mut rows = Vec::new();
        if !chosen.is_empty() {
            claims = self.take(&transaction, worker, &chosen, now + lease).await?;
            rows = begin_runs(&transaction, &claims, now).await?;
        }
        transaction.commit().await?;
        for generation in &taken_over {
            self.publish(generation);
        }
        self.claimed(worker, &claims, rows).await
    }

    /// None where another worker is deciding and does not come to an end: the next poll asks again. Nobody
    /// waits for long, since leases have to be renewed meanwhile.
    async fn begin_claiming(&self) -> Result<Option<Transaction>> {
        for _ in 0..CLAIM_TRIES {
            let transaction = self.store.begin().await?;
            if !self.store.is_postgres() {
                return Ok(Some(transaction));
            }
            let lock = format!("SELECT pg_try_advisory_xact_lock({CLAIMING}) AS locked");
            let lock = Statement::from_string(self.store.backend(), lock);
            let row = transaction.query_one_raw(lock).await?;
            if row.map(|row| row.try_get("", "locked")).transpose()?.unwrap_or(false) {
                return Ok(Some(transaction));
            }
            transaction.rollback().await?;
            tokio::time::sleep(CLAIM_PAUSE).await;
        }
        Ok(None)
    }

    async fn claimed(
        &self,
        worker: WorkerId,
        claims: &[ClaimRow],
        rows: Vec<generations::Model>,
    ) -> Result<Vec<ClaimedJob>> {
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, tenant) = (row.id, TenantId(row.tenant_id));
            let Some(claim) = claims.iter().find(|claim| claim.generation_id == id) else {
                continue;
            };
            let submission = submission::read(&claim.submission, row.external_job_id.as_deref());
            match Generation::try_from(row) {
                Ok(generation) => {
                    self.publish(&generation);
                    jobs.push(ClaimedJob { generation, attempts: claim.attempts, submission });
                }
                Err(error) => {
                    tracing::error!(?error, generation = %id, "a row cannot be read");
                    self.discard(worker, tenant, id.into()).await?;
                }
            }
        }
        Ok(jobs)
    }

    /// What dead workers held is nobody's again.
    async fn take_over_expired(
        &self,
        transaction: &Transaction,
        now: DateTime<Utc>,
    ) -> Result<Vec<Generation>> {
        let requeue = Requeue {
            attempts: Expr::col(jobs::Column::Attempts),
            not_before: None,
            outcome: Outcome::Lost,
            message: None,
        };
        let expired = jobs::Column::WorkerId.is_not_null().and(jobs::Column::LeaseUntil.lt(now));
        self.requeue_within(transaction, expired, requeue).await
    }

    /// The oldest jobs of each lane, at most `each` of one. PostgreSQL goes from lane to lane by the
    /// index, so that ten thousand jobs of one user cost as much as one.
    async fn waiting(
        &self,
        transaction: &Transaction,
        now: DateTime<Utc>,
        each: usize,
    ) -> Result<Vec<Waiting>> {
        let sql = if self.store.is_postgres() { WAITING_POSTGRES } else { WAITING_SQLITE };
        let values = [now.into(), i64::try_from(each).unwrap_or(i64::MAX).into()];
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
        let waiting = |row: WaitingRow| Waiting {
            generation: row.generation_id,
            lane: Lane { tenant: row.tenant_id, user: row.user_id, provider: row.provider },
            created_at: row.created_at,
        };
        let rows = transaction.query_all_raw(statement).await?;
        let rows = rows.iter().map(|row| WaitingRow::from_query_result(row, "").map(waiting));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    async fn running(&self, transaction: &Transaction) -> Result<Running> {
        let sql = "SELECT tenant_id, user_id, provider, count(*) AS number FROM jobs \
                    WHERE worker_id IS NOT NULL GROUP BY tenant_id, user_id, provider";
        let statement = Statement::from_string(self.store.backend(), sql);
        let mut running = Running::default();
        for row in transaction.query_all_raw(statement).await? {
            let row = RunningRow::from_query_result(&row, "")?;
            let lane = Lane { tenant: row.tenant_id, user: row.user_id, provider: row.provider };
            running.add(&lane, usize::try_from(row.number).unwrap_or(usize::MAX));
        }
        Ok(running)
    }

    /// Those of the chosen that nobody is at, such as one that is being cancelled.
    async fn take(
        &self,
        transaction: &Transaction,
        worker: WorkerId,
        chosen: &[Uuid],
        lease_until: DateTime<Utc>,
    ) -> Result<Vec<ClaimRow>> {
        let skip_locked = if self.store.is_postgres() { "FOR UPDATE SKIP LOCKED" } else { "" };
        let places: Vec<String> = (3..3 + chosen.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "UPDATE jobs SET worker_id = $1, lease_until = $2, attempts = attempts + 1 \
              WHERE generation_id IN (\
                SELECT generation_id FROM jobs \
                 WHERE generation_id IN ({}) AND worker_id IS NULL {skip_locked}) \
             RETURNING generation_id, attempts, submission",
            places.join(", ")
        );
        let values = [worker.0.into(), lease_until.into()]
            .into_iter()
            .chain(chosen.iter().map(|id| (*id).into()));
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
        let rows = transaction.query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| ClaimRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
    }

    /// Ends a job whose generation cannot be read, so that it does not stand before all others.
    async fn discard(
        &self,
        worker: WorkerId,
        tenant: TenantId,
        generation: GenerationId,
    ) -> Result<()> {
        let now = now();
        let message = "This generation cannot be run";
        let transaction = self.store.begin().await?;
        let (its_credits, generation) = ([generation], generation.0);
        let its_credits = Ending::Generations(&its_credits);
        credits::hold_users(self.store, &transaction, tenant, its_credits).await?;
        jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.eq(generation))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(&transaction)
            .await?;
        attempts::end(&transaction, &[generation], Outcome::Failed, Some(message)).await?;
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Failed.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value(message))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::Id.eq(generation))
            .exec(&transaction)
            .await?;
        credits::refund(self.store, &transaction, tenant, its_credits).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Marks claimed generations as processing, and begins an attempt at each. One that has ended stays so,
/// and its job goes.
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
    let begun: Vec<Uuid> = begun.into_iter().collect();
    attempts::begin(transaction, &begun, now).await?;
    Ok(rows)
}

const WAITING_POSTGRES: &str = "\
WITH RECURSIVE lanes AS (\
  (SELECT tenant_id, user_id, provider FROM jobs WHERE worker_id IS NULL \
    ORDER BY tenant_id, user_id, provider LIMIT 1) \
  UNION ALL \
  SELECT next.tenant_id, next.user_id, next.provider FROM lanes CROSS JOIN LATERAL (\
    SELECT j.tenant_id, j.user_id, j.provider FROM jobs j WHERE j.worker_id IS NULL \
       AND (j.tenant_id, j.user_id, j.provider) > (lanes.tenant_id, lanes.user_id, lanes.provider) \
     ORDER BY j.tenant_id, j.user_id, j.provider LIMIT 1) next) \
SELECT oldest.generation_id, lanes.tenant_id, lanes.user_id, lanes.provider, oldest.created_at \
  FROM lanes JOIN tenants t ON t.id = lanes.tenant_id AND t.status = 'active' \
 CROSS JOIN LATERAL (\
    SELECT j.generation_id, j.created_at FROM jobs j WHERE j.worker_id IS NULL \
       AND j.tenant_id = lanes.tenant_id AND j.user_id = lanes.user_id AND j.provider = lanes.provider \
       AND (j.not_before IS NULL OR j.not_before <= $1) \
     ORDER BY j.created_at, j.generation_id LIMIT $2) oldest";

const WAITING_SQLITE: &str = "\
SELECT generation_id, tenant_id, user_id, provider, created_at FROM (\
  SELECT j.generation_id, j.tenant_id, j.user_id, j.provider, j.created_at, \
         row_number() OVER (PARTITION BY j.tenant_id, j.user_id, j.provider \
                            ORDER BY j.created_at, j.generation_id) AS place \
    FROM jobs j JOIN tenants t ON t.id = j.tenant_id AND t.status = 'active' \
   WHERE j.worker_id IS NULL AND (j.not_before IS NULL OR j.not_before <= $1)) \
 WHERE place <= $2";
