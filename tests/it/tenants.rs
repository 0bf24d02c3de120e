//! The tenant of a request, who is let in, and the user who is made at first sight.

use std::sync::{Arc, Mutex};

use boards::{config::Config, store::JoinPolicy};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Issuer, Socket, TestApp, text};

const FORBIDDEN: &str = "FORBIDDEN";
const NOT_FOUND: &str = "TENANT_NOT_FOUND";
const REQUIRED: &str = "TENANT_REQUIRED";

/// Tenants of every join policy; `acme` and `globex` are open.
async fn many(tweak: impl FnOnce(&mut Config) + 'static) -> TestApp {
    let app = TestApp::builder().tenants(&["acme", "globex"]).config(tweak).start().await;
    let system = app.store().system();
    let domains = ["Acme.example".to_owned(), "acme.org".to_owned()];
    system.create_tenant("staff", "Staff", JoinPolicy::Domain, &domains).await.expect("made");
    system.create_tenant("club", "Club", JoinPolicy::Invite, &[]).await.expect("made");
    app
}

async fn tenant_id(app: &TestApp, slug: &str) -> String {
    let tenants = app.store().system().tenants().await.expect("tenants");
    tenants.iter().find(|tenant| tenant.slug == slug).expect("there").id.to_string()
}

async fn answer(app: &TestApp, claims: Option<&Value>, headers: &[&str], query: &str) -> Value {
    let mut caller = app.anonymous();
    if let Some(claims) = claims {
        caller = caller.with_token(&Issuer::trusted().token(claims));
    }
    let request = headers
        .iter()
        .fold(caller.post("/graphql"), |request, header| request.header("X-Tenant", *header));
    let response = request.json(&json!({ "query": query })).send().await.expect("an answer");
    response.json().await.expect("JSON")
}

/// The slug of the tenant that the caller comes to be in, or the code of the refusal.
async fn outcome(app: &TestApp, claims: &Value, headers: &[&str]) -> String {
    let body = answer(app, Some(claims), headers, "{ me { tenantId } }").await;
    if let Some(code) = body.pointer("/errors/0/extensions/code") {
        assert_eq!(body["data"], json!({ "me": null }), "{body}");
        assert_eq!(body.pointer("/errors/0/path"), Some(&json!(["me"])), "{body}");
        return text(code);
    }
    let id = text(&body["data"]["me"]["tenantId"]);
    let tenants = app.store().system().tenants().await.expect("tenants");
    tenants.iter().find(|tenant| tenant.id.to_string() == id).expect("there").slug.clone()
}

async fn users(app: &TestApp) -> i64 {
    let connection = app.database().connect().await;
    let backend = connection.get_database_backend();
    let count = Statement::from_string(backend, "SELECT count(*) AS count FROM users");
    let row = connection.query_one_raw(count).await.expect("users can be counted");
    row.expect("a row").try_get("", "count").expect("a number")
}

#[tokio::test]
async fn the_claim_decides_and_the_header_may_repeat_it() {
    let app = many(|_| {}).await;
    let acme = tenant_id(&app, "acme").await;
    let globex = tenant_id(&app, "globex").await;
    let unknown = Uuid::now_v7().to_string();
    let upper = acme.to_uppercase();
    let cases: [(Value, &[&str], &str); 15] = [
        (json!("acme"), &[], "acme"),
        (json!(acme), &[], "acme"),
        (json!("acme"), &["acme"], "acme"),
        (json!("acme"), &[&acme], "acme"),
        (json!("acme"), &[&upper], "acme"),
        (json!(acme), &["acme"], "acme"),
        (json!("acme"), &["globex"], FORBIDDEN),
        (json!("acme"), &[&globex], FORBIDDEN),
        (json!("acme"), &["unknown"], FORBIDDEN),
        (json!("acme"), &[&unknown], FORBIDDEN),
        (json!("acme"), &["Not a slug"], NOT_FOUND),
        (json!("acme"), &["acme", "acme"], NOT_FOUND),
        (json!("unknown"), &[], NOT_FOUND),
        (json!(unknown), &["acme"], NOT_FOUND),
        (json!("Not a slug"), &["acme"], NOT_FOUND),
    ];
    for (claim, headers, expected) in cases {
        let claims = json!({ "sub": "ada", "tenant": claim });
        assert_eq!(outcome(&app, &claims, headers).await, expected, "{claims} {headers:?}");
    }
}

