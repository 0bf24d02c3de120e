//! Links that open one stored file for a while, without a token: the key and the end of its
//! validity, signed by the server.

use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};

/// The fewest bytes that a signing key may have: the output of SHA-256 (RFC 2104 §3).
const MIN_KEY_BYTES: usize = 32;

/// Keeps these signatures apart from whatever else the same key may sign, and from later formats.
const DOMAIN: &[u8] = b"boards storage link, version 1\0";

/// The longest lifetime that a link may have, in seconds: a year.
const MAX_LIFETIME_SECONDS: i64 = 365 * 24 * 3600;

/// Why a signer could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The key is too short to be a secret.
    #[error("the key that signs storage links must have at least {MIN_KEY_BYTES} bytes")]
    KeyTooShort,
    /// The lifetime is shorter than a second or longer than a year.
    #[error("the lifetime of storage links must be between one second and one year")]
    Lifetime,
}

/// Signs links and checks them (HMAC-SHA256).
#[derive(Clone)]
pub struct LinkSigner {
    key: hmac::Key,
    lifetime_seconds: i64,
}

impl fmt::Debug for LinkSigner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LinkSigner")
            .field("lifetime_seconds", &self.lifetime_seconds)
            .finish_non_exhaustive()
    }
}

/// What makes a link valid. Displays as the query string `expires=…&signature=…`. It is a
/// credential: it has no `Debug`, so that it does not slip into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedQuery {
    expires: i64,
    signature: String,
}

impl SignedQuery {
    /// The second (Unix time) at which the link ends.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// The signature in base64url without padding.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }
}

impl fmt::Display for SignedQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expires={}&signature={}", self.expires, self.signature)
    }
}

impl LinkSigner {
    /// A signer whose links live between three quarters of `lifetime` and all of it.
    ///
    /// # Errors
    /// [`SigningError`] for a key under 32 bytes and for a lifetime under a second or
    /// over a year.
    pub fn new(key: &[u8], lifetime: Duration) -> Result<Self, SigningError> {
        if key.len() < MIN_KEY_BYTES {
            return Err(SigningError::KeyTooShort);
        }
        let lifetime_seconds = i64::try_from(lifetime.as_secs())
            .ok()
            .filter(|seconds| (1..=MAX_LIFETIME_SECONDS).contains(seconds))
            .ok_or(SigningError::Lifetime)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), lifetime_seconds })
    }

    /// Signs the storage key `key`.
    ///
    /// The end is rounded down to a quarter of the lifetime, so that the same file keeps the same
    /// link for that long and browsers find it in their cache.
    #[must_use]
    pub fn sign(&self, key: &str, now: DateTime<Utc>) -> SignedQuery {
        let window = (self.lifetime_seconds / 4).max(1);
        let latest = now.timestamp().saturating_add(self.lifetime_seconds);
        let expires = latest - latest.rem_euclid(window);
        let signature = hmac::sign(&self.key, &message(key, expires));
        SignedQuery { expires, signature: BASE64_URL_SAFE_NO_PAD.encode(signature) }
    }

    /// Whether `expires` and `signature` are what [`LinkSigner::sign`] gave for `key`, and the
    /// end has not come. The comparison takes the same time wherever the signatures differ.
    #[must_use]
    pub fn verify(&self, key: &str, expires: &str, signature: &str, now: DateTime<Utc>) -> bool {
        let Ok(end) = expires.parse::<i64>() else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        // One spelling only ("+5" and "05" also parse), so that a link has one address.
        end.to_string() == expires
            && hmac::verify(&self.key, &message(key, end), &signature).is_ok()
            && now.timestamp() < end
    }
}

