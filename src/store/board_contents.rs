//! A board together with what is shown on it, in one statement: each round trip to the database costs as
//! much as reading some twenty rows. The rows are of three kinds, which share columns by their types.

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait,
    sea_query::{
        Alias, CommonTableExpression, Expr, ExprTrait, IntoColumnRef, Query, SelectStatement,
        SimpleExpr, UnionType,
    },
};
use uuid::Uuid;

use super::{
    Board, BoardParts, Generation, GenerationParts, Membership, Scope, User,
    boards::{BOARD_COLUMNS, BoardSeen},
    corrupt,
    entity::{board_members, boards, users},
    generations::GENERATION_COLUMNS,
    projection::Projection,
    row::Columns,
    users::UserParts,
};
use crate::{
    domain::{BoardId, MemberId, Page, UserId},
    error::{Error, Result},
};

/// What is read with a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentsAsked {
    /// Its members, with the faces of the users.
    pub members: bool,
    /// A page of its generations, whose details and users are not read.
    pub generations: Option<(Page, GenerationParts)>,
}

/// What was read with a board.
#[derive(Clone, Debug, Default)]
pub struct BoardContents {
    /// Its members in the order of joining, with the faces of the users.
    pub members: Option<Arc<Vec<Arc<Membership>>>>,
    /// A page of its generations.
    pub generations: Option<GenerationsOnPage>,
}

/// The generations on a page of a board.
#[derive(Clone, Debug)]
pub struct GenerationsOnPage {
    /// The page.
    pub page: Page,
    /// The generations, newest first.
    pub rows: Arc<Vec<Arc<Generation>>>,
}

/// The types of the columns that the three kinds of rows share.
const TYPES: [&str; 16] = [
    "integer",
    "uuid",
    "uuid",
    "uuid",
    "text",
    "text",
    "text",
    "text",
    "text",
    "jsonb",
    "jsonb",
    "timestamptz",
    "timestamptz",
    "boolean",
    "bigint",
    "numeric",
];
/// Which kind a row is of.
const KIND: usize = 0;
const BOARD: i32 = 0;
const MEMBER: i32 = 1;
const GENERATION: i32 = 2;

// Where the columns of each kind stand. What the statement says itself is not read from each row: the
// tenant, the board, and of a user the id, which the row that names them has.

/// Those of a board, in the order of [`BOARD_COLUMNS`].
const BOARD_PLACES: [usize; 11] = [1, NOWHERE, 2, 4, 5, 13, 9, 10, 11, 12, 14];
const OWNER_ID_PLACE: usize = 2;
const ROLE_PLACE: usize = 6;
const PUBLIC_PLACE: usize = 13;
const OWNER_PLACES: [usize; 2] = [7, 8];
/// Id, user, role, who invited them, and since when.
const MEMBER_PLACES: [usize; 5] = [1, 2, 4, 3, 11];
const USER_PLACES: [usize; 2] = [5, 6];
/// Those of a generation, in the order of [`GENERATION_COLUMNS`].
const GENERATION_PLACES: [usize; 20] = [
    1, NOWHERE, NOWHERE, 2, 4, 5, 9, 6, 7, 8, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 15, NOWHERE,
    NOWHERE, NOWHERE, 11, 12,
];
const NOWHERE: usize = usize::MAX;
const BOARD_CONSTANTS: Projection = Projection::of(&[1]);
const GENERATION_CONSTANTS: Projection = Projection::of(&[1, 2]);

/// The row of the board, with the viewer's role.
const SEEN: &str = "seen";
const OWNER: &str = "owner";
const USER: &str = "member";

impl BoardParts {
    /// Whether this much of a board can be read with what is on it.
    fn fits(self) -> bool {
        self.owner != Some(UserParts::Profile)
    }
}

impl ContentsAsked {
    /// Whether all of it can be read with the board.
    fn fits(self) -> bool {
        self.generations.is_none_or(|(_, parts)| !parts.details && parts.user.is_none())
    }

    /// Tells statements apart.
    fn form(self) -> u16 {
        let generations = self.generations.map_or(0, |(_, parts)| 1 + u16::from(parts.params));
        u16::from(self.members) * 3 + generations
    }
}

