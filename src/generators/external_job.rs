//! What is written down of a job at a provider, so that no job is ever paid for twice: that it is about
//! to be submitted before it is, and its id before anything else is done with it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::domain::Submission;

/// Nothing could be written down: this worker no longer holds the job, or the database does not answer.
/// Whoever gets this stops at once; what was learned is dealt with by the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of the job could not be written down")]
pub struct LedgerError;

/// Writes down what becomes of one generation at its provider.
#[async_trait]
pub trait JobLedger: Send + Sync {
    /// The job is about to be submitted. From now on, until one of the other two, it is unknown whether
    /// the provider has begun it.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing may be submitted then.
    async fn begin(&self) -> Result<(), LedgerError>;

    /// The provider has surely not begun it: nothing reached it, or it refused.
    ///
    /// # Errors
    /// [`LedgerError`].
    async fn not_begun(&self) -> Result<(), LedgerError>;

    /// The provider has begun it under this id.
    ///
    /// # Errors
    /// [`LedgerError`]: the generation was cancelled meanwhile, and the ledger sees to it that the job is
    /// cancelled at the provider.
    async fn begun(&self, id: &str) -> Result<(), LedgerError>;
}

/// The job of one run at its provider. Cheap to clone.
#[derive(Clone)]
pub struct ExternalJob {
    submission: Submission,
    ledger: Arc<dyn JobLedger>,
}

impl ExternalJob {
    /// What is known at the beginning of the run, and where more is written down.
    pub fn new(submission: Submission, ledger: Arc<dyn JobLedger>) -> Self {
        Self { submission, ledger }
    }

    /// For runs that nobody writes down: of a generator in this process, or by hand.
    #[must_use]
    pub fn untracked() -> Self {
        Self::new(Submission::NotBegun, Arc::new(Untracked))
    }

    /// What was known when the run began.
    #[must_use]
    pub fn submission(&self) -> &Submission {
        &self.submission
    }

    /// Where to write down what comes.
    #[must_use]
    pub fn ledger(&self) -> &dyn JobLedger {
        self.ledger.as_ref()
    }
}

impl fmt::Debug for ExternalJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ExternalJob").field(&self.submission).finish()
    }
}

struct Untracked;

#[async_trait]
impl JobLedger for Untracked {
    async fn begin(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn not_begun(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn begun(&self, _id: &str) -> Result<(), LedgerError> {
        Ok(())
    }
}
