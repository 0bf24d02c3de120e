//! Who vouches for a bearer: one verifier for each configured identity provider.

mod jwt;
mod none;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{bearer::TokenSyntax, claims::VerifiedIdentity};
use crate::error::Result;

pub use jwt::{JwtAlgorithm, JwtKey, JwtSettings, JwtSettingsError, JwtVerifier};
pub use none::NoneVerifier;

/// Judges bearer tokens. A verifier is made once, at the start, and shared by all requests.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Who bears `token`, judged at the time `now`.
    ///
    /// # Errors
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) when the token is not to be
    /// believed, for whatever reason; the reason itself goes to the log at level debug.
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity>;

    /// Who a caller without a token is: nobody, unless the provider needs no tokens.
    fn without_token(&self) -> Option<VerifiedIdentity> {
        None
    }

    /// What a token must look like before [`verify`](Self::verify) is asked.
    fn syntax(&self) -> TokenSyntax {
        TokenSyntax::B64Token
    }
}
