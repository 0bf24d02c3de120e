//! Reading rows by the place of their columns. A name is looked up and compared for each value, which
//! in long lists costs more than the value itself.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sea_orm::{
    ConnectionTrait, DbErr, QueryResult, RuntimeErr, Statement, TryGetable,
    sqlx::{Decode, Postgres, Row, types::Json},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    StoredJson,
    entity::{board_members, boards, generations},
    projection::{Projected, Projection},
};

/// Something that is read from columns which stand in a row one after the other.
pub(super) trait Readable: Sized {
    /// Reads it from the next columns.
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr>;
}

/// The columns of a row, from the first on.
pub(super) struct Columns<'r> {
    row: &'r QueryResult,
    next: usize,
    /// Where they stand, unless one stands behind the other.
    places: Option<&'r [usize]>,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r QueryResult) -> Self {
        Self { row, next: 0, places: None }
    }

    /// The columns in these places, in this order.
    pub(super) fn placed(row: &'r QueryResult, places: &'r [usize]) -> Self {
        Self { row, next: 0, places: Some(places) }
    }

    /// The value of the next column, which stays the next.
    pub(super) fn peek<T: Column>(&self) -> Result<T, DbErr> {
        T::at(self.row, self.place())
    }

    /// Leaves columns unread.
    pub(super) fn pass(&mut self, count: usize) {
        self.next += count;
    }

    /// The value of the next column.
    pub(super) fn next<T: Column>(&mut self) -> Result<T, DbErr> {
        let place = self.place();
        self.next += 1;
        T::at(self.row, place)
    }

    /// What the text of the next column stands for; none if it stands for nothing.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Result<Option<T>, DbErr> {
        let place = self.place();
        self.next += 1;
        match on_postgres::<&str>(self.row, place) {
            Some(text) => Ok(text?.parse().ok()),
            None => Ok(elsewhere::<String>(self.row, place)?.parse().ok()),
        }
    }

    fn place(&self) -> usize {
        let Some(places) = self.places else { return self.next };
        // Beyond the last place there is no column.
        places.get(self.next).copied().unwrap_or(usize::MAX)
    }
}

/// A type of values that columns have.
pub(super) trait Column: Sized {
    fn at(row: &QueryResult, place: usize) -> Result<Self, DbErr>;
}

/// PostgreSQL says the type of each column with the rows; whether it fits is not asked again for each
/// value. A test reads every entity.
fn on_postgres<'r, T: Decode<'r, Postgres>>(
    row: &'r QueryResult,
    place: usize,
) -> Option<Result<T, DbErr>> {
    let row = row.try_as_pg_row()?;
    let value = row.try_get_unchecked::<T, usize>(place);
    Some(value.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into()))))
}

fn elsewhere<T: TryGetable>(row: &QueryResult, place: usize) -> Result<T, DbErr> {
    row.try_get_by_index(place)
}

macro_rules! columns {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn at(row: &QueryResult, place: usize) -> Result<Self, DbErr> {
                on_postgres(row, place).unwrap_or_else(|| elsewhere(row, place))
            }
        })*
    };
}

columns!(
    Uuid,
    Option<Uuid>,
    String,
    Option<String>,
    bool,
    i32,
    i64,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Decimal
);

impl Column for Value {
    fn at(row: &QueryResult, place: usize) -> Result<Self, DbErr> {
        match on_postgres::<Json<Self>>(row, place) {
            Some(value) => value.map(|Json(value)| value),
            None => elsewhere(row, place),
        }
    }
}

impl Column for StoredJson {
    fn at(row: &QueryResult, place: usize) -> Result<Self, DbErr> {
        on_postgres(row, place).unwrap_or_else(|| elsewhere::<Value>(row, place).map(Self::from))
    }
}

impl<A: Readable, B: Readable> Readable for (A, B) {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok((A::read(columns)?, B::read(columns)?))
    }
}

/// Entities are read in the order of their columns, which is that of their fields.
macro_rules! entities {
    ($($entity:ident { $($field:ident),* $(,)? })*) => {
        $(impl $entity::Model {
            /// Reads it from the next columns, which are those of the projection.
            pub(super) fn read_columns(
                columns: &mut Columns<'_>,
                projection: Projection,
            ) -> Result<Self, DbErr> {
                let mut columns = Projected::new(columns, projection);
                Ok(Self { $($field: columns.next()?),* })
            }
        }

        impl Readable for $entity::Model {
            fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
                Self::read_columns(columns, Projection::ALL)
            }
        })*

        #[cfg(test)]
        const FIELDS: &[(&str, &[&str])] =
            &[$((stringify!($entity), &[$(stringify!($field)),*])),*];
    };
}

entities! {
    boards {
        id, tenant_id, owner_id, title, description, is_public, settings, metadata, created_at,
        updated_at, title_folded, description_folded, generation_count,
    }
    board_members { id, tenant_id, board_id, user_id, role, invited_by, joined_at }
    generations {
        id, tenant_id, board_id, user_id, generator_name, artifact_type, input_params, status,
        storage_url, thumbnail_url, additional_files, output_metadata, input_artifacts,
        external_job_id, progress, error_message, started_at, completed_at, created_at, updated_at, prompt_folded,
    }
}

/// All rows of a statement.
///
/// # Errors
/// When the database does not answer, or with something else.
pub(super) async fn all<T: Readable>(
    connection: &impl ConnectionTrait,
    statement: Statement,
) -> Result<Vec<T>, DbErr> {
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| T::read(&mut Columns::of(row))).collect()
}

/// The first row of a statement.
///
/// # Errors
/// As [`all`].
pub(super) async fn one<T: Readable>(
    connection: &impl ConnectionTrait,
    statement: Statement,
) -> Result<Option<T>, DbErr> {
    let row = connection.query_one_raw(statement).await?;
    row.map(|row| T::read(&mut Columns::of(&row))).transpose()
}

#[cfg(test)]
mod tests {
    use sea_orm::{IdenStatic, Iterable};

    use super::*;

    fn names<C: Iterable + IdenStatic>() -> Vec<&'static str> {
        C::iter().map(|column| column.as_str()).collect()
    }

    #[test]
    fn fields_stand_in_the_order_of_columns() {
        for (entity, fields) in FIELDS {
            let columns = match *entity {
                "boards" => names::<boards::Column>(),
                "board_members" => names::<board_members::Column>(),
                "generations" => names::<generations::Column>(),
                other => panic!("{other} is not compared"),
            };
            assert_eq!(columns, *fields, "{entity}");
        }
    }
}
