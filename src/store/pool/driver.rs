//! One connection to either database: how it is opened, what is sent over it, and how a statement
//! that nobody waits for any more is stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ExecResult, QueryResult, Statement,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Connection as _, Database, Executor, Postgres,
        Sqlite,
        postgres::{PgConnectOptions, PgConnection},
        query::Query,
        sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

/// How long SQLite waits for the lock of another process, such as `boards tenant create`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many steps of its virtual machine SQLite runs before it looks whether to stop: well under a
/// millisecond.
const STEPS: i32 = 10_000;
/// A statement that ends by itself within this time is not worth a request to the server.
const PATIENCE: Duration = Duration::from_millis(25);
/// How often a server is asked to stop a statement before the connection is given up.
const ATTEMPTS: u32 = 100;
/// How long such a request, a goodbye or a first answer may take.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long PostgreSQL keeps the locks of a transaction whose process stands still, in milliseconds: all workers
/// may be waiting for one of them. As long as a worker may be silent.
const SILENCE_MAX: &str = "15000";

/// How PostgreSQL plans what is asked here: once for each statement and whatever its values, since they
/// are written to be found by index; planning them anew costs more than running them, and compiling them
/// much more.
const PLANNING: [(&str, &str); 2] = [("plan_cache_mode", "force_generic_plan"), ("jit", "off")];

type Result<T> = std::result::Result<T, sqlx::Error>;

/// How connections are opened.
pub(in crate::store) enum Driver {
    Postgres { options: PgConnectOptions, canceller: Box<Canceller> },
    Sqlite { options: SqliteConnectOptions },
}

/// An open connection.
pub(super) enum Connection {
    Postgres {
        connection: PgConnection,
        backend: i32,
    },
    /// Whatever runs stops while `stop` is set.
    Sqlite {
        connection: SqliteConnection,
        stop: Arc<AtomicBool>,
    },
}

impl Driver {
    pub(in crate::store) fn postgres(
        options: PgConnectOptions,
        statement_timeout: Duration,
    ) -> Self {
        let options = options.application_name("boards").disable_statement_logging();
        let canceller =
            Box::new(Canceller { options: options.clone(), connection: Mutex::default() });
        let limit = statement_timeout.as_millis().to_string();
        let settings = [
            ("statement_timeout", limit.as_str()),
            ("idle_in_transaction_session_timeout", SILENCE_MAX),
        ];
        let options = options.options(settings.into_iter().chain(PLANNING));
        Self::Postgres { options, canceller }
    }

    pub(in crate::store) fn sqlite(options: SqliteConnectOptions, read_only: bool) -> Self {
        let options = sqlite_options(options).disable_statement_logging();
        let options = if read_only { options.pragma("query_only", "ON") } else { options };
        Self::Sqlite { options }
    }

    pub(super) async fn connect(&self) -> Result<Connection> {
        match self {
            Self::Postgres { options, .. } => {
                let mut connection = PgConnection::connect_with(options).await?;
                let backend = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .persistent(false)
                    .fetch_one(&mut connection)
                    .await?;
                Ok(Connection::Postgres { connection, backend })
            }
            Self::Sqlite { options } => {
                let mut connection = SqliteConnection::connect_with(options).await?;
                let stop = Arc::<AtomicBool>::default();
                let stopped = Arc::clone(&stop);
                let go_on = move || !stopped.load(Ordering::Relaxed);
                connection.lock_handle().await?.set_progress_handler(STEPS, go_on);
                Ok(Connection::Sqlite { connection, stop })
            }
        }
    }

    /// Stops whatever still runs on a connection. Whether it can be used again.
    pub(super) async fn stop(&self, connection: &mut Connection) -> bool {
        for _ in 0..ATTEMPTS {
            if let Ok(usable) = tokio::time::timeout(PATIENCE, connection.is_quiet()).await {
                return usable;
            }
            match (self, &*connection) {
                (Self::Postgres { canceller, .. }, Connection::Postgres { backend, .. }) => {
                    canceller.cancel(*backend).await;
                }
                (_, Connection::Sqlite { stop, .. }) => stop.store(true, Ordering::Relaxed),
                _ => return false,
            }
        }
        false
    }
}

/// How every connection to SQLite is set.
pub(in crate::store) fn sqlite_options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

