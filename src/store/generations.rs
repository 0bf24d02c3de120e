//! Generations: lookups, lists, creation and end by a user's hand.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, Order, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, SimpleExpr, UnionType},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    GenerationFilter, Placed, Scope, Slice, StoredJson, User, Viewer, corrupt,
    entity::{
        boards,
        generations::{self, Column, Entity},
    },
    keyset::{Keyset, numbered, rows_of},
    projection::{Projected, Projection},
    row::Columns,
    users::UserParts,
};
use crate::{
    access::policy,
    domain::{
        ArtifactType, BoardId, GenerationId, GenerationStatus, JsonObject, ListPosition,
        ListWindow, Page, Permission, Relation, TenantId, UserId,
    },
    error::{Error, Result},
};

/// A generation, as its row says.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its id.
    pub id: GenerationId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The board it is on.
    pub board: BoardId,
    /// Who asked for it.
    pub user: UserId,
    /// The generator, or `user-upload-…`.
    pub generator_name: String,
    /// What it makes.
    pub artifact_type: ArtifactType,
    /// The parameters as they were sent.
    pub input_params: StoredJson,
    /// Where it stands.
    pub status: GenerationStatus,
    /// Where the artifact is: `storage:KEY` for our own store, else a URL.
    pub storage_url: Option<String>,
    /// Where the thumbnail is, likewise.
    pub thumbnail_url: Option<String>,
    /// More files: a list of `{url, type, metadata}`.
    pub additional_files: StoredJson,
    /// Facts about the artifact.
    pub output_metadata: StoredJson,
    /// What it was made from.
    pub input_artifacts: Vec<LineageEntry>,
    /// The provider's id of the job.
    pub external_job_id: Option<String>,
    /// The part done, 0 to 1, in hundredths.
    pub progress: f64,
    /// Why it failed, for the user.
    pub error_message: Option<String>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The profile of who asked for it, where it was asked for.
    pub user_profile: Option<Arc<User>>,
}

/// How much of a generation is read. Nothing else may be read of such a [`Generation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenerationParts {
    /// The parameters as they were sent.
    pub params: bool,
    /// Files beside the artifact, facts about it, what it was made from, how it ended.
    pub details: bool,
    /// Of who asked for it.
    pub user: Option<UserParts>,
}

impl GenerationParts {
    /// All of the row.
    pub const ROW: Self = Self { params: true, details: true, user: None };

    pub(super) fn columns(self) -> Projection {
        CORE.and(PARAMS, self.params).and(DETAILS, self.details)
    }

    /// Tells statements apart.
    fn form(self) -> u16 {
        let user = self.user.map_or(0, |user| 1 + user as u16);
        (u16::from(self.params) * 2 + u16::from(self.details)) * 3 + user
    }
}

/// Places of columns in the order of the entity.
const CORE: Projection = Projection::of(&[0, 1, 2, 3, 4, 5, 7, 8, 9, 14, 18, 19]);
const PARAMS: Projection = Projection::of(&[6]);
const DETAILS: Projection = Projection::of(&[10, 11, 12, 13, 15, 16, 17]);

impl Generation {
    pub(super) fn read_columns(columns: &mut Columns<'_>, projection: Projection) -> Result<Self> {
        let mut columns = Projected::new(columns, projection);
        Ok(Self {
            id: GenerationId(columns.next()?),
            tenant: TenantId(columns.next()?),
            board: BoardId(columns.next()?),
            user: UserId(columns.next()?),
            generator_name: columns.next()?,
            artifact_type: columns
                .parsed()?
                .ok_or_else(|| corrupt("generations", "artifact_type"))?,
            input_params: columns.next()?,
            status: columns.parsed()?.ok_or_else(|| corrupt("generations", "status"))?,
            storage_url: columns.next()?,
            thumbnail_url: columns.next()?,
            additional_files: columns.next()?,
            output_metadata: columns.next()?,
            input_artifacts: lineage_entries(&columns.next()?),
            external_job_id: columns.next()?,
            progress: columns.next::<Decimal>()?.to_f64().unwrap_or_default(),
            error_message: columns.next()?,
            started_at: columns.next()?,
            completed_at: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
            user_profile: None,
        })
    }

