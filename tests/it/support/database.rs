//! A database for each test: a file of its own on SQLite, a clone of a migrated template on
//! PostgreSQL.

use std::{path::Path, time::Duration};

use boards::{config::DatabaseUrl, store::Store};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

const SERVER: &str = "BOARDS_TEST_DATABASE_URL";

/// The PostgreSQL server to test on, if the suite runs there.
fn server() -> Option<String> {
    std::env::var(SERVER).ok().filter(|url| !url.is_empty())
}

/// Whether this run tests PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    server().is_some()
}

/// A database of a test's own; dropped with it.
pub(crate) struct TestDatabase {
    url: DatabaseUrl,
    name: Option<String>,
}

impl TestDatabase {
    /// A migrated, empty database.
    pub(crate) async fn migrated(data_dir: &Path) -> Self {
        match server() {
            None => Self { url: DatabaseUrl::embedded(data_dir), name: None },
            Some(server) => {
                template(&server).await;
                Self::create(&server, &format!("TEMPLATE {}", template_name())).await
            }
        }
    }

    /// One that is there already, migrated; it is left when this is dropped.
    pub(crate) async fn migrated_at(url: &DatabaseUrl) -> Self {
        migrate(url).await;
        Self { url: url.clone(), name: None }
    }

    /// A database without any table; on SQLite it is migrated when a server opens it.
    pub(crate) async fn empty(data_dir: &Path) -> Self {
        match server() {
            None => Self { url: DatabaseUrl::embedded(data_dir), name: None },
            Some(server) => Self::create(&server, "").await,
        }
    }

    async fn create(server: &str, how: &str) -> Self {
        let name = format!("boards_test_{}", Uuid::new_v4().simple());
        admin(server, &format!("CREATE DATABASE {name} {how}")).await;
        Self { url: url_of(server, &name), name: Some(name) }
    }

    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// A connection beside the server's, for looking and for making what no client could.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url.expose());
        options.max_connections(2).sqlx_logging(false);
        Database::connect(options).await.expect("the test database can be reached")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (Some(name), Some(server)) = (self.name.take(), server()) else { return };
        // The test's own runtime may be ending: a thread with a small runtime of its own.
        let drop_database = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")));
            }
        };
        let _ = std::thread::spawn(drop_database).join();
    }
}

/// One template for one run of the suite, named after the test process' parent, so that the many
/// processes of nextest share it.
fn template_name() -> String {
    format!("boards_template_{}", std::os::unix::process::parent_id())
}

async fn template(server: &str) {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(async || {
        let connection = connect(server).await;
        // Other test processes may be at it: one makes it, the others wait.
        run(&connection, "SELECT pg_advisory_lock(7261)").await;
        let name = template_name();
        let exists = connection
            .query_one_raw(sea_orm::Statement::from_string(
                sea_orm::DbBackend::Postgres,
                format!("SELECT 1 AS one FROM pg_database WHERE datname = '{name}'"),
            ))
            .await
            .expect("databases can be listed")
            .is_some();
        if !exists {
            let building = format!("{name}_building");
            run(&connection, &format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)")).await;
            run(&connection, &format!("CREATE DATABASE {building}")).await;
            migrate(&url_of(server, &building)).await;
            run(&connection, &format!("ALTER DATABASE {building} RENAME TO {name}")).await;
        }
        connection.close().await.expect("the lock is given back");
    })
    .await;
}

async fn migrate(url: &DatabaseUrl) {
    let store = Store::connect(url, 2, Duration::from_secs(30)).await.expect("a database");
    store.migrate_up(url).await.expect("the migrations run");
    store.close().await.expect("the database is closed");
}

async fn admin(server: &str, sql: &str) {
    let connection = connect(server).await;
    run(&connection, sql).await;
    connection.close().await.expect("closed");
}

async fn connect(server: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(server);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap_or_else(|_| panic!("{SERVER} cannot be reached"))
}

async fn run(connection: &DatabaseConnection, sql: &str) {
    // CREATE DATABASE … TEMPLATE fails while someone else copies the same template.
    for attempt in 0.. {
        match connection.execute_unprepared(sql).await {
            Ok(_) => return,
            Err(error) if attempt < 100 && error.to_string().contains("being accessed") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }
}

fn url_of(server: &str, name: &str) -> DatabaseUrl {
    let mut url = url::Url::parse(server).expect("a PostgreSQL URL");
    url.set_path(name);
    url.as_str().parse().expect("a database URL")
}
