//! Announcing committed changes inside this process. An event says what to read again, never what
//! is in it: whoever listens reads with their own scope and sees only what they may.

use std::sync::Arc;

use tokio::sync::{Notify, broadcast};

use crate::domain::{AccessTokenId, BoardId, GenerationId, TenantId, UserId};

/// Events that a slow listener may fall behind before it is told to read again.
const CAPACITY: usize = 1024;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The board itself or who may see it.
    Board,
    /// A generation on it: made, moved on, tagged or deleted.
    Generation(GenerationId),
}

/// A committed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The tenant in which it happened.
    pub tenant: TenantId,
    /// The board on which it happened.
    pub board: BoardId,
    /// What to read again.
    pub subject: Subject,
}

/// Whose sessions are to be judged again, because they may have ended: what lives longer than a
/// request, such as a WebSocket, hears of it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionChange {
    /// A user was suspended or has gone.
    User(UserId),
    /// An access token was revoked.
    AccessToken(AccessTokenId),
    /// A tenant was closed.
    Tenant(TenantId),
}

/// Hands events to every listener in this process. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    changes: broadcast::Sender<Event>,
    cancellations: broadcast::Sender<GenerationId>,
    sessions: broadcast::Sender<SessionChange>,
    jobs: Arc<Notify>,
    closed_tenants: Arc<Notify>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            changes: broadcast::Sender::new(CAPACITY),
            cancellations: broadcast::Sender::new(CAPACITY),
            sessions: broadcast::Sender::new(CAPACITY),
            jobs: Arc::new(Notify::new()),
            closed_tenants: Arc::new(Notify::new()),
        }
    }

    /// A receiver of every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.changes.subscribe()
    }

    /// Announces a committed change.
    pub fn publish(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.changes.send(event);
    }

    /// Tells the worker of this process to stop a run at once.
    pub fn cancel(&self, generation: GenerationId) {
        let _ = self.cancellations.send(generation);
    }

    /// A receiver of the runs to be stopped.
    #[must_use]
    pub fn cancellations(&self) -> broadcast::Receiver<GenerationId> {
        self.cancellations.subscribe()
    }

    /// Has the sessions of this process that are concerned judged again.
    pub fn session_changed(&self, change: SessionChange) {
        let _ = self.sessions.send(change);
    }

    /// Whether anyone in this process listens for changes of sessions.
    #[must_use]
    pub fn has_sessions(&self) -> bool {
        self.sessions.receiver_count() > 0
    }

    /// A receiver of the changes that end sessions.
    #[must_use]
    pub fn session_changes(&self) -> broadcast::Receiver<SessionChange> {
        self.sessions.subscribe()
    }

    /// Wakes a worker because a job was committed.
    pub fn job_queued(&self) {
        self.jobs.notify_one();
    }

    /// Resolves when a job was queued since the last call.
    pub async fn job_was_queued(&self) {
        self.jobs.notified().await;
    }

    /// Wakes what deletes tenants because one was closed.
    pub fn tenant_closed(&self) {
        self.closed_tenants.notify_one();
    }

    /// Resolves when a tenant was closed since the last call.
    pub async fn tenant_was_closed(&self) {
        self.closed_tenants.notified().await;
    }
}