fn query<DB: Database>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(sea_orm::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

impl Connection {
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult> {
        match self {
            Self::Postgres { connection, .. } => {
                query::<Postgres>(statement).execute(connection).await.map(Into::into)
            }
            Self::Sqlite { connection, .. } => {
                query::<Sqlite>(statement).execute(connection).await.map(Into::into)
            }
        }
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres { connection, .. } => connection.execute(sql).await.map(Into::into),
            Self::Sqlite { connection, .. } => connection.execute(sql).await.map(Into::into),
        }
    }

    pub(super) async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>> {
        match self {
            Self::Postgres { connection, .. } => {
                let row = query::<Postgres>(statement).fetch_optional(connection).await?;
                Ok(row.map(Into::into))
            }
            Self::Sqlite { connection, .. } => {
                let row = query::<Sqlite>(statement).fetch_optional(connection).await?;
                Ok(row.map(Into::into))
            }
        }
    }

    pub(super) async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>> {
        match self {
            Self::Postgres { connection, .. } => {
                let rows = query::<Postgres>(statement).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
            Self::Sqlite { connection, .. } => {
                let rows = query::<Sqlite>(statement).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }

    /// Begins a transaction that may write. On SQLite it takes the write lock at once: one that
    /// reads first and writes later would fail under load.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let begin = match self {
            Self::Postgres { .. } => "BEGIN",
            Self::Sqlite { .. } => "BEGIN IMMEDIATE",
        };
        self.execute_unprepared(begin).await.map(drop)
    }

    pub(super) async fn commit(&mut self) -> Result<()> {
        self.execute_unprepared("COMMIT").await.map(drop)
    }

    pub(super) async fn rollback(&mut self) -> Result<()> {
        self.execute_unprepared("ROLLBACK").await.map(drop)
    }

    /// Rolls a transaction back in which nothing runs. Whether the connection can be used again.
    pub(super) async fn roll_back_in_time(&mut self) -> bool {
        matches!(tokio::time::timeout(CONTROL_TIMEOUT, self.rollback()).await, Ok(Ok(())))
    }

    /// Waits until nothing runs any more. Whether the connection can be used again.
    async fn is_quiet(&mut self) -> bool {
        loop {
            let answer = match self {
                Self::Postgres { connection, .. } => connection.ping().await,
                Self::Sqlite { connection, .. } => connection.ping().await,
            };
            match answer {
                // How the statement ended that was stopped: the answer to the ping comes after it.
                Err(sqlx::Error::Database(_)) => {}
                answer => {
                    if let Self::Sqlite { stop, .. } = self {
                        stop.store(false, Ordering::Relaxed);
                    }
                    return answer.is_ok();
                }
            }
        }
    }

    /// Whether it answers.
    pub(super) async fn answers(&mut self) -> bool {
        matches!(tokio::time::timeout(CONTROL_TIMEOUT, self.is_quiet()).await, Ok(true))
    }

    /// Says goodbye. What was not committed is rolled back.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(CONTROL_TIMEOUT, async {
            match self {
                Self::Postgres { connection, .. } => connection.close().await,
                Self::Sqlite { connection, .. } => connection.close().await,
            }
        })
        .await;
    }
}

/// Whether a connection is of no use after this error.
pub(super) fn breaks_connection(error: &sqlx::Error) -> bool {
    match error {
        // Class 08 is lost connections, 57P01 to 57P03 a server that stops or starts.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P03")
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether a server that refuses a connection may take it soon: it starts, or others are about to
/// end theirs.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(&*code, "57P03" | "53300"))
        }
        _ => false,
    }
}

/// Stops statements of other connections, over one of its own that is opened when it is first
/// needed and kept.
pub(in crate::store) struct Canceller {
    options: PgConnectOptions,
    connection: Mutex<Option<PgConnection>>,
}

impl Canceller {
    /// Has the server stop what a backend runs. Nothing is known of the outcome; who asked looks
    /// whether it has stopped.
    async fn cancel(&self, backend: i32) {
        let mut kept = self.connection.lock().await;
        let asked = tokio::time::timeout(CONTROL_TIMEOUT, async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => PgConnection::connect_with(&self.options).await?,
            };
            sqlx::query("SELECT pg_cancel_backend($1)")
                .bind(backend)
                .execute(&mut connection)
                .await?;
            *kept = Some(connection);
            Ok::<_, sqlx::Error>(())
        });
        if let Ok(Err(error)) = asked.await {
            tracing::warn!(%error, "a statement could not be cancelled");
        }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            let _ = connection.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_for_a_process_that_stands_still() {
        let driver = Driver::postgres(PgConnectOptions::new(), Duration::from_secs(30));
        let Driver::Postgres { options, .. } = driver else { panic!("it is PostgreSQL") };
        let options = options.get_options().expect("options");
        assert!(options.contains("statement_timeout=30000"), "{options}");
        assert!(options.contains("idle_in_transaction_session_timeout=15000"), "{options}");
    }
}
