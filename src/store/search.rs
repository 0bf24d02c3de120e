//! Finding boards by their text.

use sea_orm::{
    ColumnTrait, Condition, FromQueryResult, Order, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
    sea_query::{CaseStatement, Expr, ExprTrait, Func, LikeExpr, SimpleExpr},
};

use super::{
    Board, Placed, Scope, Slice,
    entity::boards::{Column, Entity, Model},
    keyset::Keyset,
};
use crate::{
    domain::{ListPosition, ListWindow, Page, fold, like_pattern},
    error::Result,
};

#[derive(FromQueryResult)]
struct FoundRow {
    #[sea_orm(nested)]
    board: Model,
    title_hit: i32,
}

impl Scope {
    /// The boards that the viewer may see and whose title or description holds `text`, whatever the
    /// case; title hits first, then the most recently changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn search_boards(&self, text: &str, page: Page) -> Result<Vec<Board>> {
        let rows = self
            .found_boards(text)
            .order_by(title_hit(text), Order::Desc)
            .order_by(Column::UpdatedAt, Order::Desc)
            .order_by(Column::Id, Order::Desc)
            .limit(page.limit())
            .offset(page.offset())
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(Board::from).collect())
    }

    /// A window of what [`Scope::search_boards`] finds. Title hits are the group 1.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn found_board_window(
        &self,
        text: &str,
        window: ListWindow,
    ) -> Result<Slice<Placed<Board>>> {
        let mut boards = self.found_boards(text).expr_as(title_hit(text), "title_hit");
        Keyset::new(Column::UpdatedAt, Column::Id, Order::Desc)
            .grouped_by(title_hit(text))
            .page(QuerySelect::query(&mut boards), window);
        let rows = boards.into_model::<FoundRow>().all(self.read()).await?;
        Ok(Slice::new(rows, window).map(|FoundRow { board, title_hit }| {
            let group = u8::from(title_hit == 1);
            let position = ListPosition { group, at: board.updated_at, id: board.id };
            Placed::new(board.into(), position)
        }))
    }

    /// How many boards [`Scope::search_boards`] finds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn found_board_count(&self, text: &str) -> Result<u64> {
        Ok(self.found_boards(text).count(self.read()).await?)
    }

    fn found_boards(&self, text: &str) -> Select<Entity> {
        let in_description = holds(Column::DescriptionFolded, Column::Description, text);
        self.find::<Entity>()
            .filter(Column::Id.in_subquery(self.visible_board_ids()))
            .filter(Condition::any().add(in_title(text)).add(in_description))
    }
}

fn in_title(text: &str) -> SimpleExpr {
    holds(Column::TitleFolded, Column::Title, text)
}

/// 1 for a board whose title holds the text, else 0.
fn title_hit(text: &str) -> SimpleExpr {
    SimpleExpr::Case(Box::new(CaseStatement::new().case(in_title(text), 1).finally(0)))
}

/// Rows that an older server wrote have no folded copy: there the database's own `lower` must do.
fn holds(folded: Column, plain: Column, text: &str) -> SimpleExpr {
    let like = |pattern: &str| LikeExpr::new(like_pattern(pattern)).escape('\\');
    let lower = Expr::expr(Func::lower(Expr::col(plain))).like(like(&text.to_lowercase()));
    let by_hand = Expr::col(folded).is_null().and(lower);
    Expr::col(folded).like(like(&fold(text))).or(by_hand)
}