/// What stands before and after the key has a fixed length, so no two inputs give one message.
fn message(key: &str, expires: i64) -> Vec<u8> {
    [DOMAIN, key.as_bytes(), &expires.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const FILE: &str = "tenant/board/generation/artifact.png";

    fn signer() -> LinkSigner {
        LinkSigner::new(KEY, Duration::from_hours(1)).expect("a signer")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    fn opens(signer: &LinkSigner, key: &str, query: &SignedQuery, now: i64) -> bool {
        signer.verify(key, &query.expires.to_string(), &query.signature, at(now))
    }

    #[test]
    fn a_link_lives_between_three_quarters_and_all_of_the_lifetime() {
        let signer = signer();
        for now in (1_795_000_000..1_795_004_000).step_by(7) {
            let query = signer.sign(FILE, at(now));
            let lifetime = query.expires - now;
            assert!((2700..=3600).contains(&lifetime), "{lifetime}");
            assert!(opens(&signer, FILE, &query, now));
            assert!(opens(&signer, FILE, &query, query.expires - 1));
            assert!(!opens(&signer, FILE, &query, query.expires));
        }
    }

    #[test]
    fn the_same_link_comes_again_within_a_window() {
        let start = 1_795_000_500;
        let first = signer().sign(FILE, at(start));
        assert_eq!(first.expires % 900, 0);
        let end_of_window = first.expires + 900 - 3600 - 1;
        assert_eq!(first.to_string(), signer().sign(FILE, at(end_of_window)).to_string());
        assert_ne!(first.to_string(), signer().sign(FILE, at(end_of_window + 1)).to_string());
    }

    #[test]
    fn a_link_opens_nothing_else() {
        let signer = signer();
        let now = 1_795_000_000;
        let query = signer.sign(FILE, at(now));
        assert!(!opens(&signer, "tenant/board/generation/thumbnail.webp", &query, now));
        assert!(!opens(&signer, "", &query, now));
        let other = LinkSigner::new(b"another key of thirty-two bytes!", Duration::from_hours(1))
            .expect("a signer");
        assert!(!opens(&other, FILE, &query, now));
        let longer = (query.expires + 1).to_string();
        assert!(!signer.verify(FILE, &longer, &query.signature, at(now)));
    }

    #[test]
    fn a_forged_or_misspelt_signature_opens_nothing() {
        let signer = signer();
        let now = at(1_795_000_000);
        let query = signer.sign(FILE, now);
        let expires = query.expires.to_string();
        let mut flipped = query.signature.clone().into_bytes();
        flipped[5] = if flipped[5] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("ASCII");
        let padded = format!("{}=", query.signature);
        let empty = String::new();
        let short = query.signature[..20].to_owned();
        for signature in [&flipped, &padded, &empty, &short, &"é".to_owned()] {
            assert!(!signer.verify(FILE, &expires, signature, now), "{signature}");
        }
        for expires in [format!("+{expires}"), format!("0{expires}"), format!("{expires} "), empty]
        {
            assert!(!signer.verify(FILE, &expires, &query.signature, now), "{expires}");
        }
    }

    #[test]
    fn the_format_of_links_stays_as_it_is() {
        // Made with Python's hmac module.
        let expected = "expires=1795003200&signature=p6M7PE6sGFm4qFjZzJXWfi30N0dm_zBZe1TZo-_W5Kw";
        assert_eq!(signer().sign(FILE, at(1_795_003_200 - 3600)).to_string(), expected);
    }

    #[test]
    fn weak_keys_and_odd_lifetimes_are_refused() {
        let error = |key: &[u8], lifetime| LinkSigner::new(key, lifetime).err();
        assert_eq!(error(&KEY[..31], Duration::from_mins(1)), Some(SigningError::KeyTooShort));
        assert_eq!(error(KEY, Duration::from_millis(999)), Some(SigningError::Lifetime));
        assert_eq!(error(KEY, Duration::MAX), Some(SigningError::Lifetime));
        assert_eq!(error(KEY, Duration::from_secs(1)), None);
    }

    #[test]
    fn debug_tells_no_key() {
        assert_eq!(format!("{:?}", signer()), "LinkSigner { lifetime_seconds: 3600, .. }");
    }
}
