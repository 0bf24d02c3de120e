//! Whether settings that are right by themselves fit together.

use figment::Figment;
use secrecy::ExposeSecret;

use super::{
    AuthProvider, Config, ConfigError, JwtAlgorithm, TrustedIssuer,
    issuer::{Problem, check_together},
    issuer_list,
    reader::Reader,
    setting::by_key,
    storage_rules::fit_together,
};

/// What must hold before the server listens.
///
/// # Errors
/// [`ConfigError::Combination`] or [`ConfigError::Issuer`] with what to change.
pub(super) fn may_serve(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    if config.lets_everyone_in() {
        return stays_on_loopback(config, reader);
    }
    if config.auth_provider == AuthProvider::None && reader.is_set("auth_provider") {
        return Err(ConfigError::Combination(format!(
            "{} is none, which lets everyone in, but there are issuers under [[auth_issuers]]: \
             leave one of them out",
            reader.named("auth_provider")
        )));
    }
    issuers(config, reader.figment).map(drop)
}

/// What must hold before a process runs generations alone.
///
/// # Errors
/// [`ConfigError::Combination`].
pub(super) fn may_work(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    if config.database_url.is_sqlite() {
        return Err(ConfigError::Combination(format!(
            "{} is SQLite, which one process uses for itself: run `boards serve`, which also runs \
             generations, or use PostgreSQL for several processes",
            reader.named("database_url")
        )));
    }
    if !config.worker_enabled {
        return Err(ConfigError::Combination(format!(
            "{} is false, and `boards worker` does nothing else",
            reader.named("worker_enabled")
        )));
    }
    Ok(())
}

/// Whether each store has a place of its own, and rules name stores that there are. Commands that
/// delete files need this as much as a server does.
pub(super) fn storage(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    fit_together(&config.storage_url, &config.stores, &config.storage_rules).map_err(
        |(key, problem)| ConfigError::Combination(format!("{} {problem}", reader.named(key))),
    )
}

/// Everyone whose tokens are taken, each described as it must be; `figment` says where from.
pub(super) fn issuers(
    config: &Config,
    figment: &Figment,
) -> Result<Vec<TrustedIssuer>, ConfigError> {
    let issuers = config.trusted_issuers();
    let listed_before = issuers.len() - config.auth_issuers.len();
    let wrong = |place: usize, problem: Problem| match place.checked_sub(listed_before) {
        Some(entry) => issuer_list::wrong(figment, entry, &issuers[place], problem),
        None => of_environment(problem),
    };
    for (place, issuer) in issuers.iter().enumerate() {
        issuer.check().map_err(|problem| wrong(place, problem))?;
    }
    check_together(&issuers).map_err(|(place, problem)| wrong(place, problem))?;
    Ok(issuers)
}

/// The failure of the issuer that single settings describe.
fn of_environment(Problem { key, text }: Problem) -> ConfigError {
    let name = setting_of(key);
    ConfigError::Issuer { place: String::new(), key: name, problem: text }
}

/// The variable that says of the issuer of the environment what `key` says of one in the list.
fn setting_of(key: &str) -> String {
    let setting = by_key(key).or_else(|| by_key(&format!("auth_{key}")));
    setting.map_or_else(|| "BOARDS_AUTH_PROVIDER".to_owned(), |setting| setting.name.clone())
}

fn stays_on_loopback(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    if config.api_host.to_canonical().is_loopback() || config.allow_insecure {
        return Ok(());
    }
    Err(ConfigError::Combination(format!(
        "{} must be a loopback address such as 127.0.0.1, not {}, while BOARDS_AUTH_PROVIDER is \
         none and everyone is let in: set BOARDS_AUTH_PROVIDER to jwt or oidc, or accept that with \
         BOARDS_ALLOW_INSECURE=true",
        reader.named("api_host"),
        config.api_host
    )))
}

/// What works but is probably not meant.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let has_key = config.jwt_secret.is_some() || config.jwt_public_key.is_some();
    if config.lets_everyone_in() && has_key {
        warnings.push(
            "a JWT key is set, but BOARDS_AUTH_PROVIDER is none: tokens are not checked".to_owned(),
        );
    }
    if config.auth_provider == AuthProvider::Jwt && config.jwt_algorithm.is_symmetric() {
        let needed = hash_bytes(config.jwt_algorithm);
        let length = config.jwt_secret.as_ref().map_or(0, |secret| secret.expose_secret().len());
        if length < needed {
            warnings.push(format!(
                "BOARDS_JWT_SECRET should be at least {needed} bytes long with {} (RFC 7518 \
                 section 3.2)",
                config.jwt_algorithm
            ));
        }
    }
    if config.auth_provider != AuthProvider::None {
        let unused = config.trusted_issuers().first().map(TrustedIssuer::unused);
        warnings.extend(unused.into_iter().flatten().map(|key| {
            let (name, provider) = (setting_of(key), config.auth_provider);
            format!("{name} is set, and means nothing to BOARDS_AUTH_PROVIDER={provider}")
        }));
    }
    warnings.extend(config.generator_api_keys.unknown().map(|name| {
        let name = name.escape_debug();
        format!("BOARDS_GENERATOR_API_KEYS has the key {name}, which no provider here takes")
    }));
    warnings
}

fn hash_bytes(algorithm: JwtAlgorithm) -> usize {
    match algorithm {
        JwtAlgorithm::Hs384 => 48,
        JwtAlgorithm::Hs512 => 64,
        _ => 32,
    }
}
