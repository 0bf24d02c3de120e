//! The key that tokens are verified with, read once at the start so that a wrong one stops the
//! server instead of refusing, or worse admitting, everyone.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        VerificationAlgorithm,
    },
};
use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret, SecretString};

use super::{
    LEAST_SECRET_BYTES,
    algorithm::{JwtAlgorithm, KeyShape},
};

/// What tokens are verified with.
#[derive(Clone)]
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

/// Why a key cannot be used, as the end of "the key …". The text never holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtKeyError {
    /// A secret where a public key belongs, or the other way round.
    #[error("must be {}, as {algorithm} needs it", fitting(*algorithm))]
    OtherKind {
        /// The configured algorithm.
        algorithm: JwtAlgorithm,
    },
    /// Fewer than 32 bytes (RFC 7518, section 3.2).
    #[error("is shorter than 32 bytes; `openssl rand -base64 48` makes a good one")]
    ShortSecret,
    /// A PEM file as the secret: whoever knows the public key could sign.
    #[error("is a PEM key, where HMAC needs a secret; for a key pair choose another algorithm")]
    PemAsSecret,
    /// The private half.
    #[error(
        "is a private key; keep that with the issuer and give the output of `openssl pkey -pubout`"
    )]
    PrivateKey,
    /// No public key in PEM, or several.
    #[error("must be one PEM block that begins with -----BEGIN PUBLIC KEY-----")]
    NoPublicKey,
    /// A key of another kind or curve.
    #[error("must hold {} in PEM (BEGIN PUBLIC KEY), as {algorithm} needs it", fitting(*algorithm))]
    OtherKey {
        /// The configured algorithm.
        algorithm: JwtAlgorithm,
    },
    /// An RSA key that is too short to trust or too long to use.
    #[error("must hold an RSA public key of 2048 to 8192 bits")]
    RsaSize,
}

fn fitting(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm.key_shape() {
        KeyShape::Secret => "a secret",
        KeyShape::Rsa => "an RSA public key of 2048 to 8192 bits",
        KeyShape::P256 => "an EC public key on the curve P-256",
        KeyShape::P384 => "an EC public key on the curve P-384",
        KeyShape::Ed25519 => "an Ed25519 public key",
    }
}

impl JwtKey {
    /// The key as the library takes it, fit for `algorithm` and for nothing else.
    ///
    /// # Errors
    /// [`JwtKeyError`] when it does not fit, is weak or cannot be read.
    pub fn read(&self, algorithm: JwtAlgorithm) -> Result<DecodingKey, JwtKeyError> {
        match (self, algorithm.key_shape()) {
            (Self::Secret(secret), KeyShape::Secret) => read_secret(secret.expose_secret()),
            (Self::PublicPem(pem), KeyShape::Rsa) => read_rsa(&public_pem(pem)?, algorithm),
            (Self::PublicPem(pem), KeyShape::P256) => {
                let key = DecodingKey::from_ec_pem(public_pem(pem)?.as_bytes());
                fit(algorithm, key, &ECDSA_P256_SHA256_FIXED)
            }
            (Self::PublicPem(pem), KeyShape::P384) => {
                let key = DecodingKey::from_ec_pem(public_pem(pem)?.as_bytes());
                fit(algorithm, key, &ECDSA_P384_SHA384_FIXED)
            }
            (Self::PublicPem(pem), KeyShape::Ed25519) => {
                let key = DecodingKey::from_ed_pem(public_pem(pem)?.as_bytes());
                fit(algorithm, key, &ED25519)
            }
            _ => Err(JwtKeyError::OtherKind { algorithm }),
        }
    }
}

fn read_secret(secret: &str) -> Result<DecodingKey, JwtKeyError> {
    if secret.contains("-----BEGIN") {
        return Err(JwtKeyError::PemAsSecret);
    }
    if secret.len() < LEAST_SECRET_BYTES {
        return Err(JwtKeyError::ShortSecret);
    }
    Ok(DecodingKey::from_secret(secret.as_bytes()))
}

/// The library takes private keys and certificates too, and of several blocks the first.
pub(super) fn public_pem(pem: &str) -> Result<String, JwtKeyError> {
    let pem = pem.replace("\\n", "\n");
    let labels: Vec<&str> = pem
        .split("-----BEGIN ")
        .skip(1)
        .map(|block| block.split_once("-----").map_or("", |(label, _)| label))
        .collect();
    match labels.as_slice() {
        labels if labels.iter().any(|label| label.contains("PRIVATE KEY")) => {
            Err(JwtKeyError::PrivateKey)
        }
        ["PUBLIC KEY" | "RSA PUBLIC KEY"] => Ok(pem),
        _ => Err(JwtKeyError::NoPublicKey),
    }
}

/// Parsing for signatures does not look at the size, parsing for encryption does.
fn read_rsa(pem: &str, algorithm: JwtAlgorithm) -> Result<DecodingKey, JwtKeyError> {
    let other = JwtKeyError::OtherKey { algorithm };
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| other)?;
    let bytes = key.try_get_as_bytes().map_err(|_| other)?;
    let public = rsa::PublicKey::from_der(bytes).map_err(|_| other)?;
    let der: PublicKeyX509Der<'_> = public.as_der().map_err(|_| other)?;
    rsa::PublicEncryptingKey::from_der(der.as_ref()).map_err(|_| JwtKeyError::RsaSize)?;
    Ok(key)
}

/// The library leaves the curve and the point to the first use.
fn fit(
    algorithm: JwtAlgorithm,
    key: jsonwebtoken::errors::Result<DecodingKey>,
    verification: &'static dyn VerificationAlgorithm,
) -> Result<DecodingKey, JwtKeyError> {
    let other = JwtKeyError::OtherKey { algorithm };
    let key = key.map_err(|_| other)?;
    let bytes = key.try_get_as_bytes().map_err(|_| other)?;
    ParsedPublicKey::new(verification, bytes).map_err(|_| other)?;
    Ok(key)
}
