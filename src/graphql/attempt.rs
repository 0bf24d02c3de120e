//! Attempts at a generation.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use crate::store::{self, Attempt};

/// What came of an attempt at a generation.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "store::Outcome")]
pub(super) enum AttemptOutcome {
    /// It made what was asked for.
    Completed,
    /// It failed for good.
    Failed,
    /// It failed for a reason that may pass, and is followed by another.
    Retried,
    /// Its worker was stopped and gave it back.
    Released,
    /// Its worker was not heard of any more.
    Lost,
    /// Somebody cancelled it.
    Cancelled,
}

/// One time that a worker took a generation.
#[derive(SimpleObject)]
pub(super) struct GenerationAttempt {
    /// From 1.
    number: i32,
    /// When a worker took the generation.
    started_at: DateTime<Utc>,
    /// When that ended; null while it runs.
    ended_at: Option<DateTime<Utc>>,
    /// What came of it; null while it runs.
    outcome: Option<AttemptOutcome>,
    /// Why it failed.
    message: Option<String>,
    /// Id of the job that the attempt began at the provider.
    external_job_id: Option<String>,
}

impl From<Attempt> for GenerationAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            outcome: attempt.outcome.map(AttemptOutcome::from),
            message: attempt.message,
            external_job_id: attempt.external_job_id,
        }
    }
}
