//! The composition root: from a configuration to a running server.

mod keys;

use std::{
    fs::{DirBuilder, File},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts::{
        ArtifactStore, Artifacts, FetchError, FetchLimits, Fetcher, LinkSigner, Links,
        SigningError, StoreError,
    },
    audit::{AuditLog, AuditWriter},
    auth::{
        Authenticator, ScopePolicy, Tenancy, WRITE_INTERVAL, announce_changes_of_others,
        providers::{IssuersError, IssuersVerifier, NoneVerifier, TokenVerifier},
    },
    config::{Config, ConfigError, Scopes, StorageUrl, TenantRegistration},
    domain::{CreditRules, Credits, CursorKey},
    error::Error,
    generators::Registry,
    graphql::{self, Limits, Services},
    http::{
        self, ConnectionLimits, HttpServices, HttpSettings, HttpState, ProtectedResource, router,
    },
    jobs::{Worker, WorkerHandle, WorkerSettings},
    platform::{Platform, PlatformSettings, Registration, RegistrationMode, TenantDeletion},
    rate_limit::{Allowance, Allowances, LimitClock, RateLimits},
    store::{Store, StoreLimits},
};

pub use keys::open_vault;
use keys::signing_key;

/// How often the statistics of an SQLite file are looked at.
const STATISTICS_EVERY: Duration = Duration::from_hours(1);
/// How often reservations of credits are looked through.
const CREDITS_EVERY: Duration = Duration::from_hours(1);
/// How often a server on a database that is behind looks whether it has been migrated.
const MIGRATION_POLL: Duration = Duration::from_secs(2);
/// Of the time of a request, what a download within it may take.
const FETCH_SHARE: f64 = 0.8;
/// Files that are open beside connections of clients: the database, artifacts, downloads.
const FILES_BESIDE: usize = 512;
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
    Auth(#[from] IssuersError),
    /// The settings do not fit together.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Links cannot be signed with this key.
    #[error("BOARDS_SIGNING_SECRET: {0}")]
    Signing(#[from] SigningError),
    /// Secrets of tenants cannot be encrypted with what the file holds.
    #[error("encryption.key must hold keys of 32 bytes in base64; see BOARDS_ENCRYPTION_KEY")]
    Encryption,
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
    audit: AuditWriter,
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
    /// The time by which limits are judged.
    pub rate_limit_clock: Option<LimitClock>,
    /// How often the last use of access tokens is written.
    pub token_use_interval: Option<Duration>,
}

impl App {
    /// Opens everything that the configuration names and starts the worker. `bound` is the address
    /// that will be served on.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config, bound: SocketAddr) -> Result<Self, StartError> {
        // The future is large, and its callers' futures would hold it.
        Box::pin(Self::start_with(config, bound, Overrides::default())).await
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
        open_vault(&config, &store)?;
        open_credits(&config, &store);
        let artifacts =
            open_artifacts(&config, bound, staging.path().to_owned(), &overrides.fetch_loopback)?;
        let registry = match overrides.registry {
            Some(registry) => registry,
            None => Registry::builtin().map_err(StartError::Generators)?,
        };
        let registry = Arc::new(registry);
        let stopping = CancellationToken::new();
        let clock = overrides.rate_limit_clock.unwrap_or_else(LimitClock::system);
        let limits = rate_limits(&config, &clock)?;
        tokio::spawn(limits.clone().sweep_until(stopping.clone()));
        let (log, audit) = AuditWriter::start(&store, config.audit_retention);
        let services = http_services(&config, &store, &artifacts, &registry, limits, log)?;
        let state = HttpState::new(services, http_settings(&config, bound), stopping.clone());
        let app = Self {
            config,
            store,
            artifacts,
            registry,
            state,
            audit,
            stopping,
            worker: Arc::default(),
            _lock: lock,
            _staging: staging,
        };
        app.begin_work().await?;
        app.state.token_uses().write_regularly(
            app.store.clone(),
            overrides.token_use_interval.unwrap_or(WRITE_INTERVAL),
            app.stopping.clone(),
        );
        Ok(app)
    }

    /// The store, for tests and commands.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What answers requests, to be called without a network: for benches.
    #[doc(hidden)]
    pub fn router(&self) -> axum::Router {
        router(self.state.clone())
    }

    /// Whether the database has every migration.
    async fn is_migrated(store: &Store) -> Result<bool, Error> {
        Ok(store.migration_status().await?.iter().all(|migration| migration.applied))
    }

    /// Makes the default tenant and starts the worker; on a database that is behind, as soon as
    /// someone has migrated it.
    async fn begin_work(&self) -> Result<(), StartError> {
        let work = Work {
            stopping: self.stopping.clone(),
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
        let limits = connection_limits(&self.config);
        let router = router(self.state.clone());
        let mut server = tokio::spawn(http::serve(listener, router, limits, stopping.clone()));
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
        if let Err(error) = self.state.token_uses().write(&self.store).await {
            tracing::warn!(?error, "the last use of access tokens was not written");
        }
        self.audit.shut_down().await;
        if let Err(error) = self.store.close().await {
            tracing::warn!(?error, "the database was not closed");
        }
        Ok(())
    }
}

/// The server ends when it is told to, or when it breaks.
fn ended_early(ended: Result<(), tokio::task::JoinError>) -> Result<(), StartError> {
    ended.map_err(|error| StartError::Listen(std::io::Error::other(error)))
}

/// The configured bounds, as far as the limit of open files allows.
fn connection_limits(config: &Config) -> ConnectionLimits {
    let allowed = http::raise_file_limit().map(|files| files.saturating_sub(FILES_BESIDE).max(1));
    let connections =
        allowed.map_or(config.max_connections, |most| config.max_connections.min(most));
    if connections < config.max_connections {
        tracing::warn!(connections, "the limit of open files allows fewer than MAX_CONNECTIONS");
    }
    ConnectionLimits {
        connections,
        header_timeout: config.header_timeout,
        keep_alive: config.keep_alive,
    }
}

/// What begins once the database is up to date.
struct Work {
    stopping: CancellationToken,
    store: Store,
    artifacts: Artifacts,
    registry: Arc<Registry>,
    config: Config,
    worker: Arc<Mutex<Option<WorkerHandle>>>,
}

impl Work {
    async fn begin(&self) -> Result<(), Error> {
        let store = self.store.in_background();
        tokio::spawn(announce_changes_of_others(store.clone(), self.stopping.clone()));
        let config = &self.config;
        store.system().ensure_default_tenant(&config.default_tenant_slug).await?;
        if !store.search_is_indexed().await? {
            tracing::warn!(
                "searchBoards reads all public boards of a tenant: the extensions pg_trgm and btree_gin \
                 were not to be had when the database was migrated, see README"
            );
        }
        tokio::spawn(update_statistics(store.clone(), self.stopping.clone()));
        tokio::spawn(sweep_credits(store.clone(), self.stopping.clone()));
        let deletion = TenantDeletion::new(store.clone(), self.artifacts.store().clone());
        deletion.start(self.stopping.clone()).await?;
        if config.worker_enabled {
            let settings = WorkerSettings {
                concurrency: config.worker_concurrency,
                only_process: config.database_url.is_sqlite(),
            };
            let worker = Worker::start(
                store,
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

/// Keeps what the database knows of its rows up to date.
async fn update_statistics(store: Store, stopping: CancellationToken) {
    while stopping.run_until_cancelled(tokio::time::sleep(STATISTICS_EVERY)).await.is_some() {
        refresh_statistics(&store).await;
    }
}

/// Without them everything works, but slower.
async fn refresh_statistics(store: &Store) {
    if let Err(error) = store.update_statistics().await {
        tracing::warn!(?error, "the statistics of the database stay as they were");
    }
}

/// Has generations cost credits where they do.
pub fn open_credits(config: &Config, store: &Store) {
    if config.credits {
        store.use_credits(CreditRules {
            per_usd: config.credits_per_usd,
            unknown_cost: Credits::whole(config.credits_unknown_cost),
        });
    }
}

/// Settles credits that nobody settled when their generation ended. Every other way settles them at once.
async fn sweep_credits(store: Store, stopping: CancellationToken) {
    loop {
        match store.system().settle_forgotten_credits().await {
            Ok(0) => {}
            Ok(settled) => {
                tracing::info!(settled, "reservations of credits were left and are settled")
            }
            Err(error) => tracing::warn!(?error, "reservations of credits may be left unsettled"),
        }
        let pause = tokio::time::sleep(CREDITS_EVERY);
        if stopping.run_until_cancelled(pause).await.is_none() {
            return;
        }
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
    let limits = StoreLimits {
        max_connections: config.database_max_connections,
        statement_timeout: config.request_timeout,
        max_wait: config.database_wait,
        shared: config.multi_tenant_mode,
    };
    let store = Store::open(&config.database_url, limits).await?;
    if config.database_url.is_sqlite() || config.migrate {
        store.migrate_up(&config.database_url).await?;
        refresh_statistics(&store).await;
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

/// Whether no server uses the database, as long as what is returned is held: on SQLite the lock of a
/// server, on PostgreSQL nothing, where several processes may work at once.
///
/// # Errors
/// [`StartError::InUse`] while a server runs; [`StartError::Folder`].
pub fn lock_out_servers(config: &Config) -> Result<Option<File>, StartError> {
    config.database_url.sqlite_path().as_deref().map(lock).transpose()
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

/// Opens the store of the artifacts' files.
///
/// # Errors
/// When it cannot be used.
pub fn open_files(config: &Config) -> Result<ArtifactStore, StartError> {
    let StorageUrl::Directory(directory) = &config.storage_url;
    make_folder(directory)?;
    Ok(ArtifactStore::open(&directory.to_string_lossy())?)
}

fn open_artifacts(
    config: &Config,
    bound: SocketAddr,
    staging: PathBuf,
    loopback: &[SocketAddr],
) -> Result<Artifacts, StartError> {
    let store = open_files(config)?;
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

fn verifier(config: &Config) -> Result<Arc<dyn TokenVerifier>, StartError> {
    if config.lets_everyone_in() {
        return Ok(Arc::new(NoneVerifier));
    }
    let verifier = IssuersVerifier::new(config.checked_issuers()?, config.auth_leeway)?;
    verifier.prepare(Utc::now());
    Ok(Arc::new(verifier))
}

/// The host of the server's own URL, where everyone who reaches it is the local user.
fn local_only(config: &Config, bound: SocketAddr) -> Option<String> {
    if !config.lets_everyone_in() || config.allow_insecure {
        return None;
    }
    let url = url::Url::parse(&config.base_url(bound)).ok()?;
    Some(url.host_str().unwrap_or("localhost").to_owned())
}

fn rate_limits(config: &Config, clock: &LimitClock) -> Result<RateLimits, Error> {
    if !config.rate_limit {
        return Ok(RateLimits::off());
    }
    let allowances = Allowances {
        user: Allowance::even(config.rate_limit_user),
        token: Allowance::even(config.rate_limit_token),
        address: Allowance::even(config.rate_limit_address),
        // Pages send several requests at once; their first expired token is no attack.
        failures: Allowance::at_once(config.rate_limit_failures),
    };
    RateLimits::new(allowances, clock)
}

/// What the server says about itself to clients without a token.
fn protected_resource(config: &Config, bound: SocketAddr) -> ProtectedResource {
    let issuers = config.trusted_issuers();
    let mut audiences: Vec<String> = Vec::new();
    for audience in issuers.iter().flat_map(|issuer| &issuer.audiences) {
        if !audiences.contains(audience) {
            audiences.push(audience.clone());
        }
    }
    ProtectedResource {
        base_url: config.base_url(bound),
        issuers: issuers.into_iter().filter_map(|issuer| issuer.issuer).collect(),
        audiences,
        has_playground: config.playground,
    }
}

fn http_services(
    config: &Config,
    store: &Store,
    artifacts: &Artifacts,
    registry: &Arc<Registry>,
    rate_limits: RateLimits,
    audit: AuditLog,
) -> Result<HttpServices, StartError> {
    let tenancy = if config.multi_tenant_mode {
        Tenancy::multi(&config.default_tenant_slug)
    } else {
        Tenancy::single(&config.default_tenant_slug)
    }
    .with_domain(config.tenant_domain.clone());
    let scopes = match config.scopes {
        Scopes::Optional => ScopePolicy::Optional,
        Scopes::Required => ScopePolicy::Required,
    };
    let authenticator =
        Authenticator::new(store.clone(), verifier(config)?, tenancy, scopes, audit.clone());
    let services = Services {
        artifacts: artifacts.clone(),
        registry: Arc::clone(registry),
        audit: audit.clone(),
        cursors: CursorKey::new(&signing_key(config)?),
    };
    let engine = graphql::build(services, limits(config), config.introspection);
    let (store, artifacts) = (store.clone(), artifacts.clone());
    Ok(HttpServices { store, authenticator, engine, artifacts, rate_limits, audit })
}

fn limits(config: &Config) -> Limits {
    Limits {
        depth: config.max_query_depth,
        complexity: config.max_query_complexity,
        aliases: config.max_query_aliases,
    }
}

fn http_settings(config: &Config, bound: SocketAddr) -> HttpSettings {
    HttpSettings {
        max_body_bytes: config.max_body_bytes,
        max_upload_bytes: config.max_upload_bytes,
        max_batch_size: config.max_batch_size,
        limits: limits(config),
        platform: platform_settings(config),
        request_timeout: config.request_timeout,
        local_only: local_only(config, bound),
        playground: config.playground,
        cors_origins: config.cors_origins.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        tenant_domain: config.tenant_domain.clone(),
        resource: protected_resource(config, bound),
    }
}

/// What runs the tenants as a whole.
#[must_use]
pub fn open_platform(config: &Config, store: &Store) -> Platform {
    Platform::new(store.clone(), platform_settings(config))
}

fn platform_settings(config: &Config) -> PlatformSettings {
    let mode = match config.tenant_registration {
        TenantRegistration::Off => RegistrationMode::Off,
        TenantRegistration::Approval => RegistrationMode::Approval,
        TenantRegistration::Open => RegistrationMode::Open,
    };
    let registration = Registration {
        mode,
        domains: config.tenant_registration_domains.clone(),
        most: config.tenant_registration_max,
    };
    let providers = config.trusted_issuers();
    let providers = providers.iter().map(|issuer| issuer.provider.to_string());
    PlatformSettings {
        multi_tenant: config.multi_tenant_mode,
        default_slug: config.default_tenant_slug.clone(),
        registration,
        auth_providers: providers.collect(),
    }
}