#[tokio::test]
async fn the_header_asks_and_the_join_policy_answers() {
    let app = many(|_| {}).await;
    let staff = tenant_id(&app, "staff").await;
    let verified = |email: &str| json!({ "email": email, "email_verified": true });
    let cases = [
        (json!({}), "acme", "acme"),
        (json!({}), "staff", FORBIDDEN),
        (verified("a@acme.example"), "staff", "staff"),
        (verified("a@ACME.Example"), "staff", "staff"),
        (verified("a@acme.org"), staff.as_str(), "staff"),
        (json!({ "email": "a@acme.example" }), "staff", FORBIDDEN),
        (json!({ "email": "a@acme.example", "email_verified": false }), "staff", FORBIDDEN),
        (verified("a@other.example"), "staff", FORBIDDEN),
        (verified("a@sub.acme.example"), "staff", FORBIDDEN),
        (verified("a@notacme.example"), "staff", FORBIDDEN),
        (verified("a@acme.example@other.example"), "staff", FORBIDDEN),
        (verified("acme.example"), "staff", FORBIDDEN),
        (json!({ "email_verified": true }), "staff", FORBIDDEN),
        (verified("a@acme.example"), "club", FORBIDDEN),
    ];
    let mut made = 0;
    for (number, (mut claims, header, expected)) in cases.into_iter().enumerate() {
        claims["sub"] = json!(format!("user-{number}"));
        assert_eq!(outcome(&app, &claims, &[header]).await, expected, "{claims} {header}");
        made += i64::from(expected != FORBIDDEN);
    }
    assert_eq!(users(&app).await, made, "nobody is made who is not let in");
}

#[tokio::test]
async fn a_claim_vouches_and_who_belongs_to_a_tenant_may_ask_for_it() {
    let app = many(|_| {}).await;
    for tenant in ["club", "staff"] {
        let bare = json!({ "sub": "ada" });
        assert_eq!(outcome(&app, &bare, &[tenant]).await, FORBIDDEN);
        assert_eq!(outcome(&app, &json!({ "sub": "ada", "tenant": tenant }), &[]).await, tenant);
        assert_eq!(outcome(&app, &bare, &[tenant]).await, tenant, "she belongs to it now");
        assert_eq!(outcome(&app, &json!({ "sub": "bob" }), &[tenant]).await, FORBIDDEN);
    }
}

#[tokio::test]
async fn no_tenant_an_unknown_one_and_a_malformed_one() {
    let app = many(|_| {}).await;
    let unknown = Uuid::now_v7().to_string();
    let long = "a".repeat(256);
    let cases: [(&[&str], &str); 10] = [
        (&[], REQUIRED),
        (&["unknown"], NOT_FOUND),
        (&[&unknown], NOT_FOUND),
        (&[""], NOT_FOUND),
        (&["ACME"], NOT_FOUND),
        (&["acme-"], NOT_FOUND),
        (&["ac me"], NOT_FOUND),
        (&["'; DROP TABLE tenants; --"], NOT_FOUND),
        (&[&long], NOT_FOUND),
        (&["acme", "globex"], NOT_FOUND),
    ];
    for (headers, expected) in cases {
        assert_eq!(outcome(&app, &json!({ "sub": "ada" }), headers).await, expected, "{headers:?}");
        let body = answer(&app, None, headers, "{ publicBoards { id } }").await;
        assert_eq!(body["data"], Value::Null, "{headers:?}: {body}");
        assert_eq!(body["errors"][0]["extensions"]["code"], expected, "{headers:?}: {body}");
        assert_eq!(body["errors"][0]["path"], json!(["publicBoards"]), "{headers:?}: {body}");
    }
    let body = answer(&app, None, &["acme"], "{ publicBoards { id } }").await;
    assert_eq!(body, json!({ "data": { "publicBoards": [] } }));
}

