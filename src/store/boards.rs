//! Boards: lookups, lists and changes.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Query},
};
use serde_json::Value;

use super::{
    Placed, Scope, Slice, Viewer, corrupt,
    entity::{
        boards::{self, Column, Entity},
        generations, jobs,
    },
    keyset::{Keyset, numbered},
    now,
    row::{self, Columns, Readable},
};
use crate::{
    access::policy,
    domain::{
        BoardId, BoardQueryRole, Edit, JsonObject, ListPosition, ListWindow, Page, Permission,
        Relation, SortOrder, TenantId, UserId, Validator, fold, json_object, merge_patch,
    },
    error::{Error, Result},
};

/// A board, as its row says.
#[derive(Clone, Debug)]
pub struct Board {
    /// Its id.
    pub id: BoardId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The user who owns it.
    pub owner: UserId,
    /// Its title, 1 to 255 characters.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Whether everyone in the tenant may see it.
    pub is_public: bool,
    /// Settings of the front end, a JSON object.
    pub settings: Value,
    /// Data of integrations, a JSON object.
    pub metadata: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// How many generations are on it.
    pub generation_count: i64,
}

impl From<boards::Model> for Board {
    fn from(row: boards::Model) -> Self {
        Self {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            owner: row.owner_id.into(),
            title: row.title,
            description: row.description,
            is_public: row.is_public,
            settings: row.settings,
            metadata: row.metadata,
            created_at: row.created_at,
            updated_at: row.updated_at,
            generation_count: row.generation_count,
        }
    }
}

/// A board that is to be made; its fields are checked.
#[derive(Clone, Debug)]
pub struct NewBoard {
    /// 1 to 255 characters.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// Whether everyone in the tenant may see it.
    pub is_public: bool,
    /// Settings of the front end.
    pub settings: JsonObject,
    /// Data of integrations.
    pub metadata: JsonObject,
}

/// Changes to a board; its fields are checked.
#[derive(Clone, Debug, Default)]
pub struct BoardChanges {
    /// A new title.
    pub title: Option<String>,
    /// A new description, or none.
    pub description: Edit<String>,
    /// A new visibility.
    pub is_public: Option<bool>,
    /// A merge patch (RFC 7396) to the settings; cleared means `{}`.
    pub settings: Edit<JsonObject>,
    /// New metadata in place of the old; cleared means `{}`.
    pub metadata: Edit<JsonObject>,
}

struct BoardRow {
    board: boards::Model,
    viewer_role: Option<String>,
}

impl Readable for BoardRow {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self { board: boards::Model::read(columns)?, viewer_role: columns.next()? })
    }
}

/// A board and how the viewer stands to it.
pub(super) struct BoardSeen {
    pub(super) board: Board,
    pub(super) relation: Relation,
}

/// A board on which the viewer has just been found to have a permission. The only way to change it.
pub struct AuthorizedBoard {
    pub(super) scope: Scope,
    pub(super) board: Board,
    pub(super) relation: Relation,
}

impl Scope {
    /// The board, if it exists in the tenant and the viewer may see it.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] when an anonymous viewer may not see it or it does not exist;
    /// [`Error::Forbidden`] when a signed-in viewer may not see it.
    pub async fn board(&self, id: BoardId) -> Result<Option<Board>> {
        let seen = self.board_seen(id).await?;
        match (seen, self.viewer()) {
            (Some(seen), _) if policy::allows(seen.relation, Permission::View) => {
                Ok(Some(seen.board))
            }
            (_, Viewer::Anonymous) => Err(Error::NotAuthenticated),
            (Some(_), Viewer::User(_)) => Err(policy::refusal(Permission::View)),
            (None, Viewer::User(_)) => Ok(None),
        }
    }

    /// The board, if it exists in the tenant and the viewer has `permission` on it.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], [`Error::NotFound`] or [`Error::Forbidden`], in this order.
    pub async fn authorize_board(
        &self,
        id: BoardId,
        permission: Permission,
    ) -> Result<AuthorizedBoard> {
        let board = self.board_for_change(id).await?;
        board.require(permission)?;
        Ok(board)
    }

