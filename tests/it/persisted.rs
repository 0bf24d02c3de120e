//! Automatic persisted queries, as Apollo Client and urql send them: a hash in place of a text, on
//! every transport, and never across tenants.

use std::{fmt::Write, num::NonZeroU32};

use aws_lc_rs::digest::{SHA256, digest};
use boards::{config::Config, store::AuditFilter};
use governor::clock::FakeRelativeClock;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Socket, TestApp, eventually, graphql_path};

const ME: &str = "query Me { me { email } }";
const TITLES: &str = "query Titles($role: BoardQueryRole) { myBoards(role: $role) { title } }";
const MAKE: &str = "mutation Make { createBoard(input: { title: \"made\" }) { title } }";
const NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
const GRAPHQL: &str = "application/graphql-response+json";

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a text takes it");
        digits
    })
}

fn extensions(text: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash(text) } })
}

/// A request that names a text by its hash alone.
fn hashed(text: &str) -> Value {
    json!({ "extensions": extensions(text) })
}

/// A request that makes a text known.
fn whole(text: &str) -> Value {
    json!({ "query": text, "extensions": extensions(text) })
}

async fn post(client: &Client, body: &Value) -> Answer {
    let response = client.post("/graphql").json(body).send().await.expect("an answer");
    let status = response.status();
    Answer { status, body: response.json().await.expect("JSON") }
}

async fn get(client: &Client, parameters: &[(&str, &str)]) -> Answer {
    let response = client.get(&graphql_path(parameters)).send().await.expect("an answer");
    let status = response.status();
    Answer { status, body: response.json().await.expect("JSON") }
}

fn unknown() -> Value {
    let error = json!({ "message": "PersistedQueryNotFound", "extensions": { "code": NOT_FOUND } });
    json!({ "errors": [error] })
}

fn email(subject: &str) -> Value {
    json!({ "data": { "me": { "email": format!("{subject}@example.com") } } })
}

#[tokio::test]
async fn a_text_is_known_once_it_was_sent_with_its_hash() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let answer = post(&ada, &hashed(ME)).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, unknown()));
    // A text alone makes nothing known.
    assert_eq!(post(&ada, &json!({ "query": ME })).await.body, email("ada"));
    assert_eq!(post(&ada, &hashed(ME)).await.code(), Some(NOT_FOUND));
    assert_eq!(post(&ada, &whole(ME)).await.body, email("ada"));
    // Each caller is answered for themselves.
    assert_eq!(post(&ada, &hashed(ME)).await.body, email("ada"));
    assert_eq!(post(&bob, &hashed(ME)).await.body, email("bob"));
    let mut empty = hashed(ME);
    for query in [json!(null), json!("")] {
        empty["query"] = query;
        assert_eq!(post(&bob, &empty).await.body, email("bob"));
    }
    // A status of its own is for who asks for it.
    for (text, status) in [(ME, StatusCode::OK), ("{ other: __typename }", StatusCode::BAD_REQUEST)]
    {
        let request = ada.post("/graphql").header("Accept", GRAPHQL).json(&hashed(text));
        assert_eq!(request.send().await.expect("an answer").status(), status, "{text}");
    }
}

#[tokio::test]
async fn variables_and_names_of_operations_go_with_a_hash() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    ada.board("Hers", false).await;
    let two = format!("{ME} {TITLES}");
    post(&ada, &json!({ "query": two, "operationName": "Me", "extensions": extensions(&two) }))
        .await;
    for (role, boards) in [("OWNER", json!([{ "title": "Hers" }])), ("MEMBER", json!([]))] {
        let mut request = hashed(&two);
        request["operationName"] = json!("Titles");
        request["variables"] = json!({ "role": role });
        let answer = post(&ada, &request).await;
        assert_eq!(answer.body, json!({ "data": { "myBoards": boards } }));
    }
}

#[tokio::test]
async fn a_hash_that_is_not_that_of_the_text_is_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let upper = hash(ME).to_uppercase();
    for wrong in [hash("{ __typename }"), upper, String::new(), "é".repeat(32)] {
        let persisted = json!({ "version": 1, "sha256Hash": wrong });
        let extensions = json!({ "persistedQuery": persisted });
        let answer = post(&ada, &json!({ "query": ME, "extensions": extensions })).await;
        assert_eq!(answer.code(), Some("BAD_REQUEST"), "{wrong}");
        assert_eq!(answer.message(), Some("provided sha does not match query"), "{wrong}");
        assert!(answer.body.get("data").is_none(), "{}", answer.body);
        let answer = post(&ada, &json!({ "extensions": extensions })).await;
        assert_eq!(answer.body, unknown(), "{wrong}");
    }
    assert_eq!(post(&ada, &hashed(ME)).await.code(), Some(NOT_FOUND));
}

