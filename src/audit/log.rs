//! The handle that everything records with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{AuditEvent, queue::Queue};
use crate::{
    error::Result,
    store::{AuditStore, Store},
};

/// Where events are recorded. Cheap to clone.
#[derive(Clone, Default)]
pub struct AuditLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when there is a batch, before its time has come.
    full: Notify,
}

impl AuditLog {
    /// Records an event. Never waits for the database and never fails: what finds no room is counted.
    pub fn record(&self, event: AuditEvent) {
        let record = event.into_record();
        let mut queue = self.queue();
        queue.push(record);
        let full = queue.allowed() >= AuditStore::MAX_ROWS;
        drop(queue);
        if full {
            self.0.full.notify_one();
        }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn full(&self) {
        self.0.full.notified().await;
    }
}

/// Writes an event before it returns: for commands, which have no writer running.
///
/// # Errors
/// When the database does not answer.
pub async fn record_at_once(store: &Store, event: AuditEvent) -> Result<()> {
    store.audit().append(&[event.into_record()]).await
}
