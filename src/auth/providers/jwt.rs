//! The provider `jwt`: signed tokens judged with one key and one algorithm, both from the
//! configuration. Nothing in a token chooses either, and nothing in it causes a fetch.

mod fault;
mod header;
mod members;
mod rules;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
mod verified;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;

use super::TokenVerifier;
use crate::{
    auth::claims::VerifiedIdentity,
    config::{JwtAlgorithm, JwtKey, JwtKeyError, TokenType},
    error::Result,
};

pub(super) use fault::Fault;
pub(super) use header::Shape;
pub(super) use members::Members;
pub(super) use rules::{Times, TokenRules, date};

/// Most leeway: beyond it, clocks need repair rather than patience.
const LEEWAY_MAX: Duration = Duration::from_mins(10);

/// How tokens of one issuer are judged.
#[derive(Debug)]
pub struct JwtSettings {
    /// The only algorithm that a token may name.
    pub algorithm: JwtAlgorithm,
    /// The key, of the algorithm's kind.
    pub key: JwtKey,
    /// The only `iss` that is accepted; `None` does not look at it.
    pub issuer: Option<String>,
    /// `aud` must name one of these. With none of them, a token that names any is refused.
    pub audiences: Vec<String>,
    /// How far clocks may differ when `exp` and `nbf` are judged; at most ten minutes.
    pub leeway: Duration,
    /// The one claim that names the tenant; `None` tries the usual names.
    pub tenant_claim: Option<String>,
}

/// Why settings for judging tokens cannot be used. The text never holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtSettingsError {
    /// The key does not fit, is weak or cannot be read.
    #[error("the key {0}")]
    Key(#[from] JwtKeyError),
    /// A setting that is given and empty.
    #[error("the {0} is empty; leave it out or give it a value")]
    Empty(&'static str),
    /// More than ten minutes.
    #[error("the leeway must be at most 600 seconds")]
    LeewayTooLong,
}

/// Verifies JSON Web Tokens (RFC 7519) in compact serialisation.
#[derive(Debug)]
pub struct JwtVerifier {
    algorithm: JwtAlgorithm,
    key: Arc<DecodingKey>,
    rules: TokenRules,
}

impl JwtVerifier {
    /// Checks the settings and reads the key. The provider of the identities is `jwt`.
    ///
    /// # Errors
    /// [`JwtSettingsError`] says what is wrong, without the key in it.
    pub fn new(settings: JwtSettings) -> Result<Self, JwtSettingsError> {
        Self::named("jwt".into(), TokenType::Any, settings)
    }

    /// The same for an issuer with a name of its own.
    pub(super) fn named(
        provider: Arc<str>,
        token_type: TokenType,
        settings: JwtSettings,
    ) -> Result<Self, JwtSettingsError> {
        let key = Arc::new(settings.key.read(settings.algorithm)?);
        let empty = |text: &String| text.trim().is_empty();
        if settings.issuer.as_ref().is_some_and(empty) {
            return Err(JwtSettingsError::Empty("issuer"));
        }
        if settings.audiences.iter().any(empty) {
            return Err(JwtSettingsError::Empty("audience"));
        }
        if settings.tenant_claim.as_ref().is_some_and(empty) {
            return Err(JwtSettingsError::Empty("tenant claim"));
        }
        let leeway = leeway(settings.leeway)?;
        let rules = TokenRules::new(
            provider,
            settings.issuer.as_deref(),
            &settings.audiences,
            token_type,
            leeway,
            settings.tenant_claim,
        );
        Ok(Self { algorithm: settings.algorithm, key, rules })
    }

    fn judge(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity, Fault> {
        if let Some(known) = self.rules.known(token, &self.key, now) {
            return known;
        }
        if self.rules.header(token)?.algorithm != self.algorithm {
            return Err(Fault::Algorithm);
        }
        self.rules.judge(token, self.algorithm, &self.key, now)
    }
}

/// A leeway within its bound.
pub(super) fn leeway(leeway: Duration) -> Result<TimeDelta, JwtSettingsError> {
    Some(leeway)
        .filter(|leeway| *leeway <= LEEWAY_MAX)
        .and_then(|leeway| TimeDelta::from_std(leeway).ok())
        .ok_or(JwtSettingsError::LeewayTooLong)
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        Ok(self.judge(token, now)?)
    }
}
