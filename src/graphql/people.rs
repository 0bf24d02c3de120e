//! The people of a tenant, for its admins: who is there, with which role, and who is shut out.

use async_graphql::{Context, Enum, Object, Result};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    access::{self as guards, Caller, access, granted},
    connection::{Connection, Walk, page_cost},
    session::Session,
    user::UserObject,
};
use crate::{
    domain::{self, CursorList, ListPosition, PageRequest, TokenScope, Validator},
    error::Error,
    store::{MemberFilter, User},
};

const TEXT_MAX: usize = 255;

/// Role of a user in the tenant. It gives no rights on boards.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::TenantRole")]
pub(super) enum TenantRole {
    /// Uses the tenant.
    Member,
    /// Also runs it: its people, invitations and audit log.
    Admin,
}

/// A user, as an admin of the tenant sees them.
#[derive(Clone)]
pub(super) struct TenantMemberObject(User);

impl From<User> for TenantMemberObject {
    fn from(user: User) -> Self {
        Self(user)
    }
}

/// A user, as an admin of the tenant sees them.
#[Object(name = "TenantMember")]
impl TenantMemberObject {
    /// The user.
    async fn user(&self) -> UserObject {
        self.0.clone().into()
    }

    /// Email address, as the identity provider last named it; not always a verified one.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// Identity provider that knows the user.
    async fn provider(&self) -> &str {
        &self.0.auth_provider
    }

    /// Role in the tenant.
    async fn role(&self) -> TenantRole {
        self.0.role.into()
    }

    /// Since when the user is suspended; null when they are not.
    async fn suspended_at(&self) -> Option<DateTime<Utc>> {
        self.0.disabled_at
    }

    /// When the user first came.
    async fn joined_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

#[derive(Default)]
pub(super) struct PeopleQueries;

#[Object]
impl PeopleQueries {
    /// Users of the tenant, suspended ones too, in the order of joining.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin)),
        complexity = "page_cost(first, None, child_complexity)"
    )]
    async fn tenant_members(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50, desc = "Users at most, 0 to 100.")] first: Option<i32>,
        #[graphql(desc = "Cursor of an earlier page: what comes behind it.")] after: Option<String>,
        #[graphql(desc = "Only users with this in their name or email, whatever the case.")] query: Option<String>,
        #[graphql(desc = "Only users with this role.")] role: Option<TenantRole>,
        #[graphql(desc = "Only users who are suspended, or who are not.")] suspended: Option<bool>,
    ) -> Result<Connection<TenantMemberObject>> {
        let people = Session::of(context)?.people()?;
        let walk = Walk::new(context, (CursorList::TenantMembers, people.tenant()), "")?;
        let after = after.as_deref();
        let window = walk.window(PageRequest { first, after, ..PageRequest::default() })?;
        let text = checked_text(query.as_deref())?;
        let filter = MemberFilter { text, role: role.map(Into::into), suspended };
        let members = people.members(&filter, window).await?;
        let position = |user: &User| ListPosition::new(user.created_at, user.id);
        Ok(walk.page(members, window, position, TenantMemberObject::from))
    }
}

fn checked_text(query: Option<&str>) -> Result<Option<String>, Error> {
    let mut validator = Validator::new();
    let text = query.and_then(|text| validator.optional_text("query", text, TEXT_MAX));
    validator.finish()?;
    Ok(text)
}

#[derive(Default)]
pub(super) struct PeopleMutations;

#[Object]
impl PeopleMutations {
    /// Gives a user another role in the tenant. Its last active admin stays one.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn set_tenant_role(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the user.")] user_id: Uuid,
        #[graphql(desc = "The role.")] role: TenantRole,
    ) -> Result<TenantMemberObject> {
        let people = Session::of(context)?.people()?;
        Ok(people.set_role(user_id.into(), role.into()).await?.into())
    }

    /// Shuts a user out of the tenant: their sessions end, their tokens are refused, what they have
    /// queued or running is cancelled. What they own stays, for others too. Not oneself, and not
    /// the last active admin.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn suspend_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the user.")] user_id: Uuid,
    ) -> Result<TenantMemberObject> {
        Ok(Session::of(context)?.people()?.suspend(user_id.into()).await?.into())
    }

    /// Lets a suspended user in again, as they were.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn reinstate_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the user.")] user_id: Uuid,
    ) -> Result<TenantMemberObject> {
        Ok(Session::of(context)?.people()?.reinstate(user_id.into()).await?.into())
    }
}
