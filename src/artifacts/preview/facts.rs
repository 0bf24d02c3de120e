//! How facts are written in `outputMetadata`.

use serde_json::Value;

/// The longest duration that is believed, in seconds: thirty days. What is longer is a header that
/// lies or is damaged.
const MOST_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

/// A duration in seconds, to the millisecond; none for what cannot be one.
pub(super) fn seconds(seconds: f64) -> Option<Value> {
    let is_duration = seconds.is_finite() && seconds > 0.0 && seconds <= MOST_SECONDS;
    is_duration.then(|| Value::from(thousandths(seconds)))
}

/// A number without the digits that say nothing.
pub(super) fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_left_out() {
        assert_eq!(seconds(1.234_567), Some(Value::from(1.235)));
        for wrong in [0.0, -1.0, 1e10, f64::NAN, f64::INFINITY] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
