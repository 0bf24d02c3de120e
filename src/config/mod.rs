//! The configuration: one struct, filled from defaults, a TOML file, the environment and flags, the
//! later winning. Secrets are never printed.

mod algorithm;
mod api_url;
mod check;
mod cloud_variables;
mod database_url;
mod encryption;
mod error;
mod generator_keys;
mod issuer;
mod issuer_list;
mod key;
mod layers;
mod provider_addresses;
mod provider_url;
mod reader;
mod setting;
mod storage_rules;
mod storage_url;
mod table;
mod usual_names;
mod value;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;

use key::public_pem;
use layers::Layers;
use reader::Reader;
use value::NotAllowed;

use crate::domain::email_domain;

pub(crate) use algorithm::KeyShape;

pub use algorithm::JwtAlgorithm;
pub use api_url::ApiUrl;
pub use cloud_variables::CloudVariables;
pub use database_url::DatabaseUrl;
pub use encryption::encryption_keys;
pub use error::ConfigError;
pub use generator_keys::GeneratorKeys;
pub use issuer::TrustedIssuer;
pub use key::{JwtKey, JwtKeyError};
pub use layers::Flags;
pub use provider_addresses::ProviderAddresses;
pub use provider_url::ProviderUrl;
pub use setting::{Fallback, Group, Kind, Setting, reference, reference_table};
pub use storage_rules::{NamedStore, RuleTenant, StorageRule, StoreName};
pub use storage_url::{BucketUrl, Cloud, StorageUrl};
pub use value::{
    AuthProvider, ClientMethod, FfmpegSetting, LogFormat, Scopes, TenantRegistration, TokenType,
};

/// A secret shorter than this could be found by trying (RFC 7518 section 3.2).
const LEAST_SECRET_BYTES: usize = 32;
/// Longest name of a claim; what the tenant's column could hold, too.
const MOST_CLAIM_CHARACTERS: usize = 255;
/// Largest file with a public key or a secret.
const MOST_KEY_BYTES: u64 = 1 << 16;
/// Claims that mean something else already (RFC 7519 section 4.1, `OpenID` Connect Core 5.1).
const TAKEN_CLAIMS: [&str; 11] =
    ["sub", "exp", "iat", "nbf", "iss", "aud", "jti", "email", "email_verified", "name", "picture"];

/// See [`connections_for_this_machine`].
const CONNECTIONS_PER_CORE: usize = 4;
const LEAST_CONNECTIONS: u32 = 8;

/// Everything that can be configured. Field names are the TOML keys, without `_seconds`.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, not a state")]
pub struct Config {
    /// The address to listen on.
    pub api_host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    pub api_port: u16,
    /// How clients reach the server, without a last slash; see [`Config::base_url`].
    pub public_url: Option<String>,
    /// Web origins that may call the API, as browsers send them.
    pub cors_origins: Vec<String>,
    /// Reverse proxies that are believed about the client's address and the host it asked for.
    pub trusted_proxies: Vec<IpNet>,
    /// Lets the provider `none` listen beyond loopback.
    pub allow_insecure: bool,
    /// Migrates `PostgreSQL` at the start; the embedded database always is migrated.
    pub migrate: bool,
    /// How long running requests and generations may take to end when the server stops.
    pub shutdown_timeout: Duration,
    /// Most connections of clients at once.
    pub max_connections: usize,
    /// How long a client may take from connecting to the end of its first request's headers.
    pub header_timeout: Duration,
    /// How long a connection stays open without a request.
    pub keep_alive: Duration,
    /// Threads that answer requests.
    pub threads: usize,
    /// Whether clients may ask for the schema.
    pub introspection: bool,
    /// Whether `GraphiQL` is served.
    pub playground: bool,

    /// The database.
    pub database_url: DatabaseUrl,
    /// The folder of the embedded database, the artifacts and the signing key. It may not exist.
    pub data_dir: PathBuf,
    /// Most connections to the database at once for requests.
    pub database_max_connections: u32,
    /// How long a request waits for one.
    pub database_wait: Duration,

