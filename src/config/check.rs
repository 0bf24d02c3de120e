//! Whether settings that are right by themselves fit together.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::PublicEncryptingKey,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use jsonwebtoken::DecodingKey;
use secrecy::ExposeSecret;

use super::{AuthProvider, Config, ConfigError, JwtAlgorithm, reader::Reader};

/// What must hold before the server listens.
///
/// # Errors
/// [`ConfigError::Combination`] with what to change.
pub(super) fn may_serve(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    match config.auth_provider {
        AuthProvider::None => stays_on_loopback(config, reader),
        AuthProvider::Jwt => verification_key(config).map(drop),
    }
}

fn stays_on_loopback(config: &Config, reader: &Reader<'_>) -> Result<(), ConfigError> {
    if config.api_host.to_canonical().is_loopback() || config.allow_insecure {
        return Ok(());
    }
    Err(ConfigError::Combination(format!(
        "{} must be a loopback address such as 127.0.0.1, not {}, while BOARDS_AUTH_PROVIDER is \
         none and everyone is let in: set BOARDS_AUTH_PROVIDER=jwt, or accept that with \
         BOARDS_ALLOW_INSECURE=true",
        reader.named("api_host"),
        config.api_host
    )))
}

/// The key that tokens are verified with.
pub(super) fn verification_key(config: &Config) -> Result<DecodingKey, ConfigError> {
    if config.jwt_algorithm.is_symmetric() {
        let secret = config.jwt_secret.as_ref().ok_or_else(|| secret_missing(config))?;
        return Ok(DecodingKey::from_secret(secret.expose_secret().as_bytes()));
    }
    let algorithm = config.jwt_algorithm;
    let pem = config.jwt_public_key.as_deref().ok_or_else(|| {
        ConfigError::Combination(format!(
            "BOARDS_JWT_ALGORITHM={algorithm} needs a public key: set BOARDS_JWT_PUBLIC_KEY_FILE \
             to a PEM file, or BOARDS_JWT_PUBLIC_KEY"
        ))
    })?;
    public_key(algorithm, pem).ok_or_else(|| {
        ConfigError::Combination(format!(
            "BOARDS_JWT_PUBLIC_KEY or BOARDS_JWT_PUBLIC_KEY_FILE must hold {} in PEM (BEGIN PUBLIC \
             KEY), as BOARDS_JWT_ALGORITHM={algorithm} needs it",
            key_kind(algorithm)
        ))
    })
}

fn secret_missing(config: &Config) -> ConfigError {
    let algorithm = config.jwt_algorithm;
    let other = if config.jwt_public_key.is_some() {
        ", or BOARDS_JWT_ALGORITHM to RS256, ES256 or EdDSA for the public key"
    } else {
        ""
    };
    ConfigError::Combination(format!(
        "BOARDS_AUTH_PROVIDER=jwt with BOARDS_JWT_ALGORITHM={algorithm} needs BOARDS_JWT_SECRET: \
         set it to at least 32 random bytes (openssl rand -base64 48){other}"
    ))
}

fn key_kind(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::Es256 => "an EC public key on the curve P-256",
        JwtAlgorithm::EdDsa => "an Ed25519 public key",
        _ => "an RSA public key of 2048 to 8192 bits",
    }
}

/// jsonwebtoken looks at the envelope alone and would find the wrong curve or a private key at the
/// first token; so the key itself is parsed here.
fn public_key(algorithm: JwtAlgorithm, pem: &str) -> Option<DecodingKey> {
    let pem = pem.as_bytes();
    let key = match algorithm {
        JwtAlgorithm::Es256 => DecodingKey::from_ec_pem(pem),
        JwtAlgorithm::EdDsa => DecodingKey::from_ed_pem(pem),
        _ => DecodingKey::from_rsa_pem(pem),
    }
    .ok()?;
    let bytes = key.try_get_as_bytes().ok()?;
    let fits = match algorithm {
        JwtAlgorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).is_ok(),
        JwtAlgorithm::EdDsa => ParsedPublicKey::new(&ED25519, bytes).is_ok(),
        _ => rsa_key_fits(bytes),
    };
    fits.then_some(key)
}

/// Parsing for signatures does not look at the size, parsing for encryption does.
fn rsa_key_fits(bytes: &[u8]) -> bool {
    let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bytes);
    let der = parsed.ok().and_then(|key| key.as_der().ok());
    der.is_some_and(|der| PublicEncryptingKey::from_der(der.as_ref()).is_ok())
}

/// What works but is probably not meant.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let has_key = config.jwt_secret.is_some() || config.jwt_public_key.is_some();
    if config.auth_provider == AuthProvider::None && has_key {
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
    warnings
}

fn hash_bytes(algorithm: JwtAlgorithm) -> usize {
    match algorithm {
        JwtAlgorithm::Hs384 => 48,
        JwtAlgorithm::Hs512 => 64,
        _ => 32,
    }
}
