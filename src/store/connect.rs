//! Opening the pools: one writer and several readers on SQLite, one pool on PostgreSQL, and beside them
//! connections for what is done behind the requests.

use std::{
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use sea_orm::{
    DbBackend, DbErr, RuntimeErr,
    sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};

use super::{
    Events, Inner, Statements, Store, Templates,
    pool::{Driver, Lane, Owner, Pool, PoolBounds},
};
use crate::{config::DatabaseUrl, error::Result};

/// The worker, the audit log, the last use of tokens and the like.
const POSTGRES_BEHIND_CONNECTIONS: u32 = 4;
/// Each is a thread with a cache of its own.
const SQLITE_READERS: u32 = 16;
/// Statements of requests that have not begun, which they hold in memory: of one tenant half of them,
/// which is thousands of connections that all come at the same moment.
const WAITING_MAX: usize = 8192;

/// How many may use the database, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    /// Connections for requests; on SQLite the readers.
    pub max_connections: u32,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long it may wait for a connection before it is refused.
    pub max_wait: Duration,
    /// Whether tenants share the connections, so that none may take them all.
    pub shared: bool,
}

impl StoreLimits {
    fn pool(&self, connections: u32) -> PoolBounds {
        PoolBounds {
            connections,
            waiting: WAITING_MAX,
            wait: self.max_wait,
            shared: self.shared,
            statement_timeout: self.statement_timeout,
        }
    }
}

impl Store {
    /// Opens the database for a command, which works for itself alone.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(
        url: &DatabaseUrl,
        max_connections: u32,
        statement_timeout: Duration,
    ) -> Result<Self> {
        let max_wait = Duration::from_secs(10);
        let limits = StoreLimits { max_connections, statement_timeout, max_wait, shared: false };
        Self::open(url, limits).await
    }

    /// Opens the database. An SQLite file is made when it is missing; nothing is migrated yet.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &DatabaseUrl, limits: StoreLimits) -> Result<Self> {
        let statements = Arc::<Statements>::default();
        let (backend, pools) = if url.is_sqlite() {
            (DbBackend::Sqlite, Pools::sqlite(url, limits)?)
        } else {
            (DbBackend::Postgres, Pools::postgres(url, limits)?)
        };
        // SQLite's writer makes the file and its journal before others read them.
        pools.write.try_connect().await?;
        let lane =
            |pool: Pool| Lane::new(pool, backend, Owner::Server, Some(Arc::clone(&statements)));
        let behind = |pool: Pool| Lane::new(pool, backend, Owner::Background, None);
        let (read, write) = (lane(pools.read), lane(pools.write));
        let inner = Inner {
            behind_read: behind(pools.behind_read),
            behind_write: behind(pools.behind_write),
            backend,
            events: Events::new(),
            statements,
            templates: Templates::new(backend),
            vault: OnceLock::new(),
            credits: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner), read, write })
    }
}

struct Pools {
    read: Pool,
    write: Pool,
    behind_read: Pool,
    behind_write: Pool,
}

impl Pools {
    fn sqlite(url: &DatabaseUrl, limits: StoreLimits) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(url.expose()).map_err(unusable)?;
        let pool = |read_only, connections| {
            Pool::new(Driver::sqlite(options.clone(), read_only), limits.pool(connections))
        };
        let write = pool(false, 1);
        Ok(Self {
            read: pool(true, limits.max_connections.min(SQLITE_READERS)),
            // There is one writer: a second would wait for the file's lock by polling.
            behind_write: write.clone(),
            write,
            behind_read: pool(true, 1),
        })
    }

    fn postgres(url: &DatabaseUrl, limits: StoreLimits) -> Result<Self> {
        let options = PgConnectOptions::from_str(url.expose()).map_err(unusable)?;
        let pool = |connections| {
            let driver = Driver::postgres(options.clone(), limits.statement_timeout);
            Pool::new(driver, limits.pool(connections))
        };
        let both = pool(limits.max_connections);
        // Requests that hold every connection must not hold the audit log or the worker up.
        let behind = pool(POSTGRES_BEHIND_CONNECTIONS);
        Ok(Self {
            read: both.clone(),
            write: both,
            behind_read: behind.clone(),
            behind_write: behind,
        })
    }
}

fn unusable(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
