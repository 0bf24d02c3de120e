//! Rows that other rows name, each looked up by its index.
//!
//! `PostgreSQL` plans a join by the rows that it expects, once for all who ask, and of one tenant it
//! expects few: it would rather read all users of a small tenant, or all memberships of a large one, than
//! look up twenty by key. So there the rows are found one by one, which is what the joins are for.

use sea_orm::{
    ColumnTrait, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func, JoinType, Query, SelectStatement, SimpleExpr},
};
use uuid::Uuid;

use super::{
    Scope,
    entity::users,
    template::Parameter,
    users::{USER_COLUMNS, UserParts},
};

const WANTED: &str = "wanted";
/// What rows that were looked up by a list of ids are called.
pub(super) const FOUND: &str = "found";

impl Scope {
    /// Ids as one parameter, so that the text of a statement is the same for any number of them.
    pub(super) fn list(&self, ids: impl Iterator<Item = Uuid>) -> Parameter {
        let list = if self.store().is_postgres() {
            let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
            format!("{{{}}}", ids.join(","))
        } else {
            let ids: Vec<String> = ids.map(|id| format!("\"{}\"", id.simple())).collect();
            format!("[{}]", ids.join(","))
        };
        Parameter::Text(list)
    }

    /// Adds to each row of `query` those of `rows` whose `column` is what it names, under `alias`; a row
    /// that names none is left out.
    pub(super) fn look_up<C: ColumnTrait>(
        &self,
        query: &mut SelectStatement,
        mut rows: SelectStatement,
        (column, named): (C, SimpleExpr),
        alias: &'static str,
    ) {
        if self.store().is_postgres() {
            // The offset keeps it from being planned as a join.
            rows.and_where(Expr::col(column.as_column_ref()).eq(named)).offset(0);
            query.join_lateral(JoinType::InnerJoin, rows, alias, Expr::cust("TRUE"));
        } else {
            // SQLite takes such a join in the order in which it is written.
            let is_named = Expr::col((alias, column)).eq(named);
            query.join_subquery(JoinType::CrossJoin, rows, alias, is_named);
        }
    }

    /// Adds the user whom each row of `query` names, as [`User::read_parts`](super::User) reads them.
    pub(super) fn look_up_user(
        &self,
        query: &mut SelectStatement,
        user: (SimpleExpr, &'static str),
        parts: UserParts,
    ) {
        let (_, alias) = user;
        self.join_user(query, user, parts);
        let columns = parts.projection().select(&USER_COLUMNS);
        query.columns(columns.map(|column| (alias, column)));
    }

    /// The same without selecting anything of the user.
    pub(super) fn join_user(
        &self,
        query: &mut SelectStatement,
        (named, alias): (SimpleExpr, &'static str),
        parts: UserParts,
    ) {
        let columns = parts.projection().select(&USER_COLUMNS);
        let users = self.find::<users::Entity>().select_only().columns(columns).into_query();
        self.look_up(query, users, (users::Column::Id, named), alias);
    }

    /// Those of `rows` whose `column` is one of the ids of a [`list`](Self::list), under [`FOUND`].
    pub(super) fn each_of<C: ColumnTrait>(
        &self,
        list: &str,
        rows: SelectStatement,
        column: C,
    ) -> SelectStatement {
        let (ids, id) = if self.store().is_postgres() {
            let ids = Expr::cust_with_expr("CAST($1 AS uuid[])", Expr::val(list));
            (Func::cust("unnest").arg(ids), Expr::col((WANTED, WANTED)))
        } else {
            (Func::cust("json_each").arg(list), Expr::cust("unhex(\"wanted\".\"value\")"))
        };
        let mut query = Query::select();
        query.expr(Expr::cust("\"found\".*")).from_function(ids, WANTED);
        self.look_up(&mut query, rows, (column, id), FOUND);
        query
    }
}
