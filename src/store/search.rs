//! Finding boards by their text.

use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, Order, QueryFilter, QuerySelect, QueryTrait,
    Select,
    sea_query::{
        Alias, Expr, ExprTrait, Func, LikeExpr, Query, SelectStatement, SimpleExpr, UnionType,
    },
};

use super::{
    Board, Placed, Scope, Slice,
    entity::boards::{Column, Entity, Model},
    keyset::Keyset,
    row,
};
use crate::{
    domain::{ListPosition, ListWindow, Page, fold, like_pattern},
    error::Result,
};

/// What an index of trigrams needs at least.
const TRIGRAM: usize = 3;

impl Scope {
    /// The boards that the viewer may see and whose title or description holds `text`, whatever the
    /// case; title hits first, then the most recently changed.
    ///
    /// Boards of the viewer's own are few and read by owner and membership; public ones come from the
    /// index of trigrams, where there is one and the text has any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn search_boards(&self, text: &str, page: Page) -> Result<Vec<Board>> {
        let mut rows = self.found_boards(text);
        rows.order_by(Alias::new(IN_TITLE), Order::Desc)
            .order_by(Column::UpdatedAt, Order::Desc)
            .order_by(Column::Id, Order::Desc)
            .limit(page.limit())
            .offset(page.offset());
        let statement = self.store().backend().build(&rows);
        let rows: Vec<Model> = row::all(self.read(), statement).await?;
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
        let mut rows = self.found_boards(text);
        Keyset::of_alias(FOUND, Column::UpdatedAt, Column::Id, Order::Desc)
            .grouped_by(Expr::col((Alias::new(FOUND), Alias::new(IN_TITLE))))
            .page(&mut rows, window);
        let statement = self.store().backend().build(&rows);
        let rows = FoundRow::find_by_statement(statement).all(self.read()).await?;
        Ok(Slice::new(rows, window).map(|FoundRow { board, in_title }| {
            let group = u8::from(in_title == 1);
            let position = ListPosition { group, at: board.updated_at, id: board.id };
            Placed::new(board.into(), position)
        }))
    }

    /// How many boards [`Scope::search_boards`] finds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn found_board_count(&self, text: &str) -> Result<u64> {
        let mut rows = self.found_boards(text);
        rows.clear_selects().expr(Expr::cust("COUNT(*)"));
        let statement = self.store().backend().build(&rows);
        let count = self.read().query_one_raw(statement).await?;
        let count: Option<i64> = count.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    fn found_boards(&self, text: &str) -> SelectStatement {
        let needles = Needles::new(self.store().backend(), text);
        let [owned, joined, public] = self.visible_boards_apart();
        let mut found = needles.hits(owned);
        found.union(UnionType::All, needles.hits(joined));
        found.union(UnionType::All, needles.hits(needles.indexed(public)));
        Query::select().expr(Expr::cust("*")).from_subquery(found, Alias::new(FOUND)).to_owned()
    }
}

#[derive(FromQueryResult)]
struct FoundRow {
    #[sea_orm(nested)]
    board: Model,
    in_title: i32,
}

const FOUND: &str = "found";
const IN_TITLE: &str = "in_title";

/// A text to look for, as rows may hold it.
pub(super) struct Needles {
    backend: DbBackend,
    /// Folded, as this server writes copies of texts; and in lower case, where that differs, as the
    /// database folds the rows of an older server, which have no copy.
    texts: Vec<String>,
}

impl Needles {
    pub(super) fn new(backend: DbBackend, text: &str) -> Self {
        let (folded, lower) = (fold(text), text.to_lowercase());
        let texts = if folded == lower { vec![folded] } else { vec![folded, lower] };
        Self { backend, texts }
    }

    /// Those of the boards that hold the text, and whether the title does.
    fn hits(&self, boards: Select<Entity>) -> SelectStatement {
        let in_title = self.held_by(&copy(Column::TitleFolded, Column::Title));
        let in_description = self.held_by(&copy(Column::DescriptionFolded, Column::Description));
        let title_hit = Expr::case(in_title.clone(), 1).finally(0);
        boards.filter(in_title.or(in_description)).expr_as(title_hit, IN_TITLE).into_query()
    }

    /// Whether an index of PostgreSQL's finds the text.
    pub(super) fn have_word_trigrams(&self) -> bool {
        self.texts.iter().all(|text| has_word_trigram(text))
    }

    /// Whether `copy`, the folded text of a row, holds the text. Texts without a trigram are asked for in a
    /// way that the index of PostgreSQL cannot answer: it would be read whole.
    pub(super) fn held_by(&self, copy: &SimpleExpr) -> SimpleExpr {
        let holds = |text: &String| -> SimpleExpr {
            match self.backend {
                DbBackend::Postgres if has_word_trigram(text) => {
                    Expr::expr(copy.clone()).like(LikeExpr::new(like_pattern(text)))
                }
                DbBackend::Postgres => {
                    Func::cust("strpos").arg(copy.clone()).arg(text.as_str()).gt(0)
                }
                _ => Func::cust("instr").arg(copy.clone()).arg(text.as_str()).gt(0),
            }
        };
        let mut texts = self.texts.iter().map(holds);
        let first = texts.next().unwrap_or_else(|| Expr::value(false));
        texts.fold(first, ExprTrait::or)
    }

    /// SQLite has to be told of its index: the rows whose trigrams stand in the order of the text's.
    fn indexed(&self, boards: Select<Entity>) -> Select<Entity> {
        let have_trigrams = self.texts.iter().all(|text| text.chars().count() >= TRIGRAM);
        if self.backend != DbBackend::Sqlite || !have_trigrams {
            return boards;
        }
        let phrases = self.texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\"")));
        let phrases = phrases.collect::<Vec<_>>().join(" OR ");
        boards.filter(Expr::cust_with_values(TRIGRAMS_MATCH, [phrases]))
    }
}

/// The expression is that of the index on PostgreSQL, to the letter (migration 000014).
fn copy(folded: Column, plain: Column) -> SimpleExpr {
    Func::coalesce([Expr::col(folded), Func::lower(Expr::col(plain)).into()]).into()
}

const TRIGRAMS_MATCH: &str = "\"boards\".\"id\" IN (SELECT board_id FROM board_texts WHERE number IN \
     (SELECT rowid FROM board_trigrams WHERE board_trigrams MATCH ?))";

/// Whether PostgreSQL finds a trigram in the text wherever it stands: three letters or digits in a row.
fn has_word_trigram(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() >= TRIGRAM)
}

#[cfg(test)]
mod tests {
    use super::has_word_trigram;

    #[test]
    fn trigrams_are_of_letters_and_digits() {
        for text in ["abc", "board 17", "é1ß", "a-b-cde", "50% of"] {
            assert_eq!(has_word_trigram(text), text != "50% of", "{text}");
        }
        for text in ["", "1", "ab", "ab cd", "---", "50%"] {
            assert!(!has_word_trigram(text), "{text}");
        }
    }
}
