//! The protected header of a token (RFC 7515, section 4), read strictly. What it says of keys by
//! address or value (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{fault::Fault, members::Members};
use crate::config::{JwtAlgorithm, TokenType};

/// The types of an access token (RFC 7519, section 5.1; RFC 9068, section 2.1). A token made for
/// another purpose names another one.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];
/// The same without the one that says nothing.
const ACCESS_TOKEN_TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// What a header says of the signature and of the token.
#[derive(Debug)]
pub(in super::super) struct TokenHeader {
    /// `alg`, where it is one of ours.
    pub(in super::super) algorithm: JwtAlgorithm,
    /// `kid`.
    pub(in super::super) key_id: Option<String>,
}

impl TokenHeader {
    /// Reads the header of a token of three parts.
    pub(in super::super) fn read(token: &str, token_type: TokenType) -> Result<Self, Fault> {
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let &[header, _payload, _signature] = parts.as_slice() else {
            return Err(Fault::Malformed);
        };
        let header = members(header).ok_or(Fault::Malformed)?;
        let name = header.get("alg").and_then(Value::as_str).ok_or(Fault::Algorithm)?;
        let algorithm = JwtAlgorithm::registered(name).ok_or(Fault::Algorithm)?;
        if header.contains_key("crit") {
            return Err(Fault::Critical);
        }
        check_type(header.get("typ"), token_type)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(Fault::Malformed),
        };
        Ok(Self { algorithm, key_id })
    }
}

fn check_type(value: Option<&Value>, token_type: TokenType) -> Result<(), Fault> {
    let (types, may_lack): (&[&str], bool) = match token_type {
        TokenType::Any => (&TYPES, true),
        TokenType::AccessToken => (&ACCESS_TOKEN_TYPES, false),
    };
    match value {
        None if may_lack => Ok(()),
        Some(Value::String(name)) if types.iter().any(|t| name.eq_ignore_ascii_case(t)) => Ok(()),
        _ => Err(Fault::Type),
    }
}

/// What a text claims to be before anything of it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Shape {
    /// A signed token, and the `iss` that it claims, if that is a string.
    Signed(Option<String>),
    /// Something that only its issuer can read.
    Opaque,
}

impl Shape {
    /// Looks at a token, without judging it.
    pub(in super::super) fn of(token: &str) -> Self {
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let &[header, payload, _signature] = parts.as_slice() else { return Self::Opaque };
        if !URL_SAFE_NO_PAD.decode(header).is_ok_and(|header| header.starts_with(b"{")) {
            return Self::Opaque;
        }
        let claims = members(header).and_then(|_| members(payload));
        let issuer = claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
        Self::Signed(issuer.map(str::to_owned))
    }
}

fn members(part: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok().map(|Members(members)| members)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn signed(issuer: Option<&str>) -> Shape {
        Shape::Signed(issuer.map(str::to_owned))
    }

    #[rstest]
    #[case(r#"{"iss":"https://id.example/"}"#, Some("https://id.example/"))]
    #[case(r#"{"iss":["https://id.example/"]}"#, None)]
    #[case(r#"{"iss":null}"#, None)]
    #[case(r#"{"iss":"a","iss":"b"}"#, None)]
    #[case("{}", None)]
    #[case("no JSON", None)]
    fn issuers_are_read_strictly(#[case] payload: &str, #[case] issuer: Option<&str>) {
        assert_eq!(Shape::of(&token(r#"{"alg":"RS256"}"#, payload)), signed(issuer));
    }

    #[test]
    fn what_has_no_header_is_opaque() {
        let encrypted = format!("{}..AAAA.AAAA.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"dir"}"#));
        for opaque in ["token", "a.b", "a.b.c", "", &encrypted, "{}.{}.{}"] {
            assert_eq!(Shape::of(opaque), Shape::Opaque, "{opaque}");
        }
        let broken = token("{", r#"{"iss":"x"}"#);
        assert_eq!(Shape::of(&broken), signed(None), "a broken one is nobody's");
    }

    #[rstest]
    #[case(r#"{"alg":"RS256","typ":"at+jwt"}"#, None)]
    #[case(r#"{"alg":"RS256","typ":"application/AT+JWT"}"#, None)]
    #[case(r#"{"alg":"RS256","typ":"JWT"}"#, Some(Fault::Type))]
    #[case(r#"{"alg":"RS256"}"#, Some(Fault::Type))]
    fn access_tokens_can_be_insisted_on(#[case] header: &str, #[case] fault: Option<Fault>) {
        let token = token(header, "{}");
        assert_eq!(TokenHeader::read(&token, TokenType::AccessToken).err(), fault);
        assert_eq!(TokenHeader::read(&token, TokenType::Any).err(), None);
    }

    #[test]
    fn key_ids_are_text() {
        let read = |header: &str| TokenHeader::read(&token(header, "{}"), TokenType::Any);
        let id = read(r#"{"alg":"RS256","kid":"a"}"#).map(|header| header.key_id);
        assert_eq!(id, Ok(Some("a".to_owned())));
        let number = read(r#"{"alg":"RS256","kid":7}"#).map(|header| header.key_id);
        assert_eq!(number, Err(Fault::Malformed));
    }
}