    /// Who judges tokens.
    pub auth_provider: AuthProvider,
    /// The shared secret of the HMAC algorithms, 32 bytes or more.
    pub jwt_secret: Option<SecretString>,
    /// The one algorithm of tokens.
    pub jwt_algorithm: JwtAlgorithm,
    /// The public key in PEM, read from its file when one is named.
    pub jwt_public_key: Option<String>,
    /// What a token's `iss` must be.
    pub auth_issuer: Option<String>,
    /// What a token's `aud` must hold. Without it, a token that has `aud` is refused.
    pub auth_audience: Option<String>,
    /// How far the clocks of issuer and server may differ.
    pub auth_leeway: Duration,
    /// Where the provider's keys are, instead of where discovery says.
    pub auth_jwks_url: Option<ProviderUrl>,
    /// Where opaque tokens are introspected.
    pub auth_introspection_url: Option<ProviderUrl>,
    /// Who this server is there.
    pub auth_client_id: Option<String>,
    /// The secret that goes with it, read from its file when one is named.
    pub auth_client_secret: Option<SecretString>,
    /// How both are sent.
    pub auth_client_method: ClientMethod,
    /// What a token's `typ` must be.
    pub auth_token_type: TokenType,
    /// The algorithms of published keys; `None` is the provider's defaults.
    pub auth_algorithms: Option<Vec<JwtAlgorithm>>,
    /// Whether the scope `platform:admin` counts in the tokens of the provider.
    pub auth_platform_admin: bool,
    /// The list of the TOML file; see [`Config::trusted_issuers`].
    pub auth_issuers: Vec<TrustedIssuer>,

    /// What a token without any scope claim may do.
    pub scopes: Scopes,

    /// Whether there are tenants besides the default one.
    pub multi_tenant_mode: bool,
    /// The slug of the default tenant; valid.
    pub default_tenant_slug: String,
    /// The only claim that names the tenant, instead of the usual ones.
    pub tenant_claim: Option<String>,
    /// Whether people may register tenants.
    pub tenant_registration: TenantRegistration,
    /// Email domains whose people may; everyone when there are none.
    pub tenant_registration_domains: Vec<String>,
    /// How many tenants one person may have registered.
    pub tenant_registration_max: u64,
    /// The domain whose subdomains name tenants, in lower case.
    pub tenant_domain: Option<String>,

    /// Whether generations cost credits.
    pub credits: bool,
    /// Credits for a US dollar.
    pub credits_per_usd: u64,
    /// Credits that a generation costs of which nothing is known.
    pub credits_unknown_cost: u64,

    /// Where artifacts are kept.
    pub storage_url: StorageUrl,
    /// Stores beside that one.
    pub stores: Vec<NamedStore>,
    /// Which files go into them; the first that fits counts.
    pub storage_rules: Vec<StorageRule>,
    /// Where a server that speaks the protocol of S3 is, instead of Amazon's.
    pub storage_endpoint: Option<String>,
    /// Whether links lead on to the store where it can sign addresses.
    pub storage_redirect: bool,
    /// The usual variables of the clouds, with their credentials.
    pub cloud_variables: CloudVariables,
    /// The secret that signs storage links and cursors, 32 bytes or more. Without one, a random key is kept in
    /// [`Config::signing_key_file`].
    pub signing_secret: Option<SecretString>,
    /// Keys that secrets of tenants are encrypted with, as [`encryption_keys`] reads them. Without any, a
    /// random one is kept in [`Config::encryption_key_file`].
    pub encryption_key: Option<SecretString>,
    /// How long a storage link works.
    pub storage_link: Duration,
    /// Where ffmpeg is.
    pub ffmpeg: FfmpegSetting,

    /// Whether this process runs generations.
    pub worker_enabled: bool,
    /// How many generations run at once.
    pub worker_concurrency: usize,
    /// Starts of one generation at most.
    pub job_attempts: u32,
    /// How long one generation may take from its first start.
    pub job_timeout: Duration,
    /// Most generations of one tenant that run at once.
    pub tenant_concurrency: Option<usize>,
    /// Most generations of one user that run at once.
    pub user_concurrency: Option<usize>,
    /// Most generations that run at once at a provider, by its name.
    pub provider_concurrency: Vec<(String, usize)>,

