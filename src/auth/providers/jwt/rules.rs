//! What a token must satisfy. Signature, algorithm, `iss` and `aud` are the library's to judge;
//! here stands what it leaves open: it takes claims of the wrong type for absent ones, ignores
//! `crit` and `typ`, and reads the system clock, where this judges by the time it is given.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};

use super::{fault::Fault, header::TokenHeader, members::Members, verified::VerifiedTokens};
use crate::{
    auth::{
        bearer::TOKEN_MAX_BYTES,
        claims::{VerifiedIdentity, present},
    },
    config::{JwtAlgorithm, TokenType},
};

/// Everything about an issuer but its keys.
#[derive(Debug)]
pub(in super::super) struct TokenRules {
    provider: Arc<str>,
    validation: Validation,
    token_type: TokenType,
    times: Times,
    tenant_claim: Option<String>,
    verified: VerifiedTokens,
}

/// What decides whether a token's time has come and not passed.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Times {
    /// How far clocks may differ.
    pub(in super::super) leeway: TimeDelta,
}

impl TokenRules {
    pub(in super::super) fn new(
        provider: Arc<str>,
        issuer: Option<&str>,
        audiences: &[String],
        token_type: TokenType,
        leeway: TimeDelta,
        tenant_claim: Option<String>,
    ) -> Self {
        let mut validation =
            Validation { validate_exp: false, validate_nbf: false, ..Validation::default() };
        validation.set_required_spec_claims(&["sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let (times, verified) = (Times { leeway }, VerifiedTokens::default());
        Self { provider, validation, token_type, times, tenant_claim, verified }
    }

    /// The header of `token`, which chooses the key among those of its issuer.
    pub(in super::super) fn header(&self, token: &str) -> Result<TokenHeader, Fault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Fault::TooLong);
        }
        TokenHeader::read(token, self.token_type)
    }

    /// Who bears `token`, if it was verified before with this very key, which verifies tokens of one
    /// algorithm: then its header was found good too.
    pub(in super::super) fn known(
        &self,
        token: &str,
        key: &Arc<DecodingKey>,
        now: DateTime<Utc>,
    ) -> Option<Result<VerifiedIdentity, Fault>> {
        let known = self.verified.known(token, key)?;
        Some(known.validity.check(now).map(|()| known.identity.clone()))
    }

    /// Who bears `token`, which must be signed with `key` by `algorithm` and valid at `now`.
    pub(in super::super) fn judge(
        &self,
        token: &str,
        algorithm: JwtAlgorithm,
        key: &Arc<DecodingKey>,
        now: DateTime<Utc>,
    ) -> Result<VerifiedIdentity, Fault> {
        let verify = || self.verify(token, algorithm, key);
        let verified = self.verified.get(token, key, verify)?;
        verified.validity.check(now)?;
        Ok(verified.identity.clone())
    }

    /// Who bears `token` and when it is good, whatever the time.
    fn verify(
        &self,
        token: &str,
        algorithm: JwtAlgorithm,
        key: &DecodingKey,
    ) -> Result<(Validity, VerifiedIdentity), Fault> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![algorithm.into()];
        let Members(claims) = jsonwebtoken::decode::<Members>(token, key, &validation)?.claims;
        check_types(&claims)?;
        let validity = self.times.read(&claims)?;
        let tenant_claim = self.tenant_claim.as_deref();
        let identity =
            VerifiedIdentity::from_claims(Arc::clone(&self.provider), &claims, tenant_claim)
                .ok_or(Fault::Subject)?;
        let expires_at = Some(validity.expires_at);
        Ok((validity, VerifiedIdentity { expires_at, ..identity }))
    }
}

/// When a token is good, with the leeway for clocks.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Validity {
    /// The moment from which it is refused.
    expires_at: DateTime<Utc>,
    /// The moment before which it is refused.
    begins_at: Option<DateTime<Utc>>,
}

impl Validity {
    /// Whether it is good at `now`.
    pub(super) fn check(self, now: DateTime<Utc>) -> Result<(), Fault> {
        if now >= self.expires_at {
            return Err(Fault::Expired);
        }
        match self.begins_at {
            Some(begins_at) if now < begins_at => Err(Fault::NotYetValid),
            _ => Ok(()),
        }
    }
}

impl Times {
    /// Judges `exp` and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5) and gives the moment from which
    /// the token is refused. `iat` must be a date, but no date is wrong: a clock that runs ahead
    /// says so in `nbf`.
    pub(in super::super) fn check(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Fault> {
        let validity = self.read(claims)?;
        validity.check(now)?;
        Ok(validity.expires_at)
    }

    fn read(self, claims: &Map<String, Value>) -> Result<Validity, Fault> {
        let date = |name| present(claims, name).map(|claim| date(claim).ok_or(Fault::Date));
        let expires_at = date("exp")
            .and_then(Result::ok)
            .and_then(|exp| exp.checked_add_signed(self.leeway))
            .ok_or(Fault::Expiry)?;
        date("iat").transpose()?;
        let begins_at = date("nbf").transpose()?;
        let begins_at = begins_at.and_then(|nbf| nbf.checked_sub_signed(self.leeway));
        Ok(Validity { expires_at, begins_at })
    }
}

/// `iss` is a string, `aud` a string or a list of strings (RFC 7519, sections 4.1.1 and 4.1.3).
fn check_types(claims: &Map<String, Value>) -> Result<(), Fault> {
    if present(claims, "iss").is_some_and(|issuer| !issuer.is_string()) {
        return Err(Fault::Issuer);
    }
    match present(claims, "aud") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(Fault::Audience),
    }
}

/// A `NumericDate` (RFC 7519, section 2): seconds since 1970, fractions allowed, not before 1970.
pub(in super::super) fn date(claim: &Value) -> Option<DateTime<Utc>> {
    let since_epoch = match claim.as_u64() {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::try_from_secs_f64(claim.as_f64()?).ok()?,
    };
    DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::from_std(since_epoch).ok()?)
}