    /// Where it stands in lists of generations.
    pub(super) fn position(&self) -> ListPosition {
        ListPosition::new(self.created_at, self.id)
    }
}

/// One generation that another was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageEntry {
    /// The source.
    pub generation: GenerationId,
    /// The parameter that named it.
    pub role: String,
    /// What kind of artifact it is.
    pub artifact_type: ArtifactType,
}

impl TryFrom<generations::Model> for Generation {
    type Error = Error;

    fn try_from(row: generations::Model) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            board: row.board_id.into(),
            user: row.user_id.into(),
            generator_name: row.generator_name,
            artifact_type: row
                .artifact_type
                .parse()
                .map_err(|()| corrupt("generations", "artifact_type"))?,
            input_params: row.input_params.into(),
            status: row.status.parse().map_err(|()| corrupt("generations", "status"))?,
            storage_url: row.storage_url,
            thumbnail_url: row.thumbnail_url,
            additional_files: row.additional_files.into(),
            output_metadata: row.output_metadata.into(),
            input_artifacts: lineage_entries(&row.input_artifacts),
            external_job_id: row.external_job_id,
            progress: row.progress.to_f64().unwrap_or_default(),
            error_message: row.error_message,
            started_at: row.started_at,
            completed_at: row.completed_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            user_profile: None,
        })
    }
}

/// Older servers wrote this column too; an entry that cannot be read is left out.
fn lineage_entries(value: &Value) -> Vec<LineageEntry> {
    let entry = |entry: &Value| {
        Some(LineageEntry {
            generation: GenerationId(entry.get("generation_id")?.as_str()?.parse().ok()?),
            role: entry.get("role").and_then(Value::as_str).unwrap_or("input").to_owned(),
            artifact_type: entry.get("artifact_type")?.as_str()?.parse().ok()?,
        })
    };
    value.as_array().map(|entries| entries.iter().filter_map(entry).collect()).unwrap_or_default()
}

/// A generation that is to be queued; everything in it is checked.
#[derive(Clone, Debug)]
pub struct NewGeneration {
    /// The generator.
    pub generator_name: String,
    /// Who runs it; empty for a generator of this process.
    pub provider: String,
    /// What it makes.
    pub artifact_type: ArtifactType,
    /// Its parameters.
    pub input_params: JsonObject,
    /// Data of the client, kept under `metadata` in outputMetadata.
    pub metadata: JsonObject,
    /// The artifacts that the parameters name.
    pub inputs: Vec<LineageEntry>,
    /// What it is expected to cost, in US dollars; none where nothing is known.
    pub cost_usd: Option<Decimal>,
}

/// A page of a board's generations, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenerationPage {
    /// The board.
    pub board: BoardId,
    /// The window.
    pub page: Page,
}

/// A window of a board's generations, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GenerationWindow {
    /// The board.
    pub board: BoardId,
    /// The window.
    pub window: ListWindow,
}

#[derive(FromQueryResult)]
struct GenerationRow {
    #[sea_orm(nested)]
    generation: generations::Model,
    owner_id: sea_orm::prelude::Uuid,
    is_public: bool,
    viewer_role: Option<String>,
}

/// A generation and how the viewer stands to its board.
struct GenerationSeen {
    generation: Generation,
    relation: Relation,
}

/// A generation on whose board the viewer has just been found to have a permission.
pub struct AuthorizedGeneration {
    pub(super) scope: Scope,
    pub(super) generation: Generation,
}

impl Scope {
    /// The generation, if it exists in the tenant and the viewer may see its board.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] when an anonymous viewer may not see it or it does not exist;
    /// [`Error::Forbidden`] when a signed-in viewer may not see it.
    pub async fn generation(&self, id: GenerationId) -> Result<Option<Generation>> {
        let seen = self.generation_seen(id).await?;
        match (seen, self.viewer()) {
            (Some(seen), _) if policy::allows(seen.relation, Permission::View) => {
                Ok(Some(seen.generation))
            }
            (_, Viewer::Anonymous) => Err(Error::NotAuthenticated),
            (Some(_), Viewer::User(_)) => Err(Error::forbidden("view this generation")),
            (None, Viewer::User(_)) => Ok(None),
        }
    }