    /// Folder of generators of one's own.
    pub generators_dir: Option<PathBuf>,
    /// Keys to the providers that run generators.
    pub generator_api_keys: GeneratorKeys,
    /// Where those are.
    pub provider_addresses: ProviderAddresses,

    /// Largest upload, in bytes.
    pub max_upload_bytes: u64,
    /// Largest body of a GraphQL request, in bytes.
    pub max_body_bytes: usize,
    /// Deepest nesting of an operation.
    pub max_query_depth: usize,
    /// Highest cost of an operation.
    pub max_query_complexity: usize,
    /// Most aliases in an operation.
    pub max_query_aliases: usize,
    /// Most operations in a request.
    pub max_batch_size: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long `uploadArtifact` may fetch.
    pub fetch_timeout: Duration,
    /// Whether callers are limited.
    pub rate_limit: bool,
    /// Points a minute for each user.
    pub rate_limit_user: NonZeroU32,
    /// Points a minute for each token.
    pub rate_limit_token: NonZeroU32,
    /// Points a minute for each address of callers who are not signed in.
    pub rate_limit_address: NonZeroU32,
    /// Failed authentications a minute for each address.
    pub rate_limit_failures: NonZeroU32,

    /// How long the audit log keeps an event; none keeps all.
    pub audit_retention: Option<Duration>,
    /// A valid filter for `tracing_subscriber::EnvFilter`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// What the configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: settings must fit together too.
    Serve,
    /// To run generations alone, beside servers.
    Work,
    /// For a command that does not listen, which needs no keys and may run where the server is
    /// configured to be reached from outside.
    Command,
}

