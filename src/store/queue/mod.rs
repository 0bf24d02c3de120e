//! The queue: one row in `jobs` for each generation that still has to run, written with it. A worker holds
//! a row by a lease that it renews, and only the holder can end its generation.

mod attempts;
mod cancellations;
mod claim;
mod enqueue;
mod fair_share;
mod finish;
mod hold;
mod submission;

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use uuid::Uuid;

use super::{
    Event, Generation, Scope, Store, Subject, Viewer,
    entity::generations::{Column, Entity},
};
use crate::{
    domain::{GenerationStatus, JsonObject, Submission},
    error::{Error, Result},
};

pub use attempts::{Attempt, Outcome};
pub use cancellations::ProviderCancellation;
pub use fair_share::ConcurrencyLimits;
pub use finish::Sibling;

pub(super) use attempts::end as end_attempts;
pub(super) use cancellations::request as cancel_at_providers;

/// Who holds jobs: a worker, by another id each time that it takes some. So a run that has lost its job
/// cannot write in the name of the next, even where the same worker has taken the job again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// An id that nobody has had.
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
    /// How far an earlier attempt came with its provider.
    pub submission: Submission,
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
    /// Files beside it, each `{type, url, metadata}`.
    pub additional_files: Vec<serde_json::Value>,
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

    /// Queues generations that have not ended and have no job: those of a database taken over from
    /// an older server. `providers` says who runs a generator. What that server had a provider begin is
    /// not begun again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_orphans(&self, providers: &HashMap<String, String>) -> Result<()> {
        let sql = format!(
            "INSERT INTO jobs (generation_id, tenant_id, user_id, submission, attempts, created_at) \
             SELECT g.id, g.tenant_id, g.user_id, \
                    CASE WHEN g.external_job_id IS NULL THEN '' ELSE '{}' END, 0, g.created_at \
               FROM generations g \
              WHERE g.status IN ('pending', 'processing') \
                AND EXISTS (SELECT 1 FROM tenants t WHERE t.id = g.tenant_id AND t.status = 'active') \
                AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.generation_id = g.id) \
             ON CONFLICT DO NOTHING",
            submission::JOB
        );
        let queued = self.store.write().execute_unprepared(&sql).await?;
        if queued.rows_affected() == 0 {
            return Ok(());
        }
        for (generator, provider) in providers {
            let sql = "UPDATE jobs SET provider = $1 WHERE provider = '' AND generation_id IN (\
                 SELECT id FROM generations WHERE generator_name = $2 \
                    AND status IN ('pending', 'processing'))";
            let values = [provider.as_str().into(), generator.as_str().into()];
            let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
            self.store.write().execute_raw(statement).await?;
        }
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
