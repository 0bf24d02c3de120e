//! A server of a test's own, in this process, on a free port.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use boards::{
    app::{App, Overrides},
    config::{AuthProvider, Config, GeneratorKeys},
    domain::{TenantId, TenantRole},
    generators::{
        Catalogue, Registry, declared,
        providers::{Patience, Provider, Providers},
    },
    rate_limit::LimitClock,
    store::{JoinPolicy, Store},
};
use governor::clock::FakeRelativeClock;
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use super::{
    client::{Client, text},
    database::TestDatabase,
    generators::test_generators,
    stand_in::StandIn,
};

/// The secret that the tests sign tokens with.
pub(crate) const SECRET: &str = "a secret of the tests, at least 32 bytes long";
/// The secret that the tests' servers sign links with.
pub(crate) const SIGNING_SECRET: &str = "another secret of the tests, 32 bytes long";

/// The names of the keys to all providers. Each of the deployment's keys in tests is its name and `-value`.
const PROVIDER_KEYS: [&str; 4] =
    ["FAL_KEY", "KIE_API_KEY", "OPENAI_API_KEY", "REPLICATE_API_TOKEN"];
/// Long enough for a machine that is busy with something else.
const PATIENT: Patience = Patience {
    connection: Duration::from_secs(20),
    question: Duration::from_mins(1),
    submission: Duration::from_mins(1),
    result: Duration::from_mins(1),
    upload: Duration::from_mins(1),
    pause: Duration::from_millis(50),
};

type Tweak = Box<dyn FnOnce(&mut Config)>;

/// Says how a test's server differs from the usual one.
#[derive(Default)]
pub(crate) struct TestAppBuilder {
    tweaks: Vec<Tweak>,
    tenants: Vec<String>,
    fetch_loopback: Vec<SocketAddr>,
    catalogue: Option<Patience>,
    rate_limit_clock: Option<FakeRelativeClock>,
    empty_database: bool,
    token_use_interval: Option<Duration>,
    beside: Option<(Arc<TestDatabase>, Arc<TempDir>)>,
}

/// A running server. It is stopped, and its database and folder deleted, when this is dropped.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    store: Store,
    database: Arc<TestDatabase>,
    folder: Arc<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl TestApp {
    /// Provider jwt, one tenant, no worker: what most tests need.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// The same with many tenants, `one` and `two`, which everyone may join.
    pub(crate) async fn two_tenants() -> Self {
        Self::builder().tenants(&["one", "two"]).start().await
    }

    pub(crate) fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A caller without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    /// A signed-in user of the only tenant, named by subject; made on first sight.
    pub(crate) fn user(&self, subject: &str) -> Client {
        self.anonymous().with_token(&super::client::token(subject))
    }

    /// The same, with a token that was granted these scopes alone.
    pub(crate) fn user_with_scope(&self, subject: &str, scope: &str) -> Client {
        self.anonymous().with_token(&super::client::token_with_scope(subject, Some(scope)))
    }

    /// A signed-in user of one of several tenants.
    pub(crate) fn user_of(&self, tenant: &str, subject: &str) -> Client {
        self.user(subject).with_tenant(tenant)
    }

    /// The tenant that a caller is in.
    pub(crate) async fn tenant_of(&self, user: &Client) -> TenantId {
        let me = user.data("{ me { tenantId } }", json!({})).await;
        text(&me["me"]["tenantId"]).parse::<Uuid>().expect("an id").into()
    }

    /// Makes a caller an admin of their tenant, as an operator would.
    pub(crate) async fn make_admin(&self, user: &Client) {
        let people = self.store.system().people(self.tenant_of(user).await);
        let id: Uuid = user.id().await.parse().expect("an id");
        people.set_role(id.into(), TenantRole::Admin).await.expect("an admin");
    }

    /// The server's own store, for counting statements and for the worker's side of things.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The files of an artifact that is, or would be, stored under an id: a generation's, a
    /// board's.
    pub(crate) fn files_of(&self, id: &str) -> Vec<PathBuf> {
        let folder = self.config.storage_url.directory().expect("a folder");
        let mut files = files_below(folder);
        files.retain(|path| path.to_string_lossy().contains(id));
        files
    }

    /// Stops the server as Ctrl-C would and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            server.await.expect("the server stops");
        }
    }
}

impl TestAppBuilder {
    /// Changes the configuration.
    pub(crate) fn config(mut self, tweak: impl FnOnce(&mut Config) + 'static) -> Self {
        self.tweaks.push(Box::new(tweak));
        self
    }

    /// Switches multi-tenancy on, with these tenants, which everyone may join.
    pub(crate) fn tenants(mut self, slugs: &[&str]) -> Self {
        self.tenants = slugs.iter().map(|slug| (*slug).to_owned()).collect();
        self.config(|config| config.multi_tenant_mode = true)
    }

