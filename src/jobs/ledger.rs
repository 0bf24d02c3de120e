//! Writes down in the store what becomes of a generation at its provider.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::Submission,
    error::Result,
    generators::{JobLedger, LedgerError},
    store::{Generation, Store, WorkerId},
};

/// How long the id of a job that a provider has begun is kept in memory while the database does not answer.
const PERSISTENCE: Duration = Duration::from_mins(5);
/// The same of what could be done again: whether a job is about to be submitted, or was not begun after all.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);
/// How long one who began a job may need to write its id down after another took the generation over.
const OTHERS_PATIENCE: Duration = Duration::from_secs(10);

/// The ledger of one run.
pub(super) struct StoreLedger {
    worker: WorkerId,
    store: Store,
    generation: Generation,
}

/// What is written down of a submission.
#[derive(Clone, Copy)]
enum Step<'a> {
    Begin,
    NotBegun,
    Begun(&'a str),
}

impl StoreLedger {
    pub(super) fn new(worker: WorkerId, store: Store, generation: Generation) -> Self {
        Self { worker, store, generation }
    }

    /// What is known at the beginning of a run. Where it is unknown whether a job was begun, whoever knows
    /// may still be about to say so.
    pub(super) async fn known(&self, mut submission: Submission) -> Result<Submission> {
        let until = tokio::time::Instant::now() + OTHERS_PATIENCE;
        while submission == Submission::Unknown && tokio::time::Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
            match self.store.worker().submission(&self.generation).await? {
                Some(present) => submission = present,
                None => break,
            }
        }
        Ok(submission)
    }

    /// Writes a step, again and again while the database does not answer. Each may be written twice.
    async fn write(&self, step: Step<'_>, patience: Duration) -> Result<(), LedgerError> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let (worker, generation) = (self.store.worker(), &self.generation);
            let written = match step {
                Step::Begin => worker.begin_submission(self.worker, generation).await,
                Step::NotBegun => worker.submission_not_begun(self.worker, generation).await,
                Step::Begun(id) => worker.submission_begun(generation, id).await,
            };
            if written.is_ok() || tokio::time::Instant::now() > until {
                return self.outcome(written);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn outcome(&self, written: Result<bool>) -> Result<(), LedgerError> {
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(LedgerError),
            Err(error) => {
                let generation = self.generation.id;
                tracing::warn!(?error, %generation, "the state of a provider's job was not written");
                Err(LedgerError)
            }
        }
    }
}

#[async_trait]
impl JobLedger for StoreLedger {
    async fn begin(&self) -> Result<(), LedgerError> {
        self.write(Step::Begin, PATIENCE).await
    }

    async fn not_begun(&self) -> Result<(), LedgerError> {
        self.write(Step::NotBegun, PATIENCE).await
    }

    async fn begun(&self, id: &str) -> Result<(), LedgerError> {
        self.write(Step::Begun(id), PERSISTENCE).await
    }
}
