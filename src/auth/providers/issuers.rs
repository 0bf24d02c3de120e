//! Every trusted issuer, and which of them judges a token: the one that the token's `iss` names to
//! the letter. What nobody here has issued is refused without asking anyone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    TokenVerifier,
    client::{ProviderClient, TIMEOUT},
    introspection::{AnswerRules, IntrospectionClient, IntrospectionVerifier},
    jwt::{Fault, JwtSettings, JwtSettingsError, JwtVerifier, Shape, Times, TokenRules, leeway},
    published::{KeyCache, KeySource, PublishedKeysVerifier},
};
use crate::{
    auth::{bearer::TOKEN_MAX_BYTES, claims::VerifiedIdentity},
    config::{AuthProvider, JwtAlgorithm, JwtKey, TrustedIssuer},
    error::Result,
};

/// Why tokens of an issuer cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    /// What is said of its tokens is wrong.
    #[error("{0}")]
    Settings(#[from] JwtSettingsError),
    /// Something is missing that the provider needs.
    #[error("the issuer {name} needs {what}")]
    Missing {
        /// Its name.
        name: String,
        /// What is missing.
        what: &'static str,
    },
    /// The HTTP client cannot be set up.
    #[error("the client for identity providers cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// One issuer, and how far it is trusted.
struct Entry {
    name: String,
    verifier: Box<dyn TokenVerifier>,
    tenants: Option<Arc<[String]>>,
    platform_admin: bool,
}

/// Judges tokens of any number of issuers.
pub struct IssuersVerifier {
    entries: Vec<Entry>,
    by_issuer: HashMap<String, usize>,
    /// Who judges tokens that do not say whose they are.
    opaque: Option<usize>,
    /// Who judges everything: the only issuer, where it has no `iss`.
    any: Option<usize>,
}

impl IssuersVerifier {
    /// A verifier for `issuers`, which fit together. Nobody is asked anything yet. `leeway` is how
    /// far clocks may differ.
    ///
    /// # Errors
    /// [`IssuersError`] when an issuer cannot be used.
    pub fn new(issuers: Vec<TrustedIssuer>, leeway: Duration) -> Result<Self, IssuersError> {
        Self::with_client(issuers, leeway, &ProviderClient::new(TIMEOUT)?)
    }

    pub(super) fn with_client(
        issuers: Vec<TrustedIssuer>,
        leeway: Duration,
        client: &ProviderClient,
    ) -> Result<Self, IssuersError> {
        let introspects = |issuer: &TrustedIssuer| issuer.provider == AuthProvider::Introspection;
        let is_only = issuers.len() == 1;
        let only_introspection = issuers.iter().filter(|issuer| introspects(issuer)).count() == 1;
        let mut this = Self {
            entries: Vec::with_capacity(issuers.len()),
            by_issuer: HashMap::new(),
            opaque: None,
            any: None,
        };
        for (place, issuer) in issuers.into_iter().enumerate() {
            if introspects(&issuer) && (only_introspection || issuer.issuer.is_none()) {
                this.opaque = Some(place);
            }
            match &issuer.issuer {
                Some(name) => drop(this.by_issuer.insert(name.clone(), place)),
                None if is_only && !introspects(&issuer) => this.any = Some(place),
                None => {}
            }
            this.entries.push(entry(issuer, leeway, client)?);
        }
        Ok(this)
    }

    /// Who judges the token; nothing in it is believed here.
    fn entry_for(&self, token: &str) -> Result<&Entry, Fault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Fault::TooLong);
        }
        let place = self.any.or_else(|| match Shape::of(token) {
            Shape::Signed(issuer) => self.by_issuer.get(&issuer?).copied(),
            Shape::Opaque => self.opaque,
        });
        place.map(|place| &self.entries[place]).ok_or(Fault::UnknownIssuer)
    }
}

#[async_trait]
impl TokenVerifier for IssuersVerifier {
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        let entry = self.entry_for(token)?;
        let identity = entry.verifier.verify(token, now).await?;
        Ok(identity.vouched_for(entry.tenants.clone(), entry.platform_admin))
    }

    async fn would_ask(&self, token: &str, now: DateTime<Utc>) -> bool {
        match self.entry_for(token) {
            Ok(entry) => entry.verifier.would_ask(token, now).await,
            Err(_) => false,
        }
    }

    fn vouches(&self, provider: &str, tenant: &str) -> Option<bool> {
        let entry = self.entries.iter().find(|entry| entry.name == provider)?;
        let tenants = entry.tenants.as_ref();
        Some(tenants.is_none_or(|slugs| slugs.iter().any(|slug| slug == tenant)))
    }

    fn prepare(&self, now: DateTime<Utc>) {
        for entry in &self.entries {
            entry.verifier.prepare(now);
        }
    }
}

