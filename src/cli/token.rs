//! Signing a token for a user, as an identity provider would: for trying the server and for tests.

use std::time::Duration;

use chrono::Utc;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::args::TokenArgs;
use crate::config::{AuthProvider, Config, JwtAlgorithm};

/// The claim that names the tenant where none is configured.
const TENANT_CLAIM: &str = "tenant";

/// What a token says about its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClaims {
    /// The user's id at the provider (`sub`).
    pub subject: String,
    /// The slug of the tenant that the token vouches for.
    pub tenant: Option<String>,
    /// The user's email; the token says that it is verified.
    pub email: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// What it is granted, names of scopes with spaces between; `None` leaves the claim out.
    pub scope: Option<String>,
    /// How long from now it is valid.
    pub expires_in: Duration,
}

/// Why no token can be made, in a line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The provider does not look at tokens, or signs them itself.
    #[error(
        "with BOARDS_AUTH_PROVIDER={0} there is no token to sign here: take one of the identity \
         provider, or set BOARDS_AUTH_PROVIDER=jwt and BOARDS_JWT_SECRET, here as for the server"
    )]
    NotChecked(AuthProvider),
    /// Only the holder of the private key can sign.
    #[error(
        "BOARDS_JWT_ALGORITHM={0} needs a private key, which this server does not have: take the \
         token from whoever holds it, or set BOARDS_JWT_ALGORITHM=HS256 and BOARDS_JWT_SECRET"
    )]
    PrivateKeyNeeded(JwtAlgorithm),
    /// There is no secret.
    #[error("BOARDS_JWT_SECRET is not set: set it to the server's secret")]
    NoSecret,
    /// Signing failed.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl From<&TokenArgs> for TokenClaims {
    fn from(args: &TokenArgs) -> Self {
        Self {
            subject: args.subject.clone(),
            tenant: args.tenant.clone(),
            email: args.email.clone(),
            name: args.name.clone(),
            scope: args.scope.clone(),
            expires_in: args.expires,
        }
    }
}

/// A token that a server with this configuration takes from now until `expires_in` has passed.
///
/// # Errors
/// [`TokenError`] unless the provider is `jwt` and shares a secret.
pub fn sign_token(config: &Config, claims: &TokenClaims) -> Result<String, TokenError> {
    if config.auth_provider != AuthProvider::Jwt {
        return Err(TokenError::NotChecked(config.auth_provider));
    }
    if !config.jwt_algorithm.is_symmetric() {
        return Err(TokenError::PrivateKeyNeeded(config.jwt_algorithm));
    }
    let secret = config.jwt_secret.as_ref().ok_or(TokenError::NoSecret)?;
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let header = Header::new(config.jwt_algorithm.into());
    Ok(jsonwebtoken::encode(&header, &payload(config, claims), &key)?)
}

fn payload(config: &Config, claims: &TokenClaims) -> Map<String, Value> {
    let issued_at = Utc::now().timestamp();
    let lifetime = i64::try_from(claims.expires_in.as_secs()).unwrap_or(i64::MAX);
    let tenant_claim = config.tenant_claim.as_deref().unwrap_or(TENANT_CLAIM);
    let optional = [
        (tenant_claim, &claims.tenant),
        ("email", &claims.email),
        ("name", &claims.name),
        ("scope", &claims.scope),
        ("iss", &config.auth_issuer),
        ("aud", &config.auth_audience),
    ];
    let mut payload = Map::new();
    for (claim, value) in optional {
        if let Some(value) = value {
            payload.insert(claim.to_owned(), json!(value));
        }
    }
    if claims.email.is_some() {
        payload.insert("email_verified".to_owned(), json!(true));
    }
    payload.insert("sub".to_owned(), json!(claims.subject));
    payload.insert("iat".to_owned(), json!(issued_at));
    payload.insert("exp".to_owned(), json!(issued_at.saturating_add(lifetime)));
    payload
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn jwt() -> Config {
        Config {
            auth_provider: AuthProvider::Jwt,
            jwt_secret: Some("0123456789abcdef0123456789abcdef".into()),
            ..Config::for_tests("/nonexistent")
        }
    }

    fn alice() -> TokenClaims {
        TokenClaims {
            subject: "alice".to_owned(),
            tenant: None,
            email: None,
            name: None,
            scope: None,
            expires_in: Duration::from_mins(1),
        }
    }

    fn decode(config: &Config, token: &str) -> Map<String, Value> {
        let mut validation = Validation::new(config.jwt_algorithm.into());
        validation.leeway = 0;
        validation.validate_aud = config.auth_audience.is_some();
        if let Some(audience) = &config.auth_audience {
            validation.set_audience(&[audience]);
        }
        let secret = config.jwt_secret.clone().expect("a secret");
        let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        jsonwebtoken::decode(token, &key, &validation).expect("a valid token").claims
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let config = jwt();
        let claims = decode(&config, &sign_token(&config, &alice()).expect("signed"));
        assert_eq!(claims["sub"], "alice");
        let lifetime =
            claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
        assert_eq!(lifetime, Some(60));
        assert_eq!(claims.len(), 3, "{claims:?}");
    }

    #[test]
    fn everything_configured_is_in_it() {
        for algorithm in [JwtAlgorithm::Hs256, JwtAlgorithm::Hs384, JwtAlgorithm::Hs512] {
            let config = Config {
                jwt_algorithm: algorithm,
                tenant_claim: Some("workspace".to_owned()),
                auth_issuer: Some("https://issuer".to_owned()),
                auth_audience: Some("boards".to_owned()),
                ..jwt()
            };
            let user = TokenClaims {
                tenant: Some("acme".to_owned()),
                email: Some("alice@acme.com".to_owned()),
                name: Some("Alice".to_owned()),
                ..alice()
            };
            let claims = decode(&config, &sign_token(&config, &user).expect("signed"));
            assert_eq!(claims["workspace"], "acme");
            assert_eq!(claims["email"], "alice@acme.com");
            assert_eq!(claims["email_verified"], true);
            assert_eq!(claims["name"], "Alice");
            assert_eq!(claims["iss"], "https://issuer");
            assert_eq!(claims["aud"], "boards");
        }
    }

    #[test]
    fn without_a_configured_claim_the_tenant_is_in_tenant() {
        let config = jwt();
        let user = TokenClaims { tenant: Some("acme".to_owned()), ..alice() };
        let claims = decode(&config, &sign_token(&config, &user).expect("signed"));
        assert_eq!(claims["tenant"], "acme");
    }

    #[test]
    fn what_cannot_sign_says_what_to_do() {
        let wrong = [
            Config { auth_provider: AuthProvider::None, ..jwt() },
            Config { jwt_algorithm: JwtAlgorithm::Rs256, ..jwt() },
            Config { jwt_secret: None, ..jwt() },
        ];
        for config in wrong {
            let error = sign_token(&config, &alice()).expect_err("refused").to_string();
            assert!(error.contains("BOARDS_JWT_SECRET") && !error.contains('\n'), "{error}");
        }
    }
}
