//! What is recorded: an act, who asked for it, and how it ended.

use std::{borrow::Cow, fmt::Display};

use uuid::Uuid;

use crate::{
    domain::{AccessTokenId, Decision, RequestOrigin, TenantId, UserId},
    error::Error,
    store::{AuditRecord, now},
};

/// Who asks, as far as it is known. Nothing of it is personal but the ids and the address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The tenant that they act in; none for the platform, and while it is not known.
    pub tenant: Option<TenantId>,
    /// The user; none for callers who are not signed in, and for commands.
    pub user: Option<UserId>,
    /// The access token of this server's own that they used.
    pub access_token: Option<AccessTokenId>,
    /// The identity provider that knows them.
    pub provider: Option<String>,
    /// As whom it knows them, where they have no user.
    pub subject: Option<String>,
    /// Where the request came from.
    pub origin: RequestOrigin,
}

impl Actor {
    /// Somebody of whom only the request is known.
    #[must_use]
    pub fn unknown(origin: RequestOrigin) -> Self {
        Self { origin, ..Self::default() }
    }
}

/// One act. Made with [`AuditEvent::new`] as one that was allowed; what differs is said after that.
///
/// ```text
/// audit.record(AuditEvent::new("platform.tenant.create").by(&actor).on("tenant", tenant.id));
/// ```
#[derive(Clone, Debug)]
pub struct AuditEvent {
    actor: Actor,
    action: Cow<'static, str>,
    object: Option<(Cow<'static, str>, String)>,
    decision: Decision,
    reason: Option<Cow<'static, str>>,
    count: u64,
}

impl AuditEvent {
    /// An act that was allowed and done, by the platform itself. `action` is a name that this server
    /// gives, never input.
    #[must_use]
    pub fn new(action: impl Into<Cow<'static, str>>) -> Self {
        Self {
            actor: Actor::default(),
            action: action.into(),
            object: None,
            decision: Decision::Allowed,
            reason: None,
            count: 1,
        }
    }

    /// By whom, and in which tenant.
    #[must_use]
    pub fn by(mut self, actor: &Actor) -> Self {
        self.actor = actor.clone();
        self
    }

    /// In this tenant, whose admins may read of it. An act of the platform upon a tenant names it as
    /// its object instead, so that it stays on record when the tenant is deleted.
    #[must_use]
    pub fn in_tenant(mut self, tenant: TenantId) -> Self {
        self.actor.tenant = Some(tenant);
        self
    }

    /// To what it was done: a kind of thing and its id, never a name that people gave it.
    #[must_use]
    pub fn on(mut self, kind: impl Into<Cow<'static, str>>, id: impl Display) -> Self {
        self.object = Some((kind.into(), id.to_string()));
        self
    }

    /// It ended otherwise: `reason` is an error's code or another fixed word.
    #[must_use]
    pub fn ended(mut self, decision: Decision, reason: impl Into<Cow<'static, str>>) -> Self {
        self.decision = decision;
        self.reason = Some(reason.into());
        self
    }

    /// It ended with this error, if there is one.
    #[must_use]
    pub fn with_outcome<T>(self, outcome: &Result<T, Error>) -> Self {
        match outcome {
            Ok(_) => self,
            Err(error) => self.ended(decision(error.code(), true), error.code()),
        }
    }

    /// It happened this often.
    #[must_use]
    pub fn counted(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// The row that it becomes, dated now.
    pub(super) fn into_record(self) -> AuditRecord {
        let (object_type, object_id) = self.object.unzip();
        let origin = self.actor.origin;
        AuditRecord {
            id: Uuid::now_v7(),
            occurred_at: now(),
            tenant: self.actor.tenant,
            actor: self.actor.user,
            access_token: self.actor.access_token,
            provider: self.actor.provider,
            subject: self.actor.subject,
            address: origin.address.map(|address| address.to_string()),
            action: self.action.into_owned(),
            object_type: object_type.map(Cow::into_owned),
            object_id,
            decision: self.decision,
            reason: self.reason.map(Cow::into_owned),
            count: self.count,
            request_id: Some(origin.request_id).filter(|id| !id.is_empty()),
        }
    }
}

/// Whether an error with this code is a refusal of the caller. The target of a change that is not
/// found counts as one: what is in another tenant looks so.
#[must_use]
pub fn decision(code: &str, is_change: bool) -> Decision {
    match code {
        "UNAUTHENTICATED" | "FORBIDDEN" | "TENANT_NOT_FOUND" | "TENANT_REQUIRED"
        | "RATE_LIMITED" => Decision::Denied,
        "NOT_FOUND" if is_change => Decision::Denied,
        _ => Decision::Failed,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Error::NotAuthenticated, Decision::Denied)]
    #[case(Error::InvalidToken, Decision::Denied)]
    #[case(Error::forbidden("do this"), Decision::Denied)]
    #[case(Error::TenantRequired, Decision::Denied)]
    #[case(Error::TenantNotFound, Decision::Denied)]
    #[case(Error::RateLimited { retry_after: std::time::Duration::ZERO }, Decision::Denied)]
    #[case(Error::NotFound("Board"), Decision::Denied)]
    #[case(Error::bad_input("title", "title is too long"), Decision::Failed)]
    #[case(Error::Conflict("the tag \"secret plans\" exists".to_owned()), Decision::Failed)]
    #[case(Error::internal("a cause"), Decision::Failed)]
    #[case(Error::AuthUnavailable, Decision::Failed)]
    fn errors_of_changes(#[case] error: Error, #[case] expected: Decision) {
        let code = error.code();
        let record = AuditEvent::new("createTag").with_outcome::<()>(&Err(error)).into_record();
        assert_eq!((record.decision, record.reason.as_deref()), (expected, Some(code)));
    }

    #[test]
    fn what_is_read_may_well_be_missing() {
        assert_eq!(decision("NOT_FOUND", false), Decision::Failed);
    }
}
