//! What a client may know before it has a token: protected resource metadata (RFC 9728).

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use tower_http::cors::{Any, CorsLayer};

use super::HttpState;
use crate::domain::{TokenScope, TokenScopes};

const PATH: &str = "/.well-known/oauth-protected-resource";
/// It changes with the configuration only.
const CACHE_CONTROL: &str = "public, max-age=3600";

/// Where tokens for this server come from.
#[derive(Clone, Debug)]
pub struct ProtectedResource {
    /// The server's URL as clients know it, without a slash at the end.
    pub base_url: String,
    /// `iss` of the tokens that it believes.
    pub issuers: Vec<String>,
    /// `aud` of the tokens that it believes.
    pub audiences: Vec<String>,
    /// Whether people find something to read at the root.
    pub has_playground: bool,
}

impl ProtectedResource {
    /// RFC 9728, section 2. `resource` is the server's URL and not its audience: a client must throw
    /// the document away when `resource` is not the URL at which it looked for it (section 3.3). The
    /// audience is in a member of its own, a text or a list as in a token. What is empty is left out
    /// (section 3.2), and so is the operators' scope: no client should ask a user's provider for it.
    fn document(&self) -> Value {
        let scopes: Vec<&str> = TokenScopes::full_rights().iter().map(TokenScope::as_str).collect();
        let mut document = Map::new();
        let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
        put("resource", json!(self.base_url));
        if !self.issuers.is_empty() {
            put("authorization_servers", json!(self.issuers));
        }
        match self.audiences.as_slice() {
            [] => None,
            [one] => put("audience", json!(one)),
            several => put("audience", json!(several)),
        };
        put("scopes_supported", json!(scopes));
        put("bearer_methods_supported", json!(["header"]));
        put("resource_name", json!("Boards"));
        if self.has_playground {
            put("resource_documentation", json!(format!("{}/", self.base_url)));
        }
        Value::Object(document)
    }
}

/// The route, which pages of every origin may read: there is nothing in it that is not for everyone.
pub(super) fn routes() -> Router<HttpState> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(Any);
    Router::new().route(PATH, get(metadata)).layer(cors)
}

async fn metadata(State(state): State<HttpState>) -> Response {
    let headers = [(header::CACHE_CONTROL, CACHE_CONTROL)];
    (headers, Json(state.settings.resource.document())).into_response()
}

/// Adds to a challenge for a token where to read how to get one (RFC 9728, section 5.1).
pub(super) fn point_to_metadata(state: &HttpState, response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(challenge) = response.headers().get(header::WWW_AUTHENTICATE)
        && let Some(longer) = with_metadata(challenge, &state.settings.resource.base_url)
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, longer);
    }
}

fn with_metadata(challenge: &HeaderValue, base_url: &str) -> Option<HeaderValue> {
    let challenge = challenge.to_str().ok()?;
    // The first parameter follows a space, the others a comma (RFC 9110, section 11.6.1).
    let separator = if challenge.contains('=') { ", " } else { " " };
    let text = format!("{challenge}{separator}resource_metadata=\"{base_url}{PATH}\"");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn resource() -> ProtectedResource {
        ProtectedResource {
            base_url: "https://boards.example.com".to_owned(),
            issuers: Vec::new(),
            audiences: Vec::new(),
            has_playground: false,
        }
    }

    #[test]
    fn what_is_not_configured_is_left_out() {
        let document = resource().document();
        let members: Vec<&String> = document.as_object().expect("an object").keys().collect();
        let expected =
            ["resource", "scopes_supported", "bearer_methods_supported", "resource_name"];
        assert_eq!(members, expected);
        assert!(!document["scopes_supported"].to_string().contains("platform"), "{document}");
    }

    #[test]
    fn one_audience_is_a_text_and_several_are_a_list() {
        let one = ProtectedResource { audiences: vec!["a".to_owned()], ..resource() };
        assert_eq!(one.document()["audience"], "a");
        let two = ProtectedResource { audiences: vec!["a".into(), "b".into()], ..resource() };
        assert_eq!(two.document()["audience"], json!(["a", "b"]));
    }

    #[rstest]
    #[case("Bearer", "Bearer resource_metadata=")]
    #[case("Bearer error=\"invalid_token\"", "Bearer error=\"invalid_token\", resource_metadata=")]
    fn challenges(#[case] challenge: &'static str, #[case] start: &str) {
        let longer = with_metadata(&HeaderValue::from_static(challenge), "https://b.example");
        let expected = format!("{start}\"https://b.example/.well-known/oauth-protected-resource\"");
        assert_eq!(longer.expect("a header"), &expected);
    }
}
