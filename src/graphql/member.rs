//! Members of boards.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, parser::types::Field};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    arguments::BoardRole,
    lean::{Fields, Lean, all_at_hand},
    user::{UserFields, UserObject},
};
use crate::store::Membership;

/// A user's membership of a board.
#[derive(Clone)]
pub(super) struct MemberFields(Arc<Membership>);

/// A membership as a field shows it.
pub(super) type MemberObject = Lean<MemberFields>;

impl From<Membership> for MemberObject {
    fn from(membership: Membership) -> Self {
        Arc::new(membership).into()
    }
}

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
    fn is_at_hand(field: &Field) -> bool {
        match field.name.node.as_str() {
            "id" | "boardId" | "userId" | "role" | "invitedBy" | "joinedAt" => true,
            "user" => all_at_hand::<UserFields>(field),
            _ => false,
        }
    }
}
