//! Which columns of a row are read. A wide row costs the database and the server for each column, and
//! most operations show few of them. There are few groups of columns, so that there are few statements.

use std::str::FromStr;

use sea_orm::DbErr;

use super::row::{Column, Columns};

/// Columns by their place among those of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Projection(u32);

impl Projection {
    pub(super) const ALL: Self = Self(u32::MAX);

    /// The columns in these places.
    pub(super) const fn of(places: &[u32]) -> Self {
        let (mut columns, mut next) = (0, 0);
        while next < places.len() {
            columns |= 1 << places[next];
            next += 1;
        }
        Self(columns)
    }

    pub(super) const fn and(self, other: Self, wanted: bool) -> Self {
        if wanted { Self(self.0 | other.0) } else { self }
    }

    /// What it has and the other has not.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those of the columns that are read.
    pub(super) fn select<C: Copy>(self, columns: &[C]) -> impl Iterator<Item = C> {
        let columns = columns.iter().enumerate();
        columns.filter(move |(place, _)| self.has(*place)).map(|(_, column)| *column)
    }

    fn has(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }
}

/// The columns of a row of which some were read; the others have the value of their type that says
/// nothing.
pub(super) struct Projected<'c, 'r> {
    columns: &'c mut Columns<'r>,
    projection: Projection,
    place: usize,
}

impl<'c, 'r> Projected<'c, 'r> {
    pub(super) fn new(columns: &'c mut Columns<'r>, projection: Projection) -> Self {
        Self { columns, projection, place: 0 }
    }

    pub(super) fn next<T: Column + Default>(&mut self) -> Result<T, DbErr> {
        let place = self.place;
        self.place += 1;
        if self.projection.has(place) { self.columns.next() } else { Ok(T::default()) }
    }

    /// What the text of a column that is always read stands for; none if it stands for nothing.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Result<Option<T>, DbErr> {
        self.place += 1;
        self.columns.parsed()
    }
}
