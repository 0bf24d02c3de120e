//! Access tokens of this server's own: how they look, how they are made, and judging one. They are
//! never shown to an identity provider, and no provider's token is taken for one.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};

use super::{AuthContext, Authenticator, Credential, Credentials};
use crate::{
    audit::Actor,
    error::{Error, Result},
    store::{PresentedToken, TenantStatus},
};

/// What every token begins with; secret scanners go by it.
const PREFIX: &str = "bds_";
const RANDOM_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
/// 36 bytes are 48 characters of base64 with nothing left over: no padding, and one spelling only.
const ENCODED_LENGTH: usize = (RANDOM_BYTES + CHECKSUM_BYTES) / 3 * 4;

/// A token: `bds_`, then 48 characters of base64url (RFC 4648, section 5), which are 256 random
/// bits and their CRC-32, the most significant byte first. The checksum tells typos and other
/// people's strings from tokens without a look at the database; it protects nothing.
#[derive(Debug)]
pub struct OwnToken(SecretString);

impl OwnToken {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0_u8; RANDOM_BYTES + CHECKSUM_BYTES];
        let (random, checksum) = bytes.split_at_mut(RANDOM_BYTES);
        rand::fill(random).map_err(|_| Error::internal("no randomness"))?;
        checksum.copy_from_slice(&crc32fast::hash(random).to_be_bytes());
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// Whether a bearer token is meant for this server, be it well-formed or not.
    #[must_use]
    pub fn is_meant(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Reads a token. `None` for whatever [`Self::generate`] cannot have made.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        let encoded = token.strip_prefix(PREFIX)?;
        if encoded.len() != ENCODED_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (random, checksum) = bytes.split_at_checked(RANDOM_BYTES)?;
        (crc32fast::hash(random).to_be_bytes() == checksum).then(|| Self(token.into()))
    }

    /// The SHA-256 of the token's text, in hexadecimal digits: what `sha256sum` says of a token that
    /// was found somewhere. Of 256 random bits a fast hash is as good as a slow one.
    #[must_use]
    pub fn hash(&self) -> String {
        use std::fmt::Write;
        digest(&SHA256, self.0.expose_secret().as_bytes()).as_ref().iter().fold(
            String::new(),
            |mut text, byte| {
                // Writing to a text cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            },
        )
    }

    /// The token, to show it to whom it was made for.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Authenticator {
    /// Judges a token of our own: the token, its tenant, then its user, by one indexed read. What is
    /// no token at all costs no read.
    pub(super) async fn authenticate_own(
        &self,
        token: &str,
        credentials: &Credentials,
        actor: &mut Actor,
    ) -> Result<AuthContext> {
        let token = OwnToken::parse(token).ok_or_else(|| refused("malformed"))?;
        let found = self.store.system().presented_token(&token.hash()).await?;
        // It was looked up by its hash: how long that takes says nothing about the token.
        let found = found.ok_or_else(|| refused("unknown"))?;
        actor.access_token = Some(found.id);
        actor.tenant = Some(found.tenant.id);
        actor.user = Some(found.user.id);
        check_validity(&found)?;
        // It lives no longer than the trust in who vouched for its user.
        let vouched = self.verifier.vouches(&found.user.auth_provider, &found.tenant.slug);
        let is_allowed = vouched.ok_or_else(|| refused("of a provider that is not trusted"))?;
        let asked = self.tenancy.asked(credentials)?;
        if found.tenant.status != TenantStatus::Active {
            return Err(Error::TenantNotFound);
        }
        let claimed = self.tenancy.of_own_token(&found.tenant)?;
        claimed.check(&asked, &found.tenant)?;
        if !is_allowed || found.user.disabled_at.is_some() {
            return Err(Error::forbidden("use this tenant"));
        }
        self.token_uses.note(found.id, Utc::now());
        let credential = Credential::AccessToken(found.id);
        Ok(self.signed_in(found.tenant, found.user, credential, found.scopes, found.expires_at))
    }
}

