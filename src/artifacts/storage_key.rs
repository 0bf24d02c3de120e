//! The name of a stored file: tenant, board, generation and file name. Because its parts are
//! typed, a key cannot lead anywhere else in the store, or out of it.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::domain::{BoardId, GenerationId, TenantId};

/// The longest file name in a key, in bytes.
const MAX_FILE_NAME_BYTES: usize = 64;

/// Not a key of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a storage key")]
pub struct InvalidKey;

/// The name of one stored file: `{tenant}/{board}/{generation}/{file name}`, the ids as lower-case
/// hyphenated UUIDs, the file name as `[a-z0-9][a-z0-9._-]{0,63}`. A file has exactly one key, and
/// a key one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StorageKey {
    tenant: TenantId,
    board: BoardId,
    generation: GenerationId,
    file_name: String,
}

impl StorageKey {
    /// The key of a generation's file, `artifact.png`.
    ///
    /// # Errors
    /// [`InvalidKey`] for any other file name than the type's description allows.
    pub fn new(
        tenant: TenantId,
        board: BoardId,
        generation: GenerationId,
        file_name: impl Into<String>,
    ) -> Result<Self, InvalidKey> {
        let file_name = file_name.into();
        if !file_name_is_valid(&file_name) {
            return Err(InvalidKey);
        }
        Ok(Self { tenant, board, generation, file_name })
    }

    /// The tenant whose file it is.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The board whose file it is.
    #[must_use]
    pub fn board(&self) -> BoardId {
        self.board
    }

    /// The generation whose file it is.
    #[must_use]
    pub fn generation(&self) -> GenerationId {
        self.generation
    }

    /// The last part, `artifact.png`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// What stands behind the last dot of the file name, `png`; empty where there is none.
    #[must_use]
    pub fn extension(&self) -> &str {
        self.file_name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

impl fmt::Display for StorageKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, board, generation, file_name } = self;
        write!(formatter, "{tenant}/{board}/{generation}/{file_name}")
    }
}

impl FromStr for StorageKey {
    type Err = InvalidKey;

    /// Reads a key from the path of a request, after percent-decoding.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(InvalidKey);
        let (tenant, board, generation) = (id(part()?)?, id(part()?)?, id(part()?)?);
        let file_name = part()?;
        if parts.next().is_some() {
            return Err(InvalidKey);
        }
        Self::new(TenantId(tenant), BoardId(board), GenerationId(generation), file_name)
    }
}

/// The `uuid` crate also reads other spellings; a key has only one.
fn id(text: &str) -> Result<Uuid, InvalidKey> {
    let id = Uuid::try_parse(text).map_err(|_| InvalidKey)?;
    let mut buffer = Uuid::encode_buffer();
    if id.hyphenated().encode_lower(&mut buffer) == text { Ok(id) } else { Err(InvalidKey) }
}

fn file_name_is_valid(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= MAX_FILE_NAME_BYTES
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const IDS: &str = "0192b3a0-0000-7000-8000-00000000000a/0192b3a0-0000-7000-8000-00000000000b/\
                       0192b3a0-0000-7000-8000-00000000000c";

    #[test]
    fn a_key_reads_back_as_it_was_written() {
        let text = format!("{IDS}/artifact.png");
        let key: StorageKey = text.parse().expect("a key");
        assert_eq!(key.to_string(), text);
        assert_eq!(key.tenant().to_string(), text[..36]);
        assert_eq!(key.board().to_string(), text[37..73]);
        assert_eq!(key.generation().to_string(), text[74..110]);
        assert_eq!(key.file_name(), "artifact.png");
        let rebuilt = StorageKey::new(key.tenant(), key.board(), key.generation(), "artifact.png");
        assert_eq!(rebuilt, Ok(key));
    }

    #[rstest]
    #[case("a")]
    #[case("0")]
    #[case("thumbnail.webp")]
    #[case("a-b_c.tar.gz")]
    #[case("a..b")]
    fn file_names(#[case] name: &str) {
        assert!(format!("{IDS}/{name}").parse::<StorageKey>().is_ok());
    }

    #[rstest]
    #[case("")]
    #[case(".")]
    #[case("..")]
    #[case(".hidden")]
    #[case("-flag")]
    #[case("A.png")]
    #[case("a b")]
    #[case("a\\b")]
    #[case("a\0")]
    #[case("a\n")]
    #[case("a%2fb")]
    #[case("a#1")]
    #[case("é.png")]
    #[case("a/b")]
    #[case("a/../b")]
    #[case("a/")]
    fn tricks_in_the_file_name(#[case] name: &str) {
        assert_eq!(format!("{IDS}/{name}").parse::<StorageKey>(), Err(InvalidKey));
    }

    #[test]
    fn tricks_in_the_ids() {
        let key = format!("{IDS}/a");
        let id = &key[..36];
        for text in [
            String::new(),
            "/".to_owned(),
            format!("/{key}"),
            format!("//{key}"),
            format!("../{key}"),
            format!("{IDS}//a"),
            IDS.to_owned(),
            key[37..].to_owned(),
            key.to_uppercase(),
            key.replacen(id, &id.to_uppercase(), 1),
            key.replacen(id, &id.replace('-', ""), 1),
            key.replacen(id, &format!("{{{id}}}"), 1),
            key.replacen(id, &format!("urn:uuid:{id}"), 1),
            key.replacen(id, "..", 1),
            key.replacen(id, "%2e%2e", 1),
            key.replace('/', "\\"),
            key.replace('/', "%2F"),
        ] {
            assert_eq!(text.parse::<StorageKey>(), Err(InvalidKey), "{text}");
        }
    }

    #[test]
    fn file_names_are_short() {
        assert!(format!("{IDS}/{}", "a".repeat(64)).parse::<StorageKey>().is_ok());
        assert!(format!("{IDS}/{}", "a".repeat(65)).parse::<StorageKey>().is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(tail in "[ -~]{0,20}") {
            let text = format!("{IDS}/{tail}");
            if let Ok(key) = text.parse::<StorageKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
