//! Members of boards.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    arguments::BoardRole,
    lean::{Fields, Lean, Place, Resolved, one_each, shown},
    loader::{MembersOf, load_each_list},
    user::{UserFields, UserObject},
};
use crate::{error::Error, store::Membership};

/// A user's membership of a board.
#[derive(Clone)]
pub(super) struct MemberFields(Arc<Membership>);

/// A membership as a field shows it.
pub(super) type MemberObject = Lean<MemberFields>;

impl From<Arc<Membership>> for MemberObject {
    fn from(membership: Arc<Membership>) -> Self {
        Self(MemberFields(membership))
    }
}

/// A user's membership of a board.
#[Object(name = "BoardMember")]
impl MemberFields {
    /// Id of the membership.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// Id of the board.
    async fn board_id(&self) -> Uuid {
        self.0.board.into()
    }

    /// Id of the member.
    async fn user_id(&self) -> Uuid {
        self.0.user.id.into()
    }

    /// What the member may do.
    async fn role(&self) -> BoardRole {
        self.0.role.into()
    }

    /// Id of the user who added the member.
    async fn invited_by(&self) -> Option<Uuid> {
        self.0.invited_by.map(Uuid::from)
    }

    /// Since when the user is a member.
    async fn joined_at(&self) -> DateTime<Utc> {
        self.0.joined_at
    }

    /// The member.
    async fn user(&self) -> UserObject {
        self.0.user.clone().into()
    }

    /// The user who added the member.
    async fn inviter(&self, context: &Context<'_>) -> Result<Option<UserObject>> {
        match self.0.invited_by {
            Some(inviter) => UserObject::load(context, inviter).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Fields for MemberFields {
    fn at_hand(&self, context: &Context<'_>, text: &mut Vec<u8>) -> bool {
        match context.item.node.name.node.as_str() {
            "id" => shown(self.id(context), text),
            "boardId" => shown(self.board_id(context), text),
            "userId" => shown(self.user_id(context), text),
            "role" => shown(self.role(context), text),
            "invitedBy" => shown(self.invited_by(context), text),
            "joinedAt" => shown(self.joined_at(context), text),
            _ => false,
        }
    }

    fn together<'a>(places: &'a [Place<'a, Self>]) -> Option<BoxFuture<'a, Vec<Resolved>>> {
        let context = &places.first()?.context;
        if context.item.node.name.node != "user" {
            return None;
        }
        let user = |member: &Self| (member.0.user.id, Some(Arc::clone(&member.0.user)));
        let users = places.iter().map(|place| user(place.object)).collect();
        one_each(places, UserFields::load_each(context, users))
    }
}

impl MemberFields {
    pub(super) fn of_list(members: &[Arc<Membership>]) -> Vec<Self> {
        members.iter().cloned().map(Self).collect()
    }

    /// The members of boards that the caller sees.
    pub(super) async fn load_each(
        context: &Context<'_>,
        boards: Vec<MembersOf>,
    ) -> Vec<Result<Vec<Self>, Error>> {
        let members = |list: Arc<Vec<Arc<Membership>>>| Self::of_list(&list);
        load_each_list(context, boards).await.into_iter().map(|list| list.map(members)).collect()
    }
}
