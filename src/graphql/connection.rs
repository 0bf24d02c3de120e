//! Lists that are walked by cursor, in the shape of the GraphQL Cursor Connections Specification
//! (Relay).

use async_graphql::{
    ComplexObject, Context, OutputType, SimpleObject,
    connection::{Edge, EmptyFields, PageInfo},
};
use tokio::sync::OnceCell;

use super::{
    arguments::list_cost,
    audit::AuditEvent,
    board::BoardObject,
    generation::GenerationObject,
    invitation::InvitationObject,
    loader::{MemberCountOf, load},
    member::MemberObject,
    people::TenantMemberObject,
    session::Session,
};
use crate::{
    domain::{
        BoardId, BoardQueryRole, CursorKey, CursorList, Cursors, ListPosition, ListWindow,
        PageRequest, TenantId, Validator,
    },
    error::{Error, Result},
    store::{GenerationFilter, Placed, Slice},
};

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(concrete(name = "TenantMemberConnection", params(TenantMemberObject)))]
#[graphql(concrete(name = "TenantInvitationConnection", params(InvitationObject)))]
#[graphql(concrete(name = "AuditEventConnection", params(AuditEvent)))]
pub(super) struct Connection<T: OutputType> {
    /// What is on the page, each with its cursor.
    edges: Vec<Edge<String, T, EmptyFields>>,
    /// What is on the page.
    nodes: Vec<T>,
    /// Where the list goes on.
    page_info: PageInfo,
}

/// A page of a list that can be counted.
#[derive(SimpleObject)]
#[graphql(complex)]
#[graphql(concrete(name = "BoardConnection", params(BoardObject)))]
#[graphql(concrete(name = "GenerationConnection", params(GenerationObject)))]
#[graphql(concrete(name = "BoardMemberConnection", params(MemberObject)))]
pub(super) struct CountedConnection<T: OutputType> {
    /// What is on the page, each with its cursor.
    edges: Vec<Edge<String, T, EmptyFields>>,
    /// What is on the page.
    nodes: Vec<T>,
    /// Where the list goes on.
    page_info: PageInfo,
    #[graphql(skip)]
    total: Total,
    #[graphql(skip)]
    counted: OnceCell<u64>,
}

#[ComplexObject]
impl<T: OutputType> CountedConnection<T> {
    /// How long the whole list is for the caller, all pages together. It is counted when it is
    /// asked for.
    #[graphql(complexity = 10)]
    async fn total_count(&self, context: &Context<'_>) -> async_graphql::Result<u64> {
        // By several names it is asked for at once, and counted once.
        Ok(*self.counted.get_or_try_init(|| self.total.count(context)).await?)
    }
}

/// A list that is counted when somebody asks how long it is.
#[derive(Clone, Debug)]
pub(super) enum Total {
    /// Nothing is in it.
    Nothing,
    MyBoards(BoardQueryRole),
    PublicBoards,
    FoundBoards(String),
    RecentGenerations(GenerationFilter),
    /// The row of what it is a list of says so.
    Known(i64),
    MembersOf(BoardId),
}

impl Total {
    async fn count(&self, context: &Context<'_>) -> Result<u64> {
        let scope = Session::scope_of(context)?;
        let of_board = |count: Option<i64>| u64::try_from(count.unwrap_or_default()).unwrap_or(0);
        match self {
            Self::Nothing => Ok(0),
            Self::MyBoards(role) => scope.my_board_count(*role).await,
            Self::PublicBoards => scope.public_board_count().await,
            Self::FoundBoards(text) => scope.found_board_count(text).await,
            Self::RecentGenerations(filter) => scope.recent_generation_count(filter).await,
            Self::Known(count) => Ok(of_board(Some(*count))),
            Self::MembersOf(board) => load(context, MemberCountOf(*board)).await.map(of_board),
        }
    }
}

/// Points that a page costs; of what may not be used together, the longer.
pub(super) fn page_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    list_cost(first.max(last), ListWindow::DEFAULT_ROWS, child)
}

/// A list of a tenant whose cursors are good.
pub(super) struct Walk(Cursors);

impl Walk {
    /// The list, and what tells it apart from others of its kind.
    pub(super) fn new(
        context: &Context<'_>,
        (list, tenant): (CursorList, TenantId),
        arguments: &str,
    ) -> Result<Self> {
        let key =
            context.data::<CursorKey>().map_err(|_| Error::internal("a schema without a key"))?;
        Ok(Self(key.cursors(list, tenant, arguments)))
    }

    /// The window that arguments ask for. An argument that is null counts as omitted.
    pub(super) fn window(&self, asked: PageRequest<'_>) -> Result<ListWindow> {
        let mut validator = Validator::new();
        let window = ListWindow::new(asked, &self.0, &mut validator);
        validator.finish()?;
        Ok(window)
    }

    /// The page of these rows, which stand at these positions.
    pub(super) fn page<R, T: OutputType + Clone>(
        &self,
        slice: Slice<R>,
        window: ListWindow,
        position: impl Fn(&R) -> ListPosition,
        node: impl Fn(R) -> T,
    ) -> Connection<T> {
        let edges: Vec<_> = slice
            .rows
            .into_iter()
            .map(|row| Edge::new(self.0.encode(position(&row)), node(row)))
            .collect();
        // Beyond a cursor lies at least the row that it was of.
        let (before, behind) = (window.after().is_some(), window.before().is_some());
        let (has_previous_page, has_next_page) =
            if window.from_end() { (slice.has_more, behind) } else { (before, slice.has_more) };
        let page_info = PageInfo {
            has_previous_page,
            has_next_page,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
        Connection { edges, nodes, page_info }
    }

    /// The same, of a list that can be counted.
    pub(super) fn counted_page<R, T: OutputType + Clone>(
        &self,
        slice: Slice<Placed<R>>,
        window: ListWindow,
        total: Total,
        node: impl Fn(R) -> T,
    ) -> CountedConnection<T> {
        let page = self.page(slice, window, |placed| placed.position, |placed| node(placed.row));
        let Connection { edges, nodes, page_info } = page;
        CountedConnection { edges, nodes, page_info, total, counted: OnceCell::new() }
    }

    /// A page of a list that is empty whatever the window.
    pub(super) fn empty_page<T: OutputType + Clone>(
        &self,
        window: ListWindow,
    ) -> CountedConnection<T> {
        let slice = Slice::<Placed<T>> { rows: Vec::new(), has_more: false };
        self.counted_page(slice, window, Total::Nothing, |node| node)
    }
}
