//! What an introspection endpoint answers (RFC 7662, section 2.2), judged as strictly as a signed
//! token.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::super::{
    client::Outage,
    jwt::{Fault, Members, Times, date},
};
use crate::auth::claims::{VerifiedIdentity, present};

/// What an answer must say for its token to be good.
#[derive(Debug)]
pub(in super::super) struct AnswerRules {
    pub(in super::super) provider: Arc<str>,
    /// What `iss` must be, where the answer has one.
    pub(in super::super) issuer: Option<String>,
    /// `aud` must be there and hold one of these.
    pub(in super::super) audiences: Vec<String>,
    pub(in super::super) times: Times,
    pub(in super::super) tenant_claim: Option<String>,
}

/// Whose the token is, and how long until it ends by its own `exp`.
type Judgement = Result<(VerifiedIdentity, TimeDelta), Fault>;

impl AnswerRules {
    /// Judges an answer; the outer error is an answer that is none.
    pub(super) fn judge(&self, json: &[u8], now: DateTime<Utc>) -> Result<Judgement, Outage> {
        let Ok(Members(members)) = serde_json::from_slice(json) else {
            return Err(Outage::Garbage("an introspection answer that is not a JSON object"));
        };
        match members.get("active") {
            Some(Value::Bool(true)) => Ok(self.judge_active(&members, now)),
            Some(Value::Bool(false)) => Ok(Err(Fault::Inactive)),
            _ => Err(Outage::Garbage("an introspection answer whose active is not true or false")),
        }
    }

    fn judge_active(&self, members: &Map<String, Value>, now: DateTime<Utc>) -> Judgement {
        self.check_issuer(members)?;
        self.check_audience(members)?;
        check_token_type(members)?;
        let expires_at = self.times.check(members, now)?;
        let left = members.get("exp").and_then(date).ok_or(Fault::Expiry)? - now;
        let tenant_claim = self.tenant_claim.as_deref();
        let identity =
            VerifiedIdentity::from_claims(Arc::clone(&self.provider), members, tenant_claim)
                .ok_or(Fault::Subject)?;
        Ok((VerifiedIdentity { expires_at: Some(expires_at), ..identity }, left))
    }

    fn check_issuer(&self, members: &Map<String, Value>) -> Result<(), Fault> {
        match (present(members, "iss"), &self.issuer) {
            (None, _) | (Some(Value::String(_)), None) => Ok(()),
            (Some(Value::String(found)), Some(issuer)) if found == issuer => Ok(()),
            _ => Err(Fault::Issuer),
        }
    }

    fn check_audience(&self, members: &Map<String, Value>) -> Result<(), Fault> {
        let ours = |name: &str| self.audiences.iter().any(|audience| audience == name);
        let good = match present(members, "aud") {
            Some(Value::String(name)) => ours(name),
            Some(Value::Array(names)) => {
                names.iter().all(Value::is_string)
                    && names.iter().filter_map(Value::as_str).any(ours)
            }
            _ => false,
        };
        if good { Ok(()) } else { Err(Fault::Audience) }
    }
}

/// A token that is bound to a key (`DPoP`, `mac`) must not be taken from just any bearer.
fn check_token_type(members: &Map<String, Value>) -> Result<(), Fault> {
    match present(members, "token_type") {
        None => Ok(()),
        Some(Value::String(name)) if name.eq_ignore_ascii_case("bearer") => Ok(()),
        Some(_) => Err(Fault::NotBearer),
    }
}
