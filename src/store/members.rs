//! Memberships: who has which role on a board.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, Order,
    QueryFilter, QuerySelect, QueryTrait, RelationDef, Select, SelectTwo,
    sea_query::{Expr, SelectStatement},
};
use uuid::Uuid;

use super::{
    AuthorizedBoard, Board, Placed, Scope, Slice, User, corrupt,
    entity::{
        board_members::{self, Column, Entity},
        users,
    },
    is_foreign_key_violation, is_unique_violation,
    keyset::{Keyset, numbered, rows_of},
    lookup::FOUND,
    now,
    row::{Columns, Readable},
    users::UserParts,
};
use crate::{
    domain::{
        BoardId, ListPosition, ListWindow, MemberId, MemberRole, Permission, Relation, UserId,
    },
    error::{Error, Result},
};

/// A membership row.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its id.
    pub id: MemberId,
    /// The board.
    pub board: BoardId,
    /// The member.
    pub user: Arc<User>,
    /// What the member may do.
    pub role: MemberRole,
    /// Who added the member.
    pub invited_by: Option<UserId>,
    /// Since when.
    pub joined_at: DateTime<Utc>,
}

/// A window of a board's members, in the order of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberWindow {
    /// The board.
    pub board: BoardId,
    /// The window.
    pub window: ListWindow,
}

impl Membership {
    pub(super) fn read_columns(columns: &mut Columns<'_>, parts: UserParts) -> Result<Self> {
        let member = board_members::Model::read(columns)?;
        Self::read(&member, User::read_parts(columns, parts)?)
    }

    fn read(row: &board_members::Model, user: User) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            board: row.board_id.into(),
            user: Arc::new(user),
            role: row.role.parse().map_err(|()| corrupt("board_members", "role"))?,
            invited_by: row.invited_by.map(UserId),
            joined_at: row.joined_at,
        })
    }
}

impl Scope {
    /// The members of boards, and as much of the users as is asked for, in the order of joining. The
    /// viewer has been found to see the boards.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members_of(
        &self,
        boards: &[BoardId],
        parts: UserParts,
    ) -> Result<Vec<Membership>> {
        let boards = self.list(boards.iter().map(|id| id.0));
        let statement = self.statement(("members", parts as u16), [boards], |scope, parameters| {
            let members = scope.find::<Entity>().into_query();
            let mut members = scope.each_of(parameters.text(0), members, Column::BoardId);
            let user = Expr::col((FOUND, Column::UserId));
            scope.look_up_user(&mut members, (user, "member"), parts);
            members
        });
        let rows = self.read().query_all_raw(statement).await?;
        let member = |row| {
            let mut columns = Columns::of(row);
            Membership::read_columns(&mut columns, parts)
        };
        let mut members = rows.iter().map(member).collect::<Result<Vec<_>>>()?;
        members.sort_by_key(|member| (member.joined_at, member.id.0));
        Ok(members)
    }

    /// Windows of the members of boards which the viewer has been found to see, in their order, in
    /// one statement whose every branch reads its rows from the index of its board.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn member_windows(
        &self,
        windows: &[MemberWindow],
    ) -> Result<Vec<Slice<Placed<Membership>>>> {
        let pages = windows.iter().map(|one| self.member_window(*one));
        let Some(query) = numbered(pages) else {
            return Ok(Vec::new());
        };
        let statement = self.store().backend().build(&query);
        let mut found: Vec<Vec<Placed<Membership>>> = vec![Vec::new(); windows.len()];
        for row in self.read().query_all_raw(statement).await? {
            let user = users::Model::from_query_result(&row, "B_")?;
            let member = board_members::Model::from_query_result(&row, "A_")?;
            let position = ListPosition::new(member.joined_at, member.id);
            rows_of(&mut found, &row)?
                .push(Placed::new(Membership::read(&member, user.into())?, position));
        }
        Ok(found.into_iter().zip(windows).map(|(rows, one)| Slice::new(rows, one.window)).collect())
    }

    /// A window of a board, for [`numbered`].
    fn member_window(&self, one: MemberWindow) -> SelectStatement {
        let on_board = self.find::<Entity>().filter(Column::BoardId.eq(one.board.0));
        let mut rows = with_users(on_board).into_query();
        Keyset::new(Column::JoinedAt, Column::Id, Order::Asc).page(&mut rows, one.window);
        rows
    }

    /// How many members each of the boards has; boards without any are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn member_counts(&self, boards: &[BoardId]) -> Result<Vec<(BoardId, i64)>> {
        let rows: Vec<(Uuid, i64)> = self
            .find::<Entity>()
            .filter(Column::BoardId.is_in(boards.iter().map(|id| id.0)))
            .select_only()
            .column(Column::BoardId)
            .column_as(Column::Id.count(), "count")
            .group_by(Column::BoardId)
            .into_tuple()
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(|(board, count)| (board.into(), count)).collect())
    }

    /// The board, if the viewer may take `member` off it: admins and the owner may take off anyone,
    /// every member themselves.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], [`Error::NotFound`] or [`Error::Forbidden`].
    pub async fn authorize_removal(
        &self,
        board: BoardId,
        member: UserId,
    ) -> Result<AuthorizedBoard> {
        let board = self.board_for_change(board).await?;
        let leaves = self.user()? == member && board.relation >= Relation::Viewer;
        if !leaves {
            board.require(Permission::ManageMembers)?;
        }
        Ok(board)
    }

    async fn require_user(&self, user: UserId) -> Result<()> {
        let exists = self
            .find::<users::Entity>()
            .filter(users::Column::Id.eq(user.0))
            .one(self.read())
            .await?
            .is_some();
        if exists { Ok(()) } else { Err(Error::NotFound("User")) }
    }
}

