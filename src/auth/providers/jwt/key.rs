//! The key that tokens are verified with, checked once at the start so that a wrong one stops the
//! server instead of refusing, or worse admitting, everyone.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm},
};
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};

/// Least bytes of an HMAC secret: the output of SHA-256 (RFC 7518, section 3.2).
const SECRET_MIN_BYTES: usize = 32;

/// A signature algorithm of RFC 7518, section 3.1, or RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// `EdDSA` with Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Hs256, Self::Hs384, Self::Hs512, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a token's `alg` and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether the one secret both signs and verifies.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    pub(super) fn in_library(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Hs384 => Algorithm::HS384,
            Self::Hs512 => Algorithm::HS512,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for JwtAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for JwtAlgorithm {
    type Err = JwtSettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or(JwtSettingsError::UnknownAlgorithm)
    }
}

/// What tokens are verified with.
pub enum JwtKey {
    /// The secret of an HMAC algorithm: its UTF-8 bytes, at least 32.
    Secret(SecretString),
    /// The public key of the other algorithms: PEM, `BEGIN PUBLIC KEY` (RFC 7468, section 13) or,
    /// for RSA, `BEGIN RSA PUBLIC KEY`. Line breaks may be written as `\n`, as they must be where
    /// an environment variable holds one line.
    PublicPem(String),
}

/// Shows the kind alone: someone may have put a private key here.
impl fmt::Debug for JwtKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Secret(_) => "Secret(…)",
            Self::PublicPem(_) => "PublicPem(…)",
        })
    }
}

/// Why the settings of the provider `jwt` cannot be used. The text never holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtSettingsError {
    /// No such algorithm.
    #[error("the JWT algorithm must be HS256, HS384, HS512, RS256, ES256 or EdDSA")]
    UnknownAlgorithm,
    /// A secret where a public key belongs, or the other way round.
    #[error("{algorithm} needs {}", if algorithm.is_symmetric() { "a secret" } else { "a PEM public key" })]
    OtherKind {
        /// The configured algorithm.
        algorithm: JwtAlgorithm,
    },
    /// Fewer than 32 bytes.
    #[error("the JWT secret is shorter than 32 bytes; `openssl rand -base64 48` makes a good one")]
    ShortSecret,
    /// A PEM file as the secret: whoever knows the public key could sign.
    #[error("the JWT secret is a PEM key; for a key pair the algorithm is RS256, ES256 or EdDSA")]
    PemAsSecret,
    /// The private half.
    #[error(
        "the JWT public key is a private key; keep that with the issuer and give the output of \
         `openssl pkey -pubout`"
    )]
    PrivateKey,
    /// No public key in PEM, or several.
    #[error("the JWT public key must be one PEM block that begins with -----BEGIN PUBLIC KEY-----")]
    NoPublicKey,
    /// A key of another kind or curve.
    #[error("the JWT public key does not fit {algorithm}, which needs {}", fitting(*algorithm))]
    OtherKey {
        /// The configured algorithm.
        algorithm: JwtAlgorithm,
    },
    /// An RSA key that is too short to trust or too long to use.
    #[error("the JWT public key must have 2048 to 8192 bits")]
    RsaSize,
    /// A setting that is given and empty.
    #[error("the {0} is empty; leave it out or give it a value")]
    Empty(&'static str),
    /// More than ten minutes.
    #[error("the leeway must be at most 600 seconds")]
    LeewayTooLong,
}

fn fitting(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::Rs256 => "an RSA key",
        JwtAlgorithm::Es256 => "a key on the curve P-256",
        JwtAlgorithm::EdDsa => "an Ed25519 key",
        JwtAlgorithm::Hs256 | JwtAlgorithm::Hs384 | JwtAlgorithm::Hs512 => "a secret",
    }
}

/// The key as the library takes it, fit for `algorithm` and for nothing else.
pub(super) fn read(algorithm: JwtAlgorithm, key: JwtKey) -> Result<DecodingKey, JwtSettingsError> {
    match (key, algorithm) {
        (JwtKey::Secret(secret), _) if algorithm.is_symmetric() => {
            read_secret(secret.expose_secret())
        }
        (JwtKey::PublicPem(pem), JwtAlgorithm::Rs256) => read_rsa(&public_pem(&pem)?),
        (JwtKey::PublicPem(pem), JwtAlgorithm::Es256) => {
            let key = DecodingKey::from_ec_pem(public_pem(&pem)?.as_bytes());
            fit(algorithm, key, &ECDSA_P256_SHA256_FIXED)
        }
        (JwtKey::PublicPem(pem), JwtAlgorithm::EdDsa) => {
            let key = DecodingKey::from_ed_pem(public_pem(&pem)?.as_bytes());
            fit(algorithm, key, &ED25519)
        }
        _ => Err(JwtSettingsError::OtherKind { algorithm }),
    }
}

fn read_secret(secret: &str) -> Result<DecodingKey, JwtSettingsError> {
    if secret.contains("-----BEGIN") {
        return Err(JwtSettingsError::PemAsSecret);
    }
    if secret.len() < SECRET_MIN_BYTES {
        return Err(JwtSettingsError::ShortSecret);
    }
    Ok(DecodingKey::from_secret(secret.as_bytes()))
}

/// The library takes private keys and certificates too, and of several blocks the first.
fn public_pem(pem: &str) -> Result<String, JwtSettingsError> {
    let pem = pem.replace("\\n", "\n");
    let labels: Vec<&str> = pem
        .split("-----BEGIN ")
        .skip(1)
        .map(|block| block.split_once("-----").map_or("", |(label, _)| label))
        .collect();
    match labels.as_slice() {
        labels if labels.iter().any(|label| label.contains("PRIVATE KEY")) => {
            Err(JwtSettingsError::PrivateKey)
        }
        ["PUBLIC KEY" | "RSA PUBLIC KEY"] => Ok(pem),
        _ => Err(JwtSettingsError::NoPublicKey),
    }
}

fn read_rsa(pem: &str) -> Result<DecodingKey, JwtSettingsError> {
    let other = JwtSettingsError::OtherKey { algorithm: JwtAlgorithm::Rs256 };
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| other)?;
    let bytes = key.try_get_as_bytes().map_err(|_| other)?;
    let public = rsa::PublicKey::from_der(bytes).map_err(|_| other)?;
    let der: PublicKeyX509Der<'_> = public.as_der().map_err(|_| other)?;
    rsa::PublicEncryptingKey::from_der(der.as_ref()).map_err(|_| JwtSettingsError::RsaSize)?;
    Ok(key)
}

/// The library leaves the curve and the point to the first use.
fn fit(
    algorithm: JwtAlgorithm,
    key: jsonwebtoken::errors::Result<DecodingKey>,
    verification: &'static dyn VerificationAlgorithm,
) -> Result<DecodingKey, JwtSettingsError> {
    let other = JwtSettingsError::OtherKey { algorithm };
    let key = key.map_err(|_| other)?;
    let bytes = key.try_get_as_bytes().map_err(|_| other)?;
    ParsedPublicKey::new(verification, bytes).map_err(|_| other)?;
    Ok(key)
}
