//! Users of a tenant, as other users of it may see them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, sea_query::UnionType,
};
use uuid::Uuid;

use super::{
    Board, Scope, Viewer,
    entity::{
        board_members, boards,
        users::{self, Column, Entity},
    },
    projection::{Projected, Projection},
    row::{self, Columns, Readable},
};
use crate::{
    domain::{TenantId, TenantRole, UserId},
    error::Result,
};

/// A user, as the row says. Who may read which field is decided in the GraphQL type.
#[derive(Clone, Debug)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The one tenant that they belong to.
    pub tenant: TenantId,
    /// Which provider knows them.
    pub auth_provider: String,
    /// As whom.
    pub auth_subject: String,
    /// Their address.
    pub email: Option<String>,
    /// Their name.
    pub display_name: Option<String>,
    /// Their picture.
    pub avatar_url: Option<String>,
    /// When they first came.
    pub created_at: DateTime<Utc>,
    /// When their profile last changed.
    pub updated_at: DateTime<Utc>,
    /// Since when they are suspended, if they are.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Their role in the tenant.
    pub role: TenantRole,
}

impl From<users::Model> for User {
    fn from(row: users::Model) -> Self {
        Self {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            auth_provider: row.auth_provider,
            auth_subject: row.auth_subject,
            email: row.email,
            display_name: row.display_name,
            avatar_url: row.avatar_url,
            created_at: row.created_at,
            updated_at: row.updated_at,
            disabled_at: row.disabled_at,
            // What cannot be read gives nothing.
            role: row.tenant_role.parse().unwrap_or(TenantRole::Member),
        }
    }
}

/// The columns of a [`User`], in the order in which they are read.
pub(super) const USER_COLUMNS: [Column; 11] = [
    Column::Id,
    Column::TenantId,
    Column::AuthProvider,
    Column::AuthSubject,
    Column::Email,
    Column::DisplayName,
    Column::AvatarUrl,
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::DisabledAt,
    Column::TenantRole,
];

/// How much of a user is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserParts {
    /// Who they are: id, tenant, name and picture. Nothing else may be read of such a [`User`].
    Face,
    /// Everything.
    Profile,
}

impl UserParts {
    pub(super) const fn projection(self) -> Projection {
        match self {
            Self::Face => Projection::of(&[0, 1, 5, 6]),
            Self::Profile => Projection::ALL,
        }
    }
}

impl Readable for User {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Self::read_parts(columns, UserParts::Profile)
    }
}

impl User {
    /// A user of whom only the face is known.
    pub(super) fn face(
        id: UserId,
        tenant: TenantId,
        display_name: Option<String>,
        avatar_url: Option<String>,
    ) -> Self {
        Self {
            id,
            tenant,
            auth_provider: String::new(),
            auth_subject: String::new(),
            email: None,
            display_name,
            avatar_url,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
            disabled_at: None,
            role: TenantRole::Member,
        }
    }

    pub(super) fn read_parts(columns: &mut Columns<'_>, parts: UserParts) -> Result<Self, DbErr> {
        let mut columns = Projected::new(columns, parts.projection());
        Ok(Self {
            id: UserId(columns.next()?),
            tenant: TenantId(columns.next()?),
            auth_provider: columns.next()?,
            auth_subject: columns.next()?,
            email: columns.next()?,
            display_name: columns.next()?,
            avatar_url: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
            disabled_at: columns.next()?,
            // What cannot be read gives nothing.
            role: columns.next::<String>()?.parse().unwrap_or(TenantRole::Member),
        })
    }
}

/// The user of an outer join.
impl Readable for Option<User> {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        if columns.peek::<Option<Uuid>>()?.is_some() {
            return User::read(columns).map(Some);
        }
        columns.pass(USER_COLUMNS.len());
        Ok(None)
    }
}

/// Which boards of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserBoards {
    /// Those they own.
    Owned,
    /// Those they are a member of.
    Member,
}

/// A board in the list of a user.
#[derive(Clone, Debug)]
pub struct BoardsOfUser {
    /// The user.
    pub user: UserId,
    /// The board.
    pub board: Board,
}

