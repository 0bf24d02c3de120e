//! The lists of boards, by cursor.

use async_graphql::{Context, Object, Result};

use super::{
    access::{Anyone, Caller, SignedIn, access, granted},
    arguments::{BoardQueryRole, SortOrder},
    board::{BoardObject, QUERY_MAX},
    connection::{CountedConnection, Total, Walk, page_cost},
    session::Session,
};
use crate::domain::{self, CursorList, PageRequest, TokenScope, Validator};

#[derive(Default)]
pub(super) struct BoardConnectionQueries;

#[Object]
impl BoardConnectionQueries {
    /// Boards that the caller owns or is a member of, by cursor.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsRead)),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn my_boards_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Boards at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the board behind which the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Boards at most, 0 to 100, from the end; not with `first`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Cursor of the board before which the page ends.")] before: Option<String>,
        #[graphql(
            default_with = "Some(BoardQueryRole::Any)",
            desc = "How the caller stands to the boards."
        )]
        role: Option<BoardQueryRole>,
        #[graphql(default_with = "Some(SortOrder::UpdatedDesc)", desc = "Order of the list.")]
        sort: Option<SortOrder>,
    ) -> Result<CountedConnection<BoardObject>> {
        let scope = Session::scope_of(context)?;
        let role: domain::BoardQueryRole = role.unwrap_or(BoardQueryRole::Any).into();
        let sort: domain::SortOrder = sort.unwrap_or(SortOrder::UpdatedDesc).into();
        let arguments = format!("{} {role:?} {sort:?}", scope.user()?);
        let walk = Walk::new(context, (CursorList::MyBoards, scope.tenant()), &arguments)?;
        let (after, before) = (after.as_deref(), before.as_deref());
        let window = walk.window(PageRequest { first, after, last, before })?;
        let boards = scope.my_board_window(role, sort, window).await?;
        Ok(walk.counted_page(boards, window, Total::MyBoards(role), BoardObject::from))
    }

    /// Public boards of the tenant, by cursor.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn public_boards_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Boards at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the board behind which the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Boards at most, 0 to 100, from the end; not with `first`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Cursor of the board before which the page ends.")] before: Option<String>,
        #[graphql(default_with = "Some(SortOrder::UpdatedDesc)", desc = "Order of the list.")]
        sort: Option<SortOrder>,
    ) -> Result<CountedConnection<BoardObject>> {
        let scope = Session::scope_of(context)?;
        let sort: domain::SortOrder = sort.unwrap_or(SortOrder::UpdatedDesc).into();
        let arguments = format!("{sort:?}");
        let walk = Walk::new(context, (CursorList::PublicBoards, scope.tenant()), &arguments)?;
        let (after, before) = (after.as_deref(), before.as_deref());
        let window = walk.window(PageRequest { first, after, last, before })?;
        let boards = scope.public_board_window(sort, window).await?;
        Ok(walk.counted_page(boards, window, Total::PublicBoards, BoardObject::from))
    }

    /// Boards that the caller may see and whose title or description holds the text, whatever the
    /// case, by cursor; title hits first.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsRead)),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn search_boards_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Text to look for, 1 to 255 characters; % and _ are letters.")]
        query: String,
        #[graphql(desc = "Boards at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the board behind which the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Boards at most, 0 to 100, from the end; not with `first`.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Cursor of the board before which the page ends.")] before: Option<String>,
    ) -> Result<CountedConnection<BoardObject>> {
        let mut validator = Validator::new();
        let text = validator.text("query", &query, QUERY_MAX);
        validator.finish()?;
        let scope = Session::scope_of(context)?;
        let arguments = format!("{} {text}", scope.user()?);
        let walk = Walk::new(context, (CursorList::FoundBoards, scope.tenant()), &arguments)?;
        let (after, before) = (after.as_deref(), before.as_deref());
        let window = walk.window(PageRequest { first, after, last, before })?;
        let boards = scope.found_board_window(&text, window).await?;
        Ok(walk.counted_page(boards, window, Total::FoundBoards(text), BoardObject::from))
    }
}
