//! What a verified token says about its bearer, taken from its claims with a bound on every value.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use url::Url;

use crate::domain::{EmailAddress, TokenScope};

/// Most characters of a subject, a name, an email address or a tenant: what the columns hold.
const TEXT_MAX_CHARACTERS: usize = 255;
/// Most bytes of a picture's address.
const URL_MAX_BYTES: usize = 2048;
/// Where the tenant is looked for, in this order, when no claim is configured.
const TENANT_CLAIMS: [&str; 5] = ["tenant", "tenant_id", "org_slug", "org", "organization"];

/// A bearer whose credentials have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    /// The configured provider that vouches for the subject: a subject means something only
    /// together with it.
    pub provider: Arc<str>,
    /// `sub`: 1–255 characters, none of them a control character.
    pub subject: String,
    /// The tenant claim. `None` when the token has none; the empty string when it has one that
    /// cannot name a tenant, which must end in `TENANT_NOT_FOUND` and never fall back to
    /// `X-Tenant`.
    pub tenant: Option<String>,
    /// `email`, where it looks like one address.
    pub email: Option<String>,
    /// `email_verified`: whether the provider vouches for `email`. Never true without one.
    pub email_verified: bool,
    /// `name`, else `preferred_username`, else `given_name` and `family_name`.
    pub display_name: Option<String>,
    /// `picture`: an http or https URL.
    pub avatar_url: Option<String>,
    /// From this moment on the credentials are refused (`exp` and the leeway); `None` is never.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the token was granted: `scope`, `scp` and `permissions` together. `None` when it has
    /// none of these claims.
    pub scopes: Option<Vec<String>>,
    /// Slugs of the only tenants for which the issuer is trusted; `None` is all.
    pub allowed_tenants: Option<Arc<[String]>>,
}

impl VerifiedIdentity {
    /// The identity in claims that have been verified, without an expiry. Optional claims that are
    /// malformed or too long are left out. `tenant_claim` is the one claim to take the tenant
    /// from; `None` tries the usual names.
    ///
    /// `None` is returned when `sub` cannot be a subject.
    #[must_use]
    pub fn from_claims(
        provider: Arc<str>,
        claims: &Map<String, Value>,
        tenant_claim: Option<&str>,
    ) -> Option<Self> {
        let subject = claims.get("sub").and_then(Value::as_str).filter(|text| is_line(text))?;
        let email = text(claims, "email").filter(|text| EmailAddress::parse(text).is_some());
        Some(Self {
            provider,
            subject: subject.to_owned(),
            tenant: tenant(claims, tenant_claim),
            email_verified: email.is_some() && is_true(claims.get("email_verified")),
            email: email.map(str::to_owned),
            display_name: display_name(claims),
            avatar_url: text(claims, "picture").and_then(picture),
            expires_at: None,
            scopes: scopes(claims),
            allowed_tenants: None,
        })
    }

    /// The same, as far as its issuer is trusted: for these tenants alone, and with the scope
    /// `platform:admin` only where the issuer may give it.
    #[must_use]
    pub fn vouched_for(mut self, tenants: Option<Arc<[String]>>, platform_admin: bool) -> Self {
        if let Some(scopes) = self.scopes.as_mut().filter(|_| !platform_admin) {
            scopes.retain(|scope| scope != TokenScope::PlatformAdmin.as_str());
        }
        Self { allowed_tenants: tenants, ..self }
    }

    /// Whether its issuer may vouch for it in the tenant of this slug.
    #[must_use]
    pub fn is_allowed_in(&self, slug: &str) -> bool {
        self.allowed_tenants.as_ref().is_none_or(|slugs| slugs.iter().any(|one| one == slug))
    }
}

/// The claim, unless it is null, which counts as absent.
pub(super) fn present<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

