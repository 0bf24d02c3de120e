//! Lists that are walked by cursor, in the shape of the GraphQL Cursor Connections Specification
//! (Relay).

use async_graphql::{
    OutputType, SimpleObject,
    connection::{Edge, EmptyFields, PageInfo},
};

use super::{audit::AuditEvent, invitation::InvitationObject, people::TenantMemberObject};
use crate::{
    domain::{CursorList, ListPosition, ListWindow, TenantId, Validator},
    error::Result,
    store::Slice,
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

/// The list and the tenant whose cursors are good.
#[derive(Clone, Copy)]
pub(super) struct Walk(pub(super) CursorList, pub(super) TenantId);

impl Walk {
    /// The window that arguments ask for. An argument that is null counts as omitted.
    pub(super) fn window(
        self,
        first: Option<i32>,
        after: Option<&str>,
        default_first: i32,
    ) -> Result<ListWindow> {
        let mut validator = Validator::new();
        let first = first.unwrap_or(default_first);
        let window = ListWindow::new(first, after, (self.0, self.1), &mut validator);
        validator.finish()?;
        Ok(window)
    }

    /// The page of these rows, which stand at these positions.
    pub(super) fn page<R, T: OutputType + Clone>(
        self,
        slice: Slice<R>,
        window: ListWindow,
        position: impl Fn(&R) -> ListPosition,
        node: impl Fn(R) -> T,
    ) -> Connection<T> {
        let edges: Vec<_> = slice
            .rows
            .into_iter()
            .map(|row| Edge::new(position(&row).encode(self.0, self.1), node(row)))
            .collect();
        let page_info = PageInfo {
            has_previous_page: window.after().is_some(),
            has_next_page: slice.has_more,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
        Connection { edges, nodes, page_info }
    }
}
