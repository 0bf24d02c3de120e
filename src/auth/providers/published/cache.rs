//! The keys of one issuer, fetched as seldom as possible by one request for all that wait. All
//! decisions are made by the time that callers give, so that tests can turn it.

use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use tokio::sync::watch;

use super::{
    super::{
        client::Outage,
        jwt::Fault,
        locked,
        patience::{Patience, is_within},
    },
    key_set::{Found, KeySet},
    source::{Fetched, KeySource},
};
use crate::config::JwtAlgorithm;

/// How long keys are used after the provider has last given them, while it is down.
const USABLE: TimeDelta = TimeDelta::hours(24);
/// How often keys are fetched because a token names one that is not there.
const UNKNOWN_KEY_INTERVAL: TimeDelta = TimeDelta::seconds(30);

/// Keys as they were fetched.
#[derive(Debug)]
struct Cached {
    keys: KeySet,
    at: DateTime<Utc>,
    age: TimeDelta,
}

impl Cached {
    /// The provider need not be asked.
    fn is_current(&self, now: DateTime<Utc>) -> bool {
        is_within(now, self.at, self.age)
    }

    /// It is time to ask, in the background.
    fn is_ageing(&self, now: DateTime<Utc>) -> bool {
        !is_within(now, self.at, self.age * 3 / 4)
    }

    /// Better than nothing.
    fn is_usable(&self, now: DateTime<Utc>) -> bool {
        is_within(now, self.at, USABLE)
    }
}

/// How a fetch ended; its failure has been remembered and logged.
type Outcome = Option<Arc<Cached>>;
type Flight = watch::Receiver<Option<Outcome>>;

#[derive(Default)]
struct State {
    cached: Option<Arc<Cached>>,
    patience: Patience,
    asked_for_unknown: Option<DateTime<Utc>>,
    flight: Option<Flight>,
}

struct Shared {
    provider: Arc<str>,
    source: KeySource,
    state: Mutex<State>,
}

/// What is to be done for a token.
enum Plan {
    /// These keys are good enough.
    Use(Arc<Cached>),
    /// Wait for others; where they do not come, these will do.
    Wait(Flight, Outcome),
    /// Nothing can be known now.
    GiveUp,
}

/// The keys of one issuer.
pub(in super::super) struct KeyCache(Arc<Shared>);

impl KeyCache {
    /// An empty cache; nothing is fetched before the first token or [`prepare`](Self::prepare).
    pub(in super::super) fn new(provider: Arc<str>, source: KeySource) -> Self {
        Self(Arc::new(Shared { provider, source, state: Mutex::default() }))
    }

    /// Fetches the keys in the background, so that the first token need not wait.
    pub(in super::super) fn prepare(&self, now: DateTime<Utc>) {
        self.flight(&mut self.state(), now);
    }

    /// The key with this id, or without one the only key, that fits the algorithm.
    ///
    /// # Errors
    /// [`Fault::Key`] when the provider has no such key; [`Fault::Unavailable`] when that cannot
    /// be known, because the provider does not answer.
    pub(in super::super) async fn key(
        &self,
        id: Option<&str>,
        algorithm: JwtAlgorithm,
        now: DateTime<Utc>,
    ) -> Result<Arc<DecodingKey>, Fault> {
        let (cached, just_fetched) = self.current(now).await?;
        match cached.keys.find(id, algorithm) {
            Found::Key(key) => return Ok(Arc::clone(key)),
            Found::Several => return Err(Fault::Key),
            Found::Nothing if just_fetched => return Err(Fault::Key),
            Found::Nothing => {}
        }
        let cached = self.fetched_again(&cached, now).await?;
        match cached.keys.find(id, algorithm) {
            Found::Key(key) => Ok(Arc::clone(key)),
            Found::Nothing | Found::Several => Err(Fault::Key),
        }
    }

    /// The keys, and whether this call has waited for them.
    async fn current(&self, now: DateTime<Utc>) -> Result<(Arc<Cached>, bool), Fault> {
        let plan = self.plan(now);
        match plan {
            Plan::Use(cached) => Ok((cached, false)),
            Plan::Wait(flight, fallback) => match landed(flight).await {
                Some(cached) => Ok((cached, true)),
                None => fallback.map(|cached| (cached, false)).ok_or(Fault::Unavailable),
            },
            Plan::GiveUp => Err(Fault::Unavailable),
        }
    }

    fn plan(&self, now: DateTime<Utc>) -> Plan {
        let mut state = self.state();
        let cached = state.cached.clone().filter(|cached| cached.is_usable(now));
        match cached {
            Some(cached) if cached.is_current(now) || state.patience.is_down() => {
                if cached.is_ageing(now) {
                    self.flight(&mut state, now);
                }
                Plan::Use(cached)
            }
            cached => match (self.flight(&mut state, now), cached) {
                (Some(flight), cached) => Plan::Wait(flight, cached),
                (None, Some(cached)) => Plan::Use(cached),
                (None, None) => Plan::GiveUp,
            },
        }
    }

    /// The keys after those that have been `seen`, because what is looked for is not among them.
    async fn fetched_again(
        &self,
        seen: &Arc<Cached>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Cached>, Fault> {
        let flight = {
            let mut state = self.state();
            if let Some(cached) = state.cached.as_ref().filter(|cached| !Arc::ptr_eq(cached, seen))
            {
                return Ok(Arc::clone(cached));
            }
            let is_under_way = running(&state).is_some();
            let lately = |then| is_within(now, then, UNKNOWN_KEY_INTERVAL);
            if !is_under_way && state.asked_for_unknown.is_some_and(lately) {
                let is_down = state.patience.is_down();
                return Err(if is_down { Fault::Unavailable } else { Fault::Key });
            }
            let flight = self.flight(&mut state, now).ok_or(Fault::Unavailable)?;
            if !is_under_way {
                state.asked_for_unknown = Some(now);
            }
            flight
        };
        landed(flight).await.ok_or(Fault::Unavailable)
    }

    /// The fetch that is under way, or a new one; `None` when the last has just failed.
    ///
    /// It runs in a task of its own: callers come and go, and one that hangs up must not take the
    /// others' answer along.
    fn flight(&self, state: &mut State, now: DateTime<Utc>) -> Option<Flight> {
        if let Some(flight) = running(state) {
            return Some(flight);
        }
        if state.patience.is_waiting(now) {
            return None;
        }
        let (sender, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let fetched = shared.source.fetch(now).await;
            sender.send_replace(Some(shared.land(fetched, now)));
        });
        Some(flight)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }
}

impl Shared {
    fn land(&self, fetched: Result<Fetched, Outage>, now: DateTime<Utc>) -> Outcome {
        let mut state = locked(&self.state);
        state.flight = None;
        match fetched {
            Ok(Fetched { keys, age }) => {
                state.patience.succeeded(&self.provider);
                let cached = Arc::new(Cached { keys, at: now, age });
                state.cached = Some(Arc::clone(&cached));
                Some(cached)
            }
            Err(outage) => {
                state.patience.failed(&self.provider, outage, now);
                None
            }
        }
    }
}

/// A flight whose task has gone without an outcome has ended too.
fn running(state: &State) -> Option<Flight> {
    state.flight.clone().filter(|flight| flight.has_changed().is_ok())
}

async fn landed(mut flight: Flight) -> Outcome {
    flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone().flatten())
}

#[cfg(test)]
mod tests;
