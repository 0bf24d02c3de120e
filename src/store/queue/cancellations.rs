//! Jobs that are to be stopped at their provider although nobody here waits for them any more. Written in
//! the transaction that cancels or deletes the generation, and kept until the provider has been told.

use chrono::{Duration, Utc};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, LockBehavior, LockType, OnConflict, Query, SelectStatement},
};

use uuid::Uuid;

use super::{WorkerStore, submission};
use crate::{
    domain::{GenerationId, TenantId},
    error::Result,
    store::{
        Transaction,
        entity::{
            generations, jobs,
            provider_cancellations::{ActiveModel, Column, Entity, Model},
        },
        now,
    },
};

/// How often a provider is told at most; a job ends by itself at some time.
pub(super) const ATTEMPTS_MAX: i32 = 12;
/// How long one who tells a provider may take before another does.
const LEASE: Duration = Duration::seconds(60);

/// A job that is to be stopped at its provider.
#[derive(Clone, Debug)]
pub struct ProviderCancellation {
    /// The generation that it was for, which may be gone.
    pub generation: GenerationId,
    /// Whose key counts.
    pub tenant: TenantId,
    /// What ran it.
    pub generator_name: String,
    /// Its id at the provider.
    pub external_job_id: String,
    /// How often the provider has been told, this time included.
    pub attempts: i32,
}

impl From<Model> for ProviderCancellation {
    fn from(row: Model) -> Self {
        Self {
            generation: row.generation_id.into(),
            tenant: row.tenant_id.into(),
            generator_name: row.generator_name,
            external_job_id: row.external_job_id,
            attempts: row.attempts,
        }
    }
}

/// One to be written.
pub(super) struct NewCancellation<'a> {
    pub(super) generation: GenerationId,
    pub(super) tenant: TenantId,
    pub(super) generator_name: &'a str,
    pub(super) external_job_id: &'a str,
}

impl NewCancellation<'_> {
    pub(super) async fn insert(&self, transaction: &Transaction) -> Result<()> {
        let row = ActiveModel {
            generation_id: Set(self.generation.0),
            tenant_id: Set(self.tenant.0),
            generator_name: Set(self.generator_name.to_owned()),
            external_job_id: Set(self.external_job_id.to_owned()),
            attempts: Set(0),
            not_before: Set(None),
            created_at: Set(now()),
        };
        Entity::insert(row).on_conflict(once()).exec_without_returning(transaction).await?;
        Ok(())
    }
}

fn once() -> OnConflict {
    OnConflict::column(Column::GenerationId).do_nothing_on([Column::GenerationId]).to_owned()
}

/// Has the jobs of `chosen` generations stopped at their providers. Before their rows in `jobs` go, which
/// say which of them a provider has begun. They are locked first, in the order of ids: whoever is writing
/// down that a provider has begun one is waited for.
pub(in crate::store) async fn request(
    transaction: &Transaction,
    chosen: SelectStatement,
) -> Result<()> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        jobs::Entity::find()
            .select_only()
            .column(jobs::Column::GenerationId)
            .filter(jobs::Column::GenerationId.in_subquery(chosen.clone()))
            .order_by_asc(jobs::Column::GenerationId)
            .lock(LockType::Update)
            .into_tuple::<Uuid>()
            .all(transaction)
            .await?;
    }
    let begun = generations::Entity::find()
        .select_only()
        .columns([
            generations::Column::Id,
            generations::Column::TenantId,
            generations::Column::GeneratorName,
            generations::Column::ExternalJobId,
        ])
        .expr(Expr::value(0))
        .expr(Expr::value(now()))
        .filter(generations::Column::ExternalJobId.is_not_null())
        .filter(generations::Column::Id.in_subquery(with_a_job(chosen)))
        .into_query();
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([
            Column::GenerationId,
            Column::TenantId,
            Column::GeneratorName,
            Column::ExternalJobId,
            Column::Attempts,
            Column::CreatedAt,
        ])
        .on_conflict(once());
    insert.select_from(begun).map_err(crate::error::Error::internal)?;
    transaction.execute(&insert).await?;
    Ok(())
}

fn with_a_job(chosen: SelectStatement) -> SelectStatement {
    jobs::Entity::find()
        .select_only()
        .column(jobs::Column::GenerationId)
        .filter(jobs::Column::Submission.eq(submission::JOB))
        .filter(jobs::Column::GenerationId.in_subquery(chosen))
        .into_query()
}

impl WorkerStore<'_> {
    /// Takes at most `limit` jobs that are to be stopped at their provider, for a minute; afterwards they
    /// are tried again, by whoever comes, less and less often.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_cancellations(&self, limit: u64) -> Result<Vec<ProviderCancellation>> {
        let now = now();
        let due = Column::NotBefore.is_null().or(Column::NotBefore.lte(now));
        if Entity::find().filter(due.clone()).one(self.store.read()).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut chosen = Entity::find()
            .select_only()
            .column(Column::GenerationId)
            .filter(due)
            .order_by_asc(Column::CreatedAt)
            .limit(limit)
            .into_query();
        chosen.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let rows = Entity::update_many()
            .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
            .col_expr(Column::NotBefore, Expr::value(now + LEASE))
            .filter(Column::GenerationId.in_subquery(chosen))
            .exec_with_returning(self.store.write())
            .await?;
        Ok(rows.into_iter().map(ProviderCancellation::from).collect())
    }

    /// The provider has been told, or will not be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_cancellation(&self, cancellation: &ProviderCancellation) -> Result<()> {
        Entity::delete_by_id(cancellation.generation.0).exec(self.store.write()).await?;
        Ok(())
    }

    /// The provider could not be told: it is tried again after `pause`. False when that was tried often
    /// enough, and the job is left to end by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retry_cancellation(
        &self,
        cancellation: &ProviderCancellation,
        pause: Duration,
    ) -> Result<bool> {
        if cancellation.attempts >= ATTEMPTS_MAX {
            self.forget_cancellation(cancellation).await?;
            return Ok(false);
        }
        Entity::update_many()
            .col_expr(Column::NotBefore, Expr::value(Utc::now() + pause))
            .filter(Column::GenerationId.eq(cancellation.generation.0))
            .exec(self.store.write())
            .await?;
        Ok(true)
    }
}
