//! Invitations into a tenant, made and taken back by its admins.

use async_graphql::{Context, InputObject, Object, Result};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    access::{self as guards, Caller, access, granted},
    auditing::Trail,
    connection::{Connection, Walk, page_cost},
    people::TenantRole,
    session::Session,
    user::UserObject,
};
use crate::{
    domain::{CursorList, EmailAddress, ListPosition, PageRequest, TokenScope, Validator},
    error::Error,
    store::{Invitation, NewInvitation},
};

/// An email address that may join the tenant.
#[derive(Clone)]
pub(super) struct InvitationObject(Invitation);

impl From<Invitation> for InvitationObject {
    fn from(invitation: Invitation) -> Self {
        Self(invitation)
    }
}

/// An email address that may join the tenant. Whoever first comes with it, verified by the identity
/// provider, uses the invitation up.
#[Object(name = "TenantInvitation")]
impl InvitationObject {
    /// Id of the invitation.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// The address, in lower case.
    async fn email(&self) -> &str {
        self.0.email.as_str()
    }

    /// Role that the new user gets.
    async fn role(&self) -> TenantRole {
        self.0.role.into()
    }

    /// Who invited; null where an operator did or the inviter has gone.
    async fn invited_by(&self, context: &Context<'_>) -> Result<Option<UserObject>> {
        match self.0.invited_by {
            Some(inviter) => UserObject::load(context, inviter).await.map(Some),
            None => Ok(None),
        }
    }

    /// When the invitation was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// From when on it is worth nothing.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }
}

#[derive(Default)]
pub(super) struct InvitationQueries;

#[Object]
impl InvitationQueries {
    /// Open invitations of the tenant, oldest first.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin)),
        complexity = "page_cost(first, None, child_complexity)"
    )]
    async fn tenant_invitations(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50, desc = "Invitations at most, 0 to 100.")] first: Option<i32>,
        #[graphql(desc = "Cursor of an earlier page: what comes behind it.")] after: Option<String>,
    ) -> Result<Connection<InvitationObject>> {
        let people = Session::of(context)?.people()?;
        let walk = Walk::new(context, (CursorList::TenantInvitations, people.tenant()), "")?;
        let after = after.as_deref();
        let window = walk.window(PageRequest { first, after, ..PageRequest::default() })?;
        let invitations = people.invitations(window).await?;
        let position = |one: &Invitation| ListPosition::new(one.created_at, one.id);
        Ok(walk.page(invitations, window, position, InvitationObject::from))
    }
}

/// Somebody to be invited.
#[derive(InputObject)]
struct InviteUserInput {
    /// Their email address; case does not matter.
    email: String,
    /// The role that they get.
    #[graphql(default_with = "Some(TenantRole::Member)")]
    role: Option<TenantRole>,
    /// From when on the invitation is worth nothing: at most 90 days from now, 14 if omitted.
    expires_at: Option<DateTime<Utc>>,
}

impl InviteUserInput {
    fn check(&self) -> Result<NewInvitation, Error> {
        let mut validator = Validator::new();
        let email = EmailAddress::parse(self.email.trim());
        validator.check(email.is_some(), "input.email", || {
            "email must be one email address of at most 255 characters".to_owned()
        });
        let expires_at = NewInvitation::expiry(self.expires_at);
        validator.check(expires_at.is_some(), "input.expiresAt", || {
            "expiresAt must lie in the future, at most 90 days from now".to_owned()
        });
        validator.finish()?;
        let (Some(email), Some(expires_at)) = (email, expires_at) else {
            return Err(Error::internal("an invitation that was checked is incomplete"));
        };
        let role = self.role.unwrap_or(TenantRole::Member).into();
        Ok(NewInvitation { email, role, expires_at })
    }
}

#[derive(Default)]
pub(super) struct InvitationMutations;

#[Object]
impl InvitationMutations {
    /// Invites an email address into the tenant. Nothing is sent: whoever signs in with that
    /// address, verified by the identity provider, before it expires becomes a user with that role.
    /// One that has expired may be made anew.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn invite_user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whom to invite.")] input: InviteUserInput,
    ) -> Result<InvitationObject> {
        let made = Session::of(context)?.people()?.invite(input.check()?).await?;
        Trail::made(context, "invitation", made.id);
        Ok(made.into())
    }

    /// Takes an invitation back.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn revoke_invitation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the invitation.")] id: Uuid,
    ) -> Result<bool> {
        Session::of(context)?.people()?.revoke_invitation(id.into()).await?;
        Ok(true)
    }
}