/// A configuration and what was noticed while reading it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works but is probably not meant, a line each, for the log.
    pub warnings: Vec<String>,
    /// The TOML file that was read.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Reads the configuration: defaults, then `boards.toml` in `directory` (or the file that
    /// `--config` or `BOARDS_CONFIG` names), then the environment, then flags.
    ///
    /// # Errors
    /// The first thing that is wrong, in one line that names the setting and no secret.
    pub fn load(
        purpose: Purpose,
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Loaded, ConfigError> {
        let Layers { figment, file, mut warnings, cloud_variables } =
            Layers::gather(flags, environment, directory)?;
        let reader = Reader { figment: &figment };
        let config = Self { cloud_variables, ..Self::read(&reader)? };
        check::storage(&config, &reader)?;
        if purpose == Purpose::Serve {
            check::may_serve(&config, &reader)?;
            warnings.extend(check::warnings(&config));
        }
        if purpose == Purpose::Work {
            check::may_work(&config, &reader)?;
        }
        Ok(Loaded { config, warnings, file })
    }

    /// The defaults with this data folder and a free port, and nobody limited: what tests build on.
    ///
    /// # Panics
    /// Never: a test reads all defaults.
    #[must_use]
    pub fn for_tests(data_dir: impl AsRef<Path>) -> Self {
        let data_dir = data_dir.as_ref();
        let figment = Layers::gather(&Flags::new(), [], Path::new("/nonexistent"));
        let config = figment.and_then(|layers| Self::read(&Reader { figment: &layers.figment }));
        Self {
            api_port: 0,
            data_dir: data_dir.to_owned(),
            database_url: DatabaseUrl::embedded(data_dir),
            storage_url: StorageUrl::under(data_dir),
            rate_limit: false,
            ..config.expect("the defaults are valid")
        }
    }

    fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let data_dir: PathBuf = reader.value("data_dir")?;
        let database_url = reader.optional("database_url", str::parse)?;
        let storage_url = reader.optional("storage_url", str::parse)?;
        let database_url = database_url.unwrap_or_else(|| DatabaseUrl::embedded(&data_dir));
        Ok(Self {
            api_host: reader.required("api_host", host)?,
            api_port: reader.number("api_port")?,
            public_url: reader.optional("public_url", value::base_url)?,
            cors_origins: reader.list("cors_origins", value::origin)?,
            trusted_proxies: reader.list("trusted_proxies", value::network)?,
            allow_insecure: reader.switch("allow_insecure")?,
            migrate: reader.switch("migrate")?,
            shutdown_timeout: seconds(reader, "shutdown_timeout_seconds")?,
            max_connections: reader.number("max_connections")?,
            header_timeout: seconds(reader, "header_timeout_seconds")?,
            keep_alive: seconds(reader, "keep_alive_seconds")?,
            threads: reader
                .optional_number("threads")?
                .unwrap_or_else(|| threads_beside(&database_url)),
            introspection: reader.switch("introspection")?,
            playground: reader.switch("playground")?,

            database_url,
            storage_url: storage_url.unwrap_or_else(|| StorageUrl::under(&data_dir)),
            data_dir,
            database_max_connections: reader
                .optional_number("database_max_connections")?
                .unwrap_or_else(connections_for_this_machine),
            database_wait: seconds(reader, "database_wait_seconds")?,

            auth_provider: reader.value("auth_provider")?,
            jwt_secret: reader.secret("jwt_secret", LEAST_SECRET_BYTES)?,
            jwt_algorithm: reader.value("jwt_algorithm")?,
            jwt_public_key: public_key(reader)?,
            auth_issuer: reader.text("auth_issuer")?,
            auth_audience: reader.text("auth_audience")?,
            auth_leeway: seconds(reader, "auth_leeway_seconds")?,
            auth_jwks_url: reader.optional("auth_jwks_url", str::parse)?,
            auth_introspection_url: reader.optional("auth_introspection_url", str::parse)?,
            auth_client_id: reader.text("auth_client_id")?,
            auth_client_secret: client_secret(reader)?,
            auth_client_method: reader.value("auth_client_method")?,
            auth_token_type: reader.value("auth_token_type")?,
            auth_algorithms: reader.optional_list("auth_algorithms", str::parse)?,
            auth_platform_admin: reader.switch("auth_platform_admin")?,
            auth_issuers: issuer_list::read(reader.figment)?,

            scopes: reader.value("scopes")?,

            multi_tenant_mode: reader.switch("multi_tenant_mode")?,
            default_tenant_slug: reader.required("default_tenant_slug", tenant_slug)?,
            tenant_claim: reader.optional("tenant_claim", claim)?,
            tenant_registration: reader.value("tenant_registration")?,
            tenant_registration_domains: reader
                .list("tenant_registration_domains", |text| email_domain(text).ok_or(NotAllowed))?,
            tenant_registration_max: reader.number("tenant_registration_max")?,
            tenant_domain: reader.optional("tenant_domain", value::domain)?,

            credits: reader.switch("credits")?,
            credits_per_usd: reader.number("credits_per_usd")?,
            credits_unknown_cost: reader.number("credits_unknown_cost")?,

            stores: reader.list("stores", str::parse)?,
            storage_rules: reader.list("storage_rules", str::parse)?,
            storage_endpoint: reader.optional("storage_endpoint", value::base_url)?,
            storage_redirect: reader.switch("storage_redirect")?,
            cloud_variables: CloudVariables::default(),
            signing_secret: reader.secret("signing_secret", LEAST_SECRET_BYTES)?,
            encryption_key: reader.optional("encryption_key", encryption_key)?,
            storage_link: seconds(reader, "storage_link_seconds")?,
            ffmpeg: reader.value("ffmpeg")?,

            worker_enabled: reader.switch("worker_enabled")?,
            worker_concurrency: reader.number("worker_concurrency")?,
            job_attempts: reader.number("job_attempts")?,
            job_timeout: seconds(reader, "job_timeout_seconds")?,
            tenant_concurrency: reader.optional_number("tenant_concurrency")?,
            user_concurrency: reader.optional_number("user_concurrency")?,
            provider_concurrency: reader.list("provider_concurrency", value::named_number)?,

            generators_dir: reader.text("generators_dir")?.map(PathBuf::from),
            generator_api_keys: GeneratorKeys::read(reader)?,
            provider_addresses: ProviderAddresses::read(reader)?,

            max_upload_bytes: reader.number("max_upload_bytes")?,
            max_body_bytes: reader.number("max_body_bytes")?,
            max_query_depth: reader.number("max_query_depth")?,
            max_query_complexity: reader.number("max_query_complexity")?,
            max_query_aliases: reader.number("max_query_aliases")?,
            max_batch_size: reader.number("max_batch_size")?,
            request_timeout: seconds(reader, "request_timeout_seconds")?,
            fetch_timeout: seconds(reader, "fetch_timeout_seconds")?,
            rate_limit: reader.switch("rate_limit")?,
            rate_limit_user: per_minute(reader, "rate_limit_user")?,
            rate_limit_token: per_minute(reader, "rate_limit_token")?,
            rate_limit_address: per_minute(reader, "rate_limit_address")?,
            rate_limit_failures: per_minute(reader, "rate_limit_failures")?,

            audit_retention: days(reader, "audit_retention_days")?,
            log_level: reader.required("log_level", value::log_filter)?,
            log_format: reader.value("log_format")?,
        })
    }

    /// The address to listen on.
    #[must_use]
    pub fn listen_address(&self) -> SocketAddr {
        SocketAddr::new(self.api_host, self.api_port)
    }

    /// How clients reach the server, without a last slash: the configured URL, else one made of the
    /// address that the server is `bound` to.
    #[must_use]
    pub fn base_url(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable(bound)))
    }

    /// Where this machine asks whether the server is well.
    #[must_use]
    pub fn health_url(&self) -> String {
        format!("http://{}/health", reachable(self.listen_address()))
    }

    /// The file of the key that signs storage links and cursors where no secret is configured.
    #[must_use]
    pub fn signing_key_file(&self) -> PathBuf {
        self.data_dir.join("signing.key")
    }

    /// The file of the key that secrets of tenants are encrypted with where none is configured.
    #[must_use]
    pub fn encryption_key_file(&self) -> PathBuf {
        self.data_dir.join("encryption.key")
    }

    /// Whether nobody judges tokens, and everyone is the one local user.
    #[must_use]
    pub fn lets_everyone_in(&self) -> bool {
        self.auth_provider == AuthProvider::None && self.auth_issuers.is_empty()
    }

    /// Everyone whose tokens are taken: the issuer of the environment, whose name is its
    /// provider's, and those of the list.
    #[must_use]
    pub fn trusted_issuers(&self) -> Vec<TrustedIssuer> {
        let mut issuers = Vec::new();
        if self.auth_provider != AuthProvider::None {
            issuers.push(self.single_issuer());
        }
        let listed = self.auth_issuers.iter().cloned().map(|issuer| TrustedIssuer {
            tenant_claim: issuer.tenant_claim.or_else(|| self.tenant_claim.clone()),
            ..issuer
        });
        issuers.extend(listed);
        issuers
    }

    /// The same, once it is certain that they are described as they must be.
    ///
    /// # Errors
    /// [`ConfigError::Issuer`] with what to change.
    pub fn checked_issuers(&self) -> Result<Vec<TrustedIssuer>, ConfigError> {
        check::issuers(self, &figment::Figment::new())
    }

    fn single_issuer(&self) -> TrustedIssuer {
        TrustedIssuer {
            name: self.auth_provider.as_str().to_owned(),
            provider: self.auth_provider,
            issuer: self.auth_issuer.clone(),
            audiences: self.auth_audience.iter().cloned().collect(),
            jwks_url: self.auth_jwks_url.clone(),
            introspection_url: self.auth_introspection_url.clone(),
            client_id: self.auth_client_id.clone(),
            client_secret: self.auth_client_secret.clone(),
            client_method: self.auth_client_method,
            token_type: self.auth_token_type,
            algorithms: self.auth_algorithms.clone(),
            tenant_claim: self.tenant_claim.clone(),
            tenants: None,
            platform_admin: self.auth_platform_admin,
            jwt_algorithm: self.jwt_algorithm,
            jwt_secret: self.jwt_secret.clone(),
            jwt_public_key: self.jwt_public_key.clone(),
        }
    }
}

