//! Who vouches for a bearer: one verifier for each configured identity provider.

mod client;
mod introspection;
mod issuers;
mod jwt;
mod none;
mod patience;
mod published;
#[cfg(test)]
mod testing;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{bearer::TokenSyntax, claims::VerifiedIdentity};
use crate::{domain::TenantRole, error::Result};

pub use crate::config::{JwtAlgorithm, JwtKey};
pub use issuers::{IssuersError, IssuersVerifier};
pub use jwt::{JwtSettings, JwtSettingsError, JwtVerifier};
pub use none::NoneVerifier;

/// Judges bearer tokens. A verifier is made once, at the start, and shared by all requests.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Who bears `token`, judged at the time `now`.
    ///
    /// # Errors
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) when the token is not to be
    /// believed, for whatever reason; the reason itself goes to the log at level debug.
    /// [`Error::AuthUnavailable`](crate::error::Error::AuthUnavailable) when that cannot be known
    /// now, because the identity provider does not answer.
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity>;

    /// Begins in the background, on the runtime of the caller, what the first token would have to
    /// wait for. What fails is logged and tried again when a token comes.
    fn prepare(&self, _now: DateTime<Utc>) {}

    /// Whether judging `token` now means asking an identity provider about this very token: what
    /// anyone could make the server do again and again.
    async fn would_ask(&self, _token: &str, _now: DateTime<Utc>) -> bool {
        false
    }

    /// Whether the users of `provider` may still be in the tenant of this slug, for tokens that no
    /// provider is asked about; `None` when the provider is not trusted (any more).
    fn vouches(&self, _provider: &str, _tenant: &str) -> Option<bool> {
        None
    }

    /// Who a caller without a token is: nobody, unless the provider needs no tokens.
    fn without_token(&self) -> Option<VerifiedIdentity> {
        None
    }

    /// The role in the tenant of somebody who comes for the first time, invitations apart.
    fn first_role(&self) -> TenantRole {
        TenantRole::Member
    }

    /// What a token must look like before [`verify`](Self::verify) is asked.
    fn syntax(&self) -> TokenSyntax {
        TokenSyntax::B64Token
    }
}

/// The value behind a lock that is held for moments and never across an await. A panic elsewhere
/// leaves nothing half done in it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