impl Scope {
    /// The board with what is on it, if it exists in the tenant; nothing of it is to be shown before the
    /// viewer's relation to the board has been judged. What does not fit in one statement is left out.
    pub(super) async fn board_seen_with(
        &self,
        id: BoardId,
        parts: BoardParts,
        asked: ContentsAsked,
    ) -> Result<Option<BoardSeen>> {
        if !parts.fits() || !asked.fits() || asked == ContentsAsked::default() {
            return self.board_seen(id, parts).await;
        }
        let (limit, offset) =
            asked.generations.map_or((0, 0), |(page, _)| (page.limit(), page.offset()));
        let name = ("board with contents", parts.form() * 6 + asked.form());
        let parameters = [id.0.into(), limit.into(), offset.into()];
        let statement = self.statement(name, parameters, |scope, parameters| {
            let board = BoardId(parameters.id(0));
            let seen = scope.board_rows(board, parts);
            let mut sheet = Query::select().expr(Expr::cust("*")).from(SEEN).to_owned();
            sheet.with_cte(CommonTableExpression::new().table_name(SEEN).query(seen).to_owned());
            if asked.members {
                let mut members = scope.member_rows(board);
                sheet.union(UnionType::All, members.and_where(scope.sees_board()).to_owned());
            }
            if let Some((_, parts)) = asked.generations {
                let window = (parameters.number(1), parameters.number(2));
                let mut rows = scope.generation_rows(board, window, parts);
                sheet.union(UnionType::All, rows.and_where(scope.sees_board()).to_owned());
            }
            sheet
        });
        let rows = self.read().query_all_raw(statement).await?;
        Sheet::new(self, id, parts, asked).read(&rows)
    }

    /// Whether the viewer sees the board in [`SEEN`]: `PostgreSQL` then reads nothing more of others, so
    /// that they cost the same whatever is on them; SQLite gives nothing more. The judgement itself is the policy's, which has the board's row.
    fn sees_board(&self) -> SimpleExpr {
        let place = |place: usize| Expr::col((SEEN, Alias::new(format!("c{place}"))));
        let [is_public, owner] = [PUBLIC_PLACE, OWNER_ID_PLACE].map(place);
        let mut seen = Query::select();
        seen.expr(Expr::cust("1")).from(SEEN).and_where(
            is_public.or(owner.eq(self.viewer_uuid())).or(place(ROLE_PLACE).is_not_null()),
        );
        Expr::exists(seen)
    }

    fn board_rows(&self, id: BoardId, parts: BoardParts) -> SelectStatement {
        let own = board_columns(parts);
        let names = own.select(&BOARD_COLUMNS).map(|name| column((boards::Entity, name)));
        let mut columns: Vec<_> = own.select(&BOARD_PLACES).zip(names).collect();
        columns.push((ROLE_PLACE, self.viewer_role()));
        let boards = self.find::<boards::Entity>().filter(boards::Column::Id.eq(id.0));
        let mut rows = boards.select_only().into_query();
        if parts.owner.is_some() {
            columns.extend(face_columns(OWNER_PLACES, OWNER));
            let owner = column((boards::Entity, boards::Column::OwnerId));
            self.join_user(&mut rows, (owner, OWNER), UserParts::Face);
        }
        on_sheet(rows, BOARD, columns)
    }

    fn member_rows(&self, board: BoardId) -> SelectStatement {
        use board_members::{Column, Entity};
        let own = [Column::Id, Column::UserId, Column::Role, Column::InvitedBy, Column::JoinedAt];
        let own = own.map(|name| column((Entity, name)));
        let mut columns: Vec<_> = MEMBER_PLACES.into_iter().zip(own).collect();
        columns.extend(face_columns(USER_PLACES, USER));
        let members = self.find::<Entity>().filter(Column::BoardId.eq(board.0));
        let mut rows = members.select_only().into_query();
        let user = column((Entity, Column::UserId));
        self.join_user(&mut rows, (user, USER), UserParts::Face);
        on_sheet(rows, MEMBER, columns)
    }

    fn generation_rows(
        &self,
        board: BoardId,
        window: (u64, u64),
        parts: GenerationParts,
    ) -> SelectStatement {
        let own = generation_columns(parts);
        let names = own.select(&GENERATION_COLUMNS).map(column);
        let columns = own.select(&GENERATION_PLACES).zip(names).collect();
        let mut rows = Query::select();
        rows.from_subquery(self.generation_page(board.0, window, parts), "generation");
        on_sheet(rows, GENERATION, columns)
    }
}

fn board_columns(parts: BoardParts) -> Projection {
    parts.columns().without(BOARD_CONSTANTS)
}

fn generation_columns(parts: GenerationParts) -> Projection {
    parts.columns().without(GENERATION_CONSTANTS)
}

fn column(name: impl IntoColumnRef) -> SimpleExpr {
    Expr::col(name)
}

/// Name and picture of a user.
fn face_columns(places: [usize; 2], alias: &'static str) -> [(usize, SimpleExpr); 2] {
    let [name, picture] = places;
    [
        (name, column((alias, users::Column::DisplayName))),
        (picture, column((alias, users::Column::AvatarUrl))),
    ]
}