    /// The generation, if it exists and the viewer has the permission that `permission` names for it.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], [`Error::NotFound`] or [`Error::Forbidden`], in this order.
    pub async fn authorize_generation(
        &self,
        id: GenerationId,
        permission: impl FnOnce(&Generation, UserId) -> Permission,
    ) -> Result<AuthorizedGeneration> {
        let user = self.user()?;
        let seen = self.generation_seen(id).await?.ok_or(Error::NotFound("Generation"))?;
        let permission = permission(&seen.generation, user);
        if policy::allows(seen.relation, permission) {
            Ok(AuthorizedGeneration { scope: self.clone(), generation: seen.generation })
        } else if permission == Permission::View {
            Err(Error::forbidden("view this generation"))
        } else {
            Err(policy::refusal(permission))
        }
    }

    /// The generation, if the viewer may cancel or delete it.
    ///
    /// # Errors
    /// As [`Scope::authorize_generation`].
    pub async fn authorize_managing(&self, id: GenerationId) -> Result<AuthorizedGeneration> {
        self.authorize_generation(id, |generation, user| {
            policy::manage_generation(generation.user == user)
        })
        .await
    }

    async fn generation_seen(&self, id: GenerationId) -> Result<Option<GenerationSeen>> {
        let row = self
            .find::<Entity>()
            .filter(Column::Id.eq(id.0))
            .join(JoinType::InnerJoin, to_board())
            .column(boards::Column::OwnerId)
            .column(boards::Column::IsPublic)
            .expr_as(self.viewer_role(), "viewer_role")
            .into_model::<GenerationRow>()
            .one(self.read())
            .await?;
        row.map(|row| {
            let role = row
                .viewer_role
                .map(|role| role.parse().map_err(|()| corrupt("board_members", "role")))
                .transpose()?;
            let is_owner = self.viewer() == Viewer::User(row.owner_id.into());
            let relation = policy::relation(is_owner, role, row.is_public);
            Ok(GenerationSeen { generation: row.generation.try_into()?, relation })
        })
        .transpose()
    }

