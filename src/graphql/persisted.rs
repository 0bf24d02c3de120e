//! Automatic persisted queries, as Apollo Client and urql speak them: a client sends the SHA-256 of a
//! text in place of the text, and both where the server does not know it yet. A hash stands for its
//! text and for nothing else: what runs is judged and paid for as if its text had been sent.

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, ServerError, ServerResult, Value};
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;

use super::error::refusal;
use crate::domain::TenantId;

/// The member of a request's `extensions` that names the hash.
pub(crate) const PERSISTED_QUERY: &str = "persistedQuery";

/// The one version that there is.
const VERSION: u64 = 1;
/// Bytes of all texts that are kept, of all tenants together.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of the longest text that is kept; longer ones have to be sent each time.
const KEPT_TEXT_MAX: usize = 64 * 1024;
/// What a text costs beside itself, so that many small ones are bounded too.
const ENTRY_BYTES: usize = 256;
/// How long a text is kept that nobody asks for: those of a closed tenant go too.
const KEPT_UNUSED: Duration = Duration::from_hours(24);

/// The SHA-256 of a text.
type Hash = [u8; 32];

/// The hash that a request names; none where what it names is the hash of nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedHash(Option<Hash>);

impl NamedHash {
    /// What the extensions of a request name; none where they speak of no persisted query.
    ///
    /// # Errors
    /// When it is of another version, or no persisted query at all.
    pub(super) fn of(request: &Request) -> ServerResult<Option<Self>> {
        let named = match request.extensions.get(PERSISTED_QUERY) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(named)) => named,
            Some(_) => return Err(malformed("persistedQuery must be an object")),
        };
        match named.get("version") {
            Some(Value::Number(version)) if version.as_u64() == Some(VERSION) => {}
            _ => return Err(not_supported()),
        }
        match named.get("sha256Hash") {
            Some(Value::String(hash)) => Ok(Some(Self(read_hash(hash)))),
            _ => Err(malformed("persistedQuery needs a sha256Hash that is a text")),
        }
    }

    /// Checks that this is the hash of `text`: no text may pass under another's.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check(&self, text: &str) -> ServerResult<()> {
        let hash = digest(&SHA256, text.as_bytes());
        if self.0.is_some_and(|named| named == hash.as_ref()) {
            return Ok(());
        }
        Err(malformed("provided sha does not match query"))
    }
}

/// A hash in hexadecimal digits, small ones: clients compare them as texts.
fn read_hash(text: &str) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok()
}

/// Both clients know it by its message or code, and send the text.
pub(super) fn not_found() -> ServerError {
    refusal("PersistedQueryNotFound".to_owned(), "PERSISTED_QUERY_NOT_FOUND")
}

/// Both clients know it by its message or code, and send no hash any more.
fn not_supported() -> ServerError {
    refusal("PersistedQueryNotSupported".to_owned(), "PERSISTED_QUERY_NOT_SUPPORTED")
}

fn malformed(message: &str) -> ServerError {
    refusal(message.to_owned(), "BAD_REQUEST")
}

/// The texts that clients have sent with their hashes, each for its tenant alone: whether a hash is
/// known says nothing about other tenants.
pub(super) struct PersistedQueries {
    by_hash: Cache<(TenantId, Hash), Arc<str>>,
}

impl PersistedQueries {
    pub(super) fn new() -> Self {
        let weigh = |_: &(TenantId, Hash), text: &Arc<str>| {
            u32::try_from(text.len() + ENTRY_BYTES).unwrap_or(u32::MAX)
        };
        let by_hash = Cache::builder()
            .weigher(weigh)
            .max_capacity(CACHE_BYTES)
            .time_to_idle(KEPT_UNUSED)
            .build();
        Self { by_hash }
    }

    /// The text of a hash, if it was sent in the tenant.
    pub(super) fn text(&self, tenant: TenantId, hash: &NamedHash) -> Option<Arc<str>> {
        self.by_hash.get(&(tenant, hash.0?))
    }

    /// Keeps a text that was checked against its hash and admitted.
    pub(super) fn keep(&self, tenant: TenantId, hash: &NamedHash, text: &str) {
        if let Some(hash) = hash.0
            && text.len() <= KEPT_TEXT_MAX
        {
            self.by_hash.insert((tenant, hash), text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of "{ __typename }".
    const HASH: &str = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";

    fn named(extension: serde_json::Value) -> Result<Option<NamedHash>, String> {
        let mut request = Request::new("");
        let value = Value::from_json(extension).expect("a value");
        request.extensions.insert(PERSISTED_QUERY.to_owned(), value);
        NamedHash::of(&request).map_err(|error| error.message)
    }

    fn hash_of(text: &str) -> NamedHash {
        NamedHash(digest(&SHA256, text.as_bytes()).as_ref().try_into().ok())
    }

    #[test]
    fn a_request_names_a_hash_of_version_1_or_none() {
        assert_eq!(NamedHash::of(&Request::new("")).expect("nothing wrong"), None);
        assert_eq!(named(json!(null)), Ok(None));
        let found = named(json!({ "version": 1, "sha256Hash": HASH, "miss": true }));
        assert_eq!(found, Ok(Some(hash_of("{ __typename }"))));
        for version in [json!(2), json!(0), json!("1"), json!(null)] {
            let found = named(json!({ "version": version, "sha256Hash": HASH }));
            assert_eq!(found, Err("PersistedQueryNotSupported".to_owned()), "{version}");
        }
        assert_eq!(
            named(json!({ "sha256Hash": HASH })),
            Err("PersistedQueryNotSupported".to_owned())
        );
        for wrong in [json!(true), json!(HASH), json!({ "version": 1 })] {
            assert!(named(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(named(json!({ "version": 1, "sha256Hash": 7 })).is_err());
    }

    #[test]
    fn a_text_passes_under_its_own_hash_alone() {
        let check = |hash: &str, text: &str| NamedHash(read_hash(hash)).check(text).is_ok();
        assert!(check(HASH, "{ __typename }"));
        assert!(!check(HASH, "{ __typename}"));
        for hash in
            ["", "7f", &HASH[1..], &HASH.to_uppercase(), &format!("{HASH}00"), &"é".repeat(32)]
        {
            assert!(!check(hash, "{ __typename }"), "{hash}");
        }
    }

    #[test]
    fn texts_are_of_one_tenant() {
        let (texts, one, two) = (PersistedQueries::new(), TenantId::new(), TenantId::new());
        let hash = hash_of("{ a }");
        texts.keep(one, &hash, "{ a }");
        assert_eq!(texts.text(one, &hash).as_deref(), Some("{ a }"));
        assert_eq!(texts.text(one, &hash_of("{ b }")), None);
        assert_eq!(texts.text(two, &hash), None);
        texts.keep(one, &NamedHash(None), "{ b }");
        assert_eq!(texts.text(one, &NamedHash(None)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (texts, tenant) = (PersistedQueries::new(), TenantId::new());
        let long = format!("{{ a }} #{}", " ".repeat(KEPT_TEXT_MAX));
        texts.keep(tenant, &hash_of(&long), &long);
        assert_eq!(texts.text(tenant, &hash_of(&long)), None);
        for number in 0..1_000 {
            let text = format!("{{ a{number} }} #{}", " ".repeat(KEPT_TEXT_MAX / 2));
            texts.keep(tenant, &hash_of(&text), &text);
        }
        for number in 0..100_000 {
            let text = format!("{{ a{number} }}");
            texts.keep(tenant, &hash_of(&text), &text);
        }
        texts.by_hash.run_pending_tasks();
        assert!(texts.by_hash.weighted_size() <= CACHE_BYTES);
    }
}
