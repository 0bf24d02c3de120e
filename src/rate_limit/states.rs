//! Where the states of buckets are kept: one for each key as long as there is room, and some that
//! the keys share for which there is none.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};

use super::key::Key;

/// How long a key that owes nothing keeps its state: a caller who is active keeps it through a flood
/// of others.
const IDLE: Duration = Duration::from_mins(1);

/// States of buckets by key, in bounded memory. Clones are the same states.
#[derive(Clone)]
pub(super) struct States(Arc<Inner>);

struct Inner {
    own: DashMapStateStore<Key>,
    /// Never less than there are in `own`.
    owned: AtomicUsize,
    most: usize,
    shared: Box<[InMemoryState]>,
    /// Random, so that nobody can choose whom to share with.
    hasher: RandomState,
}

impl States {
    /// Room for `most` keys; all others share `shared` states, at least one.
    pub(super) fn new(most: usize, shared: usize) -> Self {
        Self(Arc::new(Inner {
            own: DashMapStateStore::default(),
            owned: AtomicUsize::new(0),
            most,
            shared: (0..shared.max(1)).map(|_| InMemoryState::default()).collect(),
            hasher: RandomState::new(),
        }))
    }

    /// Whether there is a state of this key's own.
    pub(super) fn has(&self, key: Key) -> bool {
        self.0.own.contains_key(&key)
    }

    /// Whether this key would have to share.
    pub(super) fn lacks_room_for(&self, key: Key) -> bool {
        self.0.owned.load(Ordering::Relaxed) >= self.0.most && !self.has(key)
    }

    /// Until when the key's bucket is drawn on, as time since the limiter's start; `None` for one
    /// that was never used.
    pub(super) fn drawn_until(&self, key: Key) -> Option<Nanos> {
        let read = |state: &InMemoryState| {
            let seen: Result<(), Option<Nanos>> = state.measure_and_replace(&NotKeyed::NonKey, Err);
            seen.err().flatten()
        };
        match self.0.own.get(&key) {
            Some(state) => read(&state),
            None if self.lacks_room_for(key) => read(self.shared(key)),
            None => None,
        }
    }

    fn shared(&self, key: Key) -> &InMemoryState {
        let states = &self.0.shared;
        let length = u64::try_from(states.len()).unwrap_or(u64::MAX);
        let index = self.0.hasher.hash_one(key) % length;
        &states[usize::try_from(index).unwrap_or_default()]
    }

    fn reserve(&self) -> bool {
        let more = |owned| (owned < self.0.most).then_some(owned + 1);
        self.0.owned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn release(&self, keys: usize) {
        self.0.owned.fetch_sub(keys, Ordering::Relaxed);
    }
}

impl StateStore for States {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(state) = self.0.own.get(key) {
            return state.measure_and_replace(&NotKeyed::NonKey, measure);
        }
        if !self.reserve() {
            return self.shared(*key).measure_and_replace(&NotKeyed::NonKey, measure);
        }
        let mut is_new = false;
        let state = self.0.own.entry(*key).or_insert_with(|| {
            is_new = true;
            InMemoryState::default()
        });
        if !is_new {
            self.release(1);
        }
        state.measure_and_replace(&NotKeyed::NonKey, measure)
    }
}

impl ShrinkableKeyedStateStore<Key> for States {
    /// Drops the keys that have owed nothing for a while, and gives memory back when many went.
    fn retain_recent(&self, drop_below: Nanos) {
        let drop_below = drop_below.saturating_sub(IDLE.into());
        let mut removed = 0;
        self.0.own.retain(|_, state| {
            let keep: Result<(), bool> = state
                .measure_and_replace(&NotKeyed::NonKey, |drawn_until| {
                    Err(drawn_until.is_some_and(|drawn_until| drawn_until > drop_below))
                });
            let keep = keep.is_err_and(|keep| keep);
            removed += usize::from(!keep);
            keep
        });
        self.release(removed);
        if removed > self.len() {
            self.shrink_to_fit();
        }
    }

    fn shrink_to_fit(&self) {
        self.0.own.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.0.own.len()
    }

    fn is_empty(&self) -> bool {
        self.0.own.is_empty()
    }
}
