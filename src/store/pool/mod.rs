//! Connections to the database, shared by everyone who asks for one. `admission` says who is next,
//! `driver` speaks to either database, `lease` sees to it that whoever lets go of a connection leaves
//! nothing running. To queries a [`Lane`] is what SeaORM's own pool would be.

mod admission;
mod driver;
mod lease;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, sqlx,
};
use tokio::sync::Mutex;

use self::{
    admission::{Admission, Asker, Bounds, Refused},
    driver::{Connection, is_passing},
    lease::Lease,
};
use super::Statements;
use crate::domain::TenantId;

pub(super) use self::{
    admission::Owner,
    driver::{Driver, sqlite_options},
};

/// How long an unused connection stays open.
const IDLE_MAX: Duration = Duration::from_mins(10);
/// Servers give memory back that a session has gathered when it ends.
const AGE_MAX: Duration = Duration::from_mins(30);
/// How often connections are looked through for old ones.
const REAP_INTERVAL: Duration = Duration::from_mins(1);
/// Connections that were unused for longer are asked whether they are still there.
const TRUSTED_FOR: Duration = Duration::from_secs(30);
/// How soon a connection is tried again that a starting server refused.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long closing waits for connections that are in use.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolBounds {
    /// Connections at once.
    pub(super) connections: u32,
    /// Statements and transactions that may wait for one, of work that has not begun.
    pub(super) waiting: usize,
    /// How long each may wait.
    pub(super) wait: Duration,
    /// Whether tenants share the pool, each with a part of it.
    pub(super) shared: bool,
    /// How long one statement may take.
    pub(super) statement_timeout: Duration,
}

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    driver: Driver,
    admission: Arc<Admission<Idle>>,
    wait: Duration,
    statement_timeout: Duration,
}

/// A connection that nobody uses.
struct Idle {
    connection: Connection,
    opened: Instant,
    since: Instant,
}