/// The variables of this process that are meant for the server or its clouds, or have a usual meaning to it.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value))).filter(|(name, _)| {
        name.starts_with(setting::PREFIX)
            || usual_names::is_usual(name)
            || CloudVariables::holds(name)
    })
}

/// A request costs the database about as much as it costs the server, so that each gets half of the cores
/// that they share.
fn threads_beside(database: &DatabaseUrl) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if database.is_on_this_machine() { cores.div_ceil(2) } else { cores }
}

/// Databases do little more at once than there are cores; the others wait for disks and networks.
fn connections_for_this_machine() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores * CONNECTIONS_PER_CORE).unwrap_or(u32::MAX).clamp(LEAST_CONNECTIONS, 1000)
}

/// The unspecified address means all of them; loopback is the one that always answers.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn seconds(reader: &Reader<'_>, key: &str) -> Result<Duration, ConfigError> {
    reader.number(key).map(Duration::from_secs)
}

/// The table leaves no room for none.
fn per_minute(reader: &Reader<'_>, key: &str) -> Result<NonZeroU32, ConfigError> {
    let number: u32 = reader.number(key)?;
    NonZeroU32::new(number).ok_or_else(|| reader.wrong(key, None))
}

/// A number of days, of which 0 means without end.
fn days(reader: &Reader<'_>, key: &str) -> Result<Option<Duration>, ConfigError> {
    let days: u64 = reader.number(key)?;
    Ok((days > 0).then(|| Duration::from_hours(days * 24)))
}