/// Selects the columns in their places, and nothing in the others.
fn on_sheet(
    mut rows: SelectStatement,
    kind: i32,
    mut columns: Vec<(usize, SimpleExpr)>,
) -> SelectStatement {
    columns.push((KIND, Expr::cust(kind.to_string())));
    columns.sort_by_key(|(place, _)| *place);
    let mut columns = columns.into_iter().peekable();
    for (place, kind) in TYPES.iter().enumerate() {
        let value = columns.next_if(|(of, _)| *of == place).map(|(_, value)| value);
        let value = value.unwrap_or_else(|| Expr::cust(format!("CAST(NULL AS {kind})")));
        rows.expr_as(value, Alias::new(format!("c{place}")));
    }
    rows
}

/// What the rows are read as.
struct Sheet<'a> {
    scope: &'a Scope,
    id: BoardId,
    parts: BoardParts,
    asked: ContentsAsked,
    /// Where what is read of a board and of a generation stands.
    board: Vec<usize>,
    generation: Vec<usize>,
}

impl<'a> Sheet<'a> {
    fn new(scope: &'a Scope, id: BoardId, parts: BoardParts, asked: ContentsAsked) -> Self {
        let board = board_columns(parts).select(&BOARD_PLACES).collect();
        let generation = asked.generations.map(|(_, parts)| generation_columns(parts));
        let generation = generation.map(|columns| columns.select(&GENERATION_PLACES).collect());
        let generation = generation.unwrap_or_default();
        Self { scope, id, parts, asked, board, generation }
    }

    fn read(&self, rows: &[QueryResult]) -> Result<Option<BoardSeen>> {
        let (mut seen, mut members, mut generations) = (None, Vec::new(), Vec::new());
        for row in rows {
            match Columns::of(row).next::<i32>()? {
                BOARD => seen = Some(self.board(row)?),
                MEMBER => members.push(Arc::new(self.member(row)?)),
                GENERATION => generations.push(Arc::new(self.generation(row)?)),
                _ => return Err(Error::internal("a row of no kind")),
            }
        }
        let Some(mut seen) = seen else { return Ok(None) };
        members.sort_by_key(|member| (member.joined_at, member.id.0));
        generations.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.id.0)));
        seen.board.contents = BoardContents {
            members: self.asked.members.then(|| Arc::new(members)),
            generations: self
                .asked
                .generations
                .map(|(page, _)| GenerationsOnPage { page, rows: Arc::new(generations) }),
        };
        Ok(Some(seen))
    }

    fn board(&self, row: &QueryResult) -> Result<BoardSeen> {
        let role: Option<String> = Columns::placed(row, &[ROLE_PLACE]).next()?;
        let columns = &mut Columns::placed(row, &self.board);
        let mut board = Board::read_columns(columns, board_columns(self.parts))?;
        board.tenant = self.scope.tenant();
        if self.parts.owner.is_some() {
            board.owner_profile = Some(self.user(row, &OWNER_PLACES, board.owner)?);
        }
        let relation = self.scope.relation(&board, role.as_deref())?;
        Ok(BoardSeen { board, relation })
    }

    fn member(&self, row: &QueryResult) -> Result<Membership> {
        let mut columns = Columns::placed(row, &MEMBER_PLACES);
        let (id, user) = (MemberId(columns.next()?), UserId(columns.next()?));
        let role: String = columns.next()?;
        Ok(Membership {
            id,
            board: self.id,
            user: self.user(row, &USER_PLACES, user)?,
            role: role.parse().map_err(|()| corrupt("board_members", "role"))?,
            invited_by: columns.next::<Option<Uuid>>()?.map(UserId),
            joined_at: columns.next()?,
        })
    }

    fn generation(&self, row: &QueryResult) -> Result<Generation> {
        let parts = self.asked.generations.map(|(_, parts)| generation_columns(parts));
        let parts = parts.ok_or_else(|| Error::internal("a generation that was not asked for"))?;
        let columns = &mut Columns::placed(row, &self.generation);
        let mut generation = Generation::read_columns(columns, parts)?;
        generation.tenant = self.scope.tenant();
        generation.board = self.id;
        Ok(generation)
    }

    fn user(&self, row: &QueryResult, places: &[usize; 2], id: UserId) -> Result<Arc<User>> {
        let mut columns = Columns::placed(row, places);
        let (name, picture) = (columns.next()?, columns.next()?);
        Ok(Arc::new(User::face(id, self.scope.tenant(), name, picture)))
    }
}
