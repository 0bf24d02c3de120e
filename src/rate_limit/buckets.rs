//! One limit: a bucket of points for each key, refilled evenly.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore,
};

use super::{clock::LimitClock, key::Key, states::States};
use crate::error::{Error, Result};

/// Keys with a bucket of their own. With their overhead about 50 bytes each.
pub(super) const MOST_KEYS: usize = 100_000;
/// Buckets that all other keys share. A flood that fills these too holds up newcomers alone.
const SHARED: usize = 16_384;
/// How often at most a request that finds no room looks for some.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);

/// Buckets of one size.
pub(super) struct Buckets {
    limiter: RateLimiter<Key, States, LimitClock, NoOpMiddleware<Nanos>>,
    states: States,
    quota: Quota,
    clock: LimitClock,
    started: Nanos,
    /// When a request last looked for room, in nanoseconds of the clock.
    searched: AtomicU64,
}

impl Buckets {
    pub(super) fn new(quota: Quota, clock: LimitClock) -> Self {
        Self::with_room(quota, clock, MOST_KEYS, SHARED)
    }

    fn with_room(quota: Quota, clock: LimitClock, most: usize, shared: usize) -> Self {
        let states = States::new(most, shared);
        let started = clock.now();
        let limiter = RateLimiter::new(quota, states.clone(), clock.clone());
        Self { limiter, states, quota, clock, started, searched: AtomicU64::new(0) }
    }

