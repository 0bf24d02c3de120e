//! Issuers for the tests: keys made on the spot, and tokens of any shape signed with them.

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::EncodingKey;
use serde_json::Value;

use super::{JwtAlgorithm, JwtKey, JwtSettings, JwtVerifier};

pub(super) const SECRET: &str = "test-secret-0123456789-abcdefghij";

/// (private, public), as PEM; made once, because it takes a moment.
static RSA: LazyLock<(String, String)> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("X.509");
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
});

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// (private as PKCS#8 DER, public as PEM).
pub(super) fn ec_pair(curve: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, String) {
    let pair = EcdsaKeyPair::generate(curve).expect("a key");
    let private = pair.to_pkcs8v1().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("X.509");
    (private.as_ref().to_vec(), pem("PUBLIC KEY", public.as_ref()))
}

fn ed_pair() -> (Vec<u8>, String) {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let private = pair.to_pkcs8v1().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("X.509");
    (private.as_ref().to_vec(), pem("PUBLIC KEY", public.as_ref()))
}

/// One that signs tokens.
pub(super) struct Issuer {
    pub(super) algorithm: JwtAlgorithm,
    signing: EncodingKey,
    /// The public key; of a symmetric algorithm, the secret.
    pub(super) public: String,
}

impl Issuer {
    /// With a key of its own; the RSA key and the secret are always the same.
    pub(super) fn new(algorithm: JwtAlgorithm) -> Self {
        let (signing, public) = match algorithm {
            JwtAlgorithm::Rs256 => {
                let key = EncodingKey::from_rsa_pem(RSA.0.as_bytes()).expect("a private key");
                (key, RSA.1.clone())
            }
            JwtAlgorithm::Es256 => {
                let (private, public) = ec_pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
                (EncodingKey::from_ec_der(&private), public)
            }
            JwtAlgorithm::EdDsa => {
                let (private, public) = ed_pair();
                (EncodingKey::from_ed_der(&private), public)
            }
            _ => (EncodingKey::from_secret(SECRET.as_bytes()), SECRET.to_owned()),
        };
        Self { algorithm, signing, public }
    }

    /// The private RSA key, for those who should not be given it.
    pub(super) fn private_rsa_pem() -> &'static str {
        &RSA.0
    }

    pub(super) fn key(&self) -> JwtKey {
        if self.algorithm.is_symmetric() {
            JwtKey::Secret(self.public.clone().into())
        } else {
            JwtKey::PublicPem(self.public.clone())
        }
    }

    /// Settings that trust this issuer and ask for neither `iss` nor `aud`.
    pub(super) fn settings(&self) -> JwtSettings {
        JwtSettings {
            algorithm: self.algorithm,
            key: self.key(),
            issuer: None,
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            tenant_claim: None,
        }
    }

    pub(super) fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(self.settings()).expect("the settings are good")
    }

    /// A token with the usual header.
    pub(super) fn token(&self, claims: &Value) -> String {
        let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, self.algorithm);
        self.signed(&header, &claims.to_string())
    }

    /// A token of any two texts, well signed.
    pub(super) fn signed(&self, header: &str, payload: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let algorithm = self.algorithm.in_library();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, algorithm)
            .expect("a signature");
        format!("{message}.{signature}")
    }
}
