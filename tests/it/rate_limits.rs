//! How much callers may ask for: by user, by token and by address, on every transport.

use std::{num::NonZeroU32, time::Duration};

use boards::{
    auth::OwnToken,
    config::{AuthProvider, Config},
    store::{AuditFilter, AuditRecord},
};
use chrono::Utc;
use futures_util::{StreamExt, stream::FuturesUnordered};
use governor::clock::FakeRelativeClock;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Answer, Client, IdentityProvider, Issuer, Socket, TestApp, eventually, upload_form,
};

const ME: &str = "{ me { id } }";
const OPEN: &str = "{ publicBoards { id } }";
const LIMITED: &str = "RATE_LIMITED";

/// So many points a minute, of which a tenth may be used at once; failures all at once.
fn points(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not zero")
}

/// Ten points at once for each user, token and address, and five failures.
fn ten_of_each(config: &mut Config) {
    config.rate_limit_user = points(100);
    config.rate_limit_token = points(100);
    config.rate_limit_address = points(100);
    config.rate_limit_failures = points(5);
}

async fn limited(tweak: impl FnOnce(&mut Config) + 'static) -> (TestApp, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    let app = TestApp::builder().limited(&clock, ten_of_each).config(tweak).start().await;
    (app, clock)
}

/// Asks until the limit is reached; how often that went well, and the refusal.
async fn exhaust(caller: &Client, query: &str) -> (usize, Answer) {
    for asked in 0..100 {
        let answer = caller.graphql(query, json!({})).await;
        if answer.body.get("errors").is_some() {
            return (asked, answer);
        }
    }
    panic!("{query} is not limited");
}

/// How often a query goes well until the limit is reached.
async fn left(caller: &Client, query: &str) -> usize {
    let (asked, refusal) = exhaust(caller, query).await;
    assert_eq!(refusal.code(), Some(LIMITED), "{}", refusal.body);
    asked
}

fn progress() -> String {
    format!("/api/sse/generations/{}/progress", Uuid::now_v7())
}

async fn get(caller: &Client, path: &str) -> Response {
    caller.get(path).send().await.expect("an answer")
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let (app, clock) = limited(|_| {}).await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (asked, refusal) = exhaust(&ada, ME).await;
    assert_eq!(asked, 10);
    assert_eq!(refusal.status, StatusCode::OK);
    let error = json!({
        "message": "Too many requests; try again later",
        "extensions": { "code": LIMITED, "retryAfter": 1 },
    });
    assert_eq!(refusal.body, json!({ "errors": [error] }));

    let strict = ada.clone().with_header("Accept", "application/graphql-response+json");
    let response = strict.post("/graphql").json(&json!({ "query": ME })).send().await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "1");

    let response = get(&ada, &progress()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "4", "it costs five points");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body["error"], LIMITED);

    assert_eq!(left(&bob, ME).await, 10, "another user has points of their own");
    clock.advance(Duration::from_millis(600));
    assert_eq!(left(&ada, ME).await, 1);
    clock.advance(Duration::from_mins(10));
    assert_eq!(left(&ada, ME).await, 10, "no more are saved up");
}

#[tokio::test]
async fn rest_routes_cost_points() {
    let (app, clock) = limited(|config| config.rate_limit_user = points(1_000)).await;
    let ada = app.user("ada").with_header("X-Note", "points");
    let board = ada.board("t", false).await;
    clock.advance(Duration::from_mins(1));
    // An upload costs more than the token may use at once: it takes all of that.
    let link = ada.upload(&board, "text", b"a text".to_vec()).await["storageUrl"].clone();
    let refused = ada.send_form(upload_form(&board, "text", b"a text".to_vec())).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "7");
    clock.advance(Duration::from_millis(1_200));
    let link = link.as_str().expect("a link");
    let path = link.split_once("/api/").expect("a path").1.split_once('?').expect("signed").0;
    let path = format!("/api/{path}");
    for status in [200, 200, 429] {
        assert_eq!(get(&ada, &path).await.status(), status);
    }
    for _ in 0..20 {
        assert_eq!(ada.follow(link).await.status(), 200, "a link is nobody's");
    }
}

