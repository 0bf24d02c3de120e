//! JSON objects that users attach to boards and tags.

use serde_json::{Map, Value};

use super::Validator;

/// A JSON object, as `settings` and `metadata` hold it.
pub type JsonObject = Map<String, Value>;

/// The largest JSON object that is accepted, in bytes of its compact form.
pub const JSON_OBJECT_MAX_BYTES: usize = 64 * 1024;

/// Levels of objects and lists that are accepted. What is stored must be read again, and readers of
/// JSON stop at 128.
const JSON_LEVELS_MAX: usize = 64;

/// The object in `value`; anything else, an object that is too large, or one that holds U+0000
/// (which PostgreSQL's jsonb refuses) is reported.
pub fn json_object(path: &str, value: &Value, validator: &mut Validator) -> JsonObject {
    let Value::Object(object) = value else {
        validator.report(path, format!("{path} must be a JSON object"));
        return JsonObject::new();
    };
    let compact = value.to_string();
    validator.check(compact.len() <= JSON_OBJECT_MAX_BYTES, path, || {
        format!("{path} must be at most {JSON_OBJECT_MAX_BYTES} bytes of JSON")
    });
    validator.check(levels(value) <= JSON_LEVELS_MAX, path, || {
        format!("{path} must not be nested deeper than {JSON_LEVELS_MAX} levels")
    });
    validator.check(!holds_nul(value), path, || format!("{path} must not contain U+0000"));
    object.clone()
}

/// Levels of objects and lists in each other. What comes in is bounded by the parsers.
fn levels(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(levels).max(),
        Value::Object(members) => members.values().map(levels).max(),
        _ => return 0,
    };
    inner.unwrap_or_default() + 1
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
        }
        _ => false,
    }
}

/// `target` changed by `patch` as JSON Merge Patch says (RFC 7396): null removes a member.
#[must_use]
pub fn merge_patch(target: JsonObject, patch: JsonObject) -> JsonObject {
    let mut merged = Value::Object(target);
    json_patch::merge(&mut merged, &Value::Object(patch));
    match merged {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
