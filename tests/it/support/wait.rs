//! Waiting for a condition, with a bound, instead of sleeping.

use std::time::{Duration, Instant};

const BOUND: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until `look` finds something; panics with `what` after 20 s.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(BOUND, what, look).await
}

/// The same for what may take another time.
pub(crate) async fn eventually_within<T>(
    bound: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < bound, "waited in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
