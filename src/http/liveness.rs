//! Sessions that outlive a request: their caller is judged again when something was announced about
//! them, and every half minute, so that what a token or user has lost ends here too.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, Interval, MissedTickBehavior},
};

use super::HttpState;
use crate::{
    auth::{AuthContext, Credential, Credentials},
    domain::{TenantId, TokenScopes, UserId},
    error::Error,
    store::SessionChange,
};

/// How often a caller is judged again unasked. An answer of an identity provider is believed no
/// longer.
const RECHECK: Duration = Duration::from_secs(30);
/// How soon a caller is judged again whom the server could not judge, as when its database is away.
const RETRY: Duration = Duration::from_secs(1);
/// How long that goes on: as long as nobody would have asked. What is shown meanwhile was read from the
/// database with the caller's rights.
const PATIENCE: Duration = RECHECK;

/// As much of a caller as decides whether their session goes on; a session keeps it as long as it
/// lives.
pub(super) struct Standing {
    tenant: TenantId,
    user: Option<UserId>,
    credential: Credential,
    granted: TokenScopes,
}

impl Standing {
    pub(super) fn of(caller: &AuthContext) -> Self {
        Self {
            tenant: caller.tenant().id,
            user: caller.user().map(|user| user.id),
            credential: caller.credential().clone(),
            granted: caller.granted(),
        }
    }

    /// Whether what was begun with it may go on with another.
    fn goes_on_as(&self, present: &Self) -> bool {
        (self.tenant, self.user) == (present.tenant, present.user)
            && self.granted.is_within(present.granted)
    }

    fn is_concerned_by(&self, change: SessionChange) -> bool {
        match change {
            SessionChange::User(user) => self.user == Some(user),
            SessionChange::AccessToken(token) => self.credential == Credential::AccessToken(token),
            SessionChange::Tenant(tenant) => self.tenant == tenant,
        }
    }
}

/// Listens for what ends a session. Opened before its caller is judged, so that nothing that happens
/// meanwhile is missed.
pub(super) struct Liveness {
    state: HttpState,
    changes: Receiver<SessionChange>,
}

impl Liveness {
    /// Listens from now on.
    pub(super) fn open(state: &HttpState) -> Self {
        Self { state: state.clone(), changes: state.store.events().session_changes() }
    }

    /// Resolves when the session of the caller has ended, with the reason.
    pub(super) async fn ended(
        mut self,
        credentials: Arc<Credentials>,
        mut standing: Standing,
    ) -> Error {
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        recheck.reset();
        loop {
            self.next_doubt(&mut recheck, &standing).await;
            // Boxed: judging takes more room than all the rest of a session, and only while it lasts.
            let present = match Box::pin(self.judge(&credentials)).await {
                Ok(caller) => Standing::of(&caller),
                Err(error) => return error,
            };
            // The same credentials now mean somebody else, or less: what runs must begin anew.
            if !standing.goes_on_as(&present) {
                return Error::InvalidToken;
            }
            standing = present;
        }
    }

    async fn judge(&self, credentials: &Credentials) -> Result<AuthContext, Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.state.judge(credentials).await {
                Err(error) if error.is_servers_own() && Instant::now() < until => {
                    tokio::time::sleep(RETRY).await;
                }
                judged => return judged,
            }
        }
    }

    async fn next_doubt(&mut self, recheck: &mut Interval, standing: &Standing) {
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) if !standing.is_concerned_by(change) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    // Nobody announces anything any more: the server is stopping.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = recheck.tick() => return,
            }
        }
    }
}