    /// The board with the viewer's relation, before anything is decided.
    pub(super) async fn board_for_change(&self, id: BoardId) -> Result<AuthorizedBoard> {
        self.user()?;
        let seen = self.board_seen(id).await?.ok_or(Error::NotFound("Board"))?;
        Ok(AuthorizedBoard { scope: self.clone(), board: seen.board, relation: seen.relation })
    }

    pub(super) async fn board_seen(&self, id: BoardId) -> Result<Option<BoardSeen>> {
        let statement = self.statement(("board", 0), [id.0.into()], |scope, parameters| {
            let board = scope.find::<Entity>().filter(Column::Id.eq(parameters.id(0)));
            board.expr_as(scope.viewer_role(), "viewer_role").into_query()
        });
        let row: Option<BoardRow> = row::one(self.read(), statement).await?;
        row.map(|row| {
            let relation = self.relation(&row.board, row.viewer_role.as_deref())?;
            Ok(BoardSeen { board: row.board.into(), relation })
        })
        .transpose()
    }

    pub(super) fn relation(&self, board: &boards::Model, role: Option<&str>) -> Result<Relation> {
        let role = role
            .map(|role| role.parse().map_err(|()| corrupt("board_members", "role")))
            .transpose()?;
        let is_owner = self.viewer() == Viewer::User(board.owner_id.into());
        Ok(policy::relation(is_owner, role, board.is_public))
    }

