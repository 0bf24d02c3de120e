//! How long a provider wants to be left alone.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header::RETRY_AFTER};

/// Longest time that is believed.
const LONGEST: Duration = Duration::from_mins(10);

/// What the headers of an answer say: milliseconds in `retry-after-ms`, else seconds or a date in
/// `Retry-After` (RFC 9110, section 10.2.3). At most ten minutes.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| number(text, 1000.0));
    let seconds = || text(RETRY_AFTER.as_str()).and_then(|text| number(text, 1.0));
    let date = || {
        let date = httpdate::parse_http_date(text(RETRY_AFTER.as_str())?).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    };
    milliseconds.or_else(seconds).or_else(date).map(|time| time.min(LONGEST))
}

/// So many parts of a second; never negative, never more than what is believed.
fn number(text: &str, parts: f64) -> Option<Duration> {
    let number: f64 = text.parse().ok().filter(|number: &f64| !number.is_nan())?;
    let seconds = (number / parts).min(LONGEST.as_secs_f64());
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        retry_after(&headers.collect(), now)
    }

    #[test]
    fn seconds_milliseconds_and_dates() {
        let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
        assert_eq!(read(&[("retry-after", "7")]), seconds(7.0));
        assert_eq!(read(&[("retry-after", "0.5")]), seconds(0.5));
        assert_eq!(read(&[("retry-after-ms", "250"), ("retry-after", "7")]), seconds(0.25));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), seconds(30.0));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), seconds(0.0));
    }

    #[test]
    fn nonsense_is_nothing_and_much_is_bounded() {
        for nonsense in ["", "soon", "-1", "NaN"] {
            assert_eq!(read(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        for much in ["86400", "inf", "1e300", "Sat, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(read(&[("retry-after", much)]), Some(LONGEST), "{much}");
        }
        assert_eq!(read(&[]), None);
    }
}