#[tokio::test]
async fn an_operator_has_points_of_their_own() {
    let (app, _) = limited(|config| config.auth_platform_admin = true).await;
    assert_eq!(left(&app.anonymous(), OPEN).await, 10, "the address has none left");
    let operator = |name: &str| app.user_with_scope(name, "platform:admin");
    let (root, other) = (operator("root"), operator("other"));
    for status in [200, 200, 429] {
        assert_eq!(get(&root, "/api/setup/status").await.status(), status);
    }
    assert_eq!(get(&other, "/api/setup/status").await.status(), 200);
}

#[tokio::test]
async fn a_token_that_is_used_up_leaves_the_user_another() {
    let (app, _) = limited(|config| config.rate_limit_user = points(150)).await;
    let ada = |number: u32| {
        let claims = json!({ "sub": "ada", "jti": number.to_string() });
        app.anonymous().with_token(&Issuer::trusted().token(&claims))
    };
    let (one, two) = (ada(1), ada(2));
    assert_eq!(left(&one, ME).await, 10);
    for _ in 0..10 {
        assert_eq!(one.code(ME, json!({})).await, LIMITED);
    }
    let mut spaced = one;
    spaced.token = spaced.token.map(|token| format!("  {token} "));
    assert_eq!(left(&spaced, ME).await, 0, "it is the same token");
    assert_eq!(left(&two, ME).await, 5, "what the user has left");
}

