//! Boards: lookups, lists and changes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Alias, Expr, Query, SelectStatement, UnionType},
};
use serde_json::Value;

use super::{
    BoardContents, ContentsAsked, Placed, Scope, Slice, StoredJson, User, Viewer, corrupt,
    credits::{self, Ending},
    entity::{
        board_members,
        boards::{self, Column, Entity},
        generations, jobs,
    },
    keyset::Keyset,
    now,
    projection::{Projected, Projection},
    queue::cancel_at_providers,
    row::{self, Columns, Readable},
    users::UserParts,
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
    pub settings: StoredJson,
    /// Data of integrations, a JSON object.
    pub metadata: StoredJson,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// How many generations are on it.
    pub generation_count: i64,
    /// The owner, as far as they were asked for.
    pub owner_profile: Option<Arc<User>>,
    /// What was read with it.
    pub contents: BoardContents,
}

/// The columns of a [`Board`], in the order in which they are read.
pub(super) const BOARD_COLUMNS: [Column; 11] = [
    Column::Id,
    Column::TenantId,
    Column::OwnerId,
    Column::Title,
    Column::Description,
    Column::IsPublic,
    Column::Settings,
    Column::Metadata,
    Column::CreatedAt,
    Column::UpdatedAt,
    Column::GenerationCount,
];

impl Readable for Board {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Self::read_columns(columns, Projection::ALL)
    }
}

impl Board {
    pub(super) fn read_with(columns: &mut Columns<'_>, parts: BoardParts) -> Result<Self, DbErr> {
        let mut board = Self::read_columns(columns, parts.columns())?;
        if let Some(of_owner) = parts.owner {
            board.owner_profile = Some(Arc::new(User::read_parts(columns, of_owner)?));
        }
        Ok(board)
    }

    pub(super) fn read_columns(
        columns: &mut Columns<'_>,
        projection: Projection,
    ) -> Result<Self, DbErr> {
        let mut columns = Projected::new(columns, projection);
        Ok(Self {
            id: BoardId(columns.next()?),
            tenant: TenantId(columns.next()?),
            owner: UserId(columns.next()?),
            title: columns.next()?,
            description: columns.next()?,
            is_public: columns.next()?,
            settings: columns.next()?,
            metadata: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
            generation_count: columns.next()?,
            owner_profile: None,
            contents: BoardContents::default(),
        })
    }
}

/// How much of a board is read. Nothing else may be read of such a [`Board`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardParts {
    /// Description, settings and metadata.
    pub details: bool,
    /// Of its owner.
    pub owner: Option<UserParts>,
}

impl BoardParts {
    /// All of the row.
    pub const ROW: Self = Self { details: true, owner: None };

    pub(super) fn columns(self) -> Projection {
        CORE.and(DETAILS, self.details)
    }

    /// Tells statements apart.
    pub(super) fn form(self) -> u16 {
        u16::from(self.details) * 3 + self.owner.map_or(0, |owner| 1 + owner as u16)
    }
}

const CORE: Projection = Projection::of(&[0, 1, 2, 3, 5, 8, 9, 10]);
const DETAILS: Projection = Projection::of(&[4, 6, 7]);

