//! Links to artifacts as clients get them.

use chrono::Utc;

use super::{LinkSigner, StorageKey};

/// What marks a file of our own store in `storage_url` and `thumbnail_url`. Anything else there is
/// a URL of an older server or of a provider and is handed out as it is.
const OWN_STORE: &str = "storage:";

/// Makes the absolute, signed, expiring links of the files in our store. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    signer: LinkSigner,
    base_url: String,
}

impl Links {
    /// Links below `base_url`, which has no slash at its end.
    #[must_use]
    pub fn new(signer: LinkSigner, base_url: String) -> Self {
        Self { signer, base_url }
    }

    /// The link for what a row says about a file.
    #[must_use]
    pub fn link(&self, stored: &str) -> String {
        let Some(key) = stored.strip_prefix(OWN_STORE) else { return stored.to_owned() };
        let signature = self.signer.sign(key, Utc::now());
        format!("{}/api/storage/{key}?{signature}", self.base_url)
    }

    /// Whether a request for `key` carries a signature that we made and that has not run out.
    #[must_use]
    pub fn verify(&self, key: &StorageKey, expires: &str, signature: &str) -> bool {
        self.signer.verify(&key.to_string(), expires, signature, Utc::now())
    }

    /// The key in what a row says about a file, if the file is in our store.
    #[must_use]
    pub fn key_of(stored: &str) -> Option<StorageKey> {
        stored.strip_prefix(OWN_STORE)?.parse().ok()
    }

    /// What a row says about a file of our store.
    #[must_use]
    pub fn stored(key: &StorageKey) -> String {
        format!("{OWN_STORE}{key}")
    }
}
