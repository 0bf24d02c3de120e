//! Issuers of tokens: keys made on the spot, and tokens of any shape signed with them.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use boards::config::JwtAlgorithm;
use chrono::Utc;
use jsonwebtoken::{EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

use super::SECRET;

/// One that signs tokens.
pub(crate) struct Issuer {
    pub(crate) algorithm: JwtAlgorithm,
    signing: EncodingKey,
    /// The public key in PEM; empty for a symmetric algorithm.
    pub(crate) public: String,
}

impl Issuer {
    /// The issuer that the tests' servers trust: HS256 with the tests' secret.
    pub(crate) fn trusted() -> Self {
        Self::with_secret(JwtAlgorithm::Hs256, SECRET.as_bytes())
    }

    pub(crate) fn with_secret(algorithm: JwtAlgorithm, secret: &[u8]) -> Self {
        Self { algorithm, signing: EncodingKey::from_secret(secret), public: String::new() }
    }

    /// With a new key pair.
    pub(crate) fn rs256() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let private: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
        let private = pem("PRIVATE KEY", private.as_ref());
        Self {
            algorithm: JwtAlgorithm::Rs256,
            signing: EncodingKey::from_rsa_pem(private.as_bytes()).expect("a private key"),
            public: public_pem(&pair.public_key().as_der().expect("X.509")),
        }
    }

    /// With a new key pair.
    pub(crate) fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self {
            algorithm: JwtAlgorithm::Es256,
            signing: EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("PKCS#8").as_ref()),
            public: public_pem(&pair.public_key().as_der().expect("X.509")),
        }
    }

    /// With a new key pair.
    pub(crate) fn eddsa() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key");
        Self {
            algorithm: JwtAlgorithm::EdDsa,
            signing: EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("PKCS#8").as_ref()),
            public: public_pem(&pair.public_key().as_der().expect("X.509")),
        }
    }

    /// The public key as an identity provider publishes it, under the id `id`.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.signing, self.algorithm.into()).expect("a key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(id);
        jwk
    }

    /// A token with the usual header; an hour is left of it unless the claims say otherwise.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.with_header(&json!({ "alg": self.algorithm.to_string(), "typ": "JWT" }), claims)
    }

    /// The same with a header of any kind.
    pub(crate) fn with_header(&self, header: &Value, claims: &Value) -> String {
        let mut payload = json!({ "exp": Utc::now().timestamp() + 3600 });
        for (name, value) in claims.as_object().expect("claims are an object") {
            payload[name] = value.clone();
        }
        self.signed(&header.to_string(), &payload.to_string())
    }

    /// A token of any two texts, well signed.
    pub(crate) fn signed(&self, header: &str, payload: &str) -> String {
        let message = unsigned(header, payload);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, self.algorithm.into());
        format!("{message}.{}", signature.expect("a signature"))
    }
}

/// Header and payload of a token, without a signature.
pub(crate) fn unsigned(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

fn public_pem(der: &PublicKeyX509Der<'_>) -> String {
    pem("PUBLIC KEY", der.as_ref())
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
