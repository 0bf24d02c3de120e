//! A process that runs generations and answers no requests.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Overrides, StartError, broke_off, make_folder, open_artifacts, open_credits, open_providers,
    open_store, open_vault, read_generators, staging_folder, work::Work,
};
use crate::{
    config::Config,
    jobs::{Keys, WorkerHandle},
    store::Store,
};

/// A worker beside servers on the same PostgreSQL.
pub struct WorkerApp {
    config: Config,
    store: Store,
    stopping: CancellationToken,
    worker: Arc<Mutex<Option<WorkerHandle>>>,
    /// Removed when the process ends in good order.
    _staging: TempDir,
}

impl WorkerApp {
    /// Opens what the configuration names and starts the worker.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Box::pin(Self::start_with(config, Overrides::default())).await
    }

    /// The same with parts of a test's own.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(config: Config, mut overrides: Overrides) -> Result<Self, StartError> {
        make_folder(&config.data_dir)?;
        let providers = open_providers(&config)?;
        let generators = read_generators(&config, &providers, overrides.registry.take());
        let staging = staging_folder(&config)?;
        let store = open_store(&config).await?;
        open_vault(&config, &store)?;
        open_credits(&config, &store);
        let folder = staging.path().to_owned();
        // It makes no links, so that its own address does not matter.
        let address = config.listen_address();
        let loopback = &overrides.fetch_loopback;
        let artifacts = open_artifacts(&config, &store, address, folder, loopback).await?;
        let registry = generators.await.map_err(broke_off)??;
        let (stopping, worker) = (CancellationToken::new(), Arc::default());
        let work = Work {
            stopping: stopping.clone(),
            store: store.clone(),
            artifacts,
            registry: Arc::new(registry),
            keys: Keys::new(providers),
            config: config.clone(),
            worker: Arc::clone(&worker),
        };
        work.begin_once_migrated().await?;
        Ok(Self { config, store, stopping, worker, _staging: staging })
    }

    /// The store, for commands.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Works until `shutdown` resolves; then finishes what runs, within the configured time, and hands back
    /// the rest.
    pub async fn work(self, shutdown: impl Future<Output = ()> + Send) {
        shutdown.await;
        tracing::info!("stopping: running generations may finish");
        self.stopping.cancel();
        if let Some(worker) = self.worker.lock().await.take() {
            worker.shut_down(self.config.shutdown_timeout).await;
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(?error, "the database was not closed");
        }
    }
}
