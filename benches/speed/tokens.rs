//! Judging a token as the server does: its issuer is found, its signature verified, its claims read.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use boards::{
    auth::providers::{IssuersVerifier, TokenVerifier},
    config::{AuthProvider, Config, JwtAlgorithm},
};
use chrono::Utc;
use divan::{Bencher, black_box};
use futures_util::FutureExt;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::SecretString;
use serde_json::json;

const SECRET: &str = "a secret of the benches, at least 32 bytes long";
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://boards.example.com";

#[divan::bench]
fn hs256(bencher: Bencher) {
    let config = Config { jwt_secret: Some(SecretString::from(SECRET)), ..config() };
    judge(bencher, &config, &EncodingKey::from_secret(SECRET.as_bytes()));
}

#[divan::bench]
fn rs256(bencher: Bencher) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("X.509");
    let private: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
    let private = pem("PRIVATE KEY", private.as_ref());
    let config = Config {
        jwt_algorithm: JwtAlgorithm::Rs256,
        jwt_public_key: Some(pem("PUBLIC KEY", public.as_ref())),
        ..config()
    };
    let key = EncodingKey::from_rsa_pem(private.as_bytes()).expect("a private key");
    judge(bencher, &config, &key);
}

fn config() -> Config {
    Config {
        auth_provider: AuthProvider::Jwt,
        auth_issuer: Some(ISSUER.to_owned()),
        auth_audience: Some(AUDIENCE.to_owned()),
        ..Config::for_tests("unused")
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn judge(bencher: Bencher, config: &Config, key: &EncodingKey) {
    let issuers = config.checked_issuers().expect("an issuer");
    let verifier = IssuersVerifier::new(issuers, config.auth_leeway).expect("a verifier");
    let now = Utc::now();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "tenant": "default",
        "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true,
        "scope": "boards:read boards:write generations:read",
        "iat": now.timestamp(), "exp": now.timestamp() + 3600,
    });
    let header = Header::new(config.jwt_algorithm.into());
    let token = jsonwebtoken::encode(&header, &claims, key).expect("a token");
    bencher.bench(|| {
        // A configured key is at hand: nothing is waited for.
        let judged = verifier.verify(black_box(&token), now).now_or_never();
        judged.expect("at once").expect("a good token")
    });
}
