//! Sessions that outlive a request: their caller is judged again when something was announced about
//! them, and every half minute, so that what a token or user has lost ends here too.

use std::time::Duration;

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Interval, MissedTickBehavior},
};

use super::HttpState;
use crate::{
    auth::{AuthContext, Credential, Credentials},
    error::Error,
    store::SessionChange,
};

/// How often a caller is judged again unasked. An answer of an identity provider is believed no
/// longer.
const RECHECK: Duration = Duration::from_secs(30);

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
        credentials: Credentials,
        mut caller: AuthContext,
    ) -> Error {
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        recheck.reset();
        loop {
            self.next_doubt(&mut recheck, &caller).await;
            match self.state.judge(&credentials).await {
                Ok(present) if goes_on(&caller, &present) => caller = present,
                // The same credentials now mean somebody else, or less: what runs must begin anew.
                Ok(_) => return Error::InvalidToken,
                Err(error) => return error,
            }
        }
    }

    async fn next_doubt(&mut self, recheck: &mut Interval, caller: &AuthContext) {
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) if !concerns(change, caller) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    // Nobody announces anything any more: the server is stopping.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = recheck.tick() => return,
            }
        }
    }
}

/// Whether what was begun by the one may go on as the other.
fn goes_on(before: &AuthContext, present: &AuthContext) -> bool {
    let who = |caller: &AuthContext| (caller.tenant().id, caller.user().map(|user| user.id));
    who(before) == who(present) && before.granted().is_within(present.granted())
}

fn concerns(change: SessionChange, caller: &AuthContext) -> bool {
    match change {
        SessionChange::User(user) => caller.user().is_some_and(|caller| caller.id == user),
        SessionChange::AccessToken(token) => *caller.credential() == Credential::AccessToken(token),
        SessionChange::Tenant(tenant) => caller.tenant().id == tenant,
    }
}