impl Pool {
    /// A pool that opens connections as they are needed.
    pub(super) fn new(driver: Driver, bounds: PoolBounds) -> Self {
        let PoolBounds { connections, waiting, wait, shared, statement_timeout } = bounds;
        let bounds = Bounds { places: connections as usize, waiting, wait, shared };
        let admission = Admission::new(bounds);
        let shared = Arc::new(Shared { driver, admission, wait, statement_timeout });
        tokio::spawn(reap(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Whether the database can be reached; leaves a connection open.
    pub(super) async fn try_connect(&self) -> Result<(), DbErr> {
        let asker = Asker { owner: Owner::Server, has_begun: false };
        self.lease(asker).await.map(drop)
    }

    /// Closes every connection, once what runs has ended or five seconds are over.
    pub(super) async fn close(&self) {
        self.0.admission.close();
        let emptied = tokio::time::timeout(CLOSE_TIMEOUT, self.0.admission.emptied()).await;
        if emptied.is_err() {
            tracing::warn!("connections that are still in use are left to the database");
        }
        for idle in self.0.admission.discard(|_| false) {
            idle.connection.close().await;
        }
        if let Driver::Postgres { canceller, .. } = &self.0.driver {
            canceller.close().await;
        }
    }

    async fn lease(&self, asker: Asker) -> Result<Lease, DbErr> {
        let mut place = self.0.admission.enter(asker).await.map_err(refusal)?;
        let kept = place.take();
        let (connection, opened) = match kept {
            Some(idle) if idle.since.elapsed() < TRUSTED_FOR => (idle.connection, idle.opened),
            Some(idle) => self.asked(idle).await?,
            None => self.opened().await?,
        };
        Ok(Lease::new(Arc::clone(&self.0), place, connection, opened))
    }

    /// A connection that was unused for long, or another in its place when it has gone.
    async fn asked(&self, idle: Idle) -> Result<(Connection, Instant), DbErr> {
        let Idle { mut connection, opened, .. } = idle;
        if connection.answers().await { Ok((connection, opened)) } else { self.opened().await }
    }

    async fn opened(&self) -> Result<(Connection, Instant), DbErr> {
        let until = Instant::now() + self.0.wait;
        loop {
            let patience = until.saturating_duration_since(Instant::now());
            let opened = tokio::time::timeout(patience, self.0.driver.connect()).await;
            match opened {
                Ok(Ok(connection)) => return Ok((connection, Instant::now())),
                Ok(Err(error)) if is_passing(&error) && Instant::now() < until => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Ok(Err(error)) => return Err(DbErr::Conn(RuntimeErr::SqlxError(error.into()))),
                Err(_) => return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            }
        }
    }
}

/// [`ConnAcquireErr::Timeout`] is what the store takes for "busy".
fn refusal(refused: Refused) -> DbErr {
    DbErr::ConnectionAcquire(match refused {
        Refused::Busy => ConnAcquireErr::Timeout,
        Refused::Closed => ConnAcquireErr::ConnectionClosed,
    })
}

/// Closes what has been unused or open for long, as long as there is a pool.
async fn reap(pool: Weak<Shared>) {
    loop {
        tokio::time::sleep(REAP_INTERVAL).await;
        let Some(shared) = pool.upgrade() else { return };
        let is_fresh =
            |idle: &Idle| idle.since.elapsed() < IDLE_MAX && idle.opened.elapsed() < AGE_MAX;
        for idle in shared.admission.discard(is_fresh) {
            idle.connection.close().await;
        }
    }
}

/// What queries are sent over: a pool, on somebody's behalf. Cheap to clone; clones are for the same
/// piece of work.
#[derive(Clone)]
pub(super) struct Lane {
    pool: Pool,
    backend: DbBackend,
    owner: Owner,
    /// Set once a tenant's work has had a connection. What the server asks for itself is never one
    /// piece of work.
    has_begun: Arc<AtomicBool>,
    /// Where statements are counted, if they are.
    statements: Option<Arc<Statements>>,
}

impl Lane {
    pub(super) fn new(
        pool: Pool,
        backend: DbBackend,
        owner: Owner,
        statements: Option<Arc<Statements>>,
    ) -> Self {
        Self { pool, backend, owner, has_begun: Arc::default(), statements }
    }

    /// The same for work of a tenant that begins now. What is done in the background stays in the
    /// background.
    pub(super) fn on_behalf_of(&self, tenant: TenantId) -> Self {
        let owner = match self.owner {
            Owner::Background => Owner::Background,
            Owner::Server | Owner::Tenant(_) => Owner::Tenant(tenant),
        };
        Self { owner, has_begun: Arc::default(), ..self.clone() }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A transaction that may write. It is rolled back when it is dropped.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let mut lease = self.lease().await?;
        lease.begin().await.map_err(exec_error)?;
        Ok(Transaction {
            lease: Mutex::new(lease),
            backend: self.backend,
            statements: self.statements.clone(),
        })
    }

    async fn lease(&self) -> Result<Lease, DbErr> {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let lease = self.pool.lease(Asker { owner: self.owner, has_begun }).await?;
        if let Owner::Tenant(_) = self.owner {
            self.has_begun.store(true, Ordering::Relaxed);
        }
        Ok(lease)
    }

    fn note(&self, statement: &Statement) {
        if let Some(statements) = &self.statements {
            statements.note(statement);
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Lane {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        self.note(&statement);
        lease.execute(statement).await.map_err(exec_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        lease.execute_unprepared(sql).await.map_err(exec_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        self.note(&statement);
        lease.query_one(statement).await.map_err(query_error)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        self.note(&statement);
        lease.query_all(statement).await.map_err(query_error)
    }
}

/// An open transaction. It is rolled back when it is dropped before [`commit`](Self::commit).
pub(super) struct Transaction {
    lease: Mutex<Lease>,
    backend: DbBackend,
    statements: Option<Arc<Statements>>,
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.lease.into_inner().commit().await.map_err(exec_error)
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        self.lease.into_inner().rollback().await.map_err(exec_error)
    }

    fn note(&self, statement: &Statement) {
        if let Some(statements) = &self.statements {
            statements.note(statement);
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.note(&statement);
        self.lease.lock().await.execute(statement).await.map_err(exec_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.lease.lock().await.execute_unprepared(sql).await.map_err(exec_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note(&statement);
        self.lease.lock().await.query_one(statement).await.map_err(query_error)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note(&statement);
        self.lease.lock().await.query_all(statement).await.map_err(query_error)
    }
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
