//! Which boards a viewer may see, said once and used by lists, lookups, search, counts and
//! subscriptions. The rule is that of [`crate::access::policy`] for [`Permission::View`]; a test
//! holds the two together.
//!
//! [`Permission::View`]: crate::domain::Permission::View

use sea_orm::{
    ColumnTrait, Condition, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, SelectStatement, SimpleExpr, SubQueryStatement, UnionType},
};

use super::{
    Scope,
    entity::{board_members, boards},
};

impl Scope {
    /// For boards found by id: the row is the viewer's to see.
    pub(super) fn board_is_visible(&self) -> Condition {
        Condition::any()
            .add(boards::Column::IsPublic.eq(true))
            .add(boards::Column::OwnerId.eq(self.viewer_uuid()))
            .add(boards::Column::Id.in_subquery(self.member_board_ids()))
    }

    /// For lists: the ids of all boards that the viewer may see, each branch by an index of its own.
    pub(super) fn visible_board_ids(&self) -> SelectStatement {
        let mut ids = self.own_or_member_board_ids();
        ids.union(UnionType::Distinct, ids_of(self.public_boards()));
        ids
    }

    /// The boards that the viewer may see, each in one of three parts: their own, private ones that they
    /// are a member of, and public ones of others.
    pub(super) fn visible_boards_apart(&self) -> [Select<boards::Entity>; 3] {
        let of_others = || boards::Column::OwnerId.ne(self.viewer_uuid());
        let joined = self
            .find::<boards::Entity>()
            .filter(self.is_joined())
            .filter(is_public("FALSE"))
            .filter(of_others());
        [self.owned_boards(), joined, self.public_boards().filter(of_others())]
    }

    /// On PostgreSQL as an array, read once: a join would be planned for few memberships and keep a copy of
    /// each board that it has looked up.
    fn is_joined(&self) -> SimpleExpr {
        let ids = self.member_board_ids();
        if !self.store().is_postgres() {
            return boards::Column::Id.in_subquery(ids);
        }
        let ids = SimpleExpr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(ids)));
        Expr::cust_with_expr("\"boards\".\"id\" = ANY (ARRAY $1)", ids)
    }

    /// The ids of all boards that the viewer owns or is a member of.
    pub(super) fn own_or_member_board_ids(&self) -> SelectStatement {
        let mut ids = ids_of(self.owned_boards());
        ids.union(UnionType::Distinct, self.member_board_ids());
        ids
    }

    pub(super) fn owned_boards(&self) -> Select<boards::Entity> {
        self.find::<boards::Entity>().filter(boards::Column::OwnerId.eq(self.viewer_uuid()))
    }

    pub(super) fn public_boards(&self) -> Select<boards::Entity> {
        self.find::<boards::Entity>().filter(is_public("TRUE"))
    }

    /// The ids of the boards on which the viewer has a membership row.
    pub(super) fn member_board_ids(&self) -> SelectStatement {
        self.memberships().select_only().column(board_members::Column::BoardId).into_query()
    }

    /// The viewer's memberships.
    pub(super) fn memberships(&self) -> Select<board_members::Entity> {
        self.find::<board_members::Entity>()
            .filter(board_members::Column::UserId.eq(self.viewer_uuid()))
    }

    /// The viewer's role on the board of the outer query, as a column of it.
    pub(super) fn viewer_role(&self) -> SimpleExpr {
        let role = self
            .find::<board_members::Entity>()
            .filter(board_members::Column::UserId.eq(self.viewer_uuid()))
            .filter(
                Expr::col((board_members::Entity, board_members::Column::BoardId))
                    .equals((boards::Entity, boards::Column::Id)),
            )
            .select_only()
            .column(board_members::Column::Role)
            .into_query();
        SimpleExpr::SubQuery(None, Box::new(SubQueryStatement::SelectStatement(role)))
    }
}

/// The value stands in the statement: an index of public boards alone cannot be used for a parameter.
fn is_public(value: &'static str) -> SimpleExpr {
    Expr::col((boards::Entity, boards::Column::IsPublic)).eq(Expr::cust(value))
}

fn ids_of(boards: Select<boards::Entity>) -> SelectStatement {
    boards.select_only().column(boards::Column::Id).into_query()
}
