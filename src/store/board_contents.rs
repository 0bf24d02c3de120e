//! A board together with what is shown on it, in one statement: each round trip to the database costs as
//! much as reading some twenty rows. The rows are of three kinds, which share columns by their types.

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, QueryFilter, QueryResult, QuerySelect, QueryTrait,
    sea_query::{Expr, IntoColumnRef, Query, SelectStatement, SimpleExpr, UnionType},
};

use super::{
    Board, BoardParts, Generation, GenerationParts, Membership, Scope,
    boards::{BOARD_COLUMNS, BoardSeen},
    entity::{board_members, boards},
    generations::GENERATION_COLUMNS,
    row::Columns,
    users::{USER_COLUMNS, UserParts},
};
use crate::{
    domain::{BoardId, Page},
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

/// The generations on a page of a board, and how much of each was read.
#[derive(Clone, Debug)]
pub struct GenerationsOnPage {
    /// The page.
    pub page: Page,
    /// How much was read.
    pub parts: GenerationParts,
    /// The generations, newest first.
    pub rows: Arc<Vec<Arc<Generation>>>,
}

/// The types of the columns that the three kinds of rows share.
const TYPES: [&str; 20] = [
    "integer",
    "uuid",
    "uuid",
    "uuid",
    "uuid",
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

/// Where the columns of a board stand, in the order of [`BOARD_COLUMNS`].
const BOARD_PLACES: [usize; 11] = [1, 2, 3, 8, 9, 17, 13, 14, 15, 16, 18];
const ROLE_PLACE: usize = 10;
/// Where those of its owner stand, in the order of [`USER_COLUMNS`].
const OWNER_PLACES: [usize; 11] = face(4, 5, 11, 12);
/// Where those of a membership stand, in the order of the entity.
const MEMBER_PLACES: [usize; 7] = [1, 2, 3, 4, 8, 5, 15];
const MEMBER_USER_PLACES: [usize; 11] = face(6, 7, 9, 10);
/// Where those of a generation stand, in the order of [`GENERATION_COLUMNS`]; its details nowhere.
const GENERATION_PLACES: [usize; 20] =
    [1, 2, 3, 4, 8, 9, 13, 10, 11, 12, 0, 0, 0, 0, 19, 0, 0, 0, 15, 16];

const fn face(id: usize, tenant: usize, name: usize, picture: usize) -> [usize; 11] {
    [id, tenant, 0, 0, 0, name, picture, 0, 0, 0, 0]
}

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
            let mut sheet = scope.board_rows(board, parts);
            if asked.members {
                sheet.union(UnionType::All, scope.member_rows(board));
            }
            if let Some((_, parts)) = asked.generations {
                let window = (parameters.number(1), parameters.number(2));
                sheet.union(UnionType::All, scope.generation_rows(board, window, parts));
            }
            sheet
        });
        let rows = self.read().query_all_raw(statement).await?;
        Sheet::new(parts, asked).read(self, &rows)
    }

    fn board_rows(&self, id: BoardId, parts: BoardParts) -> SelectStatement {
        let mut columns = vec![(ROLE_PLACE, self.viewer_role())];
        let names = parts.columns().select(&BOARD_COLUMNS);
        let own = names.map(|name| column((boards::Entity, name)));
        columns.extend(parts.columns().select(&BOARD_PLACES).zip(own));
        if parts.owner.is_some() {
            columns.extend(face_columns(&OWNER_PLACES, OWNER));
        }
        let boards = self.find::<boards::Entity>().filter(boards::Column::Id.eq(id.0));
        let mut rows = boards.select_only().into_query();
        if parts.owner.is_some() {
            let owner = column((boards::Entity, boards::Column::OwnerId));
            self.join_user(&mut rows, (owner, OWNER), UserParts::Face);
        }
        on_sheet(rows, BOARD, columns)
    }

    fn member_rows(&self, board: BoardId) -> SelectStatement {
        use board_members::{Column, Entity};
        let own = [
            Column::Id,
            Column::TenantId,
            Column::BoardId,
            Column::UserId,
            Column::Role,
            Column::InvitedBy,
            Column::JoinedAt,
        ];
        let own = own.map(|name| column((Entity, name)));
        let mut columns: Vec<_> = MEMBER_PLACES.into_iter().zip(own).collect();
        columns.extend(face_columns(&MEMBER_USER_PLACES, USER));
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
        let places = parts.columns().select(&GENERATION_PLACES);
        let own = parts.columns().select(&GENERATION_COLUMNS).map(column);
        let page = self.generation_page(board.0, window, parts);
        let mut rows = Query::select();
        rows.from_subquery(page, "generation");
        on_sheet(rows, GENERATION, places.zip(own).collect())
    }
}

fn column(name: impl IntoColumnRef) -> SimpleExpr {
    Expr::col(name)
}

fn face_columns(
    places: &'static [usize; 11],
    alias: &'static str,
) -> impl Iterator<Item = (usize, SimpleExpr)> {
    let face = UserParts::Face.projection();
    let columns = face.select(&USER_COLUMNS).map(move |name| column((alias, name)));
    face.select(places).zip(columns)
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
        rows.expr(value.unwrap_or_else(|| Expr::cust(format!("CAST(NULL AS {kind})"))));
    }
    rows
}

/// Where what is read stands in the rows.
struct Sheet {
    parts: BoardParts,
    asked: ContentsAsked,
    board: Vec<usize>,
    member: Vec<usize>,
    generation: Vec<usize>,
}

impl Sheet {
    fn new(parts: BoardParts, asked: ContentsAsked) -> Self {
        let face = UserParts::Face.projection();
        let mut board = vec![ROLE_PLACE];
        board.extend(parts.columns().select(&BOARD_PLACES));
        if parts.owner.is_some() {
            board.extend(face.select(&OWNER_PLACES));
        }
        let member = MEMBER_PLACES.into_iter().chain(face.select(&MEMBER_USER_PLACES)).collect();
        let generation = asked.generations.map(|(_, parts)| parts.columns());
        let generation = generation.map(|columns| columns.select(&GENERATION_PLACES).collect());
        Self { parts, asked, board, member, generation: generation.unwrap_or_default() }
    }

    fn read(&self, scope: &Scope, rows: &[QueryResult]) -> Result<Option<BoardSeen>> {
        let (mut seen, mut members, mut generations) = (None, Vec::new(), Vec::new());
        for row in rows {
            match Columns::of(row).next::<i32>()? {
                BOARD => seen = Some(self.board(scope, row)?),
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
            generations: self.asked.generations.map(|(page, parts)| GenerationsOnPage {
                page,
                parts,
                rows: Arc::new(generations),
            }),
        };
        Ok(Some(seen))
    }

    fn board(&self, scope: &Scope, row: &QueryResult) -> Result<BoardSeen> {
        let mut columns = Columns::placed(row, &self.board);
        let role: Option<String> = columns.next()?;
        let board = Board::read_with(&mut columns, self.parts)?;
        let relation = scope.relation(&board, role.as_deref())?;
        Ok(BoardSeen { board, relation })
    }

    fn member(&self, row: &QueryResult) -> Result<Membership> {
        Membership::read_columns(&mut Columns::placed(row, &self.member), UserParts::Face)
    }

    fn generation(&self, row: &QueryResult) -> Result<Generation> {
        let parts = self.asked.generations.map(|(_, parts)| parts);
        let parts = parts.ok_or_else(|| Error::internal("a generation that was not asked for"))?;
        Generation::read_columns(&mut Columns::placed(row, &self.generation), parts)
    }
}
