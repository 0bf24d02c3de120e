//! The tenant that the host of a request names.

use boards::{
    config::{AuthProvider, Config},
    store::JoinPolicy,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Issuer, Socket, TestApp, text};

const FORBIDDEN: &str = "FORBIDDEN";
const NOT_FOUND: &str = "TENANT_NOT_FOUND";
const REQUIRED: &str = "TENANT_REQUIRED";
const ACME: &str = "acme.boards.example.com";

/// Open tenants `acme` and `globex`, and `club` by invitation.
async fn many(tweak: impl FnOnce(&mut Config) + 'static) -> TestApp {
    let app = TestApp::builder().tenants(&["acme", "globex"]).config(domain).config(tweak);
    let app = app.start().await;
    let system = app.store().system();
    system.create_tenant("club", "Club", JoinPolicy::Invite, &[]).await.expect("made");
    app
}

fn domain(config: &mut Config) {
    config.tenant_domain = Some("boards.example.com".to_owned());
}

fn signed_in(app: &TestApp, claims: &Value) -> Client {
    let mut claims = claims.clone();
    claims["sub"] = json!("ada");
    app.anonymous().with_token(&Issuer::trusted().token(&claims))
}

async fn tenant_id(app: &TestApp, slug: &str) -> String {
    let tenants = app.store().system().tenants().await.expect("tenants");
    tenants.iter().find(|tenant| tenant.slug == slug).expect("there").id.to_string()
}

/// The slug of the tenant that an answer to `{ me { tenantId } }` is from, or the refusal's code.
async fn slug_or_code(app: &TestApp, answer: &Value) -> String {
    if let Some(code) = answer.pointer("/errors/0/extensions/code") {
        return text(code);
    }
    let id = text(&answer["data"]["me"]["tenantId"]);
    let tenants = app.store().system().tenants().await.expect("tenants");
    tenants.iter().find(|tenant| tenant.id.to_string() == id).expect("there").slug.clone()
}

async fn outcome(app: &TestApp, caller: &Client) -> String {
    let answer = caller.graphql("{ me { tenantId } }", json!({})).await;
    slug_or_code(app, &answer.body).await
}

#[tokio::test]
async fn the_host_names_the_tenant() {
    let app = many(|_| {}).await;
    let cases = [
        (ACME, "acme"),
        ("ACME.Boards.Example.COM.:8088", "acme"),
        ("globex.boards.example.com:443", "globex"),
        ("club.boards.example.com", FORBIDDEN),
        ("unknown.boards.example.com", NOT_FOUND),
        ("a.acme.boards.example.com", NOT_FOUND),
        ("acme_.boards.example.com", NOT_FOUND),
        ("boards.example.com", REQUIRED),
        ("acme.example.com", REQUIRED),
        ("acme.boards.example.com.evil.example", REQUIRED),
        ("acmeboards.example.com", REQUIRED),
        ("localhost", REQUIRED),
    ];
    for (host, expected) in cases {
        let ada = signed_in(&app, &json!({})).with_header("Host", host);
        assert_eq!(outcome(&app, &ada).await, expected, "{host}");
    }
    let open = app.anonymous().with_header("Host", ACME);
    assert_eq!(open.data("{ publicBoards { id } }", json!({})).await["publicBoards"], json!([]));
}

#[tokio::test]
async fn host_header_and_claim_must_agree() {
    let app = many(|_| {}).await;
    let (acme, globex) = (tenant_id(&app, "acme").await, tenant_id(&app, "globex").await);
    let unknown = Uuid::now_v7().to_string();
    let none = json!({});
    let claim = |tenant: &str| json!({ "tenant": tenant });
    let elsewhere = "boards.example.com";
    let cases = [
        (&none, ACME, Some("acme"), "acme"),
        (&none, ACME, Some(acme.as_str()), "acme"),
        (&none, ACME, Some("globex"), FORBIDDEN),
        (&none, ACME, Some(globex.as_str()), FORBIDDEN),
        (&none, ACME, Some(unknown.as_str()), NOT_FOUND),
        (&none, ACME, Some("Not a slug"), NOT_FOUND),
        (&none, "unknown.boards.example.com", Some("acme"), FORBIDDEN),
        (&none, "a.b.boards.example.com", Some("acme"), NOT_FOUND),
        (&none, elsewhere, Some("globex"), "globex"),
        (&claim("acme"), ACME, None, "acme"),
        (&claim(&acme), ACME, Some("acme"), "acme"),
        (&claim("acme"), elsewhere, None, "acme"),
        (&claim("globex"), ACME, None, FORBIDDEN),
        (&claim("acme"), ACME, Some("globex"), FORBIDDEN),
        (&claim("globex"), ACME, Some("globex"), FORBIDDEN),
        (&claim("acme"), "unknown.boards.example.com", None, FORBIDDEN),
        (&claim("acme"), "a.b.boards.example.com", None, NOT_FOUND),
        (&claim("unknown"), ACME, None, NOT_FOUND),
        (&claim("club"), "club.boards.example.com", None, "club"),
    ];
    for (claims, host, header, expected) in cases {
        let mut ada = signed_in(&app, claims).with_header("Host", host);
        ada.tenant = header.map(str::to_owned);
        assert_eq!(outcome(&app, &ada).await, expected, "{claims} {host} {header:?}");
    }
}

#[tokio::test]
async fn a_bad_token_is_judged_before_the_host() {
    let app = many(|_| {}).await;
    for host in [ACME, "unknown.boards.example.com", "a.b.boards.example.com"] {
        let bad = app.anonymous().with_token("bad").with_header("Host", host);
        assert_eq!(outcome(&app, &bad).await, "UNAUTHENTICATED", "{host}");
    }
}

