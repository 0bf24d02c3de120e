//! The provider `jwt`: signed tokens judged with one key and one algorithm, both from the
//! configuration. Nothing in a token chooses either, and nothing in it causes a fetch.

mod fault;
mod key;
mod members;
mod rules;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;

use super::TokenVerifier;
use crate::{
    auth::claims::VerifiedIdentity,
    error::{Error, Result},
};
use fault::Fault;
use rules::TokenRules;

pub use key::{JwtAlgorithm, JwtKey, JwtSettingsError};

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

/// Verifies JSON Web Tokens (RFC 7519) in compact serialisation.
#[derive(Debug)]
pub struct JwtVerifier {
    key: DecodingKey,
    rules: TokenRules,
}

impl JwtVerifier {
    /// Checks the settings and reads the key.
    ///
    /// # Errors
    /// [`JwtSettingsError`] says what is wrong, without the key in it.
    pub fn new(settings: JwtSettings) -> Result<Self, JwtSettingsError> {
        let key = key::read(settings.algorithm, settings.key)?;
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
        let leeway = Some(settings.leeway)
            .filter(|leeway| *leeway <= LEEWAY_MAX)
            .and_then(|leeway| TimeDelta::from_std(leeway).ok())
            .ok_or(JwtSettingsError::LeewayTooLong)?;
        let rules = TokenRules::new(
            "jwt".into(),
            settings.algorithm,
            settings.issuer.as_deref(),
            &settings.audiences,
            leeway,
            settings.tenant_claim,
        );
        Ok(Self { key, rules })
    }

    fn judge(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity, Fault> {
        self.rules.judge(token, &self.key, now)
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        self.judge(token, now).map_err(|fault| {
            tracing::debug!(reason = %fault, "token refused");
            Error::InvalidToken
        })
    }
}
