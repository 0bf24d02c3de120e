//! What a process does without being asked, once its database is up to date.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::{
    artifacts::Artifacts,
    auth::announce_changes_of_others,
    config::Config,
    error::Error,
    generators::Registry,
    jobs::{Keys, Worker, WorkerHandle, WorkerSettings},
    platform::TenantDeletion,
    store::{ConcurrencyLimits, Store},
};

/// How often the statistics of an SQLite file are looked at.
const STATISTICS_EVERY: Duration = Duration::from_hours(1);
/// How often reservations of credits are looked through.
const CREDITS_EVERY: Duration = Duration::from_hours(1);
/// How often a process on a database that is behind looks whether it has been migrated.
const MIGRATION_POLL: Duration = Duration::from_secs(2);

/// What begins once the database is up to date.
pub(super) struct Work {
    pub(super) stopping: CancellationToken,
    pub(super) store: Store,
    pub(super) artifacts: Artifacts,
    pub(super) registry: Arc<Registry>,
    pub(super) keys: Keys,
    pub(super) config: Config,
    pub(super) worker: Arc<Mutex<Option<WorkerHandle>>>,
}

impl Work {
    /// Makes the default tenant and starts the worker; on a database that is behind, as soon as
    /// someone has migrated it.
    pub(super) async fn begin_once_migrated(self) -> Result<(), StartError> {
        if self.is_migrated().await? {
            return Ok(self.begin().await?);
        }
        tracing::warn!(
            "the database is behind this build: run `boards migrate`, or serve with --migrate"
        );
        tokio::spawn(async move {
            let mut poll = tokio::time::interval(MIGRATION_POLL);
            loop {
                tokio::select! {
                    () = self.stopping.cancelled() => return,
                    _ = poll.tick() => {}
                }
                if matches!(self.is_migrated().await, Ok(true)) {
                    match self.begin().await {
                        Ok(()) => return,
                        Err(error) => tracing::error!(?error, "the worker cannot start"),
                    }
                }
            }
        });
        Ok(())
    }

    /// Whether the database has every migration.
    async fn is_migrated(&self) -> Result<bool, Error> {
        Ok(self.store.migration_status().await?.iter().all(|migration| migration.applied))
    }

    async fn begin(&self) -> Result<(), Error> {
        let store = self.store.in_background();
        tokio::spawn(announce_changes_of_others(store.clone(), self.stopping.clone()));
        let config = &self.config;
        store.relay_events(&config.database_url, self.stopping.clone()).await?;
        store.system().ensure_default_tenant(&config.default_tenant_slug).await?;
        if !store.search_is_indexed().await? {
            tracing::warn!(
                "searchBoards reads all public boards of a tenant: the extensions pg_trgm and btree_gin \
                 were not to be had when the database was migrated, see README"
            );
        }
        tokio::spawn(update_statistics(store.clone(), self.stopping.clone()));
        tokio::spawn(sweep_credits(store.clone(), self.stopping.clone()));
        let deletion = TenantDeletion::new(store.clone(), self.artifacts.stores().clone());
        deletion.start(self.stopping.clone()).await?;
        if config.worker_enabled {
            let worker = Worker::start(
                store,
                Arc::clone(&self.registry),
                self.artifacts.clone(),
                self.keys.clone(),
                worker_settings(config),
                config.shutdown_timeout,
            )
            .await?;
            *self.worker.lock().await = Some(worker);
        }
        Ok(())
    }
}

fn worker_settings(config: &Config) -> WorkerSettings {
    WorkerSettings {
        concurrency: config.worker_concurrency,
        only_process: config.database_url.is_sqlite(),
        limits: ConcurrencyLimits {
            tenant: config.tenant_concurrency,
            user: config.user_concurrency,
            providers: config.provider_concurrency.iter().cloned().collect(),
        },
        attempts: config.job_attempts,
        time: config.job_timeout,
    }
}

/// Keeps what the database knows of its rows up to date.
async fn update_statistics(store: Store, stopping: CancellationToken) {
    while stopping.run_until_cancelled(tokio::time::sleep(STATISTICS_EVERY)).await.is_some() {
        refresh_statistics(&store).await;
    }
}

/// Settles credits that nobody settled when their generation ended. Every other way settles them at once.
async fn sweep_credits(store: Store, stopping: CancellationToken) {
    loop {
        match store.system().settle_forgotten_credits().await {
            Ok(0) => {}
            Ok(settled) => {
                tracing::info!(settled, "reservations of credits were left and are settled");
            }
            Err(error) => tracing::warn!(?error, "reservations of credits may be left unsettled"),
        }
        let pause = tokio::time::sleep(CREDITS_EVERY);
        if stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

/// Without them everything works, but slower.
pub(super) async fn refresh_statistics(store: &Store) {
    if let Err(error) = store.update_statistics().await {
        tracing::warn!(?error, "the statistics of the database stay as they were");
    }
}
