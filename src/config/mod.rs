//! The configuration: one struct, filled from defaults, a TOML file, the environment and flags, the
//! later winning. Secrets are never printed.

mod check;
mod database_url;
mod error;
mod layers;
mod reader;
mod setting;
mod table;
mod value;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use jsonwebtoken::DecodingKey;
use secrecy::SecretString;

use layers::Layers;
use reader::Reader;
use value::NotAllowed;

pub use database_url::DatabaseUrl;
pub use error::ConfigError;
pub use layers::Flags;
pub use setting::{Fallback, Group, Kind, Setting, reference, reference_table};
pub use value::{AuthProvider, JwtAlgorithm, LogFormat, RateLimit, StorageUrl};

/// A secret shorter than this could be found by trying (RFC 7518 section 3.2).
const LEAST_SECRET_BYTES: usize = 32;
/// Longest name of a claim; what the tenant's column could hold, too.
const MOST_CLAIM_CHARACTERS: usize = 255;
/// Largest file with a public key.
const MOST_KEY_BYTES: u64 = 1 << 16;
/// Claims that mean something else already (RFC 7519 section 4.1, `OpenID` Connect Core 5.1).
const TAKEN_CLAIMS: [&str; 11] =
    ["sub", "exp", "iat", "nbf", "iss", "aud", "jti", "email", "email_verified", "name", "picture"];

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
    /// Lets the provider `none` listen beyond loopback.
    pub allow_insecure: bool,
    /// Migrates `PostgreSQL` at the start; the embedded database always is migrated.
    pub migrate: bool,
    /// How long running requests and generations may take to end when the server stops.
    pub shutdown_timeout: Duration,
    /// Whether clients may ask for the schema.
    pub introspection: bool,
    /// Whether `GraphiQL` is served.
    pub playground: bool,

    /// The database.
    pub database_url: DatabaseUrl,
    /// The folder of the embedded database, the artifacts and the signing key. It may not exist.
    pub data_dir: PathBuf,
    /// Most connections to the database at once.
    pub database_max_connections: u32,

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

    /// Whether there are tenants besides the default one.
    pub multi_tenant_mode: bool,
    /// The slug of the default tenant; valid.
    pub default_tenant_slug: String,
    /// The only claim that names the tenant, instead of the usual ones.
    pub tenant_claim: Option<String>,

    /// Where artifacts are kept.
    pub storage_url: StorageUrl,
    /// The secret that signs storage links, 32 bytes or more. Without one, a random key is kept in
    /// [`Config::signing_key_file`].
    pub signing_secret: Option<SecretString>,
    /// How long a storage link works.
    pub storage_link: Duration,

    /// Whether this process runs generations.
    pub worker_enabled: bool,
    /// How many generations run at once.
    pub worker_concurrency: usize,

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
    /// How often callers may ask.
    pub rate_limit: Option<RateLimit>,

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
        let Layers { figment, file, mut warnings } = Layers::gather(flags, environment, directory)?;
        let reader = Reader { figment: &figment };
        let config = Self::read(&reader)?;
        if purpose == Purpose::Serve {
            check::may_serve(&config, &reader)?;
            warnings.extend(check::warnings(&config));
        }
        Ok(Loaded { config, warnings, file })
    }

    /// The defaults with this data folder and a free port: what tests build on.
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
            ..config.expect("the defaults are valid")
        }
    }

    fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let data_dir: PathBuf = reader.value("data_dir")?;
        let database_url = reader.optional("database_url", str::parse)?;
        let storage_url = reader.optional("storage_url", str::parse)?;
        Ok(Self {
            api_host: reader.required("api_host", host)?,
            api_port: reader.number("api_port")?,
            public_url: reader.optional("public_url", value::base_url)?,
            cors_origins: reader.list("cors_origins", value::origin)?,
            allow_insecure: reader.switch("allow_insecure")?,
            migrate: reader.switch("migrate")?,
            shutdown_timeout: seconds(reader, "shutdown_timeout_seconds")?,
            introspection: reader.switch("introspection")?,
            playground: reader.switch("playground")?,

            database_url: database_url.unwrap_or_else(|| DatabaseUrl::embedded(&data_dir)),
            storage_url: storage_url.unwrap_or_else(|| StorageUrl::under(&data_dir)),
            data_dir,
            database_max_connections: reader.number("database_max_connections")?,

            auth_provider: reader.value("auth_provider")?,
            jwt_secret: reader.secret("jwt_secret", LEAST_SECRET_BYTES)?,
            jwt_algorithm: reader.value("jwt_algorithm")?,
            jwt_public_key: public_key(reader)?,
            auth_issuer: reader.text("auth_issuer")?,
            auth_audience: reader.text("auth_audience")?,
            auth_leeway: seconds(reader, "auth_leeway_seconds")?,

            multi_tenant_mode: reader.switch("multi_tenant_mode")?,
            default_tenant_slug: reader.required("default_tenant_slug", tenant_slug)?,
            tenant_claim: reader.optional("tenant_claim", claim)?,

            signing_secret: reader.secret("signing_secret", LEAST_SECRET_BYTES)?,
            storage_link: seconds(reader, "storage_link_seconds")?,

            worker_enabled: reader.switch("worker_enabled")?,
            worker_concurrency: reader.number("worker_concurrency")?,

            max_upload_bytes: reader.number("max_upload_bytes")?,
            max_body_bytes: reader.number("max_body_bytes")?,
            max_query_depth: reader.number("max_query_depth")?,
            max_query_complexity: reader.number("max_query_complexity")?,
            max_query_aliases: reader.number("max_query_aliases")?,
            max_batch_size: reader.number("max_batch_size")?,
            request_timeout: seconds(reader, "request_timeout_seconds")?,
            fetch_timeout: seconds(reader, "fetch_timeout_seconds")?,
            rate_limit: reader.optional("rate_limit", str::parse)?,

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

    /// The file of the key that signs storage links where no secret is configured.
    #[must_use]
    pub fn signing_key_file(&self) -> PathBuf {
        self.data_dir.join("signing.key")
    }

    /// The key that tokens of the provider `jwt` are verified with.
    ///
    /// # Errors
    /// [`ConfigError::Combination`] without a key that fits the algorithm.
    pub fn verification_key(&self) -> Result<DecodingKey, ConfigError> {
        check::verification_key(self)
    }
}

/// The variables of this process that are meant for the server.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(move |(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name.starts_with(setting::PREFIX))
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

fn public_key(reader: &Reader<'_>) -> Result<Option<String>, ConfigError> {
    let is_public = |pem: &str| pem.contains("-----BEGIN") && !pem.contains("PRIVATE KEY");
    let inline = reader.optional("jwt_public_key", |pem| {
        // Environment files often cannot hold line breaks.
        let pem = pem.replace("\\n", "\n");
        if is_public(&pem) { Ok(pem) } else { Err(NotAllowed) }
    })?;
    let file = reader.optional("jwt_public_key_file", |path| {
        let size = std::fs::metadata(path).map_err(|_| NotAllowed)?.len();
        let pem = if size <= MOST_KEY_BYTES { std::fs::read_to_string(path).ok() } else { None };
        pem.filter(|pem| is_public(pem)).ok_or(NotAllowed)
    })?;
    if inline.is_some() && file.is_some() {
        let (inline, file) = (reader.named("jwt_public_key"), reader.named("jwt_public_key_file"));
        return Err(ConfigError::Combination(format!(
            "{inline} and {file} are both set: leave one of them out"
        )));
    }
    Ok(inline.or(file))
}
