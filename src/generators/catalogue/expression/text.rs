//! Operations on texts.

use serde_json::Value;

use super::number;

/// Whether the first text is a part of the second.
pub(super) fn contains(needle: &Value, text: &Value) -> Value {
    let (Some(needle), Some(text)) = (needle.as_str(), text.as_str()) else { return false.into() };
    text.contains(needle).into()
}

/// Whether `text` begins with `prefix`.
pub(super) fn starts_with(text: &Value, prefix: &Value) -> Value {
    let (Some(text), Some(prefix)) = (text.as_str(), prefix.as_str()) else { return false.into() };
    text.starts_with(prefix).into()
}

/// `text` in lower case.
pub(super) fn lower(text: &Value) -> Value {
    text.as_str().map_or(Value::Null, |text| text.to_lowercase().into())
}

/// `text` without `suffix` at its end.
pub(super) fn strip_suffix(text: &Value, suffix: &Value) -> Value {
    let (Some(text), Some(suffix)) = (text.as_str(), suffix.as_str()) else { return Value::Null };
    text.strip_suffix(suffix).unwrap_or(text).into()
}

/// The part of `text` at `place` between separators; -1 is the last.
pub(super) fn split(text: &Value, separator: &Value, place: &Value) -> Value {
    let (Some(text), Some(separator)) = (text.as_str(), separator.as_str()) else {
        return Value::Null;
    };
    let part = match place.as_i64() {
        _ if separator.is_empty() => None,
        Some(-1) => text.rsplit(separator).next(),
        Some(place) => usize::try_from(place).ok().and_then(|at| text.split(separator).nth(at)),
        None => None,
    };
    part.map_or(Value::Null, Value::from)
}

/// Characters of a text, or elements of a list.
pub(super) fn length(value: &Value) -> Value {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        _ => return Value::Null,
    };
    #[expect(clippy::cast_precision_loss, reason = "nothing this long fits into memory")]
    number::to_json(Some(length as f64))
}
