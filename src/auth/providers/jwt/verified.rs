//! Tokens that were verified, so that a token which comes with every request is not taken apart for
//! every request. What is remembered is what the signature covers: who it names and when it is good. It
//! holds for the very key that verified it, so it ends with the key; whether the token's time has come
//! is asked at each use, and whether its user may still enter is asked in the database, as for any other.
//! Only tokens with a good signature are remembered: nobody can fill this but who may sign.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use jsonwebtoken::DecodingKey;
use moka::sync::Cache;

use super::rules::Validity;
use crate::auth::claims::VerifiedIdentity;

/// Bytes of all that is remembered, about.
const CAPACITY_BYTES: u64 = 8 * 1024 * 1024;
/// What an identity takes beside the length of its token.
const ENTRY_BYTES: usize = 1024;
const IDLE: Duration = Duration::from_mins(10);

type TokenHash = [u8; SHA256_OUTPUT_LEN];

/// A token whose signature and claims were found good.
pub(super) struct VerifiedToken {
    key: Arc<DecodingKey>,
    pub(super) validity: Validity,
    pub(super) identity: VerifiedIdentity,
    weight: usize,
}

/// The tokens of one issuer that were verified.
pub(super) struct VerifiedTokens(Cache<TokenHash, Arc<VerifiedToken>>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        let weigh = |_: &TokenHash, token: &Arc<VerifiedToken>| {
            u32::try_from(token.weight).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(CAPACITY_BYTES).weigher(weigh);
        Self(cache.time_to_idle(IDLE).build())
    }
}

/// It never shows whom the tokens name.
impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

impl VerifiedTokens {
    /// What `token` was found to be with this very key.
    pub(super) fn known(&self, token: &str, key: &Arc<DecodingKey>) -> Option<Arc<VerifiedToken>> {
        self.0.get(&hash(token)).filter(|known| Arc::ptr_eq(&known.key, key))
    }

    /// What `token` was found to be with this very key; else what `verify` finds, which is remembered.
    pub(super) fn get<E>(
        &self,
        token: &str,
        key: &Arc<DecodingKey>,
        verify: impl FnOnce() -> Result<(Validity, VerifiedIdentity), E>,
    ) -> Result<Arc<VerifiedToken>, E> {
        if let Some(known) = self.known(token, key) {
            return Ok(known);
        }
        let (validity, identity) = verify()?;
        let weight = ENTRY_BYTES + 2 * token.len();
        let key = Arc::clone(key);
        let verified = Arc::new(VerifiedToken { key, validity, identity, weight });
        self.0.insert(hash(token), Arc::clone(&verified));
        Ok(verified)
    }
}

fn hash(token: &str) -> TokenHash {
    let mut hash = TokenHash::default();
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(tokens: &VerifiedTokens, token: &str, key: &Arc<DecodingKey>) -> bool {
        let mut asked = false;
        let verify = || {
            asked = true;
            let claims = serde_json::Map::from_iter([("sub".to_owned(), "ada".into())]);
            let identity = VerifiedIdentity::from_claims("jwt".into(), &claims, None);
            Ok::<_, ()>((Validity::default(), identity.expect("an identity")))
        };
        tokens.get(token, key, verify).expect("a good token");
        asked
    }

    #[test]
    fn a_token_is_verified_once_for_each_key() {
        let tokens = VerifiedTokens::default();
        let [key, other] = [b"a", b"b"].map(|key| Arc::new(DecodingKey::from_secret(key)));
        assert!(verified(&tokens, "token", &key));
        assert!(!verified(&tokens, "token", &key));
        assert!(verified(&tokens, "another", &key));
        assert!(verified(&tokens, "token", &other), "the key has changed");
        assert!(!verified(&tokens, "token", &other));
        assert!(verified(&tokens, "token", &key), "one key holds at a time");
    }

    #[test]
    fn a_bad_token_is_not_remembered() {
        let tokens = VerifiedTokens::default();
        let key = Arc::new(DecodingKey::from_secret(b"a"));
        assert_eq!(tokens.get("token", &key, || Err("bad")).err(), Some("bad"));
        assert!(verified(&tokens, "token", &key));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let tokens = VerifiedTokens::default();
        let key = Arc::new(DecodingKey::from_secret(b"a"));
        for number in 0..10_000 {
            verified(&tokens, &format!("{number}"), &key);
        }
        tokens.0.run_pending_tasks();
        assert!(tokens.0.weighted_size() <= CAPACITY_BYTES);
    }
}
