//! Where one file is: in which store, under which key. Rows and links say it.

use std::{fmt, str::FromStr};

use super::{InvalidKey, StorageKey};
use crate::config::StoreName;

/// What marks a file of our own stores in `storage_url` and `thumbnail_url`. Anything else there is
/// a URL of an older server or of a provider and is handed out as it is.
const OWN_STORE: &str = "storage";

/// The place of a file. Rows hold it as `storage:{key}`, in a store beside the main one as
/// `storage+{store}:{key}`; links as `{key}` and `{store}/{key}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    store: StoreName,
    key: StorageKey,
}

impl Location {
    /// A file of this store.
    #[must_use]
    pub fn new(store: StoreName, key: StorageKey) -> Self {
        Self { store, key }
    }

    /// The store that it is in.
    #[must_use]
    pub fn store(&self) -> &StoreName {
        &self.store
    }

    /// Its key there.
    #[must_use]
    pub fn key(&self) -> &StorageKey {
        &self.key
    }

    /// What a row says about it.
    #[must_use]
    pub fn stored(&self) -> String {
        let Self { store, key } = self;
        if store.is_main() {
            format!("{OWN_STORE}:{key}")
        } else {
            format!("{OWN_STORE}+{store}:{key}")
        }
    }

    /// The place in what a row says about a file, if the file is in a store of ours.
    #[must_use]
    pub fn from_stored(stored: &str) -> Option<Self> {
        let (store, key) = split(stored)?;
        let store = store.map_or_else(|| Some(StoreName::main()), |name| name.parse().ok())?;
        Some(Self { store, key: key.parse().ok()? })
    }
}

/// The store, where it is not the main one, and the key. Reads nothing closely: this is done for
/// each row of a list.
pub(super) fn split(stored: &str) -> Option<(Option<&str>, &str)> {
    let rest = stored.strip_prefix(OWN_STORE)?;
    match rest.strip_prefix('+') {
        Some(named) => named.split_once(':').map(|(store, key)| (Some(store), key)),
        None => rest.strip_prefix(':').map(|key| (None, key)),
    }
}

/// As links have it.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, key } = self;
        if store.is_main() {
            write!(formatter, "{key}")
        } else {
            write!(formatter, "{store}/{key}")
        }
    }
}

impl FromStr for Location {
    type Err = InvalidKey;

    /// Reads the path of a link, after percent-decoding. A key has four parts, so that no key
    /// begins with the name of a store.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if let Ok(key) = text.parse() {
            return Ok(Self { store: StoreName::main(), key });
        }
        let (store, key) = text.split_once('/').ok_or(InvalidKey)?;
        let store: StoreName = store.parse().map_err(|_| InvalidKey)?;
        // The main store has one spelling.
        if store.is_main() { Err(InvalidKey) } else { Ok(Self { store, key: key.parse()? }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0192b3a0-0000-7000-8000-00000000000a/0192b3a0-0000-7000-8000-00000000000b/\
                       0192b3a0-0000-7000-8000-00000000000c/artifact.png";

    #[test]
    fn places_read_back_as_they_were_written() {
        for (store, stored, path) in [
            ("default", format!("storage:{KEY}"), KEY.to_owned()),
            ("videos", format!("storage+videos:{KEY}"), format!("videos/{KEY}")),
        ] {
            let store = store.parse().expect("a name");
            let location = Location::new(store, KEY.parse().expect("a key"));
            assert_eq!(location.stored(), stored);
            assert_eq!(location.to_string(), path);
            assert_eq!(Location::from_stored(&stored), Some(location.clone()));
            assert_eq!(path.parse(), Ok(location));
        }
    }

    #[test]
    fn everything_else_is_no_place() {
        for stored in [
            String::new(),
            KEY.to_owned(),
            format!("storage+:{KEY}"),
            format!("storage+Videos:{KEY}"),
            format!("storage+videos/{KEY}"),
            format!("storage.example:{KEY}"),
            "https://storage.example/a.png".to_owned(),
            "storage:nowhere".to_owned(),
        ] {
            assert_eq!(Location::from_stored(&stored), None, "{stored}");
        }
        for path in
            [format!("default/{KEY}"), format!("/{KEY}"), format!("a/b/{KEY}"), format!("../{KEY}")]
        {
            assert_eq!(path.parse::<Location>(), Err(InvalidKey), "{path}");
        }
    }
}