#[tokio::test]
async fn the_token_is_judged_before_the_tenant() {
    let app = many(|_| {}).await;
    let expired = json!({ "sub": "ada", "exp": 1, "tenant": "acme" });
    for headers in [&[][..], &["globex"], &["unknown"], &["Not a slug"]] {
        assert_eq!(outcome(&app, &expired, headers).await, "UNAUTHENTICATED", "{headers:?}");
    }
}

#[tokio::test]
async fn claim_names_in_their_order() {
    let app = many(|_| {}).await;
    let names = ["tenant", "tenant_id", "org_slug", "org", "organization"];
    for (place, name) in names.iter().enumerate() {
        let mut claims = json!({ "sub": "ada" });
        claims[*name] = json!("acme");
        assert_eq!(outcome(&app, &claims, &[]).await, "acme", "{name}");
        for later in &names[place + 1..] {
            claims[*later] = json!("globex");
        }
        assert_eq!(outcome(&app, &claims, &[]).await, "acme", "{name} comes first");
        for earlier in &names[..place] {
            claims[*earlier] = Value::Null;
        }
        assert_eq!(outcome(&app, &claims, &[]).await, "acme", "null counts as absent");
    }
    for odd in [json!(7), json!(["acme"]), json!({ "slug": "acme" }), json!(true), json!("")] {
        let claims = json!({ "sub": "ada", "tenant": odd, "org": "acme" });
        assert_eq!(outcome(&app, &claims, &["acme"]).await, NOT_FOUND, "{odd} names no tenant");
    }
}

#[tokio::test]
async fn the_configured_claim_is_the_only_one() {
    let app = many(|config| config.tenant_claim = Some("https://acme/workspace".to_owned())).await;
    let claims =
        json!({ "sub": "ada", "https://acme/workspace": "acme", "tenant": "globex", "org": "x" });
    assert_eq!(outcome(&app, &claims, &[]).await, "acme");
    let usual = json!({ "sub": "ada", "tenant": "globex" });
    assert_eq!(outcome(&app, &usual, &[]).await, REQUIRED);
    assert_eq!(outcome(&app, &usual, &["acme"]).await, "acme");
    let odd = json!({ "sub": "ada", "https://acme/workspace": 7 });
    assert_eq!(outcome(&app, &odd, &["acme"]).await, NOT_FOUND);
}

#[tokio::test]
async fn with_one_tenant_everything_is_in_it() {
    let app = TestApp::builder()
        .config(|config| config.default_tenant_slug = "home".to_owned())
        .start()
        .await;
    let system = app.store().system();
    system.create_tenant("acme", "Acme", JoinPolicy::Open, &[]).await.expect("made");
    let (home, acme) = (tenant_id(&app, "home").await, tenant_id(&app, "acme").await);
    let cases: [(&[&str], &str); 8] = [
        (&[], "home"),
        (&["home"], "home"),
        (&[&home], "home"),
        (&["acme"], NOT_FOUND),
        (&[&acme], NOT_FOUND),
        (&["unknown"], NOT_FOUND),
        (&["Not a slug"], NOT_FOUND),
        (&["home", "home"], NOT_FOUND),
    ];
    for (headers, expected) in cases {
        for claims in [json!({ "sub": "ada" }), json!({ "sub": "ada", "tenant": "acme" })] {
            assert_eq!(outcome(&app, &claims, headers).await, expected, "{claims} {headers:?}");
        }
    }
    assert_eq!(users(&app).await, 1);
}

