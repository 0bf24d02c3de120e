//! The database. The pools and the entities are private to this module; outside there is only
//! [`Scope`] (a tenant and a viewer), and [`System`] for the few queries that have neither yet.

mod access_tokens;
mod audit;
mod board_contents;
mod boards;
mod connect;
mod credits;
mod ending;
mod entity;
mod events;
mod file_rows;
mod generation_filter;
mod generations;
mod invitations;
mod joining;
mod keyset;
mod lineage;
mod lookup;
mod members;
mod migrate;
mod people;
mod pool;
mod projection;
mod provider_keys;
mod queue;
mod recent;
mod relay;
mod row;
mod scope;
mod search;
mod sessions;
mod statements;
mod stored_json;
mod system;
mod tags;
mod template;
mod tenant_removal;
mod tenants;
mod token_use;
mod uploads;
mod users;
mod vault;
mod visibility;
mod watch;

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, SubsecRound, Utc};
use sea_orm::{ConnAcquireErr, DbBackend, DbErr, RuntimeErr, SqlErr, sqlx};

use crate::{
    domain::{CreditRules, TenantId},
    error::{Error, Result},
};
use pool::{Lane, Transaction};
use statements::Statements;
use template::Templates;

pub use access_tokens::{ACCESS_TOKENS_MAX, AccessToken, NewAccessToken};
pub use audit::{AuditFilter, AuditRecord, AuditStore};
pub use board_contents::{BoardContents, ContentsAsked, GenerationsOnPage};
pub use boards::{AuthorizedBoard, Board, BoardChanges, BoardParts, NewBoard};
pub use connect::StoreLimits;
pub use events::{Event, Events, News, SessionChange, Subject};
pub use file_rows::{FileRow, FileRows};
pub use generation_filter::GenerationFilter;
pub use generations::{
    AuthorizedGeneration, Generation, GenerationPage, GenerationParts, GenerationWindow,
    LineageEntry, NewGeneration,
};
pub use invitations::{Invitation, NewInvitation};
pub use joining::{Joined, Newcomer};
pub use keyset::{Placed, Slice};
pub use lineage::{Direction, LineageEdge, LineageGraph};
pub use members::{MemberWindow, Membership};
pub use migrate::MigrationStatus;
pub use people::{MemberFilter, People};
pub use provider_keys::ProviderKey;
pub use queue::{
    Attempt, ClaimedJob, ConcurrencyLimits, FinishedArtifact, Outcome, ProviderCancellation,
    Sibling, WorkerId, WorkerStore,
};
pub use scope::{Scope, Viewer};
pub use stored_json::StoredJson;
pub use system::{
    JoinPolicy, Profile, System, Tenant, TenantReference, TenantStatus, UserInTenant,
};
pub use tags::{NewTag, Tag, TagChanges};
pub use tenant_removal::{BATCH, ClosedTenant, Removal, TENANT_TABLES};
pub use tenants::{NewTenant, TenantChanges, TenantCounts, TenantFilter, TenantRecord};
pub use token_use::PresentedToken;
pub use uploads::NewUpload;
pub use users::{BoardsOfUser, User, UserBoards, UserParts};
pub use vault::{Vault, VaultError};

/// Handle on the database; cheap to clone. What is asked through it is asked on somebody's behalf: the
/// server's, a tenant's or the background's.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    read: Lane,
    write: Lane,
}

struct Inner {
    /// For what is done behind the requests: it is not held up by them and not counted as theirs.
    behind_read: Lane,
    behind_write: Lane,
    backend: DbBackend,
    events: Events,
    statements: Arc<Statements>,
    templates: Templates,
    /// What secrets of tenants are encrypted with, once it is known.
    vault: OnceLock<Vault>,
    /// How credits are counted, where they are used.
    credits: OnceLock<CreditRules>,
}

impl Store {
    /// Where changes are announced after they are committed.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.inner.events
    }

    /// SQL statements sent since the start, without BEGIN and COMMIT.
    #[must_use]
    pub fn statement_count(&self) -> u64 {
        self.inner.statements.count()
    }

    /// Shows every statement from now on to `observer`, as SQL with its values in it. For tests that
    /// read query plans; only the first observer is shown anything.
    pub fn observe_statements(&self, observer: impl Fn(&str) + Send + Sync + 'static) {
        self.inner.statements.observe(Box::new(observer));
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

    /// Which files the rows name.
    #[must_use]
    pub fn file_rows(&self) -> FileRows<'_> {
        FileRows::new(self)
    }

    /// What the audit log writes and exports, and what ends it.
    #[must_use]
    pub fn audit(&self) -> AuditStore<'_> {
        AuditStore::new(self)
    }

    /// What secrets of tenants are encrypted with from now on. Only the first is taken.
    pub fn use_vault(&self, vault: Vault) {
        let _ = self.inner.vault.set(vault);
    }

    /// Has generations cost credits from now on. Only the first rules are taken.
    pub fn use_credits(&self, rules: CreditRules) {
        let _ = self.inner.credits.set(rules);
    }

    /// How credits are counted; none where they are not used.
    #[must_use]
    pub fn credits(&self) -> Option<CreditRules> {
        self.inner.credits.get().copied()
    }

    fn vault(&self) -> Option<&Vault> {
        self.inner.vault.get()
    }

    /// Which database this is: `postgresql` or `sqlite`.
    #[must_use]
    pub fn database_kind(&self) -> &'static str {
        if self.is_postgres() { "postgresql" } else { "sqlite" }
    }

    /// The same database for what goes on without a caller, such as the worker: it neither waits for
    /// requests nor holds them up.
    #[must_use]
    pub fn in_background(&self) -> Self {
        let Inner { behind_read, behind_write, .. } = &*self.inner;
        Self {
            inner: Arc::clone(&self.inner),
            read: behind_read.clone(),
            write: behind_write.clone(),
        }
    }

    /// The same database for one tenant, which shares it with others.
    fn on_behalf_of(&self, tenant: TenantId) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            read: self.read.on_behalf_of(tenant),
            write: self.write.on_behalf_of(tenant),
        }
    }

    /// Closes the pools; what was committed is on disk.
    ///
    /// # Errors
    /// None so far; callers are ready for a database that does not answer.
    pub async fn close(self) -> Result<()> {
        let Inner { behind_read, behind_write, .. } = &*self.inner;
        // SQLite's writer last: it then finds the journal unused and takes it away.
        for lane in [behind_read, &self.read, behind_write, &self.write] {
            lane.pool().close().await;
        }
        Ok(())
    }

    fn read(&self) -> &Lane {
        &self.read
    }

    fn write(&self) -> &Lane {
        &self.write
    }

    fn behind(&self) -> &Lane {
        &self.inner.behind_write
    }

    fn backend(&self) -> DbBackend {
        self.inner.backend
    }

    fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// A transaction that may write; one that is dropped is rolled back.
    async fn begin(&self) -> Result<Transaction> {
        Ok(self.write().begin().await?)
    }
}

/// The present, in microseconds: what both databases can keep.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::Overloaded,
            _ if was_stopped(&error) => Self::Timeout,
            _ => Self::internal(error),
        }
    }
}

/// Whether a statement was stopped because it took longer than one may: by PostgreSQL
/// (`query_canceled`), by SQLite (`SQLITE_INTERRUPT`), or by the pool.
fn was_stopped(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    match &**cause {
        sqlx::Error::Database(cause) => matches!(cause.code().as_deref(), Some("57014" | "9")),
        sqlx::Error::Io(cause) => cause.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    }
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
