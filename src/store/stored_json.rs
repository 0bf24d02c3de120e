//! JSON as the database holds it.

use serde_json::{Value, value::RawValue};

/// A JSON value that is kept as its text: most are shown as they are, and few are looked into.
#[derive(Clone, Debug, Default)]
pub struct StoredJson(Option<Box<RawValue>>);

impl StoredJson {
    /// Its text; `null` for what was not read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_deref().map_or("null", RawValue::get)
    }

    /// What it says. A text that cannot be read, such as a number of a thousand digits in a row of an
    /// older server, says null.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_default()
    }
}

impl From<Box<RawValue>> for StoredJson {
    fn from(text: Box<RawValue>) -> Self {
        Self(Some(text))
    }
}

impl From<&Value> for StoredJson {
    fn from(value: &Value) -> Self {
        Self(serde_json::value::to_raw_value(value).ok())
    }
}

impl From<Value> for StoredJson {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_value_say_the_same() {
        let value = json!({ "a": [1, "b", null] });
        let stored = StoredJson::from(&value);
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
        let text = RawValue::from_string("1e999".to_owned()).expect("JSON");
        assert_eq!(StoredJson::from(text).value(), Value::Null);
    }
}
