//! Finding boards by their text.

use sea_orm::{
    ColumnTrait, Condition, Order, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait, Func, LikeExpr, SimpleExpr},
};

use super::{
    Board, Scope,
    entity::boards::{Column, Entity},
};
use crate::{
    domain::{Page, fold, like_pattern},
    error::Result,
};

impl Scope {
    /// The boards that the viewer may see and whose title or description holds `text`, whatever the
    /// case; title hits first, then the most recently changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn search_boards(&self, text: &str, page: Page) -> Result<Vec<Board>> {
        let in_title = holds(Column::TitleFolded, Column::Title, text);
        let in_description = holds(Column::DescriptionFolded, Column::Description, text);
        let title_first = CaseStatement::new().case(in_title.clone(), 0).finally(1);
        let rows = self
            .find::<Entity>()
            .filter(Column::Id.in_subquery(self.visible_board_ids()))
            .filter(Condition::any().add(in_title).add(in_description))
            .order_by(SimpleExpr::Case(Box::new(title_first)), Order::Asc)
            .order_by(Column::UpdatedAt, Order::Desc)
            .order_by(Column::Id, Order::Desc)
            .limit(page.limit())
            .offset(page.offset())
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(Board::from).collect())
    }
}

/// Rows that an older server wrote have no folded copy: there the database's own `lower` must do.
fn holds(folded: Column, plain: Column, text: &str) -> SimpleExpr {
    let like = |pattern: &str| LikeExpr::new(like_pattern(pattern)).escape('\\');
    let lower = Expr::expr(Func::lower(Expr::col(plain))).like(like(&text.to_lowercase()));
    let by_hand = Expr::col(folded).is_null().and(lower);
    Expr::col(folded).like(like(&fold(text))).or(by_hand)
}
