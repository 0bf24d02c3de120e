//! Issuers for the tests: keys made on the spot, and tokens of any shape signed with them.

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{EncodingKey, jwk::Jwk};
use serde_json::Value;

use super::{JwtAlgorithm, JwtKey, JwtSettings, JwtVerifier};
use crate::config::KeyShape;

pub(in super::super) const SECRET: &str = "test-secret-0123456789-abcdefghij";

/// (private, public), as PEM; made once, because it takes a moment.
static RSA: LazyLock<(String, String)> = LazyLock::new(|| {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("X.509");
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
});

pub(in super::super) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// (private as PKCS#8 DER, public as PEM).
pub(in super::super) fn ec_pair(curve: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, String) {
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
pub(in super::super) struct Issuer {
    pub(in super::super) algorithm: JwtAlgorithm,
    signing: EncodingKey,
    /// The public key; of a symmetric algorithm, the secret.
    pub(in super::super) public: String,
}

impl Issuer {
    /// With a key of its own; the RSA key and the secret are always the same.
    pub(in super::super) fn new(algorithm: JwtAlgorithm) -> Self {
        let (signing, public) = match algorithm.key_shape() {
            KeyShape::Rsa => {
                let key = EncodingKey::from_rsa_pem(RSA.0.as_bytes()).expect("a private key");
                (key, RSA.1.clone())
            }
            KeyShape::P256 => {
                let (private, public) = ec_pair(&ECDSA_P256_SHA256_FIXED_SIGNING);
                (EncodingKey::from_ec_der(&private), public)
            }
            KeyShape::P384 => {
                let (private, public) = ec_pair(&ECDSA_P384_SHA384_FIXED_SIGNING);
                (EncodingKey::from_ec_der(&private), public)
            }
            KeyShape::Ed25519 => {
                let (private, public) = ed_pair();
                (EncodingKey::from_ed_der(&private), public)
            }
            KeyShape::Secret => (EncodingKey::from_secret(SECRET.as_bytes()), SECRET.to_owned()),
        };
        Self { algorithm, signing, public }
    }

    /// The private RSA key, for those who should not be given it.
    pub(in super::super) fn private_rsa_pem() -> &'static str {
        &RSA.0
    }

    pub(in super::super) fn key(&self) -> JwtKey {
        if self.algorithm.is_symmetric() {
            JwtKey::Secret(self.public.clone().into())
        } else {
            JwtKey::PublicPem(self.public.clone())
        }
    }

    /// Settings that trust this issuer and ask for neither `iss` nor `aud`.
    pub(in super::super) fn settings(&self) -> JwtSettings {
        JwtSettings {
            algorithm: self.algorithm,
            key: self.key(),
            issuer: None,
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            tenant_claim: None,
        }
    }

    pub(in super::super) fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(self.settings()).expect("the settings are good")
    }

    /// The public key as it is published, under the id `id`.
    pub(in super::super) fn jwk(&self, id: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.signing, self.algorithm.into()).expect("a key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token whose header names the key `id`.
    pub(in super::super) fn token_by(&self, id: &str, claims: &Value) -> String {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{}","kid":"{id}"}}"#, self.algorithm);
        self.signed(&header, &claims.to_string())
    }

    /// A token with the usual header.
    pub(in super::super) fn token(&self, claims: &Value) -> String {
        let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, self.algorithm);
        self.signed(&header, &claims.to_string())
    }

    /// A token of any two texts, well signed.
    pub(in super::super) fn signed(&self, header: &str, payload: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let algorithm = self.algorithm.into();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, algorithm)
            .expect("a signature");
        format!("{message}.{signature}")
    }
}
