//! Statements that take as long as they are let: on PostgreSQL they sleep, on SQLite they count.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::{TestApp, on_postgres};

/// A query that does not end.
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                       SELECT count(*) FROM n";

/// A table that takes forever to read, as soon as it has a row.
pub(crate) struct SlowTable {
    connection: DatabaseConnection,
    name: &'static str,
}

impl SlowTable {
    /// Makes a table slow.
    pub(crate) async fn new(app: &TestApp, name: &'static str) -> Self {
        let connection = connect(app).await;
        let wait = if on_postgres() {
            "pg_sleep(3600) IS NOT NULL".to_owned()
        } else {
            format!("({ENDLESS}) >= 0")
        };
        run(&connection, &format!("ALTER TABLE {name} RENAME TO {name}_rows")).await;
        let view = format!("CREATE VIEW {name} AS SELECT * FROM {name}_rows WHERE {wait}");
        run(&connection, &view).await;
        Self { connection, name }
    }

    /// Makes it what it was.
    pub(crate) async fn restore(self) {
        let Self { connection, name } = self;
        run(&connection, &format!("DROP VIEW {name}")).await;
        run(&connection, &format!("ALTER TABLE {name}_rows RENAME TO {name}")).await;
        connection.close().await.expect("closed");
    }
}

/// From now on it takes forever to give a board the title "slow".
pub(crate) async fn slow_title(app: &TestApp) {
    let connection = connect(app).await;
    if on_postgres() {
        let function = "CREATE FUNCTION wait_long() RETURNS trigger LANGUAGE plpgsql AS \
                        $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$";
        run(&connection, function).await;
        let trigger = "CREATE TRIGGER wait_long AFTER UPDATE ON boards FOR EACH ROW \
                       WHEN (NEW.title = 'slow') EXECUTE FUNCTION wait_long()";
        run(&connection, trigger).await;
    } else {
        // In a trigger no common table expression may stand alone.
        let trigger = format!(
            "CREATE TRIGGER wait_long AFTER UPDATE ON boards WHEN NEW.title = 'slow' \
             BEGIN SELECT ({ENDLESS}); END"
        );
        run(&connection, &trigger).await;
    }
    connection.close().await.expect("closed");
}

/// Whether nothing of the server's runs on the database or is left open there.
pub(crate) async fn is_quiet(app: &TestApp) -> bool {
    let connection = connect(app).await;
    if !on_postgres() {
        run(&connection, "PRAGMA busy_timeout = 100").await;
        // Whoever writes keeps others from it, and whoever reads what was there before keeps the
        // journal from being emptied.
        let written = connection.execute_unprepared("UPDATE tenants SET name = name").await;
        if written.is_err() {
            connection.close().await.expect("closed");
            return false;
        }
    }
    let sql = if on_postgres() {
        "SELECT count(*) = 0 AS quiet FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'boards' AND state <> 'idle'"
    } else {
        "PRAGMA wal_checkpoint(TRUNCATE)"
    };
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a row");
    let quiet = if on_postgres() {
        row.try_get("", "quiet").expect("a truth value")
    } else {
        row.try_get::<i32>("", "busy").expect("a number") == 0
    };
    connection.close().await.expect("closed");
    quiet
}

/// One connection: on SQLite another would not know at once what this one has changed.
async fn connect(app: &TestApp) -> DatabaseConnection {
    let mut options = ConnectOptions::new(app.database().url().expose());
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.expect("the test database can be reached")
}

async fn run(connection: &DatabaseConnection, sql: &str) {
    connection.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