impl From<boards::Model> for Board {
    fn from(row: boards::Model) -> Self {
        Self {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            owner: row.owner_id.into(),
            title: row.title,
            description: row.description,
            is_public: row.is_public,
            settings: row.settings.into(),
            metadata: row.metadata.into(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            generation_count: row.generation_count,
            owner_profile: None,
            contents: BoardContents::default(),
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
    pub async fn board(&self, id: BoardId, parts: BoardParts) -> Result<Option<Board>> {
        self.board_with(id, parts, ContentsAsked::default()).await
    }

    /// The same with what is on it.
    ///
    /// # Errors
    /// As [`Scope::board`].
    pub async fn board_with(
        &self,
        id: BoardId,
        parts: BoardParts,
        contents: ContentsAsked,
    ) -> Result<Option<Board>> {
        let seen = self.board_seen_with(id, parts, contents).await?;
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
        let seen = self.board_seen(id, BoardParts::ROW).await?.ok_or(Error::NotFound("Board"))?;
        Ok(AuthorizedBoard { scope: self.clone(), board: seen.board, relation: seen.relation })
    }

    pub(super) async fn board_seen(
        &self,
        id: BoardId,
        parts: BoardParts,
    ) -> Result<Option<BoardSeen>> {
        let name = ("board", parts.form());
        let statement = self.statement(name, [id.0.into()], |scope, parameters| {
            let board = scope.find::<Entity>().filter(Column::Id.eq(parameters.id(0)));
            let board = board.select_only().expr_as(scope.viewer_role(), "viewer_role");
            let mut board = board.columns(parts.columns().select(&BOARD_COLUMNS)).into_query();
            if let Some(of_owner) = parts.owner {
                let owner = Expr::col((Entity, Column::OwnerId));
                scope.look_up_user(&mut board, (owner, OWNER), of_owner);
            }
            board
        });
        let row = self.read().query_one_raw(statement).await?;
        let Some(row) = row else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let role: Option<String> = columns.next()?;
        let board = Board::read_with(&mut columns, parts)?;
        let relation = self.relation(&board, role.as_deref())?;
        Ok(Some(BoardSeen { board, relation }))
    }

    pub(super) fn relation(&self, board: &Board, role: Option<&str>) -> Result<Relation> {
        let role = role
            .map(|role| role.parse().map_err(|()| corrupt("board_members", "role")))
            .transpose()?;
        let is_owner = self.viewer() == Viewer::User(board.owner);
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
        parts: BoardParts,
    ) -> Result<Vec<Board>> {
        self.user()?;
        let name = match role {
            BoardQueryRole::Owner => "owned boards",
            BoardQueryRole::Member => "joined boards",
            BoardQueryRole::Any => "my boards",
        };
        self.board_page((name, sort), page, parts, |scope, cut| {
            let (column, order) = sort_key(sort);
            if role == BoardQueryRole::Owner {
                return rows_listed(scope.owned_boards(), (column, order), cut);
            }
            let keyset = |at, id| Keyset::of(at, id, order.clone());
            let mut keys =
                scope.board_keys(role, column, |keys, at, id| keyset(at, id).first(keys, cut.end));
            listed_by(order.clone()).first(&mut keys, cut.limit);
            keys.offset(cut.offset);
            scope.keys_listed(keys, &order)
        })
        .await
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
        if role == BoardQueryRole::Owner {
            return self.board_window(self.owned_boards(), sort, window).await;
        }
        let (column, order) = sort_key(sort);
        let keyset = |at, id| Keyset::of(at, id, order.clone());
        let mut keys =
            self.board_keys(role, column, |keys, at, id| keyset(at, id).page(keys, window));
        listed_by(order.clone()).page(&mut keys, window);
        let mut rows = self.boards_of_keys(keys);
        listed_by(order).page(&mut rows, window);
        self.select_board(&mut rows, BoardParts::ROW);
        let statement = self.store().backend().build(&rows);
        let rows: Vec<Board> = row::all(self.read(), statement).await?;
        Ok(Slice::new(rows, window).map(|row| placed(row, sort)))
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
    pub async fn public_board_list(
        &self,
        sort: SortOrder,
        page: Page,
        parts: BoardParts,
    ) -> Result<Vec<Board>> {
        self.board_page(("public boards", sort), page, parts, |scope, cut| {
            rows_listed(scope.public_boards(), sort_key(sort), cut)
        })
        .await
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

    /// A page of boards, which `list` finds under the name [`BOARD`] and puts in order.
    async fn board_page(
        &self,
        (name, sort): (&'static str, SortOrder),
        page: Page,
        parts: BoardParts,
        list: impl Fn(&Self, Cut) -> SelectStatement,
    ) -> Result<Vec<Board>> {
        let (limit, offset) = (page.limit(), page.offset());
        let form = (name, sort as u16 * 6 + parts.form());
        let parameters = [limit.into(), offset.into(), (limit + offset).into()];
        let statement = self.statement(form, parameters, |scope, parameters| {
            let [limit, offset, end] = [0, 1, 2].map(|place| parameters.number(place));
            let mut boards = list(scope, Cut { limit, offset, end });
            scope.select_board(&mut boards, parts);
            boards
        });
        let rows = self.read().query_all_raw(statement).await?;
        let read = |row| Ok(Board::read_with(&mut Columns::of(row), parts)?);
        rows.iter().map(read).collect()
    }

    /// Adds the columns that [`read_with`] reads.
    fn select_board(&self, query: &mut SelectStatement, parts: BoardParts) {
        let columns = parts.columns().select(&BOARD_COLUMNS);
        query.columns(columns.map(|column| (BOARD, column)));
        if let Some(of_owner) = parts.owner {
            let owner = Expr::col((BOARD, Column::OwnerId));
            self.look_up_user(query, (owner, OWNER), of_owner);
        }
    }

    /// The boards with these keys, in their order.
    fn keys_listed(&self, keys: SelectStatement, order: &Order) -> SelectStatement {
        let mut query = self.boards_of_keys(keys);
        query.order_by((LISTED, KEY_AT), order.clone()).order_by((LISTED, KEY_ID), order.clone());
        query
    }

    fn boards_of_keys(&self, keys: SelectStatement) -> SelectStatement {
        let boards = self.find::<Entity>().select_only().columns(BOARD_COLUMNS).into_query();
        let mut query = Query::select();
        query.from_subquery(keys, LISTED);
        self.look_up(&mut query, boards, (Column::Id, Expr::col((LISTED, KEY_ID))), BOARD);
        query
    }

    /// Ids and times of the boards that the viewer is a member of, or owns too. Each of the two has an
    /// index in the order of the list; `cut` takes of each what can be on the page.
    fn board_keys(
        &self,
        role: BoardQueryRole,
        column: Column,
        cut: impl Fn(&mut SelectStatement, Expr, Expr),
    ) -> SelectStatement {
        let copy = match column {
            Column::CreatedAt => "board_created_at",
            _ => "board_updated_at",
        };
        let key = |at: Expr, id: Expr, mut rows: SelectStatement| {
            rows.expr_as(id.clone(), KEY_ID).expr_as(at.clone(), KEY_AT);
            cut(&mut rows, at, id);
            Query::select().columns([KEY_ID, KEY_AT]).from_subquery(rows, LISTED).to_owned()
        };
        let mut keys = key(
            Expr::col((board_members::Entity, Alias::new(copy))),
            Expr::col((board_members::Entity, board_members::Column::BoardId)),
            self.memberships().select_only().into_query(),
        );
        if role == BoardQueryRole::Any {
            let owned = self.owned_boards().select_only().into_query();
            let [at, id] = [column, Column::Id].map(|column| Expr::col((Entity, column)));
            keys.union(UnionType::Distinct, key(at, id, owned));
        }
        Query::select().columns([KEY_ID, KEY_AT]).from_subquery(keys, LISTED).to_owned()
    }

    async fn board_window(
        &self,
        boards: Select<Entity>,
        sort: SortOrder,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        let (column, order) = sort_key(sort);
        let mut boards = boards.select_only().columns(BOARD_COLUMNS).into_query();
        Keyset::new(column, Column::Id, order).page(&mut boards, window);
        let statement = self.store().backend().build(&boards);
        let rows: Vec<Board> = row::all(self.read(), statement).await?;
        Ok(Slice::new(rows, window).map(|row| placed(row, sort)))
    }

    /// Those of the boards that the viewer may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn boards_by_id(&self, ids: &[BoardId]) -> Result<Vec<Board>> {
        let ids = self.list(ids.iter().map(|id| id.0));
        let statement = self.statement(("visible boards", 0), [ids], |scope, parameters| {
            let boards = scope.find::<Entity>().filter(scope.board_is_visible());
            let boards = boards.select_only().columns(BOARD_COLUMNS).into_query();
            scope.each_of(parameters.text(0), boards, Column::Id)
        });
        Ok(row::all(self.read(), statement).await?)
    }

    /// Makes a board that the viewer owns.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn create_board(&self, new: NewBoard) -> Result<Board> {
        let now = now();
        let board = Board {
            id: BoardId::new(),
            tenant: self.tenant(),
            owner: self.user()?,
            title: new.title,
            description: new.description,
            is_public: new.is_public,
            settings: Value::Object(new.settings).into(),
            metadata: Value::Object(new.metadata).into(),
            created_at: now,
            updated_at: now,
            generation_count: 0,
            owner_profile: None,
            contents: BoardContents::default(),
        };
        Entity::insert(inserted(&board)).exec_without_returning(self.store().write()).await?;
        Ok(board)
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
        let (store, tenant) = (self.scope.store(), self.scope.tenant());
        let transaction = store.begin().await?;
        credits::hold_users(store, &transaction, tenant, Ending::Board(self.board.id)).await?;
        // The jobs first, as the worker does: two who take locks in one order cannot deadlock.
        let on_board = self
            .scope
            .find::<generations::Entity>()
            .filter(generations::Column::BoardId.eq(self.board.id.0))
            .select_only()
            .column(generations::Column::Id)
            .into_query();
        cancel_at_providers(&transaction, on_board.clone()).await?;
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
        credits::refund(store, &transaction, tenant, Ending::Gone).await?;
        transaction.commit().await?;

        self.scope.publish_board(self.board.id);
        Ok(self.board)
    }
}

/// The row of a new board; how many generations are on it is the database's to say.
fn inserted(board: &Board) -> boards::ActiveModel {
    boards::ActiveModel {
        id: Set(board.id.0),
        tenant_id: Set(board.tenant.0),
        owner_id: Set(board.owner.0),
        title_folded: Set(Some(fold(&board.title))),
        description_folded: Set(board.description.as_deref().map(fold)),
        title: Set(board.title.clone()),
        description: Set(board.description.clone()),
        is_public: Set(board.is_public),
        settings: Set(board.settings.value()),
        metadata: Set(board.metadata.value()),
        created_at: Set(board.created_at),
        updated_at: Set(board.updated_at),
        ..Default::default()
    }
}

fn placed(board: Board, sort: SortOrder) -> Placed<Board> {
    let at = match sort {
        SortOrder::CreatedAsc | SortOrder::CreatedDesc => board.created_at,
        SortOrder::UpdatedAsc | SortOrder::UpdatedDesc => board.updated_at,
    };
    let position = ListPosition::new(at, board.id);
    Placed::new(board, position)
}

/// What finds boards calls them so, and their owners.
const BOARD: &str = "board";
const OWNER: &str = "owner";
/// Keys of boards, in the order of a list.
const LISTED: &str = "listed";
const KEY_ID: &str = "board_id";
const KEY_AT: &str = "listed_at";

/// A page, as parameters of a statement.
#[derive(Clone, Copy)]
struct Cut {
    limit: u64,
    offset: u64,
    /// Where it ends: limit and offset together.
    end: u64,
}

/// A page of boards that an index has in the order of the list.
fn rows_listed(
    boards: Select<Entity>,
    (column, order): (Column, Order),
    cut: Cut,
) -> SelectStatement {
    let rows = boards
        .select_only()
        .columns(BOARD_COLUMNS)
        .order_by(column, order.clone())
        .order_by(Column::Id, order.clone())
        .limit(cut.limit)
        .offset(cut.offset);
    let mut query = Query::select();
    query
        .from_subquery(rows.into_query(), BOARD)
        .order_by((BOARD, column), order.clone())
        .order_by((BOARD, Column::Id), order);
    query
}

fn listed_by(order: Order) -> Keyset {
    let [at, id] = [KEY_AT, KEY_ID].map(|column| Expr::col((LISTED, column)));
    Keyset::of(at, id, order)
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

#[cfg(test)]
mod tests {
    use sea_orm::IdenStatic;

    use super::*;

    #[test]
    fn places_are_those_of_the_columns() {
        let of = |group: Projection| -> Vec<&'static str> {
            group.select(&BOARD_COLUMNS).map(|column| column.as_str()).collect()
        };
        assert_eq!(of(DETAILS), ["description", "settings", "metadata"]);
        assert_eq!(of(BoardParts::ROW.columns()), of(Projection::ALL), "none is left out");
    }
}
