//! Announcing committed changes. An event says what to read again, never what is in it: whoever listens
//! reads with their own scope and sees only what they may. On PostgreSQL `relay.rs` carries events to and
//! from the other processes.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};

use super::relay::Outbox;

use crate::domain::{AccessTokenId, BoardId, GenerationId, TenantId, UserId};

/// Events that a slow listener may fall behind before it is told to read again.
const CAPACITY: usize = 1024;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The board itself or who may see it.
    Board,
    /// A generation on it: made, moved on, tagged or deleted.
    Generation(GenerationId),
}

/// A committed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// The tenant in which it happened.
    pub tenant: TenantId,
    /// The board on which it happened.
    pub board: BoardId,
    /// What to read again.
    pub subject: Subject,
}

/// What a listener hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// One change.
    Change(Event),
    /// Something may have been missed: everything is to be read again.
    Everything,
}

/// Whose sessions are to be judged again, because they may have ended: what lives longer than a
/// request, such as a WebSocket, hears of it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionChange {
    /// A user was suspended or has gone.
    User(UserId),
    /// An access token was revoked.
    AccessToken(AccessTokenId),
    /// A tenant was closed.
    Tenant(TenantId),
}

/// What other processes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Notice {
    /// A change.
    Change(Event),
    /// A run is to be stopped.
    Cancel(GenerationId),
    /// Jobs wait.
    JobQueued,
    /// Jobs are to be stopped at their providers.
    ProviderCancellation,
    /// Sessions are to be judged again.
    Session(SessionChange),
    /// A tenant was closed.
    TenantClosed,
}

/// Hands events to every listener. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    changes: broadcast::Sender<News>,
    cancellations: broadcast::Sender<GenerationId>,
    sessions: broadcast::Sender<SessionChange>,
    jobs: Arc<Notify>,
    provider_cancellations: Arc<Notify>,
    closed_tenants: Arc<Notify>,
    /// The way to other processes, where there is one.
    relay: Arc<OnceLock<Arc<Outbox>>>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            changes: broadcast::Sender::new(CAPACITY),
            cancellations: broadcast::Sender::new(CAPACITY),
            sessions: broadcast::Sender::new(CAPACITY),
            jobs: Arc::default(),
            provider_cancellations: Arc::default(),
            closed_tenants: Arc::default(),
            relay: Arc::default(),
        }
    }

    /// From now on other processes are told through `relay`.
    pub(super) fn relay_through(&self, relay: Arc<Outbox>) {
        // Whoever came first stays: a store has one relay.
        let _ = self.relay.set(relay);
    }

    fn announce(&self, notice: Notice) {
        self.hear(notice);
        if let Some(relay) = self.relay.get() {
            relay.add(notice);
        }
    }

    /// Tells the listeners of this process alone. Nobody listening is no error.
    pub(super) fn hear(&self, notice: Notice) {
        match notice {
            Notice::Change(event) => drop(self.changes.send(News::Change(event))),
            Notice::Cancel(generation) => drop(self.cancellations.send(generation)),
            Notice::JobQueued => self.jobs.notify_one(),
            Notice::ProviderCancellation => self.provider_cancellations.notify_one(),
            Notice::Session(change) => drop(self.sessions.send(change)),
            Notice::TenantClosed => self.closed_tenants.notify_one(),
        }
    }

    /// What other processes announced may have been missed: everyone here reads again.
    pub(super) fn hear_everything(&self) {
        drop(self.changes.send(News::Everything));
        self.jobs.notify_one();
        self.provider_cancellations.notify_one();
        self.closed_tenants.notify_one();
    }

    /// A receiver of every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.changes.subscribe()
    }

    /// Announces a committed change.
    pub fn publish(&self, event: Event) {
        self.announce(Notice::Change(event));
    }

    /// Tells whichever worker runs a generation to stop at once.
    pub fn cancel(&self, generation: GenerationId) {
        self.announce(Notice::Cancel(generation));
        self.provider_cancellation();
    }

    /// A receiver of the runs to be stopped.
    #[must_use]
    pub fn cancellations(&self) -> broadcast::Receiver<GenerationId> {
        self.cancellations.subscribe()
    }

    /// Has the sessions that are concerned judged again.
    pub fn session_changed(&self, change: SessionChange) {
        self.announce(Notice::Session(change));
    }

    /// The same in this process alone, of what another has changed.
    pub fn session_was_changed(&self, change: SessionChange) {
        self.hear(Notice::Session(change));
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

    /// Wakes workers because a job was committed.
    pub fn job_queued(&self) {
        self.announce(Notice::JobQueued);
    }

    /// Resolves when a job was queued since the last call.
    pub async fn job_was_queued(&self) {
        self.jobs.notified().await;
    }

    /// Wakes workers because a job is to be stopped at its provider.
    pub fn provider_cancellation(&self) {
        self.announce(Notice::ProviderCancellation);
    }

    /// Resolves when that was so since the last call.
    pub async fn provider_cancellation_was_requested(&self) {
        self.provider_cancellations.notified().await;
    }

    /// Wakes what deletes tenants because one was closed.
    pub fn tenant_closed(&self) {
        self.announce(Notice::TenantClosed);
    }

    /// Resolves when a tenant was closed since the last call.
    pub async fn tenant_was_closed(&self) {
        self.closed_tenants.notified().await;
    }
}
