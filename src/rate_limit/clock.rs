//! The time by which limits are judged.

use std::time::Instant;

use governor::{
    clock::{Clock, FakeRelativeClock},
    nanos::Nanos,
};

/// A clock that never goes back, or one that a test turns.
#[derive(Clone, Debug)]
pub enum LimitClock {
    /// The machine's monotonic clock, counted from this instant.
    System(Instant),
    /// A test's clock.
    Fake(FakeRelativeClock),
}

impl LimitClock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::System(Instant::now())
    }
}

impl Clock for LimitClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        match self {
            Self::System(started) => started.elapsed().into(),
            Self::Fake(clock) => clock.now(),
        }
    }
}
