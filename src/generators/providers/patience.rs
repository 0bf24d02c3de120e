//! How long providers are waited for.

use std::time::Duration;

/// How long each kind of exchange with a provider may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until there is a connection, TLS included. Less than all the others: what takes longer than this
    /// counts as sent.
    pub connection: Duration,
    /// Asking about a job, taking its result, cancelling it: all tries together.
    pub question: Duration,
    /// Submitting a job.
    pub submission: Duration,
    /// A request whose answer is the result.
    pub result: Duration,
    /// Handing over a file, or a part of a large one: all tries together.
    pub upload: Duration,
    /// Before a question is asked again, the first time; twice that the second.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connection: Duration::from_secs(10),
            question: Duration::from_secs(30),
            submission: Duration::from_mins(1),
            result: Duration::from_mins(10),
            upload: Duration::from_mins(5),
            pause: Duration::from_millis(500),
        }
    }
}

/// Before the `polls`th question: soon at first, since some jobs take a second, and then less often.
pub(super) fn growing_interval(polls: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(5);
    let growth = 1.25_f64.powi(polls.min(32).cast_signed());
    FIRST.mul_f64(growth).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_become_rarer_up_to_a_bound() {
        let intervals: Vec<Duration> = (0..40).map(growing_interval).collect();
        assert!(intervals.is_sorted());
        assert_eq!(intervals[0], Duration::from_millis(500));
        assert_eq!(growing_interval(u32::MAX), Duration::from_secs(5));
    }

    #[test]
    fn connecting_is_told_from_waiting() {
        let patience = Patience::default();
        for other in [patience.question, patience.submission, patience.result, patience.upload] {
            assert!(patience.connection < other);
        }
    }
}
