//! Protected resource metadata (RFC 9728): what a client can know before it has a token.

use boards::config::AuthProvider;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;

const PATH: &str = "/.well-known/oauth-protected-resource";

async fn document(app: &TestApp) -> Value {
    let response = app.anonymous().get(PATH).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "public, max-age=3600");
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn names_issuer_audience_and_scopes() {
    let app = TestApp::builder()
        .config(|config| {
            config.public_url = Some("https://boards.example.com".to_owned());
            config.auth_issuer = Some("https://login.example.com/".to_owned());
            config.auth_audience = Some("https://api.example.com".to_owned());
        })
        .start()
        .await;
    let expected = json!({
        "resource": "https://boards.example.com",
        "authorization_servers": ["https://login.example.com/"],
        "audience": "https://api.example.com",
        "scopes_supported": [
            "boards:read", "boards:write", "members:write", "generations:read",
            "generations:write", "tags:write", "tokens:write", "tenant:admin", "access:check"
        ],
        "bearer_methods_supported": ["header"],
        "resource_name": "Boards",
        "resource_documentation": "https://boards.example.com/",
    });
    assert_eq!(document(&app).await, expected);
}

/// `resource` is where the client looked (section 3.3), even under provider none, whatever stands in
/// the settings of other providers.
#[tokio::test]
async fn without_an_issuer_there_is_none() {
    let app = TestApp::builder()
        .config(|config| {
            config.auth_provider = AuthProvider::None;
            config.auth_issuer = Some("https://login.example.com/".to_owned());
            config.playground = false;
        })
        .start()
        .await;
    let document = document(&app).await;
    assert_eq!(document["resource"], app.url(""));
    for absent in ["authorization_servers", "audience", "resource_documentation"] {
        assert_eq!(document.get(absent), None, "{document}");
    }
}

/// Pages of any origin may read it, with any header; and only it.
#[tokio::test]
async fn any_page_may_read_it() {
    let app = TestApp::start().await;
    let foreign = "https://inspector.example";
    let read = app.anonymous().get(PATH).header("Origin", foreign);
    let read = read.send().await.expect("an answer");
    assert_eq!(read.headers()["access-control-allow-origin"], "*");
    let preflight = reqwest::Client::builder().no_proxy().build().expect("a client");
    let preflight = preflight
        .request(reqwest::Method::OPTIONS, app.url(PATH))
        .header("Origin", foreign)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "mcp-protocol-version");
    let allowed = preflight.send().await.expect("an answer");
    assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "*");
    let health = app.anonymous().get("/health").header("Origin", foreign);
    let health = health.send().await.expect("an answer");
    assert_eq!(health.headers().get("access-control-allow-origin"), None);
    assert_eq!(read.headers().get("set-cookie"), None);
    let write = app.anonymous().post(PATH).send().await.expect("an answer");
    assert_eq!(write.status(), StatusCode::METHOD_NOT_ALLOWED);
}