    /// The boards that the viewer owns or is a member of.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn my_boards(
        &self,
        role: BoardQueryRole,
        sort: SortOrder,
        page: Page,
    ) -> Result<Vec<Board>> {
        self.user()?;
        let name = match role {
            BoardQueryRole::Owner => "owned boards",
            BoardQueryRole::Member => "joined boards",
            BoardQueryRole::Any => "my boards",
        };
        self.board_page(name, sort, page, |scope| scope.boards_as(role)).await
    }

    /// A window of the boards that the viewer owns or is a member of.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn my_board_window(
        &self,
        role: BoardQueryRole,
        sort: SortOrder,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        self.user()?;
        match role {
            BoardQueryRole::Any => self.any_board_window(sort, window).await,
            _ => self.board_window(self.boards_as(role), sort, window).await,
        }
    }

    /// How many boards the viewer owns or is a member of.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn my_board_count(&self, role: BoardQueryRole) -> Result<u64> {
        self.user()?;
        Ok(self.boards_as(role).count(self.read()).await?)
    }

    fn boards_as(&self, role: BoardQueryRole) -> Select<Entity> {
        match role {
            BoardQueryRole::Owner => self.owned_boards(),
            BoardQueryRole::Member => {
                self.find::<Entity>().filter(Column::Id.in_subquery(self.member_board_ids()))
            }
            BoardQueryRole::Any => {
                self.find::<Entity>().filter(Column::Id.in_subquery(self.own_or_member_board_ids()))
            }
        }
    }

    /// The public boards of the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn public_board_list(&self, sort: SortOrder, page: Page) -> Result<Vec<Board>> {
        self.board_page("public boards", sort, page, Self::public_boards).await
    }

    /// A window of the public boards of the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn public_board_window(
        &self,
        sort: SortOrder,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        self.board_window(self.public_boards(), sort, window).await
    }

    /// How many public boards the tenant has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn public_board_count(&self) -> Result<u64> {
        Ok(self.public_boards().count(self.read()).await?)
    }

    async fn board_page(
        &self,
        name: &'static str,
        sort: SortOrder,
        page: Page,
        boards: impl Fn(&Self) -> Select<Entity>,
    ) -> Result<Vec<Board>> {
        let parameters = [page.limit().into(), page.offset().into()];
        let statement = self.statement((name, sort as u8), parameters, |scope, parameters| {
            let (column, order) = sort_key(sort);
            boards(scope)
                .order_by(column, order.clone())
                .order_by(Column::Id, order)
                .limit(parameters.number(0))
                .offset(parameters.number(1))
                .into_query()
        });
        let rows: Vec<boards::Model> = row::all(self.read(), statement).await?;
        Ok(rows.into_iter().map(Board::from).collect())
    }

    async fn board_window(
        &self,
        mut boards: Select<Entity>,
        sort: SortOrder,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        let (column, order) = sort_key(sort);
        Keyset::new(column, Column::Id, order).page(QuerySelect::query(&mut boards), window);
        let rows = boards.all(self.read()).await?;
        Ok(Slice::new(rows, window).map(|row| placed(row, sort)))
    }

    /// The first of the viewer's own and the first of those shared with them, and of these the first:
    /// an index has the order of the former, and of the latter none.
    async fn any_board_window(
        &self,
        sort: SortOrder,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        let (column, order) = sort_key(sort);
        let own = Column::OwnerId.eq(self.viewer_uuid());
        let shared = self.boards_as(BoardQueryRole::Member).filter(own.not());
        let branches = [self.owned_boards(), shared].map(|boards| {
            let mut rows = boards.into_query();
            Keyset::new(column, Column::Id, order.clone()).page(&mut rows, window);
            rows
        });
        let Some(both) = numbered(branches, "tenant_id", self.tenant()) else {
            return Ok(Slice::new(Vec::new(), window));
        };
        let mut rows = Query::select().expr(Expr::cust("*")).from_subquery(both, "both").to_owned();
        let keys = Keyset::of_alias("both", column, Column::Id, order);
        keys.read(&mut rows, window, window.rows() as u64 + 1);
        let statement = self.store().backend().build(&rows);
        let rows = boards::Model::find_by_statement(statement).all(self.read()).await?;
        Ok(Slice::new(rows, window).map(|row| placed(row, sort)))
    }

    /// Those of the boards that the viewer may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn boards_by_id(&self, ids: &[BoardId]) -> Result<Vec<Board>> {
        let ids = self.list(ids.iter().map(|id| id.0));
        let statement = self.statement(("visible boards", 0), [ids], |scope, parameters| {
            let named = scope.among(Column::Id, parameters.text(0));
            let boards = scope.find::<Entity>().filter(named);
            boards.filter(scope.board_is_visible()).into_query()
        });
        let rows: Vec<boards::Model> = row::all(self.read(), statement).await?;
        Ok(rows.into_iter().map(Board::from).collect())
    }

    /// Makes a board that the viewer owns.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn create_board(&self, new: NewBoard) -> Result<Board> {
        let owner = self.user()?;
        let now = now();
        let row = boards::ActiveModel {
            id: Set(BoardId::new().0),
            tenant_id: Set(self.tenant().0),
            owner_id: Set(owner.0),
            title_folded: Set(Some(fold(&new.title))),
            description_folded: Set(new.description.as_deref().map(fold)),
            title: Set(new.title),
            description: Set(new.description),
            is_public: Set(new.is_public),
            settings: Set(Value::Object(new.settings)),
            metadata: Set(Value::Object(new.metadata)),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let board = Entity::insert(row).exec_with_returning(self.store().write()).await?;
        Ok(board.into())
    }
}

