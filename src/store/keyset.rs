//! Pages by position: a page begins and ends at places in a list that is sorted by a unique key, so
//! that it costs its rows, however deep it lies, and rows that come and go do not move it.

use sea_orm::{
    ColumnTrait, Order, QueryResult,
    sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, UnionType},
};

use crate::{
    domain::{ListPosition, ListWindow},
    error::{Error, Result},
};

/// The name of the column that tells the windows of one statement apart.
const WINDOW: &str = "window_number";

/// Some rows of a list, and whether there are more behind them.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether the list goes on; in a window from the end, whether anything is before the rows.
    pub has_more: bool,
}

impl<T> Slice<T> {
    /// Of rows as [`Keyset::page`] has them read: one more than the window holds, and from the end
    /// backwards.
    pub(super) fn new(mut rows: Vec<T>, window: ListWindow) -> Self {
        let has_more = rows.len() > window.rows();
        rows.truncate(window.rows());
        if window.from_end() {
            rows.reverse();
        }
        Self { rows, has_more }
    }

    /// The same of other rows.
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Slice<U> {
        Slice { rows: self.rows.into_iter().map(row).collect(), has_more: self.has_more }
    }
}

/// A row and where it stands in its list.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The row.
    pub row: T,
    /// Its place.
    pub position: ListPosition,
}

impl<T> Placed<T> {
    pub(super) fn new(row: T, position: ListPosition) -> Self {
        Self { row, position }
    }
}

/// What a list is sorted by. The last key is unique, so that no two rows stand at one place; all go
/// in one direction, so that one comparison of rows of values, which an index can answer, bounds a
/// page.
pub(super) struct Keyset {
    keys: Vec<Expr>,
    order: Order,
}

impl Keyset {
    /// By a time and then by id.
    pub(super) fn new<C: ColumnTrait>(at: C, id: C, order: Order) -> Self {
        Self { keys: vec![at.into_expr(), id.into_expr()], order }
    }

    /// By a time and then by id, as these expressions have them.
    pub(super) fn of(at: Expr, id: Expr, order: Order) -> Self {
        Self { keys: vec![at, id], order }
    }

    /// By a time and then by id, which a query from elsewhere is shown under these names.
    pub(super) fn of_alias<C: ColumnTrait>(alias: &str, at: C, id: C, order: Order) -> Self {
        let key = |column| Expr::col((Alias::new(alias), column));
        Self { keys: vec![key(at), key(id)], order }
    }

    /// The same, by a group first.
    pub(super) fn grouped_by(mut self, group: Expr) -> Self {
        self.keys.insert(0, group);
        self
    }

    /// Cuts the window out of a list, with one row more, and in the order of reading: backwards from
    /// the end.
    pub(super) fn page(&self, rows: &mut SelectStatement, window: ListWindow) {
        self.bound(rows, window);
        self.read(rows, window, window.rows() as u64 + 1);
    }

    /// Leaves what lies between the ends of the window.
    pub(super) fn bound(&self, rows: &mut SelectStatement, window: ListWindow) {
        for (position, is_after) in [(window.after(), true), (window.before(), false)] {
            let Some(position) = position else { continue };
            let (here, there) = (Expr::tuple(self.keys.clone()), self.place(position));
            let upwards = is_after == (self.order == Order::Asc);
            rows.and_where(if upwards { here.gt(there) } else { here.lt(there) });
        }
    }

    /// Orders by the keys as the window is read, and takes `limit` rows.
    pub(super) fn read(&self, rows: &mut SelectStatement, window: ListWindow, limit: u64) {
        let upwards = window.from_end() != (self.order == Order::Asc);
        let order = if upwards { Order::Asc } else { Order::Desc };
        for key in &self.keys {
            rows.order_by_expr(key.clone(), order.clone());
        }
        rows.limit(limit);
    }

    /// Orders by the keys, and takes the first rows.
    pub(super) fn first(&self, rows: &mut SelectStatement, limit: u64) {
        for key in &self.keys {
            rows.order_by_expr(key.clone(), self.order.clone());
        }
        rows.limit(limit);
    }

    fn place(&self, position: ListPosition) -> Expr {
        let group = Expr::val(i32::from(position.group));
        let values = [group, Expr::val(position.at), Expr::val(position.id)];
        Expr::tuple(values.into_iter().skip(3 - self.keys.len()))
    }
}

/// The rows found so far of the window that a row of [`numbered`] is in.
pub(super) fn rows_of<'a, T>(found: &'a mut [Vec<T>], row: &QueryResult) -> Result<&'a mut Vec<T>> {
    let number: i32 = row.try_get("", WINDOW)?;
    let rows = usize::try_from(number).ok().and_then(|number| found.get_mut(number));
    rows.ok_or_else(|| Error::internal("a row of no window"))
}

/// Several windows in one statement, each row with the number of its window.
pub(super) fn numbered(
    windows: impl IntoIterator<Item = SelectStatement>,
) -> Option<SelectStatement> {
    let mut branches = (0_i32..).zip(windows).map(|(number, rows)| {
        Query::select()
            .expr(Expr::cust("*"))
            .expr_as(Expr::val(number), WINDOW)
            .from_subquery(rows, Alias::new("page"))
            .to_owned()
    });
    let mut all = branches.next()?;
    for branch in branches {
        all.union(UnionType::All, branch);
    }
    Some(all)
}
