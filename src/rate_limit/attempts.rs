//! Tokens that are being judged. Requests that bring the same one at once wait for the first of them,
//! so that a page which asks for a hundred things with a fresh token has tried once.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::key::Key;

/// From where, and with what.
type Tried = (Key, Key);

/// What is being judged at this moment: at most an entry for each request that is under way.
#[derive(Clone, Default)]
pub(super) struct Attempts(Arc<Mutex<HashMap<Tried, watch::Receiver<bool>>>>);

/// Whether a request is the first with its token.
pub(super) enum Turn {
    /// It is: the others wait until this goes.
    First(Trial),
    /// Another was, and the token is good.
    Good,
}

/// The first request with a token.
pub(super) struct Trial {
    attempts: Attempts,
    tried: Tried,
    good: watch::Sender<bool>,
}

impl Trial {
    pub(super) fn succeeded(&self) {
        self.good.send_replace(true);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Before the sender goes: whoever waited finds the place free.
        self.attempts.lock().remove(&self.tried);
    }
}

impl Attempts {
    /// Waits for others with the same token from the same address. If theirs was not good, one after
    /// the other is the first.
    pub(super) async fn turn(&self, address: Key, token: Key) -> Turn {
        loop {
            let mut outcome = match self.enter((address, token)) {
                Ok(trial) => return Turn::First(trial),
                Err(outcome) => outcome,
            };
            // An error says that the trial ended and the token was not good.
            if outcome.wait_for(|good| *good).await.is_ok() {
                return Turn::Good;
            }
        }
    }

    fn enter(&self, tried: Tried) -> Result<Trial, watch::Receiver<bool>> {
        match self.lock().entry(tried) {
            Entry::Occupied(under_way) => Err(under_way.get().clone()),
            Entry::Vacant(place) => {
                let (good, outcome) = watch::channel(false);
                place.insert(outcome);
                Ok(Trial { attempts: self.clone(), tried, good })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tried, watch::Receiver<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const HERE: Key = Key(1);
    const TOKEN: Key = Key(2);

    fn first(turn: Turn) -> Trial {
        match turn {
            Turn::First(trial) => trial,
            Turn::Good => panic!("nobody tried it"),
        }
    }

    #[tokio::test]
    async fn others_wait_for_the_first_and_share_what_it_found() {
        let attempts = Attempts::default();
        let trial = first(attempts.turn(HERE, TOKEN).await);
        let mut second = Box::pin(attempts.turn(HERE, TOKEN));
        assert!(second.as_mut().now_or_never().is_none());
        for other in [(Key(3), TOKEN), (HERE, Key(4))] {
            first(attempts.turn(other.0, other.1).now_or_never().expect("nobody else"));
        }
        trial.succeeded();
        drop(trial);
        assert!(matches!(second.await, Turn::Good));
        assert!(attempts.lock().is_empty());
    }

    #[tokio::test]
    async fn after_a_bad_one_the_next_is_the_first() {
        let attempts = Attempts::default();
        let trial = first(attempts.turn(HERE, TOKEN).await);
        let mut second = Box::pin(attempts.turn(HERE, TOKEN));
        let mut third = Box::pin(attempts.turn(HERE, TOKEN));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(trial);
        let trial = first(second.await);
        assert!(third.as_mut().now_or_never().is_none());
        drop(trial);
        first(third.await);
        assert!(attempts.lock().is_empty());
    }
}
