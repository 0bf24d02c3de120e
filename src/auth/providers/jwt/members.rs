//! A JSON object in which no member stands twice. RFC 7519, section 4, allows to refuse such
//! tokens: another reader of the same token might take the other value.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The members of the object, by name.
#[derive(Debug)]
pub(in super::super) struct Members(pub(in super::super) Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.insert(name, access.next_value()?).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(json: &str) -> bool {
        serde_json::from_str::<Members>(json).is_ok()
    }

    #[test]
    fn members_stand_once() {
        assert!(is_good(r#"{"a": 1, "b": {"a": 2}}"#));
        assert!(!is_good(r#"{"a": 1, "a": 1}"#));
        assert!(!is_good(r#"{"a": 1, "\u0061": 1}"#), "an escaped name is the same name");
        assert!(!is_good("[]"));
    }
}