fn check_validity(token: &PresentedToken) -> Result<()> {
    if token.is_revoked {
        return Err(refused("revoked"));
    }
    if token.expires_at.is_some_and(|end| end <= Utc::now()) {
        return Err(refused("expired"));
    }
    Ok(())
}

/// The client is not told why.
fn refused(reason: &'static str) -> Error {
    tracing::debug!(reason, "access token refused");
    Error::InvalidToken
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// All bits of the random part are 0.
    const ZEROS: &str = "bds_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAZClWt";
    const HASH_OF_ZEROS: &str = "4449730038cd883a5fdb5fc94d19643021677a07ca2b5ef184c73a42540030e5";
    /// All bits of the random part are 1.
    const ONES: &str = "bds_________________________________________________";

    fn new() -> String {
        OwnToken::generate().expect("randomness").expose().to_owned()
    }

    /// 32 bytes and four that are their checksum or not.
    fn token_of(random: &[u8], checksum: u32) -> String {
        let bytes = [random, checksum.to_be_bytes().as_slice()].concat();
        format!("bds_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn tokens_are_read_as_they_are_made() {
        let made: HashSet<String> = (0..100).map(|_| new()).collect();
        assert_eq!(made.len(), 100, "all different");
        for token in made {
            assert_eq!(token.len(), 52);
            assert!(token.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c)));
            assert_eq!(OwnToken::parse(&token).expect("a token").expose(), token);
        }
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_random_bytes() {
        // The check value of CRC-32/ISO-HDLC, so that others can compute it.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let random = [7; 32];
        assert!(OwnToken::parse(&token_of(&random, crc32fast::hash(&random))).is_some());
        assert!(OwnToken::parse(&token_of(&random, crc32fast::hash(&random) ^ 1)).is_none());
        assert!(OwnToken::parse(ONES).is_none());
    }

    #[test]
    fn the_hash_is_that_of_the_whole_text() {
        let random = [0; 32];
        let token = OwnToken::parse(&token_of(&random, crc32fast::hash(&random))).expect("good");
        assert_eq!(token.expose(), ZEROS);
        // printf %s "$TOKEN" | sha256sum
        assert_eq!(token.hash(), HASH_OF_ZEROS);
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = OwnToken::generate().expect("randomness");
        assert!(!format!("{token:?}").contains(&token.expose()[4..]), "{token:?}");
    }

    #[rstest]
    #[case::shorter(|token: &str| token[..51].to_owned())]
    #[case::longer(|token: &str| format!("{token}A"))]
    #[case::padded(|token: &str| format!("{token}="))]
    #[case::spaced(|token: &str| format!("{token} "))]
    #[case::prefix_alone(|_: &str| "bds_".to_owned())]
    #[case::prefix_in_capitals(|token: &str| token.replacen("bds_", "BDS_", 1))]
    #[case::prefix_twice(|token: &str| format!("bds_{token}"))]
    #[case::no_prefix(|token: &str| token[4..].to_owned())]
    #[case::other_alphabet(|token: &str| format!("{}+", &token[..51]))]
    #[case::not_ascii(|token: &str| format!("{}ä", &token[..50]))]
    #[case::nothing(|_: &str| String::new())]
    fn what_is_no_token(#[case] change: fn(&str) -> String) {
        assert!(OwnToken::parse(&change(&new())).is_none());
    }

    proptest! {
        /// A typo of one character is found without the database.
        #[test]
        fn one_wrong_character_is_found(place in 4_usize..52, letter in "[A-Za-z0-9_-]") {
            let token = new();
            let mut wrong = token.clone();
            wrong.replace_range(place..=place, &letter);
            prop_assert_eq!(OwnToken::parse(&wrong).is_some(), wrong == token);
        }

        #[test]
        fn any_text_can_be_read(text in "(bds_)?.{0,60}") {
            prop_assert!(OwnToken::parse(&text).is_none());
        }
    }
}