    /// Those of the generations whose board the viewer may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn generations_by_id(&self, ids: &[GenerationId]) -> Result<Vec<Generation>> {
        let rows = self
            .find::<Entity>()
            .filter(Column::Id.is_in(ids.iter().map(|id| id.0)))
            .join(JoinType::InnerJoin, to_board())
            .filter(self.board_is_visible())
            .all(self.read())
            .await?;
        rows.into_iter().map(Generation::try_from).collect()
    }

    /// The newest generations on all boards that the viewer may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_generations(
        &self,
        filter: &GenerationFilter,
        page: Page,
        parts: GenerationParts,
    ) -> Result<Vec<Generation>> {
        let ids = match filter.board {
            Some(board) => self.newest_on_board(board, filter, page),
            None => self.newest_visible(filter, page),
        };
        // The rows are wide: they are read for those on the page alone.
        let mut query = Query::select();
        query.from_subquery(ids, NEWEST);
        let id = Expr::col((NEWEST, Column::Id));
        let columns = || parts.columns().select(&GENERATION_COLUMNS);
        let generations = self.find::<Entity>().select_only().columns(columns()).into_query();
        self.look_up(&mut query, generations, (Column::Id, id), GENERATION);
        query.columns(columns().map(|column| (GENERATION, column)));
        if let Some(of_user) = parts.user {
            let user = Expr::col((GENERATION, Column::UserId));
            self.look_up_user(&mut query, (user, "creator"), of_user);
        }
        for column in [Column::CreatedAt, Column::Id] {
            query.order_by((NEWEST, column), Order::Desc);
        }
        let rows = self.read().query_all_raw(self.store().backend().build(&query)).await?;
        let read = |row| {
            let mut columns = Columns::of(row);
            let mut generation = Generation::read_columns(&mut columns, parts.columns())?;
            if let Some(of_user) = parts.user {
                let user = User::read_parts(&mut columns, of_user)?;
                generation.user_profile = Some(Arc::new(user));
            }
            Ok(generation)
        };
        rows.iter().map(read).collect()
    }

    pub(super) fn recent(&self, filter: &GenerationFilter) -> Select<Entity> {
        let generations = match filter.board {
            Some(board) => self.find::<Entity>().filter(Column::BoardId.eq(board.0)),
            None => {
                self.find::<Entity>().filter(Column::BoardId.in_subquery(self.visible_board_ids()))
            }
        };
        generations.filter(self.matches(filter, ColumnTrait::into_expr))
    }

    /// Ids and times on a page of the newest generations of a board; the tenant is asked for with the rows.
    fn newest_on_board(
        &self,
        board: BoardId,
        filter: &GenerationFilter,
        page: Page,
    ) -> SelectStatement {
        let on_board = Entity::find().filter(Column::BoardId.eq(board.0));
        let matching = on_board.filter(self.matches(filter, ColumnTrait::into_expr));
        let ids = newest_first(matching).select_only().columns([Column::Id, Column::CreatedAt]);
        ids.limit(page.limit()).offset(page.offset()).into_query()
    }

    /// Ids and times on a page of the newest generations of all boards that the viewer may see.
    fn newest_visible(&self, filter: &GenerationFilter, page: Page) -> SelectStatement {
        let found = self.found_on_visible_boards(filter).or_else(|| self.found_by_prompt(filter));
        if let Some(mut found) = found {
            newest().first(&mut found, page.limit());
            return found.offset(page.offset()).to_owned();
        }
        let of = |boards: SimpleExpr| {
            let matching = self.matches(filter, ColumnTrait::into_expr);
            let generations = self.find::<Entity>().filter(boards).filter(matching);
            let columns = [Column::Id, Column::CreatedAt];
            newest_first(generations).select_only().columns(columns)
        };
        if !self.store().is_postgres() {
            let visible = of(Column::BoardId.in_subquery(self.visible_board_ids()));
            return visible.limit(page.limit()).offset(page.offset()).into_query();
        }
        // No board is read further than the page goes, however many generations it has.
        let board = Expr::col((Entity, Column::BoardId)).equals(("visible", boards::Column::Id));
        let of_board = of(board).limit(page.limit() + page.offset());
        Query::select()
            .columns([("newest", Column::Id), ("newest", Column::CreatedAt)])
            .from_subquery(self.visible_board_ids(), "visible")
            .join_lateral(JoinType::InnerJoin, of_board.into_query(), "newest", Expr::cust("TRUE"))
            .order_by(("newest", Column::CreatedAt), Order::Desc)
            .order_by(("newest", Column::Id), Order::Desc)
            .limit(page.limit())
            .offset(page.offset())
            .to_owned()
    }

    /// Pages of generations of boards which the viewer has been found to see, in one statement
    /// whose every branch reads its rows from the index of its board.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn generation_pages(
        &self,
        pages: &[GenerationPage],
        parts: GenerationParts,
    ) -> Result<Vec<Generation>> {
        let statement = match pages {
            [] => return Ok(Vec::new()),
            [GenerationPage { board, page }] => {
                let parameters = [board.0.into(), page.limit().into(), page.offset().into()];
                self.statement(("generations", parts.form()), parameters, |scope, parameters| {
                    let [limit, offset] = [1, 2].map(|place| parameters.number(place));
                    scope.generation_page(parameters.id(0), (limit, offset), parts)
                })
            }
            pages => {
                let mut all = pages.iter().map(|GenerationPage { board, page }| {
                    self.generation_page(board.0, (page.limit(), page.offset()), parts)
                });
                let mut query = all.next().unwrap_or_default();
                for branch in all {
                    query.union(UnionType::All, branch);
                }
                self.store().backend().build(&query)
            }
        };
        let rows = self.read().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| Generation::read_columns(&mut Columns::of(row), parts.columns()))
            .collect()
    }

    pub(super) fn generation_page(
        &self,
        board: Uuid,
        (limit, offset): (u64, u64),
        parts: GenerationParts,
    ) -> SelectStatement {
        let rows = newest_first(Entity::find().filter(Column::BoardId.eq(board)));
        let columns = parts.columns().select(&GENERATION_COLUMNS);
        let rows = rows.select_only().columns(columns).limit(limit).offset(offset);
        self.of_tenant(rows.into_query())
    }

    /// A window of a board, for [`numbered`].
    pub(super) fn on_board(
        &self,
        board: BoardId,
        filter: &GenerationFilter,
        window: ListWindow,
    ) -> SelectStatement {
        let on_board = Entity::find().filter(Column::BoardId.eq(board.0));
        let mut rows = on_board.filter(self.matches(filter, ColumnTrait::into_expr)).into_query();
        newest().page(&mut rows, window);
        self.of_tenant(rows)
    }

    /// Those of a page of one board that are of the tenant, which are all or none. It is asked for
    /// outside: `PostgreSQL` does not know that all on a board is of one tenant, takes both together for
    /// almost nothing, and sorts ten thousand rows for a page.
    fn of_tenant(&self, page: SelectStatement) -> SelectStatement {
        Query::select()
            .expr(Expr::cust("*"))
            .from_subquery(page, Alias::new("page"))
            .and_where(Expr::col(Column::TenantId).eq(self.tenant().0))
            .to_owned()
    }

    /// Windows of boards which the viewer has been found to see, in their order, in one statement as
    /// [`Scope::generation_pages`] has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn generation_windows(
        &self,
        windows: &[GenerationWindow],
    ) -> Result<Vec<Slice<Placed<Generation>>>> {
        let everything = GenerationFilter::default();
        let pages = windows.iter().map(|one| self.on_board(one.board, &everything, one.window));
        let Some(query) = numbered(pages) else {
            return Ok(Vec::new());
        };
        let statement = self.store().backend().build(&query);
        let mut found: Vec<Vec<Placed<Generation>>> = vec![Vec::new(); windows.len()];
        for row in self.read().query_all_raw(statement).await? {
            let generation =
                Generation::try_from(generations::Model::from_query_result(&row, "")?)?;
            let position = generation.position();
            rows_of(&mut found, &row)?.push(Placed::new(generation, position));
        }
        Ok(found.into_iter().zip(windows).map(|(rows, one)| Slice::new(rows, one.window)).collect())
    }
}

