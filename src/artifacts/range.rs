//! What a request asks of a file: which part of it (`Range`, `If-Range`), and whether the copy
//! that the client has is still good (`If-None-Match`). RFC 9110 §13 and §14.

use std::ops::Range;

/// Which bytes to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of them, with 200: no range was asked for, or one that may be ignored.
    Full,
    /// These, with 206. Never empty, and within the file.
    Partial(Range<u64>),
    /// None, with 416: the range lies beyond the end.
    Unsatisfiable,
}

/// Reads a `Range` header against a file of `length` bytes (RFC 9110 §14.2).
///
/// A header that is malformed, has another unit or asks for several ranges counts as absent, as
/// §14.2 allows: several ranges serve no player and multiply the work.
#[must_use]
pub fn parse_range(header: Option<&str>, length: u64) -> ByteRange {
    let Some((unit, set)) = header.and_then(|header| header.split_once('=')) else {
        return ByteRange::Full;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return ByteRange::Full;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return ByteRange::Full };
    match (first, last) {
        ("", "") => ByteRange::Full,
        ("", suffix) => suffix_range(suffix, length),
        (first, last) => first_last_range(first, last, length),
    }
}

/// `-500`: the last 500 bytes.
fn suffix_range(suffix: &str, length: u64) -> ByteRange {
    match position(suffix) {
        None => ByteRange::Full,
        Some(0) => ByteRange::Unsatisfiable,
        // Content-Range cannot describe a part of nothing.
        Some(_) if length == 0 => ByteRange::Full,
        Some(count) => ByteRange::Partial(length.saturating_sub(count)..length),
    }
}

/// `500-999` or `500-`, both ends inclusive.
fn first_last_range(first: &str, last: &str, length: u64) -> ByteRange {
    let Some(first) = position(first) else { return ByteRange::Full };
    let last = if last.is_empty() { Some(u64::MAX) } else { position(last) };
    match last {
        None => ByteRange::Full,
        Some(last) if last < first => ByteRange::Full,
        Some(_) if first >= length => ByteRange::Unsatisfiable,
        Some(last) => ByteRange::Partial(first..last.saturating_add(1).min(length)),
    }
}

/// Digits alone; a number that is too large for a `u64` lies beyond every file all the same.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Whether `Range` counts, given `If-Range` and the file's strong entity tag with its quotes
/// (RFC 9110 §13.1.5). A date or a weak tag never matches, so the whole file is sent.
#[must_use]
pub fn range_applies(if_range: Option<&str>, entity_tag: &str) -> bool {
    if_range.is_none_or(|condition| condition.trim() == entity_tag)
}

/// Whether `If-None-Match` says that the client has this very file, so that 304 is the answer
/// (RFC 9110 §13.1.2, weak comparison).
#[must_use]
pub fn is_not_modified(if_none_match: Option<&str>, entity_tag: &str) -> bool {
    let opaque = entity_tag.trim_start_matches("W/");
    if_none_match.is_some_and(|header| {
        header.split(',').map(str::trim).any(|candidate| {
            candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == opaque
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("bytes=0-499", 0..500)]
    #[case("bytes=500-999", 500..1000)]
    #[case("bytes=-500", 500..1000)]
    #[case("bytes=-5000", 0..1000)]
    #[case("bytes=0-", 0..1000)]
    #[case("bytes=999-", 999..1000)]
    #[case("bytes=0-0", 0..1)]
    #[case("BYTES=0-0", 0..1)]
    #[case("bytes= 0-0 ", 0..1)]
    #[case("bytes=10-99999999999999999999999999", 10..1000)]
    #[case("bytes=10-18446744073709551615", 10..1000)]
    fn parts(#[case] header: &str, #[case] expected: Range<u64>) {
        assert_eq!(parse_range(Some(header), 1000), ByteRange::Partial(expected));
    }

    #[rstest]
    #[case("bytes=1000-")]
    #[case("bytes=1000-2000")]
    #[case("bytes=-0")]
    #[case("bytes=99999999999999999999999999-")]
    fn beyond_the_end(#[case] header: &str) {
        assert_eq!(parse_range(Some(header), 1000), ByteRange::Unsatisfiable);
    }

    #[rstest]
    #[case("")]
    #[case("bytes")]
    #[case("bytes=")]
    #[case("bytes=-")]
    #[case("bytes=a-b")]
    #[case("bytes=1-b")]
    #[case("bytes=+1-2")]
    #[case("bytes=1 - 2")]
    #[case("bytes=--1")]
    #[case("bytes=5-1")]
    #[case("bytes=0-1,5-6")]
    #[case("bytes=-1,-1")]
    #[case("lines=0-1")]
    fn ignored(#[case] header: &str) {
        assert_eq!(parse_range(Some(header), 1000), ByteRange::Full);
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        assert_eq!(parse_range(None, 0), ByteRange::Full);
        assert_eq!(parse_range(Some("bytes=0-"), 0), ByteRange::Unsatisfiable);
        assert_eq!(parse_range(Some("bytes=-1"), 0), ByteRange::Full);
    }

    #[test]
    fn if_range_needs_the_same_strong_tag() {
        assert!(range_applies(None, "\"a\""));
        assert!(range_applies(Some("\"a\""), "\"a\""));
        assert!(!range_applies(Some("\"b\""), "\"a\""));
        assert!(!range_applies(Some("W/\"a\""), "\"a\""));
        assert!(!range_applies(Some("Wed, 21 Oct 2026 07:28:00 GMT"), "\"a\""));
    }

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_a_star() {
        assert!(is_not_modified(Some("\"x\", W/\"a\""), "\"a\""));
        assert!(is_not_modified(Some("*"), "\"a\""));
        assert!(!is_not_modified(Some("\"b\""), "\"a\""));
        assert!(!is_not_modified(None, "\"a\""));
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_outside(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", length: u64) {
            if let ByteRange::Partial(range) = parse_range(Some(&header), length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
