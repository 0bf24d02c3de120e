//! The audit log of a tenant, for its admins: the type and the query.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    access::{Caller, TenantAdmin, access, granted},
    connection::{Connection, Walk, page_cost},
    loader::{UserById, load},
    session::Session,
    user::UserObject,
};
use crate::{
    domain::{self, CursorList, PageRequest, TokenScope, UserId, Validator},
    store::{AuditFilter, AuditRecord},
};

/// Characters of a text in the filter.
const TEXT_MAX: usize = 255;

/// How an act ended.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::Decision")]
enum AuditDecision {
    /// It was allowed and done.
    Allowed,
    /// It was refused for who asked, or for how often.
    Denied,
    /// It was not refused for who asked, and failed or broke off.
    Failed,
}

/// Which events are meant; what is left out or null does not matter.
#[derive(InputObject, Default)]
struct AuditEventFilter {
    /// By this user.
    actor_id: Option<Uuid>,
    /// This action, as `AuditEvent.action` has it.
    action: Option<String>,
    /// On things of this kind, as `AuditEvent.objectType` has it.
    object_type: Option<String>,
    /// On this thing.
    object_id: Option<String>,
    /// That ended so.
    decision: Option<AuditDecision>,
    /// Not before this time.
    from: Option<DateTime<Utc>>,
    /// Before this time.
    to: Option<DateTime<Utc>>,
}

impl AuditEventFilter {
    fn check(self, validator: &mut Validator) -> AuditFilter {
        let mut text = |path: &str, value: Option<String>| {
            value.map(|value| validator.text(path, &value, TEXT_MAX))
        };
        AuditFilter {
            actor: self.actor_id.map(UserId),
            action: text("filter.action", self.action),
            object_type: text("filter.objectType", self.object_type),
            object_id: text("filter.objectId", self.object_id),
            decision: self.decision.map(Into::into),
            from: self.from,
            to: self.to,
        }
    }
}

/// One act in the tenant that was done or refused; several equal refusals in a row are one event.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub(super) struct AuditEvent {
    /// Id of the event.
    id: Uuid,
    /// When it happened; of several equal refusals, when the first did.
    occurred_at: DateTime<Utc>,
    /// Id of the user who acted; null for callers who were not signed in, and for the platform.
    actor_id: Option<Uuid>,
    /// Id of the access token that was used, where it was one that this server issued.
    access_token_id: Option<Uuid>,
    /// Network address that the request came from.
    address: Option<String>,
    /// What was asked for: the name of the field, such as `createBoard`; the route, of refusals
    /// outside GraphQL; `authenticate` for credentials that were refused, `signIn.newUser` for the
    /// first sign-in of a user, `audit.dropped` for events that found no room.
    action: String,
    /// What kind of thing it was about, such as `board`.
    object_type: Option<String>,
    /// Id of the thing.
    object_id: Option<String>,
    /// How it ended.
    decision: AuditDecision,
    /// Why, where it was not allowed: the code of the error, or `ABORTED` when the caller went away.
    reason: Option<String>,
    /// How many equal refusals this event stands for; 1 for everything else.
    count: i32,
    /// Id of the request, as in its `X-Request-Id`.
    request_id: Option<String>,
}

#[ComplexObject]
impl AuditEvent {
    /// User who acted; null when there is none, or none any more.
    async fn actor(&self, context: &Context<'_>) -> Result<Option<UserObject>> {
        let Some(id) = self.actor_id else { return Ok(None) };
        Ok(load(context, UserById(id.into())).await?.map(UserObject::from))
    }
}

impl From<AuditRecord> for AuditEvent {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            occurred_at: record.occurred_at,
            actor_id: record.actor.map(Uuid::from),
            access_token_id: record.access_token.map(Uuid::from),
            address: record.address,
            action: record.action,
            object_type: record.object_type,
            object_id: record.object_id,
            decision: record.decision.into(),
            reason: record.reason,
            count: i32::try_from(record.count).unwrap_or(i32::MAX),
            request_id: record.request_id,
        }
    }
}

#[derive(Default)]
pub(super) struct AuditQueries;

#[Object]
impl AuditQueries {
    /// The audit log of the caller's tenant, newest first.
    #[graphql(
        guard = "TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin)),
        complexity = "page_cost(first, None, child_complexity)"
    )]
    async fn audit_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which events; all when it is left out.")] filter: Option<
            AuditEventFilter,
        >,
        #[graphql(default = 50, desc = "Events at most, 0 to 100.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the event behind which to go on.")] after: Option<String>,
    ) -> Result<Connection<AuditEvent>> {
        let mut validator = Validator::new();
        let filter = filter.unwrap_or_default().check(&mut validator);
        validator.finish()?;
        let scope = Session::scope_of(context)?;
        let walk = Walk::new(context, (CursorList::AuditEvents, scope.tenant()), "")?;
        let after = after.as_deref();
        let window = walk.window(PageRequest { first, after, ..PageRequest::default() })?;
        let events = scope.audit_events(&filter, window).await?;
        Ok(walk.page(events, window, AuditRecord::position, AuditEvent::from))
    }
}
