//! The composition root: from a configuration to a running server.

use std::{
    fs::{DirBuilder, File},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts::{
        ArtifactStore, Artifacts, FetchError, FetchLimits, Fetcher, LinkSigner, Links,
        SigningError, StoreError,
    },
    auth::{
        Authenticator, Tenancy,
        providers::{
            JwtAlgorithm, JwtKey, JwtSettings, JwtSettingsError, JwtVerifier, NoneVerifier,
            TokenVerifier,
        },
    },
    config::{AuthProvider, Config, StorageUrl},
    error::Error,
    generators::Registry,
    graphql::{self, Limits, Services},
    http::{HttpSettings, HttpState, router},
    jobs::{Worker, WorkerHandle, WorkerSettings},
    store::Store,
};

/// How often a server on a database that is behind looks whether it has been migrated.
const MIGRATION_POLL: Duration = Duration::from_secs(2);
/// Of the time of a request, what a download within it may take.
const FETCH_SHARE: f64 = 0.8;
/// Age after which another process's staging folder is taken for a dead one's.
const ABANDONED: Duration = Duration::from_hours(24);

/// Why the server does not start, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder or file cannot be used.
    #[error("{path} cannot be used: {cause}; see BOARDS_DATA_DIR")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// Another process serves this SQLite database.
    #[error("another boards process uses {0}; stop it, or use PostgreSQL for several processes")]
    InUse(String),
    /// The database cannot be used.
    #[error("the database cannot be used: {0}; see BOARDS_DATABASE_URL")]
    Database(String),
    /// The artifact store cannot be used.
    #[error("the artifact store cannot be used: {0}; see BOARDS_STORAGE_URL")]
    Storage(#[from] StoreError),
    /// Tokens cannot be judged with these settings.
    #[error("BOARDS_AUTH_… settings: {0}")]
    Auth(#[from] JwtSettingsError),
    /// Links cannot be signed with this key.
    #[error("BOARDS_SIGNING_SECRET: {0}")]
    Signing(#[from] SigningError),
    /// The client for downloads cannot be set up.
    #[error("downloads cannot be set up: {0}")]
    Fetch(#[from] FetchError),
    /// A generator is broken.
    #[error("generators: {0}")]
    Generators(String),
    /// The address cannot be listened on.
    #[error("cannot listen: {0}; see BOARDS_API_HOST and BOARDS_API_PORT")]
    Listen(std::io::Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Database(match &error {
            Error::Internal(cause) => graphql::describe(cause.as_ref()),
            other => other.to_string(),
        })
    }
}

/// A server that is ready to serve.
pub struct App {
    config: Config,
    store: Store,
    artifacts: Artifacts,
    registry: Arc<Registry>,
    state: HttpState,
    stopping: CancellationToken,
    worker: Arc<Mutex<Option<WorkerHandle>>>,
    /// Held as long as the process serves an SQLite database.
    _lock: Option<File>,
    /// Removed when the process ends in good order.
    _staging: TempDir,
}

/// What tests put in place of what the configuration says.
#[derive(Default)]
pub struct Overrides {
    /// The generators that one can ask for.
    pub registry: Option<Registry>,
    /// Addresses on this machine that may be downloaded from.
    pub fetch_loopback: Vec<SocketAddr>,
}

impl App {
    /// Opens everything that the configuration names and starts the worker. `bound` is the address
    /// that will be served on.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config, bound: SocketAddr) -> Result<Self, StartError> {
        Self::start_with(config, bound, Overrides::default()).await
    }

    /// The same with parts of a test's own.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(
        config: Config,
        bound: SocketAddr,
        overrides: Overrides,
    ) -> Result<Self, StartError> {
        make_folder(&config.data_dir)?;
        let database = config.database_url.sqlite_path();
        if let Some(folder) = database.as_deref().and_then(Path::parent) {
            make_folder(folder)?;
        }
        let lock = database.as_deref().map(lock).transpose()?;
        let staging = staging_folder(&config)?;
        let store = open_store(&config).await?;
        let artifacts =
            open_artifacts(&config, bound, staging.path().to_owned(), &overrides.fetch_loopback)?;
        let registry = match overrides.registry {
            Some(registry) => registry,
            None => Registry::builtin().map_err(StartError::Generators)?,
        };
        let registry = Arc::new(registry);
        let stopping = CancellationToken::new();
        let state = http_state(&config, bound, &store, &artifacts, &registry, &stopping)?;
        let app = Self {
            config,
            store,
            artifacts,
            registry,
            state,
            stopping,
            worker: Arc::default(),
            _lock: lock,
            _staging: staging,
        };
        app.begin_work().await?;
        Ok(app)
    }

    /// The store, for tests and commands.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the database has every migration.
    async fn is_migrated(store: &Store) -> Result<bool, Error> {
        Ok(store.migration_status().await?.iter().all(|migration| migration.applied))
    }

    /// Makes the default tenant and starts the worker; on a database that is behind, as soon as
    /// someone has migrated it.
    async fn begin_work(&self) -> Result<(), StartError> {
        let work = Work {
            store: self.store.clone(),
            artifacts: self.artifacts.clone(),
            registry: Arc::clone(&self.registry),
            config: self.config.clone(),
            worker: Arc::clone(&self.worker),
        };
        if Self::is_migrated(&self.store).await? {
            work.begin().await?;
            return Ok(());
        }
        tracing::warn!(
            "the database is behind this build: run `boards migrate`, or serve with --migrate"
        );
        let stopping = self.stopping.clone();
        tokio::spawn(async move {
            let mut poll = tokio::time::interval(MIGRATION_POLL);
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    _ = poll.tick() => {}
                }
                if matches!(Self::is_migrated(&work.store).await, Ok(true)) {
                    match work.begin().await {
                        Ok(()) => return,
                        Err(error) => tracing::error!(?error, "the worker cannot start"),
                    }
                }
            }
        });
        Ok(())
    }

    /// Serves until `shutdown` resolves; then finishes what runs, within the configured time.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), StartError> {
        let grace = self.config.shutdown_timeout;
        let stopping = self.stopping.clone();
        let requested = stopping.clone();
        let server = axum::serve(listener, router(self.state.clone()))
            .with_graceful_shutdown(async move { requested.cancelled().await });
        let server = tokio::spawn(server.into_future());
        let mut server = std::pin::pin!(server);
        tokio::select! {
            ended = &mut server => return ended_early(ended),
            () = shutdown => {}
        }
        tracing::info!("stopping: running requests and generations may finish");
        stopping.cancel();
        let worker = self.worker.lock().await.take();
        let stop_worker = async {
            if let Some(worker) = worker {
                worker.shut_down(grace).await;
            }
        };
        let (finished, ()) = tokio::join!(tokio::time::timeout(grace, server), stop_worker);
        if finished.is_err() {
            tracing::warn!("requests that did not finish in time are cut off");
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(?error, "the database was not closed");
        }
        Ok(())
    }
}

