//! Numbers: doubles, of which whole ones are written as integers.

use serde_json::Value;

/// Up to here doubles hold every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `number` as JSON; null where it is no number, or none that JSON can hold.
pub(super) fn to_json(number: Option<f64>) -> Value {
    let Some(number) = number.filter(|number| number.is_finite()) else { return Value::Null };
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The number that `value` is. A boolean is none.
pub(super) fn of(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

/// The number that `value` is or that its text says.
pub(super) fn read(value: &Value) -> Option<f64> {
    match value {
        // The words for infinity and for what is no number would be read, too.
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        other => of(other),
    }
}
