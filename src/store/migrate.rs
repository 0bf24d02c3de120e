//! Bringing the database's shape up to date.

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::{Store, pool::sqlite_options};
use crate::{config::DatabaseUrl, error::Result};

/// Any number will do, as long as no other program on the database takes the same lock.
const ADVISORY_LOCK: i64 = 0x626f_6172_6473;

/// One migration and whether it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its dated name.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// All tables (0x10000), a thousand rows of each index: milliseconds, however large the file is.
const STATISTICS: &str = "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10002";

impl Store {
    /// Applies what is missing. On PostgreSQL several processes may call this at once: an advisory
    /// lock lets one do the work while the others wait.
    ///
    /// # Errors
    /// When a migration fails; on PostgreSQL nothing of the failed migration stays.
    pub async fn migrate_up(&self, url: &DatabaseUrl) -> Result<()> {
        // Most starts find nothing to do, and need no lock and no connection of their own to see it.
        let known = Migrator::migrations();
        if !self.applied_migrations().await?.iter().eq(known.iter().map(|known| known.name())) {
            self.locked(url, async |connection| Ok(Migrator::up(connection, None).await?)).await?;
        }
        Ok(())
    }

    /// Has SQLite look again at how its rows are distributed, where much has changed: it chooses indexes
    /// by that, for connections that are opened from now on. PostgreSQL does so by itself.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn update_statistics(&self) -> Result<()> {
        if !self.is_postgres() {
            self.behind().execute_unprepared(STATISTICS).await?;
        }
        Ok(())
    }

    /// Takes the newest `steps` migrations back, with the data in what they made.
    ///
    /// # Errors
    /// When a migration cannot be taken back.
    pub async fn migrate_down(&self, url: &DatabaseUrl, steps: u32) -> Result<()> {
        self.locked(url, async |connection| Ok(Migrator::down(connection, Some(steps)).await?))
            .await
    }

    /// Every migration of this build and whether the database has it. Writes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>> {
        let applied = self.applied_migrations().await?;
        let all = Migrator::migrations();
        Ok(all
            .iter()
            .map(|migration| MigrationStatus {
                name: migration.name().to_owned(),
                applied: applied.iter().any(|name| name == migration.name()),
            })
            .collect())
    }

    /// Whether search has an index for public boards: PostgreSQL makes it only where whoever migrated
    /// may have the extensions that it needs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn search_is_indexed(&self) -> Result<bool> {
        if !self.is_postgres() {
            return Ok(true);
        }
        let statement = sea_orm::Statement::from_string(
            self.backend(),
            "SELECT 1 WHERE to_regclass('boards_public_by_text') IS NOT NULL",
        );
        Ok(self.read().query_one_raw(statement).await?.is_some())
    }

    async fn applied_migrations(&self) -> Result<Vec<String>> {
        let exists = if self.is_postgres() {
            "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL"
        } else {
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'"
        };
        // Whether the server is ready must not depend on how busy it is.
        let store = self.in_background();
        let exists = sea_orm::Statement::from_string(self.backend(), exists);
        if store.read().query_one_raw(exists).await?.is_none() {
            return Ok(Vec::new());
        }
        let statement = sea_orm::Statement::from_string(
            self.backend(),
            "SELECT version FROM seaql_migrations ORDER BY version",
        );
        let rows = store.read().query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?)
    }

    /// Runs `work` on a connection of its own, which has no statement timeout, under the lock.
    async fn locked(
        &self,
        url: &DatabaseUrl,
        work: impl AsyncFnOnce(&DatabaseConnection) -> Result<()>,
    ) -> Result<()> {
        let mut options = ConnectOptions::new(url.expose());
        options.max_connections(1).sqlx_logging(false).acquire_timeout(Duration::from_mins(10));
        if url.is_sqlite() {
            // The lock beside the file is the server's; migrating makes no other.
            options.map_sqlx_sqlite_opts(sqlite_options);
            let connection = Database::connect(options).await?;
            let result = work(&connection).await;
            connection.close().await?;
            return result;
        }
        let connection = Database::connect(options).await?;
        connection.execute_unprepared(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).await?;
        let result = work(&connection).await;
        // Ending the session gives the lock back, whatever happened.
        connection.close().await?;
        result
    }
}