#[tokio::test]
async fn other_versions_and_shapes_are_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    post(&ada, &whole(ME)).await;
    for (persisted, code) in [
        (json!({ "version": 2, "sha256Hash": hash(ME) }), "PERSISTED_QUERY_NOT_SUPPORTED"),
        (json!({ "sha256Hash": hash(ME) }), "PERSISTED_QUERY_NOT_SUPPORTED"),
        (json!({ "version": 1 }), "BAD_REQUEST"),
        (json!(hash(ME)), "BAD_REQUEST"),
    ] {
        let extensions = json!({ "persistedQuery": persisted });
        for body in
            [json!({ "extensions": extensions }), json!({ "query": ME, "extensions": extensions })]
        {
            let answer = post(&ada, &body).await;
            assert_eq!(answer.code(), Some(code), "{body}: {}", answer.body);
        }
    }
    // None at all is a request like any other: without a text it is none.
    let none = json!({ "persistedQuery": null });
    let answer = post(&ada, &json!({ "query": ME, "extensions": none })).await;
    assert_eq!(answer.body, email("ada"));
    let answer = post(&ada, &json!({ "extensions": none })).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_was_refused_is_not_kept() {
    let app = TestApp::builder().config(|config| config.max_query_aliases = 2).start().await;
    let ada = app.user("ada");
    for refused in ["{ me {", "{ a: __typename b: __typename c: __typename }"] {
        let answer = post(&ada, &whole(refused)).await;
        assert!(answer.code().is_some(), "{}", answer.body);
        assert_eq!(post(&ada, &hashed(refused)).await.body, unknown(), "{refused}");
    }
}

#[tokio::test]
async fn no_tenant_learns_what_another_sent() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    post(&one, &whole(ME)).await;
    assert_eq!(post(&one, &hashed(ME)).await.body, email("ada"));
    assert_eq!(post(&two, &hashed(ME)).await.body, unknown());
    // Who is in no tenant finds nothing and leaves nothing, and is told why once the text comes.
    let stranger = app.anonymous().with_token("no token").with_tenant("one");
    let lost = app.user_of("nowhere", "ada");
    let text = "query Mine { me { email } }";
    for nobody in [&stranger, &lost, &app.anonymous()] {
        assert_eq!(post(nobody, &hashed(ME)).await.body, unknown());
        let answer = post(nobody, &whole(text)).await;
        assert!(answer.code().is_some_and(|code| code != NOT_FOUND), "{}", answer.body);
        assert_eq!(post(nobody, &hashed(text)).await.body, unknown());
    }
    for tenant in [&one, &two] {
        assert_eq!(post(tenant, &hashed(text)).await.body, unknown());
    }
    // Who is in the tenant without a token may do with the text what they may do at all.
    let anonymous = app.anonymous().with_tenant("one");
    assert_eq!(post(&anonymous, &hashed(ME)).await.code(), Some("UNAUTHENTICATED"));
}