fn with_users(members: Select<Entity>) -> SelectTwo<Entity, users::Entity> {
    members.join(JoinType::InnerJoin, to_user()).select_also(users::Entity)
}

fn to_user() -> RelationDef {
    Entity::belongs_to(users::Entity)
        .from((Column::TenantId, Column::UserId))
        .to((users::Column::TenantId, users::Column::Id))
        .into()
}

impl AuthorizedBoard {
    /// Makes a user of the tenant a member.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a user of no or another tenant, [`Error::BadUserInput`] for the
    /// owner, [`Error::Conflict`] for a member.
    pub async fn add_member(self, user: UserId, role: MemberRole) -> Result<Board> {
        self.scope.require_user(user).await?;
        self.refuse_owner(user, "input.userId")?;
        let row = board_members::ActiveModel {
            id: Set(MemberId::new().0),
            tenant_id: Set(self.scope.tenant().0),
            board_id: Set(self.board.id.0),
            user_id: Set(user.0),
            role: Set(role.as_str().to_owned()),
            invited_by: Set(Some(self.scope.user()?.0)),
            joined_at: Set(now()),
        };
        let inserted = Entity::insert(row).exec_without_returning(self.scope.store().write()).await;
        match inserted {
            Ok(_) => Ok(self.changed()),
            Err(error) if is_unique_violation(&error) => {
                Err(Error::Conflict("This user is already a member of the board".to_owned()))
            }
            Err(error) if is_foreign_key_violation(&error) => Err(Error::NotFound("Board")),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a member off the board.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] for the owner, [`Error::NotFound`] for one who is no member.
    pub async fn remove_member(self, user: UserId) -> Result<Board> {
        self.refuse_owner(user, "userId")?;
        let removed = Entity::delete_many()
            .filter(Column::TenantId.eq(self.scope.tenant().0))
            .filter(Column::BoardId.eq(self.board.id.0))
            .filter(Column::UserId.eq(user.0))
            .exec(self.scope.store().write())
            .await?;
        if removed.rows_affected == 0 {
            return Err(Error::NotFound("Member"));
        }
        Ok(self.changed())
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] for the owner, [`Error::NotFound`] for one who is no member.
    pub async fn change_role(self, user: UserId, role: MemberRole) -> Result<Board> {
        self.refuse_owner(user, "userId")?;
        let row = self
            .scope
            .find::<Entity>()
            .filter(Column::BoardId.eq(self.board.id.0))
            .filter(Column::UserId.eq(user.0))
            .one(self.scope.read())
            .await?
            .ok_or(Error::NotFound("Member"))?;
        let mut member = row.into_active_model();
        member.role = Set(role.as_str().to_owned());
        match member.update(self.scope.store().write()).await {
            Ok(_) => Ok(self.changed()),
            Err(sea_orm::DbErr::RecordNotUpdated) => Err(Error::NotFound("Member")),
            Err(error) => Err(error.into()),
        }
    }

    fn refuse_owner(&self, user: UserId, path: &str) -> Result<()> {
        if user == self.board.owner {
            return Err(Error::bad_input(
                path,
                "The owner of the board cannot be one of its members",
            ));
        }
        Ok(())
    }

    fn changed(self) -> Board {
        self.scope.publish_board(self.board.id);
        self.board
    }
}
