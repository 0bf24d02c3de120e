//! Keys to the providers that run generators, for everyone of this deployment.

use std::{collections::BTreeMap, fmt};

use figment::value::{Dict, Value};
use secrecy::SecretString;

use super::{
    ConfigError,
    reader::Reader,
    usual_names::{FAL_KEY_HALVES, USUAL_KEYS},
};

/// The setting.
const KEY: &str = "generator_api_keys";
/// Where the layers keep the keys that the environment has under their usual names. No setting has this
/// name, so that no file and no flag can.
pub(super) const USUAL: &str = "usual generator keys";
/// Longest key.
const MOST_BYTES: usize = 500;

/// Keys to providers by their usual names, `FAL_KEY`. `Debug` shows the names alone.
#[derive(Clone, Default)]
pub struct GeneratorKeys(BTreeMap<String, SecretString>);

impl GeneratorKeys {
    /// The key of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// Names for which there are keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The same with this key too.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, key: impl Into<SecretString>) -> Self {
        self.0.insert(name.into(), key.into());
        self
    }

    /// Names that no provider here goes by.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| !USUAL_KEYS.contains(name))
    }

    /// Those of the setting, then those under their usual names.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        let wrong = || reader.wrong(KEY, None);
        let mut keys = usual(reader);
        match reader.figment.find_value(KEY).ok() {
            None => {}
            Some(Value::Dict(_, table)) => {
                for (name, value) in table {
                    let key = value.as_str().ok_or_else(wrong)?;
                    keys.set(&name, key).map_err(|()| wrong())?;
                }
            }
            Some(value) => {
                let text = value.as_str().unwrap_or_default();
                let object: BTreeMap<String, String> =
                    serde_json::from_str(text).map_err(|_| wrong())?;
                for (name, key) in object {
                    keys.set(&name, &key).map_err(|()| wrong())?;
                }
            }
        }
        Ok(keys)
    }

    /// An empty key is none, and takes nothing away: compose files write `${NAME:-}`.
    fn set(&mut self, name: &str, key: &str) -> Result<(), ()> {
        let key = key.trim();
        let fits = key.len() <= MOST_BYTES && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits || name.is_empty() {
            return Err(());
        }
        if !key.is_empty() {
            self.0.insert(name.to_owned(), key.into());
        }
        Ok(())
    }
}

/// A usual variable that holds no key is passed over: it is not this server's own.
fn usual(reader: &Reader<'_>) -> GeneratorKeys {
    let mut keys = GeneratorKeys::default();
    let found: Dict = match reader.figment.find_value(USUAL) {
        Ok(Value::Dict(_, found)) => found,
        _ => return keys,
    };
    let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
    let [id, secret] = FAL_KEY_HALVES.map(text);
    if !id.is_empty() && !secret.is_empty() {
        let _ = keys.set("FAL_KEY", &format!("{id}:{secret}"));
    }
    for name in USUAL_KEYS {
        let _ = keys.set(name, text(name));
    }
    keys
}

impl fmt::Debug for GeneratorKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}
