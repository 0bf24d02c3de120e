//! The one task that writes the audit log.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{AuditLog, retention};
use crate::{
    error::{Error, Result},
    store::{AuditRecord, AuditStore, Store},
};

/// How often what has gathered is written: a crash loses no more than this and the time of a write.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often refusals are written; in between equal ones become one row.
const REFUSED_INTERVAL: Duration = Duration::from_millis(700);
/// How long a write may take before it is tried again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait after a write that failed: at first, and at most.
const BACKOFF: (Duration, Duration) = (INTERVAL, Duration::from_secs(5));
/// How often the log says that the audit log cannot be written.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);
/// How long the last events may take to be written when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The running tasks of the audit log. They end when this is dropped; [`AuditWriter::shut_down`]
/// lets them write first.
pub struct AuditWriter {
    stopping: DropGuard,
    writer: JoinHandle<()>,
}

impl AuditWriter {
    /// Starts writing what is recorded, and deleting what is older than `retention`; `None` keeps
    /// everything.
    #[must_use]
    pub fn start(store: &Store, retention: Option<Duration>) -> (AuditLog, Self) {
        let log = AuditLog::default();
        let stopping = CancellationToken::new();
        let task = Task {
            store: store.clone(),
            log: log.clone(),
            pending: Vec::new(),
            refused_due: Instant::now(),
            complained: None,
        };
        let writer = tokio::spawn(task.run(stopping.clone()));
        if let Some(retention) = retention {
            tokio::spawn(retention::run(store.clone(), retention, stopping.clone()));
        }
        (log, Self { stopping: stopping.drop_guard(), writer })
    }

    /// Writes what was recorded until now and ends.
    pub async fn shut_down(mut self) {
        drop(self.stopping);
        if timeout(SHUTDOWN_TIMEOUT, &mut self.writer).await.is_err() {
            self.writer.abort();
            tracing::error!("the last audit events could not be written in time and are lost");
        }
    }
}

struct Task {
    store: Store,
    log: AuditLog,
    /// What was taken out of the queue and is not yet written.
    pending: Vec<AuditRecord>,
    refused_due: Instant,
    complained: Option<Instant>,
}

impl Task {
    async fn run(mut self, stopping: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut backoff = BACKOFF.0;
        while !stopping.is_cancelled() {
            if self.log.queue().allowed() < AuditStore::MAX_ROWS {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.log.full() => {}
                    () = stopping.cancelled() => break,
                }
            }
            self.take(Instant::now() >= self.refused_due);
            if self.write().await {
                backoff = BACKOFF.0;
                continue;
            }
            tokio::select! {
                () = sleep(backoff) => {}
                () = stopping.cancelled() => {}
            }
            backoff = (backoff * 2).min(BACKOFF.1);
        }
        let _ = timeout(SHUTDOWN_TIMEOUT, self.finish()).await;
    }

    /// Writes all there is, as long as it is given time.
    async fn finish(&mut self) {
        loop {
            self.take(true);
            if !self.write().await {
                sleep(BACKOFF.0).await;
            } else if self.log.queue().is_empty() {
                return;
            }
        }
    }

    /// Takes a batch out of the queue, unless the last one is not written yet.
    fn take(&mut self, with_refused: bool) {
        if !self.pending.is_empty() {
            return;
        }
        let mut queue = self.log.queue();
        self.pending = queue.take_allowed(AuditStore::MAX_ROWS);
        if with_refused {
            self.pending.extend(queue.take_refused());
            self.refused_due = Instant::now() + REFUSED_INTERVAL;
        }
    }

    /// Writes the batch; whether it is written.
    async fn write(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let append = self.store.audit();
        let written: Result<()> = timeout(WRITE_TIMEOUT, append.append(&self.pending))
            .await
            .unwrap_or(Err(Error::Timeout));
        match written {
            Ok(()) => self.pending.clear(),
            Err(error) => self.complain(&error),
        }
        self.pending.is_empty()
    }

    fn complain(&mut self, error: &Error) {
        let now = Instant::now();
        if self.complained.is_some_and(|last| now < last + COMPLAINT_INTERVAL) {
            return;
        }
        self.complained = Some(now);
        let waiting = self.pending.len() + self.log.queue().allowed();
        tracing::error!(?error, waiting, "the audit log cannot be written; it is tried again");
    }
}