fn entry(
    issuer: TrustedIssuer,
    leeway: Duration,
    client: &ProviderClient,
) -> Result<Entry, IssuersError> {
    let tenants = issuer.tenants.clone().map(Arc::from);
    let platform_admin = issuer.platform_admin;
    let name = issuer.name.clone();
    let verifier: Box<dyn TokenVerifier> = match issuer.provider {
        AuthProvider::Jwt => Box::new(configured_key(issuer, leeway)?),
        AuthProvider::Introspection => Box::new(introspection(issuer, leeway, client)?),
        AuthProvider::None
        | AuthProvider::Oidc
        | AuthProvider::Auth0
        | AuthProvider::Clerk
        | AuthProvider::Supabase => Box::new(published_keys(&issuer, leeway, client)?),
    };
    Ok(Entry { name, verifier, tenants, platform_admin })
}

fn configured_key(issuer: TrustedIssuer, leeway: Duration) -> Result<JwtVerifier, IssuersError> {
    let missing = || missing(&issuer, "a key");
    let settings = JwtSettings {
        algorithm: issuer.jwt_algorithm,
        key: issuer.key_for(issuer.jwt_algorithm).ok_or_else(missing)?,
        issuer: issuer.issuer,
        audiences: issuer.audiences,
        leeway,
        tenant_claim: issuer.tenant_claim,
    };
    Ok(JwtVerifier::named(issuer.name.into(), issuer.token_type, settings)?)
}

fn published_keys(
    issuer: &TrustedIssuer,
    clock_leeway: Duration,
    client: &ProviderClient,
) -> Result<PublishedKeysVerifier, IssuersError> {
    let name = issuer.issuer.as_deref().ok_or_else(|| missing(issuer, "an issuer"))?;
    if issuer.audiences.is_empty() {
        return Err(missing(issuer, "an audience"));
    }
    let provider: Arc<str> = issuer.name.as_str().into();
    let source = match issuer.keys_url() {
        Some(url) => KeySource::at(client.clone(), url),
        None => KeySource::of(client.clone(), name).ok_or_else(|| missing(issuer, "a URL"))?,
    };
    let legacy = JwtAlgorithm::Hs256;
    let secret = match issuer.provider {
        AuthProvider::Supabase => issuer.key_for(legacy).map(|key: JwtKey| key.read(legacy)),
        _ => None,
    };
    let secret = secret.transpose().map_err(JwtSettingsError::from)?;
    Ok(PublishedKeysVerifier {
        rules: TokenRules::new(
            Arc::clone(&provider),
            Some(name),
            &issuer.audiences,
            issuer.token_type,
            leeway(clock_leeway)?,
            issuer.tenant_claim.clone(),
        ),
        algorithms: issuer.allowed_algorithms(),
        keys: KeyCache::new(provider, source),
        secret: secret.map(|key| (legacy, Arc::new(key))),
    })
}

fn introspection(
    issuer: TrustedIssuer,
    clock_leeway: Duration,
    client: &ProviderClient,
) -> Result<IntrospectionVerifier, IssuersError> {
    if issuer.audiences.is_empty() {
        return Err(missing(&issuer, "an audience"));
    }
    let (Some(url), Some(id), Some(secret)) =
        (&issuer.introspection_url, &issuer.client_id, &issuer.client_secret)
    else {
        return Err(missing(&issuer, "an introspection URL, a client id and its secret"));
    };
    let client = IntrospectionClient {
        client: client.clone(),
        url: url.clone(),
        id: id.clone(),
        secret: secret.clone(),
        method: issuer.client_method,
    };
    let provider: Arc<str> = issuer.name.into();
    let rules = AnswerRules {
        provider: Arc::clone(&provider),
        issuer: issuer.issuer,
        audiences: issuer.audiences,
        times: Times { leeway: leeway(clock_leeway)? },
        tenant_claim: issuer.tenant_claim,
    };
    Ok(IntrospectionVerifier::new(provider, client, rules))
}

fn missing(issuer: &TrustedIssuer, what: &'static str) -> IssuersError {
    IssuersError::Missing { name: issuer.name.clone(), what }
}

#[cfg(test)]
mod tests;