#[tokio::test]
async fn without_the_setting_hosts_name_nobody() {
    let app = many(|config| config.tenant_domain = None).await;
    let ada = signed_in(&app, &json!({})).with_header("Host", ACME);
    assert_eq!(outcome(&app, &ada).await, REQUIRED);
}

#[tokio::test]
async fn only_a_trusted_proxy_forwards_a_host() {
    let forwarded = |app: &TestApp, host: &str| {
        let ada = signed_in(app, &json!({})).with_header("Host", "inside.example");
        ada.with_header("X-Forwarded-Host", host)
    };
    let app = many(|_| {}).await;
    assert_eq!(outcome(&app, &forwarded(&app, ACME)).await, REQUIRED);
    let app = many(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    })
    .await;
    let cases = [
        (ACME, "acme"),
        ("inside.example", REQUIRED),
        ("acme.boards.example.com, acme.boards.example.com", "acme"),
        ("acme.boards.example.com, globex.boards.example.com", NOT_FOUND),
    ];
    for (host, expected) in cases {
        assert_eq!(outcome(&app, &forwarded(&app, host)).await, expected, "{host}");
    }
}

#[tokio::test]
async fn with_one_tenant_its_subdomain_is_the_only_one() {
    let app = TestApp::builder().config(domain).start().await;
    let system = app.store().system();
    system.create_tenant("acme", "Acme", JoinPolicy::Open, &[]).await.expect("made");
    let cases = [
        ("default.boards.example.com", "default"),
        ("boards.example.com", "default"),
        ("elsewhere.example", "default"),
        (ACME, NOT_FOUND),
        ("unknown.boards.example.com", NOT_FOUND),
        ("a.default.boards.example.com", NOT_FOUND),
    ];
    for (host, expected) in cases {
        let ada = signed_in(&app, &json!({})).with_header("Host", host);
        assert_eq!(outcome(&app, &ada).await, expected, "{host}");
        let mut ada = ada;
        ada.tenant = Some("default".to_owned());
        assert_eq!(outcome(&app, &ada).await, expected, "{host} with X-Tenant");
    }
}

#[tokio::test]
async fn rest_and_sockets_have_hosts_too() {
    let app = many(|_| {}).await;
    let globex = "globex.boards.example.com";
    for (host, header, status, code) in [
        ("unknown.boards.example.com", None, 404, NOT_FOUND),
        (globex, Some("acme"), 403, FORBIDDEN),
        ("boards.example.com", None, 400, REQUIRED),
    ] {
        let mut ada = signed_in(&app, &json!({})).with_header("Host", host);
        ada.tenant = header.map(str::to_owned);
        let path = format!("/api/sse/generations/{}/progress", Uuid::now_v7());
        let response = ada.get(&path).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{host}");
        assert_eq!(response.json::<Value>().await.expect("JSON")["error"], code, "{host}");
        assert_eq!(over_socket(&app, &ada).await, code, "{host}");
    }
    let ada = signed_in(&app, &json!({})).with_header("Host", globex);
    assert_eq!(over_socket(&app, &ada).await, "globex");
}

/// The same outcome over a WebSocket, whose X-Tenant stands in `connectionParams`.
async fn over_socket(app: &TestApp, caller: &Client) -> String {
    let mut socket = Socket::open(caller).await;
    socket.start("1", "{ me { tenantId } }", json!({})).await;
    slug_or_code(app, &socket.rest("1").await[0]).await
}

#[tokio::test]
async fn signed_links_work_under_any_host() {
    let app = many(|_| {}).await;
    let ada = signed_in(&app, &json!({})).with_header("Host", ACME);
    let board = ada.board("t", false).await;
    let answer = ada.upload(&board, "text", b"a text".to_vec()).await;
    let link = text(&answer["storageUrl"]);
    let path = link.split_once("/api/").expect("a path").1;
    for host in [ACME, "globex.boards.example.com", "a.b.boards.example.com", "elsewhere.example"] {
        let anyone = app.anonymous().with_header("Host", host);
        let response = anyone.get(&format!("/api/{path}")).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn under_provider_none_the_domain_is_this_machine_too() {
    let app = TestApp::builder().config(domain);
    let app = app.config(|config| config.auth_provider = AuthProvider::None).start().await;
    let cases = [
        ("boards.example.com", "default"),
        ("default.boards.example.com:8088", "default"),
        (ACME, NOT_FOUND),
    ];
    for (host, expected) in cases {
        let local = app.anonymous().with_header("Host", host);
        assert_eq!(outcome(&app, &local).await, expected, "{host}");
    }
    for host in ["notboards.example.com", "boards.example.com.evil.example"] {
        let foreign = app.anonymous().with_header("Host", host);
        let response = foreign.get("/graphql").send().await.expect("an answer");
        assert_eq!(response.status(), 403, "{host}");
    }
}

#[tokio::test]
async fn pages_of_all_subdomains_may_be_let_in() {
    let app = many(|config| config.cors_origins = vec!["https://*.example.com".to_owned()]).await;
    for (origin, expected) in [
        ("https://acme.example.com", Some("https://acme.example.com")),
        ("https://a.b.example.com", None),
        ("https://acme.evil.example", None),
    ] {
        let page = app.anonymous().with_header("Origin", origin);
        let response = page.get("/health").send().await.expect("an answer");
        let allowed = response.headers().get("access-control-allow-origin");
        assert_eq!(allowed.map(|value| value.to_str().expect("text")), expected, "{origin}");
    }
}