fn ended_early(
    ended: Result<Result<(), std::io::Error>, tokio::task::JoinError>,
) -> Result<(), StartError> {
    let cause = match ended {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(error) => std::io::Error::other(error),
    };
    Err(StartError::Listen(cause))
}

/// What begins once the database is up to date.
struct Work {
    store: Store,
    artifacts: Artifacts,
    registry: Arc<Registry>,
    config: Config,
    worker: Arc<Mutex<Option<WorkerHandle>>>,
}

impl Work {
    async fn begin(&self) -> Result<(), Error> {
        let config = &self.config;
        self.store.system().ensure_default_tenant(&config.default_tenant_slug).await?;
        if config.worker_enabled {
            let settings = WorkerSettings {
                concurrency: config.worker_concurrency,
                only_process: config.database_url.is_sqlite(),
            };
            let worker = Worker::start(
                self.store.clone(),
                Arc::clone(&self.registry),
                self.artifacts.clone(),
                settings,
                config.shutdown_timeout,
            )
            .await?;
            *self.worker.lock().await = Some(worker);
        }
        Ok(())
    }
}

/// Opens the database; SQLite is migrated at once, PostgreSQL where that is asked for.
///
/// # Errors
/// When it cannot be reached or migrated.
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    if let Some(folder) = config.database_url.sqlite_path().as_deref().and_then(Path::parent) {
        make_folder(folder)?;
    }
    let store = Store::connect(
        &config.database_url,
        config.database_max_connections,
        config.request_timeout,
    )
    .await?;
    if config.database_url.is_sqlite() || config.migrate {
        store.migrate_up(&config.database_url).await?;
    }
    Ok(store)
}

/// Makes a folder of this process's own for files that are on their way; it goes with the process.
/// What killed processes left is nobody's: on SQLite at once, where other processes may share the
/// data folder after a day.
fn staging_folder(config: &Config) -> Result<TempDir, StartError> {
    let shared = config.data_dir.join("staging");
    make_folder(&shared)?;
    let unusable = |cause| StartError::Folder { path: shared.display().to_string(), cause };
    for entry in std::fs::read_dir(&shared).map_err(unusable)?.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
        if config.database_url.is_sqlite() || age > ABANDONED {
            // One that another process is removing too is as good as removed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    TempDir::new_in(&shared).map_err(unusable)
}

/// Only the server's own user may look into what it makes.
fn make_folder(path: &Path) -> Result<(), StartError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| StartError::Folder { path: path.display().to_string(), cause })
}