impl AuthorizedBoard {
    /// The board's row.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Refuses unless the viewer has the permission too.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, permission: Permission) -> Result<()> {
        if policy::allows(self.relation, permission) {
            Ok(())
        } else {
            Err(policy::refusal(permission))
        }
    }

    /// Changes the board.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] when the merged settings grow too large; [`Error::NotFound`] when
    /// the board was deleted meanwhile.
    pub async fn update(self, changes: BoardChanges) -> Result<Board> {
        let transaction = self.scope.store().begin().await?;
        let row = self
            .scope
            .find::<Entity>()
            .filter(Column::Id.eq(self.board.id.0))
            .lock_exclusive()
            .one(&transaction)
            .await?
            .ok_or(Error::NotFound("Board"))?;
        let updated = apply(row, changes)?.update(&transaction).await?;
        transaction.commit().await?;
        self.scope.publish_board(self.board.id);
        Ok(updated.into())
    }

    /// Deletes the board and everything on it. The artifacts' files are the caller's to delete.
    ///
    /// # Errors
    /// [`Error::NotFound`] when someone else deleted it meanwhile.
    pub async fn delete(self) -> Result<Board> {
        let transaction = self.scope.store().begin().await?;
        // The jobs first, as the worker does: two who take locks in one order cannot deadlock.
        let on_board = self
            .scope
            .find::<generations::Entity>()
            .filter(generations::Column::BoardId.eq(self.board.id.0))
            .select_only()
            .column(generations::Column::Id)
            .into_query();
        jobs::Entity::delete_many()
            .filter(jobs::Column::TenantId.eq(self.scope.tenant().0))
            .filter(jobs::Column::GenerationId.in_subquery(on_board))
            .exec(&transaction)
            .await?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.scope.tenant().0))
            .filter(Column::Id.eq(self.board.id.0))
            .exec(&transaction)
            .await?;
        if deleted.rows_affected == 0 {
            return Err(Error::NotFound("Board"));
        }
        transaction.commit().await?;

        self.scope.publish_board(self.board.id);
        Ok(self.board)
    }
}

fn placed(row: boards::Model, sort: SortOrder) -> Placed<Board> {
    let at = match sort {
        SortOrder::CreatedAsc | SortOrder::CreatedDesc => row.created_at,
        SortOrder::UpdatedAsc | SortOrder::UpdatedDesc => row.updated_at,
    };
    let position = ListPosition::new(at, row.id);
    Placed::new(row.into(), position)
}

fn sort_key(sort: SortOrder) -> (Column, Order) {
    match sort {
        SortOrder::CreatedAsc => (Column::CreatedAt, Order::Asc),
        SortOrder::CreatedDesc => (Column::CreatedAt, Order::Desc),
        SortOrder::UpdatedAsc => (Column::UpdatedAt, Order::Asc),
        SortOrder::UpdatedDesc => (Column::UpdatedAt, Order::Desc),
    }
}

fn apply(row: boards::Model, changes: BoardChanges) -> Result<boards::ActiveModel> {
    let settings = merged_settings(&row.settings, changes.settings)?;
    let mut board = row.into_active_model();
    if let Some(title) = changes.title {
        board.title_folded = Set(Some(fold(&title)));
        board.title = Set(title);
    }
    match changes.description {
        Edit::Keep => {}
        Edit::Clear => {
            board.description = Set(None);
            board.description_folded = Set(None);
        }
        Edit::Set(description) => {
            board.description_folded = Set(Some(fold(&description)));
            board.description = Set(Some(description));
        }
    }
    if let Some(is_public) = changes.is_public {
        board.is_public = Set(is_public);
    }
    if let Some(settings) = settings {
        board.settings = Set(Value::Object(settings));
    }
    match changes.metadata {
        Edit::Keep => {}
        Edit::Clear => board.metadata = Set(Value::Object(JsonObject::new())),
        Edit::Set(metadata) => board.metadata = Set(Value::Object(metadata)),
    }
    board.updated_at = Set(now());
    Ok(board)
}

fn merged_settings(present: &Value, patch: Edit<JsonObject>) -> Result<Option<JsonObject>> {
    let patch = match patch {
        Edit::Keep => return Ok(None),
        Edit::Clear => return Ok(Some(JsonObject::new())),
        Edit::Set(patch) => patch,
    };
    let merged = merge_patch(present.as_object().cloned().unwrap_or_default(), patch);
    let mut validator = Validator::new();
    let merged = json_object("input.settings", &Value::Object(merged), &mut validator);
    validator.finish()?;
    Ok(Some(merged))
}
