//! The composition root: from a configuration to a running server, or to a worker without one.

mod keys;
mod work;
mod worker;

use std::{
    fs::{DirBuilder, File},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use chrono::Utc;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

pub use self::{keys::open_vault, worker::WorkerApp};
use self::{
    keys::signing_key,
    work::{Work, refresh_statistics},
};
use crate::{
    artifacts::{
        ArtifactStore, ArtifactStores, Artifacts, CloudAccess, FetchError, FetchLimits, Fetcher,
        Ffmpeg, FfmpegMissing, LinkSigner, Links, Previews, SigningError, StoreError, TenantSlugs,
    },
    audit::{AuditLog, AuditWriter},
    auth::{
        Authenticator, ScopePolicy, Tenancy, WRITE_INTERVAL,
        providers::{IssuersError, IssuersVerifier, NoneVerifier, TokenVerifier},
    },
    config::{Config, ConfigError, Scopes, StorageUrl, StoreName, TenantRegistration},
    domain::{CreditRules, Credits, CursorKey, TenantId},
    error::Error,
    generators::{Catalogue, Registry, catalogue::Flaws, providers::Providers},
    graphql::{self, Limits, Services},
    http::{
        self, ConnectionLimits, HttpServices, HttpSettings, HttpState, ProtectedResource, router,
    },
    jobs::{Keys, WorkerHandle},
    platform::{Platform, PlatformSettings, Registration, RegistrationMode},
    rate_limit::{Allowance, Allowances, LimitClock, RateLimits},
    store::{Store, StoreLimits, TenantReference},
};

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
    /// A store of artifacts cannot be used.
    #[error("files cannot be kept: {cause}; see {}", place_of(.store))]
    Storage {
        /// Which.
        store: StoreName,
        /// Why, and what to do.
        cause: StoreError,
    },
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
    /// ffmpeg is not where it was said to be.
    #[error("BOARDS_FFMPEG: {0}")]
    Ffmpeg(#[from] FfmpegMissing),
    /// A generator is broken.
    #[error("generators: {0}")]
    Generators(String),
    /// The address cannot be listened on.
    #[error("cannot listen: {0}; see BOARDS_API_HOST and BOARDS_API_PORT")]
    Listen(std::io::Error),
}

/// The setting that says where a store is.
fn place_of(store: &StoreName) -> String {
    if store.is_main() {
        "BOARDS_STORAGE_URL".to_owned()
    } else {
        format!("{store} in BOARDS_STORES")
    }
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
        mut overrides: Overrides,
    ) -> Result<Self, StartError> {
        make_folder(&config.data_dir)?;
        let database = config.database_url.sqlite_path();
        if let Some(folder) = database.as_deref().and_then(Path::parent) {
            make_folder(folder)?;
        }
        let lock = database.as_deref().map(lock).transpose()?;
        let providers = open_providers(&config)?;
        // A hundred files are read and their schemas compiled while the database is opened.
        let generators = read_generators(&config, &providers, overrides.registry.take());
        let staging = staging_folder(&config)?;
        let store = open_store(&config).await?;
        open_vault(&config, &store)?;
        open_credits(&config, &store);
        let (folder, loopback) = (staging.path().to_owned(), &overrides.fetch_loopback);
        let artifacts = open_artifacts(&config, &store, bound, folder, loopback).await?;
        let registry = Arc::new(generators.await.map_err(broke_off)??);
        let keys = Keys::new(providers);
        let stopping = CancellationToken::new();
        let clock = overrides.rate_limit_clock.unwrap_or_else(LimitClock::system);
        let limits = rate_limits(&config, &clock)?;
        tokio::spawn(limits.clone().sweep_until(stopping.clone()));
        let (log, audit) = AuditWriter::start(&store, config.audit_retention);
        let generators = (Arc::clone(&registry), keys.clone());
        let services = http_services(&config, &store, &artifacts, generators, limits, log)?;
        let state = HttpState::new(services, http_settings(&config, bound), stopping.clone());
        let worker = Arc::default();
        let work = Work {
            stopping: stopping.clone(),
            store: store.clone(),
            artifacts,
            registry,
            keys,
            config: config.clone(),
            worker: Arc::clone(&worker),
        };
        let app =
            Self { config, store, state, audit, stopping, worker, _lock: lock, _staging: staging };
        work.begin_once_migrated().await?;
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

/// Has generations cost credits where they do.
pub fn open_credits(config: &Config, store: &Store) {
    if config.credits {
        store.use_credits(CreditRules {
            per_usd: config.credits_per_usd,
            unknown_cost: Credits::whole(config.credits_unknown_cost),
        });
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
    let Some(database) = config.database_url.sqlite_path() else { return Ok(None) };
    database.parent().map_or(Ok(()), make_folder)?;
    lock(&database).map(Some)
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

/// Opens the stores of the artifacts' files. Buckets are not asked whether they can be used.
///
/// # Errors
/// When one is not described as it must be.
pub fn open_files(config: &Config) -> Result<ArtifactStores, StartError> {
    let access = CloudAccess {
        variables: config.cloud_variables.clone(),
        endpoint: config.storage_endpoint.clone(),
        presign: config.storage_redirect,
        at_once: false,
    };
    let open = |name: &StoreName, url: &StorageUrl| {
        url.directory().map_or(Ok(()), make_folder)?;
        ArtifactStore::open(url, &access)
            .map_err(|cause| StartError::Storage { store: name.clone(), cause })
    };
    let main = open(&StoreName::main(), &config.storage_url)?;
    let named =
        config.stores.iter().map(|named| Ok((named.name.clone(), open(&named.name, &named.url)?)));
    let named = named.collect::<Result<Vec<_>, StartError>>()?;
    Ok(ArtifactStores::new(main).with(named, config.storage_rules.clone()))
}

/// For rules that name tenants by slug.
struct SlugsOf(Store);

#[async_trait]
impl TenantSlugs for SlugsOf {
    async fn slug_of(&self, tenant: TenantId) -> Result<Option<String>, Error> {
        let tenant = self.0.system().tenant(&TenantReference::Id(tenant)).await?;
        Ok(tenant.map(|tenant| tenant.slug))
    }
}

async fn open_artifacts(
    config: &Config,
    store: &Store,
    bound: SocketAddr,
    staging: PathBuf,
    loopback: &[SocketAddr],
) -> Result<Artifacts, StartError> {
    let stores = open_files(config)?.asking(Arc::new(SlugsOf(store.clone())));
    stores.try_out().await.map_err(|(store, cause)| StartError::Storage { store, cause })?;
    let links = open_links(config, bound)?;
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
    let previews = Previews::new(Ffmpeg::find(&config.ffmpeg)?, staging.clone());
    Ok(Artifacts::new(stores, links, fetcher, previews, staging, config.max_upload_bytes))
}

/// Makes links to files, for a server that is reached at `bound` unless the configuration says how.
///
/// # Errors
/// When the key to sign them cannot be used.
pub fn open_links(config: &Config, bound: SocketAddr) -> Result<Links, StartError> {
    let signer = LinkSigner::new(&signing_key(config)?, config.storage_link)?;
    Ok(Links::new(signer, config.base_url(bound)))
}

/// The adapters of the providers, as configured.
///
/// # Errors
/// When TLS cannot be set up.
pub fn open_providers(config: &Config) -> Result<Providers, StartError> {
    Providers::new(config).map_err(|error| StartError::Generators(error.to_string()))
}

/// The generators that come with the server, and those of the configured folder.
///
/// # Errors
/// Says what is wrong with which file.
pub fn open_catalogue(config: &Config, providers: &Providers) -> Result<Catalogue, StartError> {
    let known: Vec<_> = providers.iter().cloned().collect();
    let broken = |flaws: Flaws| StartError::Generators(flaws.to_string());
    let catalogue = Catalogue::embedded(&known).map_err(broken)?;
    match &config.generators_dir {
        Some(folder) => catalogue.with_folder(folder, &known).map_err(broken),
        None => Ok(catalogue),
    }
}

/// Reads every generator on a thread of its own; `given` ones are there already.
fn read_generators(
    config: &Config,
    providers: &Providers,
    given: Option<Registry>,
) -> tokio::task::JoinHandle<Result<Registry, StartError>> {
    let (config, providers) = (config.clone(), providers.clone());
    tokio::task::spawn_blocking(move || match given {
        Some(registry) => Ok(registry),
        None => open_generators(&config, &providers),
    })
}

fn broke_off(error: tokio::task::JoinError) -> StartError {
    StartError::Generators(error.to_string())
}

/// Every generator that there is.
///
/// # Errors
/// As [`open_catalogue`].
pub fn open_generators(config: &Config, providers: &Providers) -> Result<Registry, StartError> {
    let catalogue = open_catalogue(config, providers)?;
    Registry::of_catalogue(&catalogue, providers).map_err(StartError::Generators)
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
    (registry, keys): (Arc<Registry>, Keys),
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
        registry,
        keys,
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
