//! When access tokens were last used: kept in memory, and written for all of them together once a
//! minute. So the time that is stored is right to the minute, and no request waits for a write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, SubsecRound, Utc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{domain::AccessTokenId, error::Result, store::Store};

/// How often what was noted is written.
pub const WRITE_INTERVAL: Duration = Duration::from_mins(1);

type Uses = HashMap<AccessTokenId, DateTime<Utc>>;

/// The uses that are not written yet, one for each token that was used since. Only valid tokens are
/// noted, so there are never more than have been issued. Cheap to clone.
#[derive(Clone, Default)]
pub struct TokenUses(Arc<Inner>);

#[derive(Default)]
struct Inner {
    uses: Mutex<Uses>,
    /// Held while writing: so that the last write before the end waits for one that runs.
    writing: tokio::sync::Mutex<()>,
}

impl TokenUses {
    pub(super) fn note(&self, token: AccessTokenId, now: DateTime<Utc>) {
        self.with(|uses| uses.insert(token, now.trunc_subsecs(6)));
    }

    /// Writes what was noted. What cannot be written is kept for the next time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn write(&self, store: &Store) -> Result<()> {
        let _writing = self.0.writing.lock().await;
        let uses = self.with(std::mem::take);
        if uses.is_empty() {
            return Ok(());
        }
        let written = store.system().note_token_uses(&uses).await;
        if written.is_err() {
            self.with(|newer| {
                for (token, time) in uses {
                    newer.entry(token).or_insert(time);
                }
            });
        }
        written
    }

    /// Writes at every interval until `stopping`; what is noted after that is for whoever stops.
    pub fn write_regularly(&self, store: Store, interval: Duration, stopping: CancellationToken) {
        let uses = self.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(interval);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stopping.run_until_cancelled(tick.tick()).await.is_some() {
                if let Err(error) = uses.write(&store).await {
                    tracing::warn!(?error, "the last use of access tokens was not written");
                }
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Uses) -> T) -> T {
        act(&mut self.0.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use tempfile::TempDir;

    use super::*;
    use crate::config::DatabaseUrl;

    #[tokio::test]
    async fn what_cannot_be_written_is_kept_unless_there_is_newer() {
        let folder = TempDir::new().expect("a folder");
        let url = DatabaseUrl::embedded(folder.path());
        let store = Store::connect(&url, 1, Duration::from_secs(5)).await.expect("it opens");
        let (uses, token, now) = (TokenUses::default(), AccessTokenId::new(), Utc::now());
        uses.note(token, now);
        uses.write(&store).await.expect_err("there is no table yet");
        assert_eq!(uses.with(|uses| uses.len()), 1);
        let later = (now + TimeDelta::seconds(1)).trunc_subsecs(6);
        uses.note(token, later);
        uses.write(&store).await.expect_err("there is no table yet");
        assert_eq!(uses.with(|uses| uses.get(&token).copied()), Some(later));
        store.migrate_up(&url).await.expect("the migrations run");
        uses.write(&store).await.expect("it can be written");
        assert_eq!(uses.with(|uses| uses.len()), 0);
    }
}