/// Takes the lock beside an SQLite database: a second process would take its running jobs over.
fn lock(database: &Path) -> Result<File, StartError> {
    let path = database.with_extension("lock");
    let unusable = |cause| StartError::Folder { path: path.display().to_string(), cause };
    let file = File::create(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StartError::InUse(database.display().to_string()))
        }
        Err(std::fs::TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

fn open_artifacts(
    config: &Config,
    bound: SocketAddr,
    staging: PathBuf,
    loopback: &[SocketAddr],
) -> Result<Artifacts, StartError> {
    let StorageUrl::Directory(directory) = &config.storage_url;
    make_folder(directory)?;
    let store = ArtifactStore::open(&directory.to_string_lossy())?;
    let signer = LinkSigner::new(&signing_key(config)?, config.storage_link)?;
    let links = Links::new(signer, config.base_url(bound));
    let limits = FetchLimits {
        total_timeout: config.fetch_timeout.min(config.request_timeout.mul_f64(FETCH_SHARE)),
        ..FetchLimits::new(config.max_upload_bytes)
    };
    let fetcher = if loopback.is_empty() {
        Fetcher::new(limits)?
    } else {
        Fetcher::allowing_loopback(limits, loopback)?
    };
    let fetcher = fetcher.in_directory(&staging);
    Ok(Artifacts::new(store, links, fetcher, staging, config.max_upload_bytes))
}

/// The key that links are signed with: the configured one, or a random one that stays in the data
/// folder, so that links survive a restart.
fn signing_key(config: &Config) -> Result<Vec<u8>, StartError> {
    if let Some(secret) = &config.signing_secret {
        return Ok(secret.expose_secret().as_bytes().to_vec());
    }
    let path = config.signing_key_file();
    let unusable = |cause| StartError::Folder { path: path.display().to_string(), cause };
    match std::fs::read(&path) {
        Ok(key) if !key.is_empty() => return Ok(key),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    let mut key = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut key)
        .map_err(|_| unusable(std::io::Error::other("no randomness")))?;
    // NamedTempFile is made with mode 0600; renaming makes the whole key appear at once.
    let mut file = tempfile::NamedTempFile::new_in(&config.data_dir).map_err(unusable)?;
    std::io::Write::write_all(&mut file, &key).map_err(unusable)?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(key.to_vec()),
        // Another process was faster: its key is the key.
        Err(_) => std::fs::read(&path).map_err(unusable),
    }
}

fn verifier(config: &Config) -> Result<Arc<dyn TokenVerifier>, StartError> {
    if config.auth_provider == AuthProvider::None {
        return Ok(Arc::new(NoneVerifier));
    }
    let key = match (&config.jwt_public_key, &config.jwt_secret) {
        (Some(pem), _) if !config.jwt_algorithm.is_symmetric() => JwtKey::PublicPem(pem.clone()),
        (_, Some(secret)) => JwtKey::Secret(secret.clone()),
        (_, None) => JwtKey::Secret(String::new().into()),
    };
    let settings = JwtSettings {
        algorithm: jwt_algorithm(config),
        key,
        issuer: config.auth_issuer.clone(),
        audiences: config.auth_audience.iter().cloned().collect(),
        leeway: config.auth_leeway,
        tenant_claim: config.tenant_claim.clone(),
    };
    Ok(Arc::new(JwtVerifier::new(settings)?))
}

fn jwt_algorithm(config: &Config) -> JwtAlgorithm {
    use crate::config::JwtAlgorithm as Configured;
    match config.jwt_algorithm {
        Configured::Hs256 => JwtAlgorithm::Hs256,
        Configured::Hs384 => JwtAlgorithm::Hs384,
        Configured::Hs512 => JwtAlgorithm::Hs512,
        Configured::Rs256 => JwtAlgorithm::Rs256,
        Configured::Es256 => JwtAlgorithm::Es256,
        Configured::EdDsa => JwtAlgorithm::EdDsa,
    }
}

/// The host of the server's own URL, where everyone who reaches it is the local user.
fn local_only(config: &Config, bound: SocketAddr) -> Option<String> {
    if config.auth_provider != AuthProvider::None || config.allow_insecure {
        return None;
    }
    let url = url::Url::parse(&config.base_url(bound)).ok()?;
    Some(url.host_str().unwrap_or("localhost").to_owned())
}

fn http_state(
    config: &Config,
    bound: SocketAddr,
    store: &Store,
    artifacts: &Artifacts,
    registry: &Arc<Registry>,
    stopping: &CancellationToken,
) -> Result<HttpState, StartError> {
    let tenancy = if config.multi_tenant_mode {
        Tenancy::multi(&config.default_tenant_slug)
    } else {
        Tenancy::single(&config.default_tenant_slug)
    };
    let authenticator = Authenticator::new(store.clone(), verifier(config)?, tenancy);
    let services = Services { artifacts: artifacts.clone(), registry: Arc::clone(registry) };
    let limits = Limits {
        depth: config.max_query_depth,
        complexity: config.max_query_complexity,
        aliases: config.max_query_aliases,
    };
    let schema = graphql::build(services, limits, config.introspection);
    let settings = HttpSettings {
        max_body_bytes: config.max_body_bytes,
        max_upload_bytes: config.max_upload_bytes,
        max_batch_size: config.max_batch_size,
        limits,
        request_timeout: config.request_timeout,
        local_only: local_only(config, bound),
        playground: config.playground,
        cors_origins: config.cors_origins.clone(),
    };
    Ok(HttpState::new(
        store.clone(),
        authenticator,
        schema,
        artifacts.clone(),
        settings,
        stopping.clone(),
    ))
}