    /// Takes points from a bucket. What costs more than a bucket holds takes a full one.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there is not enough in it; then nothing was taken.
    pub(super) fn take(&self, key: Key, points: NonZeroU32) -> Result<()> {
        self.make_room(key);
        let points = points.min(self.quota.burst_size());
        let retry_after = match self.limiter.check_key_n(&key, points) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(not_until)) => not_until.wait_time_from(self.clock.now()),
            Err(_more_than_a_bucket_holds) => self.quota.burst_size_replenished_in(),
        };
        Err(Error::RateLimited { retry_after })
    }

    /// Puts a point back that was taken. One that has long been refilled since makes no difference.
    pub(super) fn give_back(&self, key: Key) {
        let point = self.quota.replenish_interval().into();
        let _: Result<(), ()> = self.states.measure_and_replace(&key, |drawn_until| {
            drawn_until.map(|drawn_until| ((), drawn_until.saturating_sub(point))).ok_or(())
        });
    }

    /// Whether there is a point in a bucket. Takes nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there is none.
    pub(super) fn has_some(&self, key: Key) -> Result<()> {
        let Some(drawn_until) = self.states.drawn_until(key) else { return Ok(()) };
        // A bucket may be drawn on for as long as all of it but one point takes to refill.
        let ahead = self.quota.replenish_interval() * (self.quota.burst_size().get() - 1);
        let free_from = drawn_until.saturating_sub(ahead.into());
        let now = self.clock.now().saturating_sub(self.started);
        if free_from <= now {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: free_from.saturating_sub(now).into() })
    }

    /// Whether the key has a bucket of its own, as it has for some time after it was used.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.states.has(key)
    }

    /// Forgets who has been idle.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
    }

    /// Looks at all keys, which costs milliseconds, so rarely.
    fn make_room(&self, key: Key) {
        if !self.states.lacks_room_for(key) {
            return;
        }
        let now = self.clock.now().as_u64();
        let searched = self.searched.load(Ordering::Relaxed);
        if Duration::from_nanos(now.saturating_sub(searched)) < SEARCH_INTERVAL {
            return;
        }
        let mine =
            self.searched.compare_exchange(searched, now, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            self.sweep();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.limiter.len()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    /// Sixty points a minute, ten at once.
    fn quota() -> Quota {
        Quota::per_minute(number(60)).allow_burst(number(10))
    }

    fn with_clock(most: usize, shared: usize) -> (Buckets, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::with_room(quota(), LimitClock::Fake(clock.clone()), most, shared);
        (buckets, clock)
    }

    fn wait(outcome: Result<()>) -> Duration {
        match outcome {
            Err(Error::RateLimited { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bucket_runs_dry_and_refills() {
        let (buckets, clock) = with_clock(10, 1);
        let (ada, bob) = (Key(1), Key(2));
        for _ in 0..10 {
            buckets.take(ada, ONE).expect("there are ten");
        }
        assert_eq!(wait(buckets.take(ada, ONE)), Duration::from_secs(1));
        buckets.take(bob, number(10)).expect("another's bucket is full");
        clock.advance(Duration::from_secs(1));
        buckets.take(ada, ONE).expect("one more");
        assert_eq!(wait(buckets.take(ada, number(3))), Duration::from_secs(3));
        clock.advance(Duration::from_mins(5));
        buckets.take(ada, number(10)).expect("full again");
        wait(buckets.take(ada, ONE));
    }

    #[test]
    fn what_costs_more_than_a_bucket_holds_takes_a_full_one() {
        let (buckets, clock) = with_clock(10, 1);
        buckets.take(Key(1), number(1_000)).expect("the bucket is full");
        assert_eq!(wait(buckets.take(Key(1), number(1_000))), Duration::from_secs(10));
        clock.advance(Duration::from_secs(10));
        buckets.take(Key(1), number(1_000)).expect("full again");
    }

    #[test]
    fn looking_takes_nothing() {
        let (buckets, clock) = with_clock(10, 1);
        buckets.has_some(Key(1)).expect("never used");
        for _ in 0..10 {
            buckets.has_some(Key(1)).expect("not dry yet");
            buckets.take(Key(1), ONE).expect("there are ten");
        }
        assert_eq!(wait(buckets.has_some(Key(1))), Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        buckets.has_some(Key(1)).expect("one more");
        buckets.take(Key(1), ONE).expect("one more");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let (buckets, clock) = with_clock(10, 1);
        buckets.give_back(Key(1));
        buckets.take(Key(1), number(10)).expect("there are ten");
        buckets.give_back(Key(1));
        buckets.take(Key(1), ONE).expect("the one given back");
        wait(buckets.take(Key(1), ONE));
        clock.advance(Duration::from_mins(5));
        buckets.give_back(Key(1));
        buckets.take(Key(1), number(10)).expect("full again");
        wait(buckets.take(Key(1), ONE));
    }

    #[test]
    fn keys_without_room_share_what_is_left() {
        let (buckets, _) = with_clock(2, 1);
        for key in 0..2 {
            buckets.take(Key(key), number(10)).expect("a bucket of its own");
        }
        buckets.take(Key(2), number(10)).expect("the shared bucket");
        wait(buckets.take(Key(3), ONE));
        wait(buckets.has_some(Key(3)));
        assert_eq!(buckets.len(), 2);
    }

    #[test]
    fn who_is_idle_is_forgotten_and_who_owes_is_not() {
        let (buckets, clock) = with_clock(3, 1);
        buckets.take(Key(0), number(10)).expect("full");
        clock.advance(Duration::from_secs(65));
        buckets.take(Key(1), number(10)).expect("full");
        buckets.sweep();
        assert_eq!(buckets.len(), 2, "idle for less than a minute since it owed something");
        clock.advance(Duration::from_secs(9));
        buckets.sweep();
        assert_eq!(buckets.len(), 1);
        wait(buckets.take(Key(1), number(10)));
        for key in 2..4 {
            buckets.take(Key(key), ONE).expect("there is room again");
        }
        assert_eq!(buckets.len(), 3);
        assert!(!buckets.states.lacks_room_for(Key(2)) && buckets.states.lacks_room_for(Key(9)));
    }

    /// A million addresses, each as greedy as its bucket allows, within nine seconds: longer than
    /// that none of their buckets needs to be full again. An old caller who asked for little, and for
    /// nothing in the last half minute, finds its own bucket as it was.
    #[test]
    fn a_million_addresses_are_bounded_and_starve_nobody_who_was_there() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(quota(), LimitClock::Fake(clock.clone()));
        let old = Key(u128::MAX);
        buckets.take(old, ONE).expect("a caller as any other");
        clock.advance(Duration::from_secs(20));
        let mut most = 0;
        for round in 0_u128..10 {
            clock.advance(Duration::from_millis(900));
            for flood in 0..100_000 {
                let _ = buckets.take(Key(round * 100_000 + flood), number(10));
            }
            most = most.max(buckets.len());
        }
        assert_eq!(most, MOST_KEYS, "the flood found the bound");
        assert!(buckets.states.lacks_room_for(Key(999_999)), "the last of it had to share");
        buckets.take(old, number(10)).expect("the flood does not touch it");
        assert_eq!(wait(buckets.take(old, ONE)), Duration::from_secs(1), "nor give it more");
        clock.advance(Duration::from_mins(2));
        buckets.take(Key(7_000_000), number(10)).expect("newcomers have room once it is over");
        buckets.sweep();
        assert_eq!(buckets.len(), 1);
    }
}
