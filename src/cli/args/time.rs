//! Times as people write them: RFC 3339 (`2026-11-22T08:00:00Z`), or a date, which is its first
//! moment in UTC.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// A time in RFC 3339, or a date.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let date: NaiveDate =
        text.parse().map_err(|_| "a time such as 2026-11-22T08:00:00Z, or a date")?;
    Ok(date.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates() {
        for (text, seconds) in
            [("1970-01-02", 86_400), ("1970-01-01T00:00:07Z", 7), ("1970-01-01T01:00:07+01:00", 7)]
        {
            assert_eq!(parse(text).map(|time| time.timestamp()), Ok(seconds), "{text}");
        }
        for wrong in ["", "yesterday", "1970-13-01", "1970-01-01T00:00:00", "7"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
