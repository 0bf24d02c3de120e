//! JSON as the database holds it.

use sea_orm::sqlx::{Decode, Postgres, error::BoxDynError, postgres::PgValueRef};
use serde_json::Value;

/// The version of its format that precedes the text of a `jsonb`.
const JSONB_VERSION: &[u8] = &[1];

/// A JSON value that is kept as its text: most are shown as they are, and few are looked into.
#[derive(Clone, Debug, Default)]
pub struct StoredJson(Option<Box<str>>);

impl StoredJson {
    /// Its text; `null` for what was not read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_deref().unwrap_or("null")
    }

    /// What it says. A text that cannot be read, such as a number of a thousand digits in a row of an
    /// older server, says null.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl From<Value> for StoredJson {
    fn from(value: Value) -> Self {
        Self(Some(value.to_string().into()))
    }
}

/// `PostgreSQL` has checked what it holds in columns of JSON.
impl<'r> Decode<'r, Postgres> for StoredJson {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let bytes = value.as_bytes()?;
        let text = bytes.strip_prefix(JSONB_VERSION).unwrap_or(bytes);
        Ok(Self(Some(std::str::from_utf8(text)?.into())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_value_say_the_same() {
        let value = json!({ "a": [1, "b", null] });
        let stored = StoredJson::from(value.clone());
        assert_eq!(stored.text(), r#"{"a":[1,"b",null]}"#);
        assert_eq!(stored.value(), value);
    }

    #[test]
    fn what_was_not_read_is_null() {
        assert_eq!(StoredJson::default().text(), "null");
        assert_eq!(StoredJson::default().value(), Value::Null);
    }

    #[test]
    fn what_no_reader_can_hold_is_null() {
        assert_eq!(StoredJson(Some("1e999".into())).value(), Value::Null);
    }
}