    /// Runs generations.
    pub(crate) fn worker(self) -> Self {
        self.config(|config| config.worker_enabled = true)
    }

    /// Lets downloads reach a test's own server.
    pub(crate) fn fetch_from(mut self, address: SocketAddr) -> Self {
        self.fetch_loopback.push(address);
        self
    }

    /// Offers the generators of the catalogue too and runs them: `stand_in` is every provider, and the
    /// deployment has a key to each.
    pub(crate) fn catalogue(mut self, stand_in: &StandIn) -> Self {
        self.catalogue = Some(PATIENT);
        let addresses = stand_in.addresses();
        self.worker().config(|config| {
            config.provider_addresses = addresses;
            let add = |keys: GeneratorKeys, name| keys.with(name, format!("{name}-value"));
            config.generator_api_keys =
                PROVIDER_KEYS.into_iter().fold(GeneratorKeys::default(), add);
        })
    }

    /// The same, not waiting long for what a submission brings.
    pub(crate) fn impatient(mut self, submission: Duration) -> Self {
        self.catalogue = Some(Patience { submission, result: submission, ..PATIENT });
        self
    }

    /// Limits callers by a clock of the test's own. Points are given for a minute; a tenth of them
    /// may be used at once.
    pub(crate) fn limited(
        mut self,
        clock: &FakeRelativeClock,
        tweak: impl FnOnce(&mut Config) + 'static,
    ) -> Self {
        self.rate_limit_clock = Some(clock.clone());
        self.config(|config| config.rate_limit = true).config(tweak)
    }

    /// Writes the last use of access tokens more often than the usual server.
    pub(crate) fn token_use_interval(mut self, interval: Duration) -> Self {
        self.token_use_interval = Some(interval);
        self
    }

    /// Starts on a database that was never migrated.
    pub(crate) fn empty_database(mut self) -> Self {
        self.empty_database = true;
        self
    }

    /// Starts on another server's database and artifacts: on PostgreSQL beside it, on SQLite once
    /// it was stopped.
    pub(crate) fn beside(mut self, other: &TestApp) -> Self {
        self.beside = Some((Arc::clone(&other.database), Arc::clone(&other.folder)));
        self
    }

    pub(crate) async fn start(self) -> TestApp {
        let (database, folder) = if let Some(shared) = self.beside {
            shared
        } else {
            let folder = TempDir::new().expect("a folder");
            let database = if self.empty_database {
                TestDatabase::empty(folder.path()).await
            } else {
                TestDatabase::migrated(folder.path()).await
            };
            (Arc::new(database), Arc::new(folder))
        };
        let mut config = Config {
            auth_provider: AuthProvider::Jwt,
            auth_platform_admin: true,
            jwt_secret: Some(SecretString::from(SECRET)),
            signing_secret: Some(SecretString::from(SIGNING_SECRET)),
            database_url: database.url().clone(),
            database_max_connections: 5,
            worker_enabled: false,
            ..Config::for_tests(folder.path())
        };
        self.tweaks.into_iter().for_each(|tweak| tweak(&mut config));
        let listener = TcpListener::bind(config.listen_address()).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let overrides = Overrides {
            registry: Some(registry(&config, self.catalogue)),
            fetch_loopback: self.fetch_loopback,
            rate_limit_clock: self.rate_limit_clock.map(LimitClock::Fake),
            token_use_interval: self.token_use_interval,
        };
        let app = Box::pin(App::start_with(config.clone(), address, overrides)).await;
        let app = app.expect("the server starts");
        let store = app.store().clone();
        for slug in &self.tenants {
            store.system().create_tenant(slug, slug, JoinPolicy::Open, &[]).await.expect("tenant");
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            app.serve(listener, shutdown).await.expect("the server serves");
        });
        TestApp { address, config, store, database, folder, stop: Some(stop), server: Some(server) }
    }
}

/// The generators of the tests, and those of the catalogue where they are wanted.
fn registry(config: &Config, catalogue: Option<Patience>) -> Registry {
    let mut generators = test_generators();
    if let Some(patience) = catalogue {
        let (addresses, keys) = (&config.provider_addresses, config.generator_api_keys.clone());
        let providers = Providers::with(addresses, keys, patience).expect("clients");
        let known: Vec<Arc<dyn Provider>> = providers.iter().cloned().collect();
        let catalogue = Catalogue::embedded(&known).expect("files without flaws");
        generators.extend(declared(&catalogue, &providers).expect("providers for all"));
    }
    Registry::new(generators).expect("generators")
}

/// All files of a folder and the folders in it.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        // A folder may be deleted meanwhile: then there are no files in it.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
    }
    files
}