fn host(text: &str) -> Result<IpAddr, NotAllowed> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| NotAllowed)
}

fn tenant_slug(text: &str) -> Result<String, NotAllowed> {
    let valid = crate::domain::tenant_slug_is_valid(text);
    if valid { Ok(text.to_owned()) } else { Err(NotAllowed) }
}

fn claim(text: &str) -> Result<String, NotAllowed> {
    let fits = text.chars().count() <= MOST_CLAIM_CHARACTERS && !TAKEN_CLAIMS.contains(&text);
    if fits { Ok(text.to_owned()) } else { Err(NotAllowed) }
}

/// Good keys, kept as they were written: only who encrypts reads them.
fn encryption_key(text: &str) -> Result<SecretString, NotAllowed> {
    encryption_keys(text).map(|_| SecretString::from(text)).ok_or(NotAllowed)
}

fn public_key(reader: &Reader<'_>) -> Result<Option<String>, ConfigError> {
    // Environment files often cannot hold line breaks.
    let inline =
        reader.optional("jwt_public_key", |pem| public_pem(pem).map_err(|_| NotAllowed))?;
    let file = reader.optional("jwt_public_key_file", key_file)?;
    one_of(reader, "jwt_public_key", inline, file)
}

fn client_secret(reader: &Reader<'_>) -> Result<Option<SecretString>, ConfigError> {
    let inline = reader.secret("auth_client_secret", 1)?;
    let file = reader.optional("auth_client_secret_file", secret_file)?;
    one_of(reader, "auth_client_secret", inline, file)
}

fn one_of<T>(
    reader: &Reader<'_>,
    key: &str,
    inline: Option<T>,
    file: Option<T>,
) -> Result<Option<T>, ConfigError> {
    if inline.is_some() && file.is_some() {
        let (inline, file) = (reader.named(key), reader.named(&format!("{key}_file")));
        return Err(ConfigError::Combination(format!(
            "{inline} and {file} are both set: leave one of them out"
        )));
    }
    Ok(inline.or(file))
}

/// The text of a small file.
fn small_file(path: &str) -> Result<String, NotAllowed> {
    let size = std::fs::metadata(path).map_err(|_| NotAllowed)?.len();
    let text = if size <= MOST_KEY_BYTES { std::fs::read_to_string(path).ok() } else { None };
    text.ok_or(NotAllowed)
}

/// The public key in a file.
fn key_file(path: &str) -> Result<String, NotAllowed> {
    public_pem(&small_file(path)?).map_err(|_| NotAllowed)
}

/// The secret in a file, without the line break that editors put at the end.
fn secret_file(path: &str) -> Result<SecretString, NotAllowed> {
    let text = small_file(path)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err(NotAllowed) } else { Ok(secret.into()) }
}
