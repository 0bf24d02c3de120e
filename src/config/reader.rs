//! Typed reads of the merged layers; every failure names the setting and where its value is from.

use std::str::FromStr;

use figment::{
    Figment, Source,
    value::{Num, Value},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    ConfigError, layers,
    setting::{Setting, by_key},
    usual_names::usual_name,
    value::NotAllowed,
};

/// How much of a wrong value a message repeats.
const SHOWN_CHARACTERS: usize = 60;

pub(super) struct Reader<'a> {
    pub(super) figment: &'a Figment,
}

impl Reader<'_> {
    /// A value that has a default, read by its type.
    pub(super) fn value<T: FromStr>(&self, key: &str) -> Result<T, ConfigError> {
        self.required(key, |text| text.parse().map_err(|_| NotAllowed))
    }

    /// A value that has a default, read by a function.
    pub(super) fn required<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, NotAllowed>,
    ) -> Result<T, ConfigError> {
        self.optional(key, read)?.ok_or_else(|| self.wrong(key, None))
    }

    /// A value that need not be set, read by a function. Spaces around it do not count.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, NotAllowed>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let text = scalar(&value).ok_or_else(|| self.wrong(key, None))?;
        match text.trim() {
            "" => Err(self.wrong(key, Some(""))),
            trimmed => match read(trimmed) {
                Ok(value) => Ok(Some(value)),
                Err(NotAllowed) => Err(self.wrong(key, Some(trimmed))),
            },
        }
    }

    /// Text that need not be set.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.optional(key, |text| Ok(text.to_owned()))
    }

    /// True or false, in the words that people use.
    pub(super) fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        self.required(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(NotAllowed),
        })
    }

    /// A number within the bounds of the table.
    pub(super) fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<T, ConfigError> {
        let bounds = match setting(key).kind {
            super::Kind::Number(low, high) => low..=high,
            _ => 0..=u64::MAX,
        };
        self.required(key, |text| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number.and_then(|number| T::try_from(number).ok()).ok_or(NotAllowed)
        })
    }

    /// The same for a number that need not be set.
    pub(super) fn optional_number<T: TryFrom<u64>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, ConfigError> {
        if self.find(key).is_none() { Ok(None) } else { self.number(key).map(Some) }
    }

    /// A secret of at least `least` bytes, as it is: spaces count.
    pub(super) fn secret(
        &self,
        key: &str,
        least: usize,
    ) -> Result<Option<SecretString>, ConfigError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let secret = value.as_str().map(SecretString::from);
        let secret = secret.filter(|secret| secret.expose_secret().len() >= least);
        secret.map(Some).ok_or_else(|| self.wrong(key, None))
    }

    /// Items of a list, which is an array or text with commas. `off` and `[]` are no items.
    pub(super) fn list<T: PartialEq>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, NotAllowed>,
    ) -> Result<Vec<T>, ConfigError> {
        let array = match self.find(key) {
            Some(Value::Array(_, items)) => {
                let items: Option<Vec<String>> = items.iter().map(scalar).collect();
                Some(items.ok_or_else(|| self.wrong(key, None))?)
            }
            _ => None,
        };
        let items = match array {
            Some(items) => items,
            None => self.required(key, |text| match text {
                "off" => Ok(Vec::new()),
                _ => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            })?,
        };
        let mut read_items = Vec::with_capacity(items.len());
        for item in items {
            let value = read(&item).map_err(|_| self.wrong(key, Some(&item)))?;
            if !read_items.contains(&value) {
                read_items.push(value);
            }
        }
        Ok(read_items)
    }

    /// The same for a list that need not be set, and has at least one item where it is.
    pub(super) fn optional_list<T: PartialEq>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, NotAllowed>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        if self.find(key).is_none() {
            return Ok(None);
        }
        let items = self.list(key, read)?;
        if items.is_empty() { Err(self.wrong(key, None)) } else { Ok(Some(items)) }
    }

    /// Whether somebody has set it.
    pub(super) fn is_set(&self, key: &str) -> bool {
        let metadata = self.figment.find_metadata(key);
        metadata.is_some_and(|metadata| metadata.name != layers::DEFAULTS)
    }

    /// The setting's name and where its value comes from: `BOARDS_API_PORT (flag --api-port)`.
    pub(super) fn named(&self, key: &str) -> String {
        format!("{} ({})", setting(key).name, self.origin(key))
    }

    /// The failure of one setting; `got` is repeated unless the setting is secret.
    pub(super) fn wrong(&self, key: &str, got: Option<&str>) -> ConfigError {
        let Setting { name, kind, .. } = setting(key);
        let got = match got {
            Some(text) if !kind.is_secret() => format!(", not {:?}", shortened(text)),
            _ => String::new(),
        };
        ConfigError::Wrong { name, origin: self.origin(key), allowed: kind.allowed(), got }
    }

    fn find(&self, key: &str) -> Option<Value> {
        self.figment.find_value(key).ok()
    }

    fn origin(&self, key: &str) -> String {
        let metadata = self.figment.find_metadata(key);
        match metadata.map(|metadata| (metadata.name.as_ref(), metadata.source.as_ref())) {
            Some((layers::FLAGS, _)) => format!("flag --{}", setting(key).flag),
            Some((layers::FILE, Some(Source::File(path)))) => {
                format!("{key} in {}", path.display())
            }
            Some((layers::ENVIRONMENT, _)) => layers::ENVIRONMENT.to_owned(),
            Some((name, _)) if usual_name(name).is_some() => {
                format!("{name} in the environment")
            }
            Some(_) => layers::DEFAULTS.to_owned(),
            None => "not set".to_owned(),
        }
    }
}

/// Keys are literals of this module's parent; a test reads every one of them.
fn setting(key: &str) -> &'static Setting {
    by_key(key).unwrap_or_else(|| unreachable!("{key} is not in the table of settings"))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, switch) => Some(switch.to_string()),
        Value::Num(_, number) => Some(number_text(*number)),
        _ => None,
    }
}

fn number_text(number: Num) -> String {
    let whole = number.to_u128().map(|n| n.to_string());
    let whole = whole.or_else(|| number.to_i128().map(|n| n.to_string()));
    whole.or_else(|| number.to_f64().map(|n| n.to_string())).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