#[derive(FromQueryResult)]
struct MemberBoardRow {
    #[sea_orm(nested)]
    board: boards::Model,
    member_id: Uuid,
}

#[derive(FromQueryResult)]
struct UserIdRow {
    user_id: Uuid,
}

impl Scope {
    /// A user of the tenant.
    ///
    /// # Errors
    /// [`crate::error::Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn user_by_id(&self, id: UserId) -> Result<Option<User>> {
        self.user()?;
        Ok(self.users_by_id(&[id]).await?.into_iter().next())
    }

    /// Users of the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids = self.list(ids.iter().map(|id| id.0));
        let statement = self.statement(("users", 0), [ids], |scope, parameters| {
            let users = scope.find::<Entity>().select_only().columns(USER_COLUMNS).into_query();
            scope.each_of(parameters.text(0), users, Column::Id)
        });
        Ok(row::all(self.read(), statement).await?)
    }

    /// Those of the users who share a board with the viewer, as owner or member; the viewer too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sharing_a_board(&self, users: &[UserId]) -> Result<HashSet<UserId>> {
        let Viewer::User(viewer) = self.viewer() else { return Ok(HashSet::new()) };
        let ids = || users.iter().map(|id| id.0);
        let mut sharing = self
            .find::<boards::Entity>()
            .filter(boards::Column::OwnerId.is_in(ids()))
            .filter(boards::Column::Id.in_subquery(self.own_or_member_board_ids()))
            .select_only()
            .column_as(boards::Column::OwnerId, "user_id")
            .into_query();
        let members = self
            .find::<board_members::Entity>()
            .filter(board_members::Column::UserId.is_in(ids()))
            .filter(board_members::Column::BoardId.in_subquery(self.own_or_member_board_ids()))
            .select_only()
            .column(board_members::Column::UserId)
            .into_query();
        sharing.union(UnionType::Distinct, members);
        let statement = self.store().backend().build(&sharing);
        let rows = UserIdRow::find_by_statement(statement).all(self.read()).await?;
        let others = rows.into_iter().map(|row| UserId(row.user_id));
        Ok(others.chain(users.iter().copied().filter(|user| *user == viewer)).collect())
    }

    /// The boards of users, as far as the viewer may see them, most recently changed first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn boards_of(
        &self,
        users: &[UserId],
        which: UserBoards,
    ) -> Result<Vec<BoardsOfUser>> {
        match which {
            UserBoards::Owned => self.boards_owned_by(users).await,
            UserBoards::Member => self.boards_with_member(users).await,
        }
    }

    async fn boards_owned_by(&self, users: &[UserId]) -> Result<Vec<BoardsOfUser>> {
        let rows = self
            .find::<boards::Entity>()
            .filter(boards::Column::OwnerId.is_in(users.iter().map(|id| id.0)))
            .filter(self.board_is_visible())
            .order_by_desc(boards::Column::UpdatedAt)
            .order_by_desc(boards::Column::Id)
            .all(self.read())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| BoardsOfUser { user: row.owner_id.into(), board: row.into() })
            .collect())
    }

    async fn boards_with_member(&self, users: &[UserId]) -> Result<Vec<BoardsOfUser>> {
        let to_board = board_members::Entity::belongs_to(boards::Entity)
            .from((board_members::Column::TenantId, board_members::Column::BoardId))
            .to((boards::Column::TenantId, boards::Column::Id))
            .into();
        let rows = self
            .find::<boards::Entity>()
            .join_rev(JoinType::InnerJoin, to_board)
            .column_as(board_members::Column::UserId, "member_id")
            .filter(board_members::Column::UserId.is_in(users.iter().map(|id| id.0)))
            .filter(self.board_is_visible())
            .order_by_desc(boards::Column::UpdatedAt)
            .order_by_desc(boards::Column::Id)
            .into_model::<MemberBoardRow>()
            .all(self.read())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| BoardsOfUser { user: row.member_id.into(), board: row.board.into() })
            .collect())
    }
}
