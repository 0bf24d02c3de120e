//! How long to leave a provider alone that has just failed, and how often to say so in the log.

use chrono::{DateTime, TimeDelta, Utc};

use super::client::Outage;

/// How long a failure is taken for the next one's too.
const BACK_OFF: TimeDelta = TimeDelta::seconds(5);
/// How often a provider that stays down is mentioned.
const REMINDER: TimeDelta = TimeDelta::minutes(1);
/// Requests that run side by side read the clock one after the other; a clock that was set back
/// further than this has forgotten what it knew.
const DISORDER: TimeDelta = TimeDelta::minutes(1);

/// Whether less than `period` has passed since `then`.
pub(super) fn is_within(now: DateTime<Utc>, then: DateTime<Utc>, period: TimeDelta) -> bool {
    let passed = now - then;
    passed < period && passed > -DISORDER
}

/// What is remembered of a provider's failures.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failed_at: Option<DateTime<Utc>>,
    warned_at: Option<DateTime<Utc>>,
}

impl Patience {
    /// Whether the last attempt failed.
    pub(super) fn is_down(&self) -> bool {
        self.failed_at.is_some()
    }

    /// Whether it failed so lately that another one is not worth its time.
    pub(super) fn is_waiting(&self, now: DateTime<Utc>) -> bool {
        self.failed_at.is_some_and(|then| is_within(now, then, BACK_OFF))
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, provider: &str, outage: Outage, now: DateTime<Utc>) {
        self.failed_at = Some(now);
        self.warn(provider, outage, now);
    }

    /// Says in the log what failed, unless it has just been said.
    pub(super) fn warn(&mut self, provider: &str, outage: Outage, now: DateTime<Utc>) {
        if self.warned_at.is_some_and(|then| is_within(now, then, REMINDER)) {
            tracing::debug!(provider, reason = %outage, "the identity provider failed again");
            return;
        }
        self.warned_at = Some(now);
        tracing::warn!(provider, reason = %outage, "the identity provider failed");
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self, provider: &str) {
        if self.failed_at.take().is_some() {
            self.warned_at = None;
            tracing::info!(provider, "the identity provider answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_forwards_or_was_set_back() {
        let then = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let within = |passed: TimeDelta| is_within(then + passed, then, TimeDelta::seconds(30));
        assert!(within(TimeDelta::zero()) && within(TimeDelta::milliseconds(29_999)));
        assert!(within(TimeDelta::seconds(-1)), "another request's clock");
        assert!(!within(TimeDelta::seconds(30)));
        assert!(!within(TimeDelta::hours(-1)), "the clock was set back");
    }
}
