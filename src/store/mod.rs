//! The database. The pools and the entities are private to this module; outside there is only
//! [`Scope`] (a tenant and a viewer), and [`System`] for the few queries that have neither yet.

mod access_tokens;
mod audit;
mod boards;
mod connect;
mod ending;
mod entity;
mod events;
mod generations;
mod invitations;
mod joining;
mod keyset;
mod lineage;
mod members;
mod migrate;
mod people;
mod queueing;
mod recent;
mod row;
mod scope;
mod search;
mod sessions;
mod statements;
mod system;
mod tags;
mod template;
mod tenant_removal;
mod tenants;
mod token_use;
mod uploads;
mod users;
mod visibility;
mod watch;
mod worker;

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqlErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait, sqlx,
};

use crate::error::{Error, Result};
use statements::Statements;
use template::Templates;

pub use access_tokens::{ACCESS_TOKENS_MAX, AccessToken, NewAccessToken};
pub use audit::{AuditFilter, AuditRecord, AuditStore};
pub use boards::{AuthorizedBoard, Board, BoardChanges, NewBoard};
pub use events::{Event, Events, SessionChange, Subject};
pub use generations::{
    AuthorizedGeneration, Generation, GenerationFilter, GenerationPage, GenerationWindow,
    LineageEntry, NewGeneration,
};
pub use invitations::{Invitation, NewInvitation};
pub use joining::{Joined, Newcomer};
pub use keyset::{Placed, Slice};
pub use lineage::{Direction, LineageEdge, LineageGraph};
pub use members::{MemberWindow, Membership};
pub use migrate::MigrationStatus;
pub use people::{MemberFilter, People};
pub use scope::{Scope, Viewer};
pub use system::{
    JoinPolicy, Profile, System, Tenant, TenantReference, TenantStatus, UserInTenant,
};
pub use tags::{NewTag, Tag, TagChanges};
pub use tenant_removal::{BATCH, ClosedTenant, Removal, TENANT_TABLES};
pub use tenants::{NewTenant, TenantChanges, TenantCounts, TenantFilter, TenantRecord};
pub use token_use::PresentedToken;
pub use uploads::NewUpload;
pub use users::{BoardsOfUser, User, UserBoards};
pub use worker::{ClaimedJob, FinishedArtifact, WorkerId, WorkerStore};

/// Handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    read: DatabaseConnection,
    write: DatabaseConnection,
    /// For what is written behind the requests, the audit log first of all: it is not held up by them
    /// and not counted as theirs.
    behind: DatabaseConnection,
    events: Events,
    statements: Arc<Statements>,
    templates: Templates,
}

impl Store {
    /// Where changes are announced after they are committed.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// SQL statements sent since the start, without BEGIN and COMMIT.
    #[must_use]
    pub fn statement_count(&self) -> u64 {
        self.0.statements.count()
    }

    /// Shows every statement from now on to `observer`, as SQL with its values in it. For tests that
    /// read query plans; only the first observer is shown anything.
    pub fn observe_statements(&self, observer: impl Fn(&str) + Send + Sync + 'static) {
        self.0.statements.observe(Box::new(observer));
    }

    /// The queries that know no tenant yet: tenant lookup, sign-in, administration.
    #[must_use]
    pub fn system(&self) -> System<'_> {
        System::new(self)
    }

    /// What the worker asks and writes.
    #[must_use]
    pub fn worker(&self) -> WorkerStore<'_> {
        WorkerStore::new(self)
    }

    /// What the audit log writes and exports, and what ends it.
    #[must_use]
    pub fn audit(&self) -> AuditStore<'_> {
        AuditStore::new(self)
    }

    /// Which database this is: `postgresql` or `sqlite`.
    #[must_use]
    pub fn database_kind(&self) -> &'static str {
        if self.is_postgres() { "postgresql" } else { "sqlite" }
    }

    /// Closes the pools; what was committed is on disk.
    ///
    /// # Errors
    /// [`Error::Internal`] when the database does not answer.
    pub async fn close(self) -> Result<()> {
        self.0.behind.close_by_ref().await?;
        self.0.read.close_by_ref().await?;
        self.0.write.close_by_ref().await?;
        Ok(())
    }

    fn read(&self) -> &DatabaseConnection {
        &self.0.read
    }

    fn write(&self) -> &DatabaseConnection {
        &self.0.write
    }

    fn behind(&self) -> &DatabaseConnection {
        &self.0.behind
    }

    fn backend(&self) -> DbBackend {
        self.0.read.get_database_backend()
    }

    fn templates(&self) -> &Templates {
        &self.0.templates
    }

    fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// A transaction that may write. On SQLite it takes the write lock at once (BEGIN IMMEDIATE):
    /// one that reads first and writes later would fail under load.
    async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.write().begin_with_options(options).await?)
    }
}

/// The present, in microseconds: what both databases can keep.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if was_stopped(&error) { Self::Timeout } else { Self::internal(error) }
    }
}

/// Whether PostgreSQL stopped a statement that took longer than a request may (`query_canceled`).
fn was_stopped(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    matches!(&**cause, sqlx::Error::Database(cause) if cause.code().as_deref() == Some("57014"))
}

fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

fn is_foreign_key_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}

/// A value that the server itself wrote and can no longer read.
fn corrupt(table: &str, column: &str) -> Error {
    Error::internal(format!("unreadable value in {table}.{column}"))
}
