//! Tokens signed with keys that their issuer publishes: `OpenID` providers, and Supabase with its
//! legacy secret beside them.

mod cache;
mod key_set;
mod source;
#[cfg(test)]
mod wycheproof;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jsonwebtoken::DecodingKey;

use super::{
    TokenVerifier,
    jwt::{Fault, TokenRules},
};
use crate::{auth::claims::VerifiedIdentity, config::JwtAlgorithm, error::Result};

pub(super) use cache::KeyCache;
pub(super) use source::KeySource;

/// Verifies signed tokens of one issuer.
pub(super) struct PublishedKeysVerifier {
    pub(super) rules: TokenRules,
    /// What a token may name.
    pub(super) algorithms: Vec<JwtAlgorithm>,
    /// The issuer's public keys.
    pub(super) keys: KeyCache,
    /// The secret of the one symmetric algorithm, which is configured and never published.
    pub(super) secret: Option<(JwtAlgorithm, Arc<DecodingKey>)>,
}

impl PublishedKeysVerifier {
    async fn judge(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity, Fault> {
        let header = self.rules.header(token)?;
        let algorithm = header.algorithm;
        if !self.algorithms.contains(&algorithm) {
            return Err(Fault::Algorithm);
        }
        if algorithm.is_symmetric() {
            return match &self.secret {
                Some((own, key)) if *own == algorithm => {
                    self.rules.judge(token, algorithm, key, now)
                }
                _ => Err(Fault::Algorithm),
            };
        }
        let key = self.keys.key(header.key_id.as_deref(), algorithm, now).await?;
        self.rules.judge(token, algorithm, &key, now)
    }
}

#[async_trait]
impl TokenVerifier for PublishedKeysVerifier {
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        Ok(self.judge(token, now).await?)
    }

    fn prepare(&self, now: DateTime<Utc>) {
        if !self.algorithms.iter().all(|algorithm| algorithm.is_symmetric()) {
            self.keys.prepare(now);
        }
    }
}
