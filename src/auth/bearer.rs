//! The token in an `Authorization` header (RFC 6750, section 2.1), or in what stands for it in the
//! parameters of a WebSocket connection.

use crate::error::{Error, Result};

/// Most bytes of a header's value, and so of a token.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// What may stand after the scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSyntax {
    /// RFC 6750's `b64token`: letters, digits, `-._~+/`, and `=` at the end.
    B64Token,
    /// Any text, none at all included: for development, where nobody looks at it.
    AnyText,
}

/// The bearer token among the values of the `Authorization` header; `None` when there is no such
/// header.
///
/// ```text
/// bearer::token(headers.get_all(AUTHORIZATION), verifier.syntax())?;
/// bearer::token(connection_params.get("Authorization").and_then(Value::as_str), syntax)?;
/// ```
///
/// # Errors
/// [`Error::InvalidToken`] for more than one header, another scheme, more than
/// [`TOKEN_MAX_BYTES`], or text outside `syntax`.
pub fn token<'a, V>(
    values: impl IntoIterator<Item = &'a V>,
    syntax: TokenSyntax,
) -> Result<Option<&'a str>>
where
    V: AsRef<[u8]> + ?Sized + 'a,
{
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let parsed = match values.next() {
        None => parse(value.as_ref(), syntax),
        Some(_) => Err("more than one Authorization header"),
    };
    parsed.map(Some).map_err(|reason| {
        tracing::debug!(reason, "credentials refused");
        Error::InvalidToken
    })
}

fn parse(value: &[u8], syntax: TokenSyntax) -> Result<&str, &'static str> {
    if value.len() > TOKEN_MAX_BYTES {
        return Err("longer than 16 KiB");
    }
    let value = std::str::from_utf8(value).map_err(|_| "not UTF-8")?;
    let value = value.trim_matches([' ', '\t']);
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("a scheme other than Bearer");
    }
    let token = token.trim_start_matches(' ');
    match syntax {
        TokenSyntax::B64Token if !is_b64token(token) => Err("not of the form of a bearer token"),
        _ => Ok(token),
    }
}

fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let is_allowed = |byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
    use rstest::rstest;

    use super::*;

    fn one(value: &str, syntax: TokenSyntax) -> Result<Option<&str>> {
        token([value], syntax)
    }

    #[rstest]
    #[case("Bearer abc.DEF-_~+/09==", Some("abc.DEF-_~+/09=="))]
    #[case("bearer abc", Some("abc"))]
    #[case("BEARER   abc ", Some("abc"))]
    #[case("Bearer", None)]
    #[case("Bearer ", None)]
    #[case("", None)]
    #[case("abc", None)]
    #[case("Bearerabc", None)]
    #[case("Bearer\tabc", None)]
    #[case("Basic YTpi", None)]
    #[case("Bearer a b", None)]
    #[case("Bearer a, Bearer b", None)]
    #[case("Bearer a=b", None)]
    #[case("Bearer ==", None)]
    #[case("Bearer ä", None)]
    #[case("Bearer \"abc\"", None)]
    fn tokens(#[case] value: &str, #[case] expected: Option<&str>) {
        match (one(value, TokenSyntax::B64Token), expected) {
            (Ok(found), Some(_)) => assert_eq!(found, expected),
            (found, None) => assert!(matches!(found, Err(Error::InvalidToken)), "{found:?}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[rstest]
    #[case("Bearer any text, ä!", "any text, ä!")]
    #[case("Bearer", "")]
    fn any_text_for_development(#[case] value: &str, #[case] expected: &str) {
        let found = one(value, TokenSyntax::AnyText).expect("any text is good");
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn another_scheme_is_refused_in_development_too() {
        assert!(matches!(one("Basic YTpi", TokenSyntax::AnyText), Err(Error::InvalidToken)));
    }

    #[test]
    fn absent_is_not_a_fault() {
        assert!(matches!(token(None::<&str>, TokenSyntax::B64Token), Ok(None)));
    }

    #[test]
    fn headers_count() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        let found = token(headers.get_all(AUTHORIZATION), TokenSyntax::B64Token);
        assert_eq!(found.expect("one header"), Some("a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        for syntax in [TokenSyntax::B64Token, TokenSyntax::AnyText] {
            let found = token(headers.get_all(AUTHORIZATION), syntax);
            assert!(matches!(found, Err(Error::InvalidToken)));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let value: &[u8] = b"Bearer \xff";
        assert!(matches!(token([value], TokenSyntax::AnyText), Err(Error::InvalidToken)));
    }

    #[test]
    fn the_value_has_a_bound() {
        let fits = format!("Bearer {}", "a".repeat(TOKEN_MAX_BYTES - 7));
        assert!(one(&fits, TokenSyntax::B64Token).is_ok());
        let long = format!("{fits}a");
        for syntax in [TokenSyntax::B64Token, TokenSyntax::AnyText] {
            assert!(matches!(one(&long, syntax), Err(Error::InvalidToken)));
        }
    }
}
