//! The end of old events: deleted in small batches, at the start and then hourly. Processes on one
//! database may all do it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::{error::Result, store::Store};

const INTERVAL: Duration = Duration::from_hours(1);
/// Rows in one statement: few, for on SQLite other writers wait meanwhile.
const BATCH: u64 = 500;
/// Between two statements, for the others.
const PAUSE: Duration = Duration::from_millis(50);

/// Deletes what is older than `retention` until it is stopped.
pub(super) async fn run(store: Store, retention: Duration, stopping: CancellationToken) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopping.cancelled() => return,
        }
        let Some(end) = end_of(retention) else { continue };
        tokio::select! {
            deleted = delete_before(&store, end) => match deleted {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "audit events older than the retention"),
                Err(error) => tracing::warn!(?error, "old audit events were not deleted"),
            },
            () = stopping.cancelled() => return,
        }
    }
}

fn end_of(retention: Duration) -> Option<DateTime<Utc>> {
    Utc::now().checked_sub_signed(TimeDelta::from_std(retention).ok()?)
}

async fn delete_before(store: &Store, end: DateTime<Utc>) -> Result<u64> {
    let mut all = 0;
    loop {
        let deleted = store.audit().delete_before(end, BATCH).await?;
        all += deleted;
        if deleted < BATCH {
            return Ok(all);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
