//! The newest generations of all boards that a viewer may see, by position.
//!
//! No index has them in their order: what is newest in the tenant need not be visible, and what is
//! visible lies on many boards. On `PostgreSQL` one statement tries the near way first, which is the
//! index of the tenant, and gives it up after ten times the rows of the page; then it takes the far
//! way, which is the index of every visible board. So a page costs little where a good part of the
//! tenant is visible, and never more than a few rows of each visible board, however deep it lies and
//! however much there is that the viewer may not see.

use sea_orm::{
    ColumnTrait, FromQueryResult, Order, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{
        CommonTableExpression, Expr, ExprTrait, JoinType, Query, SelectStatement, UnionType,
        WithClause,
    },
};

use super::{
    Generation, GenerationFilter, Placed, Scope, Slice,
    entity::{
        boards,
        generations::{Column, Entity, Model},
    },
    generations::newest,
    keyset::{Keyset, numbered},
};
use crate::{domain::ListWindow, error::Result};

/// Rows of the tenant that are looked at for each that the page wants.
const PATIENCE: u64 = 10;

const VISIBLE: &str = "visible";
const NEAR: &str = "near";
const WALKED: &str = "walked";
const ON_BOARD: &str = "on_board";

impl Scope {
    /// A window of the newest generations on all boards that the viewer may see.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_generation_window(
        &self,
        filter: &GenerationFilter,
        window: ListWindow,
    ) -> Result<Slice<Placed<Generation>>> {
        let query = match filter.board {
            Some(board) => numbered([self.on_board(board, filter, window)]),
            None => Some(self.on_all_boards(filter, window)),
        };
        let Some(query) = query else { return Ok(Slice::new(Vec::new(), window)) };
        let statement = self.store().backend().build(&query);
        let mut generations = Vec::new();
        for row in Model::find_by_statement(statement).all(self.read()).await? {
            let generation = Generation::try_from(row)?;
            let position = generation.position();
            generations.push(Placed::new(generation, position));
        }
        Ok(Slice::new(generations, window))
    }

    fn on_all_boards(&self, filter: &GenerationFilter, window: ListWindow) -> SelectStatement {
        if let Some(mut ids) = self.found_on_visible_boards(filter) {
            newest().page(&mut ids, window);
            return self.rows_of(ids.clear_selects().column((Entity, Column::Id)).take(), window);
        }
        if !self.store().is_postgres() {
            let boards = self.visible_board_ids();
            let mut ids = self.ids_on_boards(Column::BoardId.in_subquery(boards), filter);
            newest().page(&mut ids, window);
            return self.rows_of(ids, window);
        }
        let mut ids = Query::select().column(Column::Id).from(NEAR).to_owned();
        ids.union(UnionType::All, self.far_way(filter, window));
        self.rows_of(ids, window).with_cte(self.ways(filter, window)).to_owned()
    }

    /// The window of the rows with these ids, among which there may be some from behind it.
    fn rows_of(&self, ids: SelectStatement, window: ListWindow) -> SelectStatement {
        let mut rows = self.find::<Entity>().filter(Column::Id.in_subquery(ids)).into_query();
        newest().page(&mut rows, window);
        rows
    }

    fn ways(&self, filter: &GenerationFilter, window: ListWindow) -> WithClause {
        let step = |name: &'static str, rows: SelectStatement| {
            CommonTableExpression::new().table_name(name).query(rows).materialized(true).to_owned()
        };
        WithClause::new()
            .cte(step(VISIBLE, self.visible_board_ids()))
            .cte(step(NEAR, self.near_way(filter, window)))
            .to_owned()
    }

    /// The visible ones of the next rows of the tenant.
    fn near_way(&self, filter: &GenerationFilter, window: ListWindow) -> SelectStatement {
        let columns = [Column::Id, Column::CreatedAt, Column::BoardId];
        let columns = columns.into_iter().chain(Self::matched_columns(filter));
        let mut walked = self.find::<Entity>().select_only().columns(columns).into_query();
        newest().bound(&mut walked, window);
        newest().read(&mut walked, window, PATIENCE * (window.rows() as u64 + 1));
        let column = |column| Expr::col((WALKED, column));
        let visible = Query::select().column(boards::Column::Id).from(VISIBLE).to_owned();
        // A plain IN would become a join, which reads all that is walked; so it stays a filter, which
        // stops with the page.
        let is_visible = column(Column::BoardId).in_subquery(visible);
        let is_visible = Expr::cust_with_expr("$1 IS TRUE", is_visible);
        let mut rows = Query::select();
        rows.expr(column(Column::Id))
            .from_subquery(walked, WALKED)
            .and_where(is_visible)
            .cond_where(self.matches(filter, column));
        let order = Keyset::of_alias(WALKED, Column::CreatedAt, Column::Id, Order::Desc);
        order.read(&mut rows, window, window.rows() as u64 + 1);
        rows
    }

    /// What the near way leaves to be found: the first rows of each visible board, and of those the first,
    /// or what the index of texts has of them; nothing when the near way had enough.
    fn far_way(&self, filter: &GenerationFilter, window: ListWindow) -> SelectStatement {
        let near = Query::select().expr(Expr::cust("COUNT(*)")).from(NEAR).to_owned();
        let enough = i64::try_from(window.rows()).unwrap_or(i64::MAX);
        let is_needed = Expr::SubQuery(None, Box::new(near.into())).lte(enough);
        if let Some(mut found) = self.found_by_prompt(filter) {
            newest().page(&mut found, window);
            found.clear_selects().column((Entity, Column::Id)).and_where(is_needed);
            return found;
        }
        let board = Expr::col((VISIBLE, boards::Column::Id));
        let on_board = Expr::col((Entity, Column::BoardId)).eq(board);
        let mut on_board = self.ids_on_boards(on_board, filter);
        on_board.column((Entity, Column::CreatedAt));
        newest().page(&mut on_board, window);
        let mut rows = Query::select();
        rows.column((ON_BOARD, Column::Id))
            .from(VISIBLE)
            .join_lateral(JoinType::InnerJoin, on_board, ON_BOARD, Expr::cust("TRUE"))
            .and_where(is_needed);
        let order = Keyset::of_alias(ON_BOARD, Column::CreatedAt, Column::Id, Order::Desc);
        order.read(&mut rows, window, window.rows() as u64 + 1);
        rows
    }

    /// Without the tenant, which the boards are of already: so the index of a board is all that is read.
    fn ids_on_boards(&self, on_boards: Expr, filter: &GenerationFilter) -> SelectStatement {
        Query::select()
            .column((Entity, Column::Id))
            .from(Entity)
            .and_where(on_boards)
            .cond_where(self.matches(filter, |column| Expr::col((Entity, column))))
            .to_owned()
    }
}
