//! How far a job's submission to its provider has come. It is written before anything is sent, and what the
//! provider answers before anything else is done with it, so that whoever takes the job over knows.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{WorkerId, WorkerStore, cancellations::NewCancellation};
use crate::{
    domain::Submission,
    error::{Error, Result},
    store::{
        Generation,
        entity::{
            generation_attempts,
            generations::{Column, Entity},
            jobs,
        },
    },
};

/// Nothing was sent.
const NOT_BEGUN: &str = "";
/// It was to be sent; what came of it nobody has learned yet.
const UNKNOWN: &str = "begun";
/// The provider has begun it; its id stands with the generation.
pub(super) const JOB: &str = "job";

/// The longest id that the column holds, in characters.
const ID_MAX: usize = 255;

/// What the row of a job says.
pub(super) fn read(submission: &str, external_job_id: Option<&str>) -> Submission {
    match (submission, external_job_id) {
        (NOT_BEGUN, _) => Submission::NotBegun,
        (JOB, Some(id)) => Submission::Job(id.to_owned()),
        _ => Submission::Unknown,
    }
}

impl WorkerStore<'_> {
    /// Writes that a job is about to be submitted. False when this worker no longer holds it: then it must
    /// not be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_submission(
        &self,
        worker: WorkerId,
        generation: &Generation,
    ) -> Result<bool> {
        self.write_submission(worker, generation, UNKNOWN).await
    }

    /// Writes that the provider has surely not begun a job. False as in
    /// [`WorkerStore::begin_submission`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn submission_not_begun(
        &self,
        worker: WorkerId,
        generation: &Generation,
    ) -> Result<bool> {
        self.write_submission(worker, generation, NOT_BEGUN).await
    }

    async fn write_submission(
        &self,
        worker: WorkerId,
        generation: &Generation,
        state: &str,
    ) -> Result<bool> {
        let written = jobs::Entity::update_many()
            .col_expr(jobs::Column::Submission, Expr::value(state))
            .filter(jobs::Column::GenerationId.eq(generation.id.0))
            .filter(jobs::Column::WorkerId.eq(worker.0))
            .exec(self.store.write())
            .await?;
        Ok(written.rows_affected > 0)
    }

    /// Writes the id under which the provider has begun a job, whoever holds the job now. False when it was
    /// cancelled or deleted meanwhile: then it is to be cancelled at the provider, which this sees to.
    ///
    /// # Errors
    /// When the database does not answer, or an id that is empty or too long.
    pub async fn submission_begun(&self, generation: &Generation, id: &str) -> Result<bool> {
        if id.is_empty() || id.chars().count() > ID_MAX {
            return Err(Error::internal("the provider's id of the job cannot be kept"));
        }
        let transaction = self.store.begin().await?;
        let waiting = jobs::Entity::update_many()
            .col_expr(jobs::Column::Submission, Expr::value(JOB))
            .filter(jobs::Column::GenerationId.eq(generation.id.0))
            .exec(&transaction)
            .await?;
        if waiting.rows_affected == 0 {
            let cancellation = NewCancellation {
                generation: generation.id,
                tenant: generation.tenant,
                generator_name: &generation.generator_name,
                external_job_id: id,
            };
            cancellation.insert(&transaction).await?;
            transaction.commit().await?;
            self.store.events().provider_cancellation();
            return Ok(false);
        }
        Entity::update_many()
            .col_expr(Column::ExternalJobId, Expr::value(id))
            .filter(Column::Id.eq(generation.id.0))
            .exec(&transaction)
            .await?;
        generation_attempts::Entity::update_many()
            .col_expr(generation_attempts::Column::ExternalJobId, Expr::value(id))
            .filter(generation_attempts::Column::GenerationId.eq(generation.id.0))
            .filter(generation_attempts::Column::EndedAt.is_null())
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        self.publish(generation);
        Ok(true)
    }

    /// How far the submission of a job has come by now; none when there is no job any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn submission(&self, generation: &Generation) -> Result<Option<Submission>> {
        let Some(job) = jobs::Entity::find_by_id(generation.id.0).one(self.store.write()).await?
        else {
            return Ok(None);
        };
        let row = Entity::find_by_id(generation.id.0).one(self.store.write()).await?;
        let external_job_id = row.and_then(|row| row.external_job_id);
        Ok(Some(read(&job.submission, external_job_id.as_deref())))
    }
}
