//! What other processes did that ends sessions here: suspended users, revoked access tokens, closed
//! tenants. One look a second for the whole process, and none while nobody has a session open.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::store::{SessionChange, Store};

/// How long a change made by another process may stay unheard.
const INTERVAL: Duration = Duration::from_secs(1);
/// How far back each look goes: the clocks of servers may differ by as much, and a transaction may
/// take as long from its time to its commit.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// Announces the changes that other processes made, until the server stops.
pub async fn announce_changes_of_others(store: Store, stopping: CancellationToken) {
    let mut feed = Feed { heard: HashSet::new() };
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        if store.events().has_sessions() {
            feed.look(&store, Utc::now()).await;
        }
    }
}

/// A change and when it was made, so that one made again is heard again.
type Heard = (SessionChange, DateTime<Utc>);

struct Feed {
    heard: HashSet<Heard>,
}

impl Feed {
    async fn look(&mut self, store: &Store, now: DateTime<Utc>) {
        let since = now - OVERLAP;
        let changes = match store.system().session_changes_since(since).await {
            Ok(changes) => changes,
            // The next look sees the same and more; sessions are judged by the clock as well.
            Err(error) => {
                tracing::debug!(?error, "changes of sessions cannot be read");
                return;
            }
        };
        self.heard.retain(|(_, at)| *at >= since);
        for change in changes {
            if self.heard.insert(change) {
                store.events().session_was_changed(change.0);
            }
        }
    }
}
