//! How long a job waits before it is tried again.

use std::time::Duration;

/// Before the second attempt, at most.
const FIRST: Duration = Duration::from_secs(2);
/// Before any attempt, at most.
const LONGEST: Duration = Duration::from_mins(2);
/// As long as a provider may ask for.
const PATIENCE: Duration = Duration::from_mins(10);

/// The pause after attempt number `attempt`, from 1: up to twice as long each time, and at least half of
/// that, by chance, so that what failed together does not come back together. `wanted` is what the provider
/// asked for, at least.
pub(super) fn pause(attempt: u32, wanted: Option<Duration>) -> Duration {
    let most = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let by_chance = most.mul_f64(0.5 + fastrand::f64() / 2.0);
    match wanted {
        // A little later than asked, for the same reason.
        Some(wanted) => by_chance.max(wanted.min(PATIENCE) + by_chance.mul_f64(0.25)),
        None => by_chance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_vary() {
        for (attempt, most) in [(1, 2.0), (2, 4.0), (3, 8.0), (7, 120.0), (100, 120.0)] {
            let pauses: Vec<f64> = (0..50).map(|_| pause(attempt, None).as_secs_f64()).collect();
            assert!(pauses.iter().all(|pause| (most / 2.0..=most).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| (pause - pauses[0]).abs() > f64::EPSILON));
        }
    }

    #[test]
    fn a_provider_is_left_alone_as_long_as_it_wants_within_reason() {
        let wanted = pause(1, Some(Duration::from_secs(30)));
        assert!((30.0..31.0).contains(&wanted.as_secs_f64()), "{wanted:?}");
        assert!(pause(1, Some(Duration::from_hours(24))) < Duration::from_mins(11));
    }
}
