//! What a token must satisfy. Signature, algorithm, `iss` and `aud` are the library's to judge;
//! here stands what it leaves open: it takes claims of the wrong type for absent ones, ignores
//! `crit` and `typ`, and reads the system clock, where this judges by the time it is given.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};

use super::{JwtAlgorithm, fault::Fault, members::Members};
use crate::auth::{
    bearer::TOKEN_MAX_BYTES,
    claims::{VerifiedIdentity, present},
};

/// The types of an access token (RFC 7519, section 5.1; RFC 9068, section 2.1). A token made for
/// another purpose names another one.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Everything about an issuer but its key.
#[derive(Debug)]
pub(super) struct TokenRules {
    provider: Arc<str>,
    algorithm: JwtAlgorithm,
    validation: Validation,
    leeway: TimeDelta,
    tenant_claim: Option<String>,
}

impl TokenRules {
    pub(super) fn new(
        provider: Arc<str>,
        algorithm: JwtAlgorithm,
        issuer: Option<&str>,
        audiences: &[String],
        leeway: TimeDelta,
        tenant_claim: Option<String>,
    ) -> Self {
        let mut validation = Validation::new(algorithm.in_library());
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if !audiences.is_empty() {
            validation.set_audience(audiences);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        Self { provider, algorithm, validation, leeway, tenant_claim }
    }

    /// Who bears `token`, which must be signed with `key` and valid at `now`.
    pub(super) fn judge(
        &self,
        token: &str,
        key: &DecodingKey,
        now: DateTime<Utc>,
    ) -> Result<VerifiedIdentity, Fault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Fault::TooLong);
        }
        check_header(token, self.algorithm)?;
        let Members(claims) = jsonwebtoken::decode::<Members>(token, key, &self.validation)?.claims;
        check_types(&claims)?;
        let expires_at = self.check_times(&claims, now)?;
        let tenant_claim = self.tenant_claim.as_deref();
        let identity =
            VerifiedIdentity::from_claims(Arc::clone(&self.provider), &claims, tenant_claim)
                .ok_or(Fault::Subject)?;
        Ok(VerifiedIdentity { expires_at: Some(expires_at), ..identity })
    }

    /// Judges `exp` and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5) and gives the moment from which
    /// the token is refused. `iat` must be a date, but no date is wrong: a clock that runs ahead
    /// says so in `nbf`.
    fn check_times(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Fault> {
        let date = |name| present(claims, name).map(|claim| date(claim).ok_or(Fault::Date));
        let expires_at = date("exp")
            .and_then(Result::ok)
            .and_then(|exp| exp.checked_add_signed(self.leeway))
            .ok_or(Fault::Expiry)?;
        if now >= expires_at {
            return Err(Fault::Expired);
        }
        date("iat").transpose()?;
        match date("nbf").transpose()? {
            Some(not_before) if not_before - now > self.leeway => Err(Fault::NotYetValid),
            _ => Ok(expires_at),
        }
    }
}

fn check_header(token: &str, algorithm: JwtAlgorithm) -> Result<(), Fault> {
    let parts: Vec<&str> = token.splitn(4, '.').collect();
    let &[header, _payload, _signature] = parts.as_slice() else { return Err(Fault::Malformed) };
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Fault::Malformed)?;
    let Members(header) = serde_json::from_slice(&header).map_err(|_| Fault::Malformed)?;
    if header.get("alg").and_then(Value::as_str) != Some(algorithm.name()) {
        return Err(Fault::Algorithm);
    }
    if header.contains_key("crit") {
        return Err(Fault::Critical);
    }
    match header.get("typ") {
        None => Ok(()),
        Some(Value::String(name)) if TYPES.iter().any(|t| name.eq_ignore_ascii_case(t)) => Ok(()),
        Some(_) => Err(Fault::Type),
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
fn date(claim: &Value) -> Option<DateTime<Utc>> {
    let since_epoch = match claim.as_u64() {
        Some(seconds) => Duration::from_secs(seconds),
        None => Duration::try_from_secs_f64(claim.as_f64()?).ok()?,
    };
    DateTime::UNIX_EPOCH.checked_add_signed(TimeDelta::from_std(since_epoch).ok()?)
}
