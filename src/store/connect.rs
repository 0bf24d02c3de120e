//! Opening the pools: one writer and several readers on SQLite, one pool on PostgreSQL.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use super::{Events, Inner, Statements, Store, Templates};
use crate::{config::DatabaseUrl, error::Result};

/// How long a request waits for a connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for the lock of another process, such as `boards tenant create`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_READERS: u32 = 8;
/// The audit log writes with one; the other is for ending old rows.
const POSTGRES_BEHIND_CONNECTIONS: u32 = 2;

impl Store {
    /// Opens the database. An SQLite file is made when it is missing; nothing is migrated yet.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(
        url: &DatabaseUrl,
        max_connections: u32,
        statement_timeout: Duration,
    ) -> Result<Self> {
        let statements = Arc::<Statements>::default();
        let (mut read, mut write, behind) = if url.is_sqlite() {
            let write = Database::connect(sqlite_options(url, 1, false)).await?;
            let readers = max_connections.min(SQLITE_READERS);
            // There is one writer: a second would wait for the file's lock by polling.
            let behind = write.clone();
            (Database::connect(sqlite_options(url, readers, true)).await?, write, behind)
        } else {
            let mut options = postgres_options(url, max_connections, statement_timeout);
            let pool = Database::connect(options.clone()).await?;
            // Requests that hold every connection must not hold the audit log up.
            options.max_connections(POSTGRES_BEHIND_CONNECTIONS).connect_lazy(true);
            (pool.clone(), pool, Database::connect(options).await?)
        };
        note_statements(&mut read, &statements);
        note_statements(&mut write, &statements);
        let templates = Templates::new(read.get_database_backend());
        let events = Events::new();
        Ok(Self(Arc::new(Inner { read, write, behind, events, statements, templates })))
    }
}

fn postgres_options(
    url: &DatabaseUrl,
    max_connections: u32,
    statement_timeout: Duration,
) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .statement_timeout(statement_timeout)
        .set_application_name("boards")
        .test_before_acquire(false)
        .sqlx_logging(false);
    options
}

fn sqlite_options(url: &DatabaseUrl, max_connections: u32, read_only: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    options
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT);
            if read_only { sqlite.pragma("query_only", "ON") } else { sqlite }
        });
    options
}

fn note_statements(connection: &mut DatabaseConnection, statements: &Arc<Statements>) {
    let statements = Arc::clone(statements);
    connection.set_metric_callback(move |info| statements.note(info.statement));
}