#[tokio::test]
async fn callers_who_are_not_signed_in_share_the_points_of_their_address() {
    let (app, _) = limited(|_| {}).await;
    assert_eq!(left(&app.anonymous(), OPEN).await, 10);
    assert_eq!(left(&app.anonymous(), OPEN).await, 0);
    let response = get(&app.anonymous(), &progress()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(left(&app.user("ada"), OPEN).await, 10, "users have their own");
}

#[tokio::test]
async fn nobody_is_believed_about_addresses_unless_configured() {
    let (app, _) = limited(|_| {}).await;
    for number in 0..10 {
        let caller =
            app.anonymous().with_header("X-Forwarded-For", &format!("198.51.100.{number}"));
        caller.data(OPEN, json!({})).await;
    }
    let caller = app.anonymous().with_header("X-Forwarded-For", "198.51.100.99");
    assert_eq!(left(&caller, OPEN).await, 0);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_points() {
    let (app, _) = limited(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let from = |list: &str| app.anonymous().with_header("X-Forwarded-For", list);
    assert_eq!(left(&from("198.51.100.1"), OPEN).await, 10);
    assert_eq!(left(&from("203.0.113.7, 198.51.100.1"), OPEN).await, 0, "forged by the client");
    assert_eq!(left(&from("198.51.100.2"), OPEN).await, 10);
    assert_eq!(left(&from("2001:db8::1"), OPEN).await, 10);
    assert_eq!(left(&from("2001:db8::ffff:1"), OPEN).await, 0, "the same network");
    assert_eq!(left(&from("2001:db8:0:1::1"), OPEN).await, 10);
    assert_eq!(left(&app.anonymous(), OPEN).await, 10, "the proxy itself");
}

#[tokio::test]
async fn a_flood_of_bad_tokens_is_limited_and_good_ones_work() {
    let (app, clock) = limited(|config| config.rate_limit_address = points(10_000)).await;
    let bad = app.anonymous().with_token("bad");
    for _ in 0..5 {
        assert_eq!(bad.code(ME, json!({})).await, "UNAUTHENTICATED");
    }
    let refusal = bad.graphql(ME, json!({})).await;
    assert_eq!(refusal.code(), Some(LIMITED));
    assert_eq!(refusal.body.pointer("/errors/0/path"), Some(&json!(["me"])));
    assert_eq!(refusal.body.pointer("/errors/0/extensions/retryAfter"), Some(&json!(13)));
    let response = get(&bad, &progress()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "13");
    let mut socket = Socket::open(&bad).await;
    socket.start("1", ME, json!({})).await;
    let refusal = &socket.rest("1").await[0];
    assert_eq!(refusal.pointer("/errors/0/extensions/code"), Some(&json!(LIMITED)), "{refusal}");
    app.user("ada").id().await;
    app.anonymous().data(OPEN, json!({})).await;
    clock.advance(Duration::from_secs(12));
    assert_eq!(bad.code(ME, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(bad.code(ME, json!({})).await, LIMITED);
}

#[tokio::test]
async fn bad_tokens_use_up_the_points_of_their_address_too() {
    let (app, _) = limited(|config| config.rate_limit_failures = points(1_000)).await;
    let bad = app.anonymous().with_token("bad");
    for _ in 0..10 {
        assert_eq!(bad.code(ME, json!({})).await, "UNAUTHENTICATED");
    }
    assert_eq!(bad.code(ME, json!({})).await, LIMITED);
}

#[tokio::test]
async fn each_operation_of_a_batch_counts() {
    let (app, _) = limited(|_| {}).await;
    let ada = app.user("ada");
    let batch = vec![json!({ "query": ME }); 6];
    let mut limited = 0;
    for _ in 0..2 {
        let response = ada.post("/graphql").json(&batch).send().await.expect("an answer");
        let answers: Vec<Value> = response.json().await.expect("JSON");
        assert_eq!(answers.len(), 6);
        let refused =
            |answer: &&Value| answer.pointer("/errors/0/extensions/code") == Some(&json!(LIMITED));
        limited += answers.iter().filter(refused).count();
    }
    assert_eq!(limited, 2, "ten of twelve");
}

#[tokio::test]
async fn each_operation_of_a_websocket_counts_and_each_subscription() {
    let (app, _) = limited(|_| {}).await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let watch = "subscription($id: UUID!) { boardUpdated(boardId: $id) { id } }";
    let mut socket = Socket::open(&ada).await;
    for number in 0..4 {
        let id = format!("watch-{number}");
        socket.start(&id, watch, json!({ "id": board })).await;
        assert_eq!(socket.next().await.expect("an answer")["id"], json!(id));
    }
    for number in 0..5 {
        let id = number.to_string();
        socket.start(&id, ME, json!({})).await;
        assert!(socket.rest(&id).await[0].get("errors").is_none());
    }
    for (id, query) in [("me", ME), ("watch", watch)] {
        socket.start(id, query, json!({ "id": board })).await;
        let refusal = &socket.rest(id).await[0];
        assert_eq!(
            refusal.pointer("/errors/0/extensions/code"),
            Some(&json!(LIMITED)),
            "{refusal}"
        );
        assert_eq!(refusal.pointer("/errors/0/extensions/retryAfter"), Some(&json!(1)));
    }
    let mut second = Socket::open(&ada).await;
    second.start("1", ME, json!({})).await;
    let refusal = &second.rest("1").await[0];
    assert_eq!(refusal.pointer("/errors/0/extensions/code"), Some(&json!(LIMITED)), "{refusal}");
}

#[tokio::test]
async fn complex_operations_weigh_more() {
    let (app, clock) = limited(|_| {}).await;
    let ada = app.user("ada");
    let fields = "id title description isPublic createdAt updatedAt";
    let heavy = format!("{{ publicBoards(limit: 60) {{ {fields} }} }}");
    let (asked, refusal) = exhaust(&ada, &heavy).await;
    assert_eq!(refusal.code(), Some(LIMITED));
    assert_eq!(refusal.body.get("data"), None, "nothing of it ran");
    assert_eq!(asked, 2, "each costs 1 + 366 / 100 points");
    assert_eq!(left(&ada, ME).await, 2, "what was refused took nothing");
    clock.advance(Duration::from_mins(1));
    // What costs more than there can be takes all there is.
    let members = "members { id role user { id displayName } }";
    let heaviest = format!("{{ publicBoards(limit: 100) {{ {fields} {members} }} }}");
    assert_eq!(left(&ada, &heaviest).await, 1);
    assert_eq!(left(&app.user("bob"), ME).await, 10);
}

#[tokio::test]
async fn documents_that_are_refused_count_too() {
    let (app, _) = limited(|_| {}).await;
    let ada = app.user("ada");
    let refused = ["{ me {", "{ nothing }", &"[".repeat(100)];
    for query in refused.iter().cycle().take(10) {
        assert_ne!(ada.code(query, json!({})).await, LIMITED);
    }
    assert_eq!(left(&ada, ME).await, 0);
}

#[tokio::test]
async fn what_nobody_asks_for_as_themselves_is_not_limited() {
    let (app, _) = limited(|config| config.rate_limit_address = NonZeroU32::MIN).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for _ in 0..5 {
        for path in ["/health", "/ready"] {
            assert_eq!(get(&app.anonymous(), path).await.status(), 200, "{path}");
        }
        let page = app.anonymous().get("/graphql").header("Accept", "text/html").send().await;
        assert_eq!(page.expect("an answer").status(), 200);
        let preflight = http.request(Method::OPTIONS, app.url("/graphql"));
        let preflight = preflight
            .header("Origin", "http://localhost:3033")
            .header("Access-Control-Request-Method", "POST");
        assert_eq!(preflight.send().await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn off_limits_nobody() {
    let (app, _) = limited(|config| {
        config.rate_limit = false;
        for limit in [
            &mut config.rate_limit_user,
            &mut config.rate_limit_token,
            &mut config.rate_limit_address,
            &mut config.rate_limit_failures,
        ] {
            *limit = NonZeroU32::MIN;
        }
    })
    .await;
    for _ in 0..5 {
        app.user("ada").id().await;
        app.anonymous().data(OPEN, json!({})).await;
        assert_eq!(app.anonymous().with_token("bad").code(ME, json!({})).await, "UNAUTHENTICATED");
    }
}

/// A server whose tokens are opaque.
async fn introspecting(provider: &IdentityProvider) -> (TestApp, FakeRelativeClock) {
    let url = format!("{}/introspect", provider.url);
    limited(move |config| {
        config.rate_limit_address = points(10_000);
        config.rate_limit_user = points(10_000);
        config.rate_limit_token = points(10_000);
        config.auth_provider = AuthProvider::Introspection;
        config.auth_introspection_url = Some(url.parse().expect("a URL"));
        config.auth_audience = Some("boards".to_owned());
        config.auth_client_id = Some("boards".to_owned());
        config.auth_client_secret = Some("secret".into());
    })
    .await
}

/// Makes these tokens ada's.
fn issue(provider: &IdentityProvider, tokens: &[&str]) {
    let exp = Utc::now().timestamp() + 3600;
    for token in tokens {
        provider.knows(token, json!({ "active": true, "sub": "ada", "aud": "boards", "exp": exp }));
    }
}

#[tokio::test]
async fn a_flood_of_bad_tokens_does_not_reach_the_identity_provider() {
    let provider = IdentityProvider::publishing(&Issuer::es256()).await;
    let (app, clock) = introspecting(&provider).await;
    issue(&provider, &["good", "new"]);
    let (good, new) = (app.anonymous().with_token("good"), app.anonymous().with_token("new"));
    let create =
        "mutation { createAccessToken(name: \"script\", scopes: [\"boards:read\"]) { token } }";
    let made = good.data(create, json!({})).await["createAccessToken"]["token"].clone();
    let own = app.anonymous().with_token(made.as_str().expect("a token"));
    own.data("{ myBoards { id } }", json!({})).await;
    let mut codes = Vec::new();
    for number in 0..7 {
        let bad = app.anonymous().with_token(&format!("bad-{number}"));
        codes.push(bad.code(ME, json!({})).await);
    }
    assert_eq!(codes[..5], ["UNAUTHENTICATED"; 5]);
    assert_eq!(codes[5..], [LIMITED; 2]);
    let mut socket = Socket::open(&app.anonymous().with_token("bad-socket")).await;
    socket.start("1", ME, json!({})).await;
    let refusal = &socket.rest("1").await[0];
    assert_eq!(refusal.pointer("/errors/0/extensions/code"), Some(&json!(LIMITED)), "{refusal}");
    assert_eq!(provider.questions(), 6, "about the good one and five bad ones");
    good.id().await;
    own.data("{ myBoards { id } }", json!({})).await;
    assert_eq!(new.code(ME, json!({})).await, LIMITED, "nobody knows yet that it is good");
    clock.advance(Duration::from_secs(12));
    new.id().await;
    assert_eq!(provider.questions(), 7);
}

#[tokio::test]
async fn many_bad_tokens_at_once_are_no_more_than_one_after_the_other() {
    let provider = IdentityProvider::publishing(&Issuer::es256()).await;
    let (app, _) = introspecting(&provider).await;
    issue(&provider, &["good"]);
    let good = app.anonymous().with_token("good");
    good.id().await;
    provider.set_silent(true);
    let mut asked: FuturesUnordered<_> = (0..100)
        .map(|number| {
            let bad = app.anonymous().with_token(&format!("bad-{number}"));
            async move { bad.code(ME, json!({})).await }
        })
        .collect();
    for _ in 0..95 {
        assert_eq!(asked.next().await.as_deref(), Some(LIMITED));
    }
    provider.set_silent(false);
    let rest: Vec<String> = asked.collect().await;
    assert_eq!(rest, ["UNAUTHENTICATED"; 5]);
    assert_eq!(provider.questions(), 6, "about the good one and five bad ones");
    good.id().await;
}

/// A page that was just signed in asks for everything at once.
#[tokio::test]
async fn a_fresh_token_is_one_try_however_many_bring_it_at_once() {
    let provider = IdentityProvider::publishing(&Issuer::es256()).await;
    let (app, _) = introspecting(&provider).await;
    issue(&provider, &["fresh"]);
    let fresh = app.anonymous().with_token("fresh");
    provider.set_silent(true);
    let asked: Vec<_> = (0..100).map(|_| fresh.graphql(ME, json!({}))).collect();
    let release = async {
        eventually("the provider is asked", async || (provider.questions() > 0).then_some(()))
            .await;
        provider.set_silent(false);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asked), release);
    for answer in answers {
        assert!(answer.body.get("errors").is_none(), "{}", answer.body);
    }
    assert_eq!(provider.questions(), 1);
}

#[tokio::test]
async fn tokens_that_nobody_can_judge_are_failures_too() {
    let provider = IdentityProvider::publishing(&Issuer::es256()).await;
    let (app, _) = introspecting(&provider).await;
    issue(&provider, &["good"]);
    let good = app.anonymous().with_token("good");
    good.id().await;
    provider.set_down(true);
    for number in 0..5 {
        let unknown = app.anonymous().with_token(&format!("unknown-{number}"));
        assert_eq!(unknown.code(ME, json!({})).await, "AUTH_UNAVAILABLE");
    }
    assert_eq!(app.anonymous().with_token("another").code(ME, json!({})).await, LIMITED);
    eventually("the refusal is on record", async || {
        let every = AuditFilter::default();
        let rows = app.store().audit().export(None, &every, None, 100).await.expect("rows");
        let refused = |row: &AuditRecord| {
            row.action == "authenticate" && row.reason.as_deref() == Some(LIMITED)
        };
        rows.iter().any(refused).then_some(())
    })
    .await;
    good.id().await;
}

#[tokio::test]
async fn a_flood_of_well_formed_tokens_does_not_reach_the_database() {
    let (app, _) = limited(|_| {}).await;
    let create =
        "mutation { createAccessToken(name: \"script\", scopes: [\"boards:read\"]) { token } }";
    let made = app.user("ada").data(create, json!({})).await["createAccessToken"]["token"].clone();
    let own = app.anonymous().with_token(made.as_str().expect("a token"));
    for _ in 0..6 {
        own.id().await;
    }
    let unknown = || {
        let token = OwnToken::generate().expect("randomness");
        app.anonymous().with_token(token.expose())
    };
    for _ in 0..5 {
        assert_eq!(unknown().code(ME, json!({})).await, "UNAUTHENTICATED");
    }
    let before = app.store().statement_count();
    for _ in 0..5 {
        assert_eq!(unknown().code(ME, json!({})).await, LIMITED);
    }
    assert_eq!(app.store().statement_count(), before);
    own.id().await;
}