/// All that generations are shown by: what search looks at is at the end of the row and not among it.
pub(super) const GENERATION_COLUMNS: [Column; 20] = [
    Column::Id,
    Column::TenantId,
    Column::BoardId,
    Column::UserId,
    Column::GeneratorName,
    Column::ArtifactType,
    Column::InputParams,
    Column::Status,
    Column::StorageUrl,
    Column::ThumbnailUrl,
    Column::AdditionalFiles,
    Column::OutputMetadata,
    Column::InputArtifacts,
    Column::ExternalJobId,
    Column::Progress,
    Column::ErrorMessage,
    Column::StartedAt,
    Column::CompletedAt,
    Column::CreatedAt,
    Column::UpdatedAt,
];

/// What finds generations calls them so, and the keys of those that are the newest.
const GENERATION: &str = "generation";
const NEWEST: &str = "newest";

/// The order of every list of generations.
pub(super) fn newest() -> Keyset {
    Keyset::new(Column::CreatedAt, Column::Id, Order::Desc)
}

fn newest_first(generations: Select<Entity>) -> Select<Entity> {
    generations.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id)
}

/// The join from a generation to its board, tenant and all.
pub(super) fn to_board() -> sea_orm::RelationDef {
    Entity::belongs_to(boards::Entity)
        .from((Column::TenantId, Column::BoardId))
        .to((boards::Column::TenantId, boards::Column::Id))
        .into()
}

#[cfg(test)]
mod tests {
    use sea_orm::{IdenStatic, Iterable};

    use super::*;

    fn names(columns: impl Iterator<Item = Column>) -> Vec<&'static str> {
        columns.map(|column| column.as_str()).collect()
    }

    #[test]
    fn places_are_those_of_the_columns() {
        let shown = || Column::iter().take_while(|column| !matches!(column, Column::PromptFolded));
        assert_eq!(names(GENERATION_COLUMNS.into_iter()), names(shown()));
        assert_eq!(shown().count() + 1, Column::iter().count(), "it is the last");
        let of = |group: Projection| names(group.select(&GENERATION_COLUMNS));
        assert_eq!(of(PARAMS), ["input_params"]);
        let details = [
            "additional_files",
            "output_metadata",
            "input_artifacts",
            "external_job_id",
            "error_message",
            "started_at",
            "completed_at",
        ];
        assert_eq!(of(DETAILS), details);
        assert_eq!(of(GenerationParts::ROW.columns()), names(shown()), "none is left out");
    }
}