#[tokio::test]
async fn a_get_names_queries_alone() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    ada.board("Hers", false).await;
    let titles = extensions(TITLES).to_string();
    let variables = ("variables", r#"{"role":"OWNER"}"#);
    let by_hash = [("extensions", &*titles), ("operationName", "Titles"), variables];
    assert_eq!(get(&ada, &by_hash).await.body, unknown());
    let known = get(&ada, &[("query", TITLES), ("extensions", &titles), variables]).await;
    assert_eq!(known.body["data"]["myBoards"][0]["title"], "Hers", "{}", known.body);
    assert_eq!(get(&ada, &by_hash).await.body, known.body);
    // A browser that follows such a link is answered too.
    let browser = ada.clone().with_header("Accept", "text/html, */*;q=0.8");
    assert_eq!(get(&browser, &by_hash).await.body, known.body);

    assert_eq!(post(&ada, &whole(MAKE)).await.body["data"]["createBoard"]["title"], "made");
    let make = extensions(MAKE).to_string();
    for parameters in [&[("extensions", &*make)][..], &[("query", MAKE), ("extensions", &make)][..]]
    {
        let answer = get(&ada, parameters).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{}", answer.body);
    }
    let boards = ada.data("{ myBoards { title } }", json!({})).await;
    assert_eq!(boards["myBoards"].as_array().map(Vec::len), Some(2), "{boards}");
    for broken in ["{", "[]", "7"] {
        let answer = get(&ada, &[("extensions", broken)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{broken}");
    }
}

#[tokio::test]
async fn operations_of_a_batch_name_texts_each_for_itself() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let batch = json!([hashed(ME), whole(ME), hashed(ME), { "query": ME }]);
    let answers = post(&ada, &batch).await.body;
    assert_eq!(answers, json!([unknown(), email("ada"), email("ada"), email("ada")]));
}

/// The first answer to an operation on a WebSocket.
async fn ask(socket: &mut Socket, id: &str, payload: &Value) -> Value {
    socket.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    loop {
        let message = socket.next().await.expect("the connection stays open");
        if message["id"] == id {
            return message["payload"].clone();
        }
    }
}

#[tokio::test]
async fn a_web_socket_names_texts_too() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    let board = one.board("Hers", true).await;
    let follow = "subscription F($id: UUID!) { boardUpdated(boardId: $id) { title } }";
    let with_id = |mut payload: Value| {
        payload["variables"] = json!({ "id": board });
        payload
    };
    let mut socket = Socket::open(&one).await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    let answer = ask(&mut socket, "1", &with_id(hashed(follow))).await;
    assert_eq!(code(&answer), NOT_FOUND, "{answer}");
    let title = json!({ "data": { "boardUpdated": { "title": "Hers" } } });
    assert_eq!(ask(&mut socket, "2", &with_id(whole(follow))).await, title);
    assert_eq!(ask(&mut socket, "3", &with_id(hashed(follow))).await, title);
    // What one transport made known, the others know.
    assert_eq!(ask(&mut socket, "4", &whole(ME)).await, email("ada"));
    assert_eq!(post(&one, &hashed(ME)).await.body, email("ada"));
    let mut socket = Socket::open(&two).await;
    let answer = ask(&mut socket, "1", &with_id(hashed(follow))).await;
    assert_eq!(code(&answer), NOT_FOUND, "{answer}");
}

#[tokio::test]
async fn a_hash_costs_what_its_text_does() {
    let ten_at_once = |config: &mut Config| {
        let points = NonZeroU32::new(100).expect("not zero");
        (config.rate_limit_user, config.rate_limit_token) = (points, points);
    };
    let clock = FakeRelativeClock::default();
    let app = TestApp::builder().limited(&clock, ten_at_once).start().await;
    let make = extensions(MAKE).to_string();
    let parameters = [("query", MAKE), ("extensions", &*make)];
    // Unknown, known, and refused for another reason: ten in all.
    let ada = app.user("ada");
    for _ in 0..3 {
        assert_eq!(post(&ada, &hashed(ME)).await.body, unknown());
        assert_eq!(get(&ada, &parameters).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(post(&ada, &whole(ME)).await.body, email("ada"));
    for _ in 0..3 {
        assert_eq!(post(&ada, &hashed(ME)).await.body, email("ada"));
    }
    // Who has no points left is not told what is known.
    for text in [ME, "{ other: __typename }"] {
        assert_eq!(post(&ada, &hashed(text)).await.code(), Some("RATE_LIMITED"), "{text}");
    }
}

#[tokio::test]
async fn a_hash_is_on_record_as_its_text_is() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for request in [whole(MAKE), hashed(MAKE)] {
        post(&ada, &request).await;
    }
    eventually("both are on record", async || {
        let every = AuditFilter::default();
        let rows = app.store().audit().export(None, &every, None, 100).await.expect("rows");
        let made = rows.iter().filter(|row| row.action == "createBoard");
        (made.map(|row| row.count).sum::<u64>() == 2).then_some(())
    })
    .await;

    let home = Home::new().await;
    let server = home.start(&[("BOARDS_LOG_FORMAT", "json")]).await;
    let ada = server.user("ada");
    post(&ada, &whole(ME)).await;
    post(&ada.clone().with_header("X-Request-Id", "by-hash"), &hashed(ME)).await;
    let log = server.whole_log().await;
    let line = log.lines().find(|line| line.contains("by-hash")).expect("a line");
    let line: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["operation"], "Me", "{line}");
}
