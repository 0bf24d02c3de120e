//! Durations as people write them: `30s`, `15m`, `1h`, `7d`.

use std::time::Duration;

const DAY: u64 = 24 * 3600;
/// Ten years: longer is a mistake.
const LONGEST: u64 = 3650 * DAY;

/// A whole number and one unit, more than nothing and at most 3650 days.
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    const ALLOWED: &str = "a number and s, m, h or d, such as 30s, 15m, 1h or 7d; at most 3650d";
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => DAY,
        _ => return Err(ALLOWED),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| (1..=LONGEST).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 604_800)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn nothing_else() {
        for wrong in [
            "",
            "1",
            "h",
            "0s",
            "-1h",
            "1.5h",
            "1 h",
            "1w",
            "1hm",
            "3651d",
            "99999999999999999999d",
            "1ä",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