fn is_line(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= TEXT_MAX_CHARACTERS
        && !text.chars().any(char::is_control)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn display_name(claims: &Map<String, Value>) -> Option<String> {
    let one = |name| text(claims, name).filter(|text| is_line(text)).map(str::to_owned);
    one("name").or_else(|| one("preferred_username")).or_else(|| {
        let parts: Vec<&str> =
            ["given_name", "family_name"].iter().filter_map(|name| text(claims, name)).collect();
        Some(parts.join(" ")).filter(|text| is_line(text))
    })
}

fn picture(text: &str) -> Option<String> {
    if text.len() > URL_MAX_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let has_user = !url.username().is_empty() || url.password().is_some();
    (is_web && !has_user && url.as_str().len() <= URL_MAX_BYTES).then(|| url.into())
}

/// See [`VerifiedIdentity::tenant`].
fn tenant(claims: &Map<String, Value>, configured: Option<&str>) -> Option<String> {
    let claim = match configured {
        Some(name) => present(claims, name),
        None => TENANT_CLAIMS.iter().find_map(|name| present(claims, name)),
    }?;
    let name = claim.as_str().filter(|text| is_line(text));
    Some(name.unwrap_or_default().to_owned())
}

/// A claim of another shape grants nothing, but it counts as a scope claim: what the issuer meant
/// to narrow must not become wide.
fn scopes(claims: &Map<String, Value>) -> Option<Vec<String>> {
    let mut found = false;
    let mut scopes: Vec<String> = Vec::new();
    for claim in ["scope", "scp", "permissions"].iter().filter_map(|name| present(claims, name)) {
        found = true;
        match claim {
            Value::String(text) => scopes.extend(text.split_ascii_whitespace().map(str::to_owned)),
            Value::Array(list) => {
                scopes.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    found.then_some(scopes)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn identity(claims: Value, tenant_claim: Option<&str>) -> Option<VerifiedIdentity> {
        let Value::Object(mut claims) = claims else { return None };
        claims.entry("sub").or_insert_with(|| json!("ada"));
        VerifiedIdentity::from_claims("jwt".into(), &claims, tenant_claim)
    }

    fn named(claims: Value) -> Option<String> {
        identity(claims, None).expect("the subject is good").display_name
    }

    #[test]
    fn all_claims_arrive() {
        let claims = json!({
            "sub": "ada", "org": "acme", "email": "ada@example.com", "email_verified": true,
            "name": " Ada ", "picture": "https://example.com/a.png", "scope": "boards:read x",
        });
        let expected = VerifiedIdentity {
            provider: "jwt".into(),
            subject: "ada".to_owned(),
            tenant: Some("acme".to_owned()),
            email: Some("ada@example.com".to_owned()),
            email_verified: true,
            display_name: Some("Ada".to_owned()),
            avatar_url: Some("https://example.com/a.png".to_owned()),
            expires_at: None,
            scopes: Some(vec!["boards:read".to_owned(), "x".to_owned()]),
            allowed_tenants: None,
        };
        assert_eq!(identity(claims, None), Some(expected));
    }

    #[rstest]
    #[case(json!("a".repeat(255)), true)]
    #[case(json!("ä".repeat(255)), true)]
    #[case(json!("a".repeat(256)), false)]
    #[case(json!(""), false)]
    #[case(json!("a\nb"), false)]
    #[case(json!("a\u{0}"), false)]
    #[case(json!(["ada"]), false)]
    #[case(json!(7), false)]
    #[case(json!(null), false)]
    fn subjects(#[case] sub: Value, #[case] good: bool) {
        assert_eq!(identity(json!({ "sub": sub }), None).is_some(), good);
    }

    #[rstest]
    #[case(json!("a@b.example"), true)]
    #[case(json!("ä@bücher.example"), true)]
    #[case(json!("ab.example"), false)]
    #[case(json!("@b.example"), false)]
    #[case(json!("a@"), false)]
    #[case(json!("\"a@evil.example\"@b.example"), false)]
    #[case(json!("a@b.example@c.example"), false)]
    #[case(json!("Ada <a@b.example>"), false)]
    #[case(json!("a@b.example,c"), false)]
    #[case(json!("a\r\n@b.example"), false)]
    #[case(json!(format!("{}@b.example", "a".repeat(250))), false)]
    #[case(json!(["a@b.example"]), false)]
    fn addresses(#[case] email: Value, #[case] good: bool) {
        let claims = json!({ "email": email, "email_verified": true });
        let identity = identity(claims, None).expect("an email is optional");
        assert_eq!((identity.email.is_some(), identity.email_verified), (good, good));
    }

    #[rstest]
    #[case(json!(true), true)]
    #[case(json!("true"), true)]
    #[case(json!("True"), false)]
    #[case(json!(1), false)]
    #[case(json!(null), false)]
    fn verified_emails(#[case] claim: Value, #[case] verified: bool) {
        let claims = json!({ "email": "a@b.example", "email_verified": claim });
        assert_eq!(identity(claims, None).expect("good").email_verified, verified);
    }

    #[test]
    fn names_fall_back() {
        let parts = json!({ "given_name": "Ada", "family_name": "Lovelace" });
        assert_eq!(named(parts).as_deref(), Some("Ada Lovelace"));
        assert_eq!(named(json!({ "family_name": "Lovelace" })).as_deref(), Some("Lovelace"));
        let second = json!({ "name": "x".repeat(256), "preferred_username": "ada" });
        assert_eq!(named(second).as_deref(), Some("ada"));
        assert_eq!(named(json!({ "name": " ", "preferred_username": "a\u{7}" })), None);
    }

    #[rstest]
    #[case("https://example.com/a.png", true)]
    #[case("http://example.com/a.png", true)]
    #[case("javascript:alert(1)", false)]
    #[case("data:image/png;base64,AA", false)]
    #[case("https://user:secret@example.com/", false)]
    #[case("/a.png", false)]
    fn pictures(#[case] picture: &str, #[case] good: bool) {
        let identity = identity(json!({ "picture": picture }), None).expect("optional");
        assert_eq!(identity.avatar_url.is_some(), good);
    }

    #[test]
    fn long_picture_addresses_are_dropped() {
        let long = format!("https://example.com/{}", "a".repeat(2048));
        let grows = format!("https://example.com/{}", "ä".repeat(1000));
        for picture in [long, grows] {
            let identity = identity(json!({ "picture": picture }), None).expect("optional");
            assert_eq!(identity.avatar_url, None);
        }
    }

    #[rstest]
    #[case(json!({}), None, None)]
    #[case(json!({ "organization": "d", "tenant_id": "b", "org": "c" }), None, Some("b"))]
    #[case(json!({ "tenant": "a", "tenant_id": "b" }), None, Some("a"))]
    #[case(json!({ "tenant": null, "org_slug": "c" }), None, Some("c"))]
    #[case(json!({ "tenant": 7, "org": "c" }), None, Some(""))]
    #[case(json!({ "tenant": "", "org": "c" }), None, Some(""))]
    #[case(json!({ "tenant": ["a"] }), None, Some(""))]
    #[case(json!({ "tenant": "a".repeat(256) }), None, Some(""))]
    #[case(json!({ "tenant": "a", "team": "t" }), Some("team"), Some("t"))]
    #[case(json!({ "tenant": "a" }), Some("team"), None)]
    #[case(json!({ "tenant": "a", "team": false }), Some("team"), Some(""))]
    fn tenants(
        #[case] claims: Value,
        #[case] configured: Option<&str>,
        #[case] tenant: Option<&str>,
    ) {
        let identity = identity(claims, configured).expect("the subject is good");
        assert_eq!(identity.tenant.as_deref(), tenant);
    }

    #[rstest]
    #[case(json!({}), None)]
    #[case(json!({ "scope": null }), None)]
    #[case(json!({ "scope": "" }), Some(vec![]))]
    #[case(json!({ "scope": 7 }), Some(vec![]))]
    #[case(json!({ "scope": "b  a b" }), Some(vec!["a", "b"]))]
    #[case(json!({ "scope": "b", "permissions": ["a", 7] }), Some(vec!["a", "b"]))]
    #[case(json!({ "scp": ["a"] }), Some(vec!["a"]))]
    fn granted_scopes(#[case] claims: Value, #[case] scopes: Option<Vec<&str>>) {
        let identity = identity(claims, None).expect("the subject is good");
        let expected = scopes.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(identity.scopes, expected);
    }
}