#[tokio::test]
async fn rest_and_sockets_judge_the_tenant_too() {
    let app = many(|_| {}).await;
    let path = format!("/api/sse/generations/{}/progress", Uuid::now_v7());
    let cases =
        [(None, 400, REQUIRED), (Some("unknown"), 404, NOT_FOUND), (Some("club"), 403, FORBIDDEN)];
    for (tenant, status, code) in cases {
        let mut caller = app.user("ada");
        caller.tenant = tenant.map(str::to_owned);
        let response = caller.get(&path).send().await.expect("an answer");
        assert_eq!(response.status(), status, "{tenant:?}");
        assert_eq!(response.json::<Value>().await.expect("JSON")["error"], code);
        let mut socket = Socket::open(&caller).await;
        socket.start("1", "{ me { id } }", json!({})).await;
        let refusal = socket.next().await.expect("an answer");
        assert_eq!(refusal["payload"]["errors"][0]["extensions"]["code"], code, "{refusal}");
    }
    let mut socket = Socket::open(&app.user_of("acme", "ada")).await;
    socket.start("1", "{ me { tenantId } }", json!({})).await;
    let me = socket.next().await.expect("an answer");
    assert_eq!(me["payload"]["data"]["me"]["tenantId"], tenant_id(&app, "acme").await, "{me}");
}

#[tokio::test]
async fn two_dozen_first_requests_at_once_make_one_user() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let ids = join_all((0..24).map(|_| ada.id())).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(users(&app).await, 1);
}

#[tokio::test]
async fn one_subject_in_two_tenants_is_two_users() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    assert_ne!(one.id().await, two.id().await);
    let board = one.board("Of one", true).await;
    let query = "query($id: UUID!, $u: UUID!) { board(id: $id) { id } user(id: $u) { id }
        publicBoards { id } myBoards { id } }";
    let variables = json!({ "id": board, "u": one.id().await });
    let nothing = json!({ "board": null, "user": null, "publicBoards": [], "myBoards": [] });
    assert_eq!(two.data(query, variables).await, nothing);
}

#[tokio::test]
async fn claims_refresh_the_profile_and_what_they_leave_out_stays() {
    const PROFILE: &str = "{ me { email displayName avatarUrl updatedAt } }";
    let app = TestApp::start().await;
    let me = async |claims: Value| {
        let caller = app.anonymous().with_token(&Issuer::trusted().token(&claims));
        caller.data(PROFILE, json!({})).await["me"].clone()
    };
    let first = me(json!({ "sub": "ada", "email": "a@x.example", "name": "Ada" })).await;
    assert_eq!(first["avatarUrl"], Value::Null);
    let picture = "https://x.example/ada.png";
    let second = me(json!({ "sub": "ada", "name": "Countess", "picture": picture })).await;
    assert_eq!(second["email"], "a@x.example");
    assert_eq!(second["displayName"], "Countess");
    assert_eq!(second["avatarUrl"], picture);
    assert_ne!(second["updatedAt"], first["updatedAt"]);
    let odd = me(json!({ "sub": "ada", "email": "no address", "picture": "javascript:1" })).await;
    assert_eq!(odd, second, "what is not believed changes nothing");
    assert_eq!(users(&app).await, 1);
}

#[tokio::test]
async fn a_known_identity_costs_one_read_and_no_write() {
    let single = TestApp::start().await;
    let many = TestApp::two_tenants().await;
    let claim = Issuer::trusted().token(&json!({ "sub": "eve", "tenant": "one", "name": "Eve" }));
    let callers = [
        (&single, single.user("ada")),
        (&many, many.user_of("one", "ada")),
        (&many, many.anonymous().with_token(&claim)),
    ];
    for (app, caller) in callers {
        caller.id().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        app.store().observe_statements(move |sql| {
            notes.lock().expect("not poisoned").push(sql.to_owned());
        });
        let before = app.store().statement_count();
        for request in 1..=3 {
            caller.id().await;
            assert_eq!(app.store().statement_count() - before, request);
        }
        let seen = seen.lock().expect("not poisoned");
        assert!(seen.iter().all(|sql| sql.starts_with("SELECT")), "{seen:?}");
    }
}
