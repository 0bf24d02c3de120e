//! Users: the type and the queries.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    access::{AnySignedIn, Anyone, Caller, SignedIn, access, granted},
    arguments::cost,
    board::{BoardFields, BoardObject},
    json::Shown,
    lean::{Fields, Lean, LeanList, shown},
    loader::{BoardsOf, OwnCredits, SharesBoard, UserById, load, load_each, load_list},
    people::TenantRole,
    session::Session,
};
use crate::{
    domain::{Credits, TokenScope, UserId},
    error::Error,
    store::{User, UserBoards, Viewer},
};

/// A user of the tenant.
#[derive(Clone)]
pub(super) struct UserFields(Arc<User>);

/// A user as a field shows them.
pub(super) type UserObject = Lean<UserFields>;

impl From<Arc<User>> for UserObject {
    fn from(user: Arc<User>) -> Self {
        Self(UserFields(user))
    }
}

impl From<User> for UserObject {
    fn from(user: User) -> Self {
        Arc::new(user).into()
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

    /// Credits that the user has; null unless the user is the caller and generations cost credits here.
    async fn credit_balance(&self, context: &Context<'_>) -> Result<Option<f64>> {
        if !self.is_caller(context)? {
            return Ok(None);
        }
        Ok(load(context, OwnCredits).await?.map(Credits::to_f64))
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
    async fn boards(&self, context: &Context<'_>) -> Result<LeanList<BoardFields>> {
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
    async fn member_boards(&self, context: &Context<'_>) -> Result<LeanList<BoardFields>> {
        let boards = load_list(context, BoardsOf(self.0.id, UserBoards::Member)).await?;
        Ok(boards.iter().cloned().map(BoardObject::from).collect())
    }
}

impl Fields for UserFields {
    fn at_hand(&self, context: &Context<'_>, text: &mut Vec<u8>) -> bool {
        match context.item.node.name.node.as_str() {
            "id" => shown(self.id(context), text),
            "tenantId" => shown(self.tenant_id(context), text),
            "authProvider" => shown(self.auth_provider(context), text),
            "authSubject" => shown(self.auth_subject(context), text),
            "email" if self.0.email.is_none() || self.is_caller(context).is_ok_and(|it| it) => {
                self.0.email.as_deref().show(text);
                true
            }
            "displayName" => shown(self.display_name(context), text),
            "avatarUrl" => shown(self.avatar_url(context), text),
            "tenantRole" => shown(self.tenant_role(context), text),
            "createdAt" => shown(self.created_at(context), text),
            "updatedAt" => shown(self.updated_at(context), text),
            _ => false,
        }
    }
}

impl UserFields {
    /// Users whom rows of the tenant name, some with the profile that was read beside the row.
    pub(super) async fn load_each(
        context: &Context<'_>,
        named: Vec<(UserId, Option<Arc<User>>)>,
    ) -> Vec<Result<Self, Error>> {
        let missing: Vec<UserById> =
            named.iter().filter(|(_, user)| user.is_none()).map(|(id, _)| UserById(*id)).collect();
        let mut read =
            if missing.is_empty() { Vec::new() } else { load_each(context, missing).await }
                .into_iter();
        let user = |(_, user)| match user {
            Some(user) => Ok(Self(user)),
            None => read.next().unwrap_or(Ok(None))?.map(Self).ok_or_else(nobody),
        };
        named.into_iter().map(user).collect()
    }
}

impl UserObject {
    /// A user that a row of the tenant names; the caller has been read already.
    pub(super) async fn load(context: &Context<'_>, id: UserId) -> Result<Self> {
        if let Some(caller) = Session::of(context)?.user().filter(|caller| caller.id == id) {
            return Ok(caller.clone().into());
        }
        Ok(load(context, UserById(id)).await?.ok_or_else(nobody)?.into())
    }
}

fn nobody() -> Error {
    Error::internal("a row names a user who is not there")
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
