//! What lists of generations are filtered by, and how what matches is found on all visible boards.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{BinOper, Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr},
};

use super::{
    Scope,
    entity::{
        generation_tags,
        generations::{Column, Entity},
    },
    search::Needles,
};
use crate::{
    domain::{ArtifactType, BoardId, GenerationStatus, TagId, UserId},
    error::Result,
};

/// What `recentGenerations` filters by; a generation must satisfy all of it.
#[derive(Clone, Debug, Default)]
pub struct GenerationFilter {
    /// Only this board, which the viewer has been found to see.
    pub board: Option<BoardId>,
    /// Only those that stand so.
    pub status: Option<GenerationStatus>,
    /// Only those that make this.
    pub artifact_type: Option<ArtifactType>,
    /// Only those with each of these tags.
    pub tags: Vec<TagId>,
    /// Only those of the generator with this name.
    pub generator: Option<String>,
    /// Only those that this user asked for or uploaded.
    pub creator: Option<UserId>,
    /// Only those with this text in their prompts, whatever the case.
    pub prompt: Option<String>,
}

/// Rows that were found otherwise are called as the table is, so that one order of lists serves them all.
const LIKE_THE_TABLE: &str = "generations";
const TAGGED: &str = "tagged";

impl Scope {
    /// What a filter asks of a generation, whose columns are at hand as `column` has it. The board is
    /// not among it: lists begin with it.
    pub(super) fn matches(
        &self,
        filter: &GenerationFilter,
        column: impl Fn(Column) -> Expr,
    ) -> Condition {
        let status = filter.status.map(|status| column(Column::Status).eq(status.as_str()));
        let kind = filter.artifact_type.map(|kind| column(Column::ArtifactType).eq(kind.as_str()));
        let creator = filter.creator.map(|user| column(Column::UserId).eq(user.0));
        let generator = filter.generator.as_deref();
        let generator = generator.map(|name| column(Column::GeneratorName).eq(name));
        let prompt = filter.prompt.as_deref().map(|text| self.has_in_prompt(text, &column));
        let mut all = Condition::all()
            .add_option(status)
            .add_option(kind)
            .add_option(creator)
            .add_option(generator)
            .add_option(prompt);
        for tag in &filter.tags {
            all = all.add(column(Column::Id).in_subquery(self.ids_tagged(*tag)));
        }
        all
    }

    /// The columns that [`Scope::matches`] looks at, beside those that every list reads.
    pub(super) fn matched_columns(filter: &GenerationFilter) -> Vec<Column> {
        let mut columns = vec![Column::Status, Column::ArtifactType];
        columns.extend(filter.creator.map(|_| Column::UserId));
        columns.extend(filter.generator.as_ref().map(|_| Column::GeneratorName));
        if filter.prompt.is_some() {
            columns.extend([Column::PromptFolded, Column::InputParams]);
        }
        columns
    }

    /// How many generations on all boards that the viewer may see, or on one of them, match.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_generation_count(&self, filter: &GenerationFilter) -> Result<u64> {
        let found = self.found_on_visible_boards(filter).or_else(|| self.found_by_prompt(filter));
        let found = found.unwrap_or_else(|| {
            let all = self.recent(filter).select_only();
            all.columns([Column::Id, Column::CreatedAt]).into_query()
        });
        let mut count = Query::select();
        count.expr(Expr::cust("COUNT(*)")).from_subquery(found, LIKE_THE_TABLE);
        let count = self.read().query_one_raw(self.store().backend().build(&count)).await?;
        let count: Option<i64> = count.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// Ids and times of what matches on all visible boards, where the filter names something that has few
    /// generations and an index of its own: a tag, whose generations are looked up, or else a user, whose
    /// generations the index has in the order of lists. The boards are not asked then but whether they are
    /// visible.
    pub(super) fn found_on_visible_boards(
        &self,
        filter: &GenerationFilter,
    ) -> Option<SelectStatement> {
        if filter.board.is_some() {
            return None;
        }
        if let Some((tag, others)) = filter.tags.split_first() {
            let others = GenerationFilter { tags: others.to_vec(), ..filter.clone() };
            return Some(self.found_by_tag(*tag, &others));
        }
        filter.creator.map(|_| self.visible_of_tenant(filter).into_query())
    }

    fn found_by_tag(&self, tag: TagId, others: &GenerationFilter) -> SelectStatement {
        let mut query = Query::select();
        query.from_subquery(self.ids_tagged(tag), TAGGED);
        let named = Expr::col((TAGGED, generation_tags::Column::GenerationId));
        let generations = self.visible_of_tenant(others).into_query();
        self.look_up(&mut query, generations, (Column::Id, named), LIKE_THE_TABLE);
        query.columns([Column::Id, Column::CreatedAt].map(|column| (LIKE_THE_TABLE, column)));
        query
    }

    /// Ids and times of what has the text of the filter on any visible board, from the tenant's index of
    /// trigrams; none where that does not help. Kept from being planned with an order: the planner would
    /// walk all of the tenant in that order and hope to meet the text soon.
    pub(super) fn found_by_prompt(&self, filter: &GenerationFilter) -> Option<SelectStatement> {
        let is_indexed = self.store().is_postgres()
            && filter.board.is_none()
            && filter.prompt.as_deref().is_some_and(|text| self.needles(text).have_word_trigrams());
        is_indexed.then(|| {
            let found = self.visible_of_tenant(filter).offset(0);
            Query::select()
                .columns([Column::Id, Column::CreatedAt].map(|column| (LIKE_THE_TABLE, column)))
                .from_subquery(found.into_query(), LIKE_THE_TABLE)
                .to_owned()
        })
    }

    /// Ids and times of all of the tenant that match and are on visible boards, whatever leads to them.
    fn visible_of_tenant(&self, filter: &GenerationFilter) -> Select<Entity> {
        let is_visible = Column::BoardId.in_subquery(self.visible_board_ids());
        // A plain IN would become a join, which may begin with the boards.
        let is_visible = if self.store().is_postgres() {
            Expr::cust_with_expr("$1 IS TRUE", is_visible)
        } else {
            is_visible
        };
        self.find::<Entity>()
            .select_only()
            .columns([Column::Id, Column::CreatedAt])
            .filter(is_visible)
            .filter(self.matches(filter, ColumnTrait::into_expr))
    }

    fn ids_tagged(&self, tag: TagId) -> SelectStatement {
        self.find::<generation_tags::Entity>()
            .filter(generation_tags::Column::TagId.eq(tag.0))
            .select_only()
            .column(generation_tags::Column::GenerationId)
            .into_query()
    }

    /// The expression is that of the index on PostgreSQL, to the letter (migration 000020).
    fn has_in_prompt(&self, text: &str, column: &impl Fn(Column) -> Expr) -> SimpleExpr {
        let parameter = |name: &'static str| {
            let arrow = BinOper::Custom("->>");
            column(Column::InputParams).binary(arrow, Expr::cust(name))
        };
        let plain = ["'prompt'", "'text'", "'user_description'"].map(parameter);
        let copy = Func::coalesce([
            column(Column::PromptFolded),
            Func::lower(Func::coalesce(plain)).into(),
        ]);
        self.needles(text).held_by(&copy.into())
    }

    fn needles(&self, text: &str) -> Needles {
        Needles::new(self.store().backend(), text)
    }
}
