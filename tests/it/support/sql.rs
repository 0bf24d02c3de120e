//! Making by SQL what no client could.

use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::TestApp;

/// Runs one statement with `$1`-style parameters beside the server; the number of changed rows.
pub(crate) async fn execute(
    app: &TestApp,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> u64 {
    let connection = app.database().connect().await;
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let changed = connection.execute_raw(statement).await;
    let changed = changed.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected();
    connection.close().await.expect("closed");
    changed
}

/// An id as a parameter.
pub(crate) fn id(text: &str) -> Value {
    Uuid::parse_str(text).expect("an id").into()
}

/// The one number that a query gives.
pub(crate) async fn count(app: &TestApp, sql: &str) -> i64 {
    let connection = app.database().connect().await;
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a row");
    connection.close().await.expect("closed");
    row.try_get_by_index(0).expect("a number")
}
