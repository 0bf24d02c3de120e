//! Users: the type and the queries.

use async_graphql::{Context, Object, Result, parser::types::Field};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    access::{AnySignedIn, Anyone, Caller, SignedIn, access, granted},
    arguments::cost,
    board::BoardObject,
    lean::{Fields, Lean},
    loader::{BoardsOf, SharesBoard, load, load_list},
    people::TenantRole,
    session::Session,
};
use crate::{
    domain::TokenScope,
    store::{User, UserBoards, Viewer},
};

/// A user of the tenant.
pub(super) struct UserFields(User);

/// A user as a field shows them.
pub(super) type UserObject = Lean<UserFields>;

impl From<User> for UserObject {
    fn from(user: User) -> Self {
        Self(UserFields(user))
    }
}

impl UserFields {
    fn is_caller(&self, context: &Context<'_>) -> Result<bool> {
        Ok(Session::scope_of(context)?.viewer() == Viewer::User(self.0.id))
    }
}

/// A user of the tenant. What only concerns the user themselves is null for everyone else.
#[Object(name = "User")]
impl UserFields {
    /// Id of the user.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// Tenant that the user belongs to.
    async fn tenant_id(&self) -> Uuid {
        self.0.tenant.into()
    }

    /// Identity provider that knows the user; null unless the user is the caller.
    async fn auth_provider(&self, context: &Context<'_>) -> Result<Option<&str>> {
        Ok(self.is_caller(context)?.then_some(self.0.auth_provider.as_str()))
    }

    /// Subject under which the provider knows the user; null unless the user is the caller.
    async fn auth_subject(&self, context: &Context<'_>) -> Result<Option<&str>> {
        Ok(self.is_caller(context)?.then_some(self.0.auth_subject.as_str()))
    }

    /// Email address; null unless the user is the caller, or shares a board with the caller and the
    /// caller's token may read boards.
    async fn email(&self, context: &Context<'_>) -> Result<Option<&str>> {
        let Some(email) = self.0.email.as_deref() else { return Ok(None) };
        if self.is_caller(context)? {
            return Ok(Some(email));
        }
        if Session::of(context)?.require_scope(TokenScope::BoardsRead).is_err() {
            return Ok(None);
        }
        Ok(load(context, SharesBoard(self.0.id)).await?.map(|()| email))
    }

    /// Name to show.
    async fn display_name(&self) -> Option<&str> {
        self.0.display_name.as_deref()
    }

    /// URL of a picture.
    async fn avatar_url(&self) -> Option<&str> {
        self.0.avatar_url.as_deref()
    }

    /// Role in the tenant; null unless the user is the caller or the caller is an admin of the
    /// tenant.
    async fn tenant_role(&self, context: &Context<'_>) -> Result<Option<TenantRole>> {
        let caller = Session::of(context)?;
        let known = self.is_caller(context)? || caller.require_tenant_admin().is_ok();
        Ok(known.then(|| self.0.role.into()))
    }

    /// When the user first came.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the profile last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Boards that the user owns, as far as the caller may see them, most recently changed first.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "cost(100, child_complexity)"
    )]
    async fn boards(&self, context: &Context<'_>) -> Result<Vec<BoardObject>> {
        let boards = load_list(context, BoardsOf(self.0.id, UserBoards::Owned)).await?;
        Ok(boards.iter().cloned().map(BoardObject::from).collect())
    }

    /// Boards that the user is a member of, as far as the caller may see them, most recently
    /// changed first.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "cost(100, child_complexity)"
    )]
    async fn member_boards(&self, context: &Context<'_>) -> Result<Vec<BoardObject>> {
        let boards = load_list(context, BoardsOf(self.0.id, UserBoards::Member)).await?;
        Ok(boards.iter().cloned().map(BoardObject::from).collect())
    }
}

impl Fields for UserFields {
    fn is_at_hand(field: &Field) -> bool {
        matches!(
            field.name.node.as_str(),
            "id" | "tenantId"
                | "authProvider"
                | "authSubject"
                | "displayName"
                | "avatarUrl"
                | "tenantRole"
                | "createdAt"
                | "updatedAt"
        )
    }
}

#[derive(Default)]
pub(super) struct UserQueries;

#[Object]
impl UserQueries {
    /// The caller.
    #[graphql(guard = "AnySignedIn", directive = access::apply(Caller::User, None, Vec::new()))]
    async fn me(&self, context: &Context<'_>) -> Result<Option<UserObject>> {
        Ok(Session::of(context)?.user().cloned().map(UserObject::from))
    }

    /// The user of the tenant with that id; null when there is none.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsRead))
    )]
    async fn user(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the user.")] id: Uuid,
    ) -> Result<Option<UserObject>> {
        Ok(Session::scope_of(context)?.user_by_id(id.into()).await?.map(UserObject::from))
    }
}
