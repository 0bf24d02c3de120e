//! Small requests that would cost a lot, and pages that would act for the user of this machine.

use std::fmt::Write as _;

use boards::config::AuthProvider;
use serde_json::json;

use crate::support::{Socket, TestApp, graphql_path};

fn brackets() -> String {
    format!("{{ board(id: {}{}) {{ id }} }}", "[".repeat(5_000), "]".repeat(5_000))
}

fn fragment_bomb() -> String {
    let mut query = String::from("{ ...f0 } fragment f40 on Query { __typename } ");
    for level in 0..40 {
        let next = level + 1;
        let _ = write!(query, "fragment f{level} on Query {{ ...f{next} ...f{next} }} ");
    }
    query
}

fn fragment_chain() -> String {
    let links =
        (0..900).map(|level| format!("fragment f{level} on Query {{ ...f{} }} ", level + 1));
    format!("{{ ...f0 }} fragment f900 on Query {{ __typename }} {}", links.collect::<String>())
}

#[tokio::test]
async fn documents_that_cost_too_much_to_look_at_are_refused_on_every_transport() {
    let app = TestApp::start().await;
    let caller = app.anonymous();
    let cases = [
        (brackets(), "QUERY_TOO_DEEP"),
        (fragment_chain(), "QUERY_TOO_DEEP"),
        (fragment_bomb(), "QUERY_TOO_COMPLEX"),
    ];
    for (query, code) in &cases {
        assert_eq!(caller.code(query, json!({})).await, *code);
        let get =
            caller.get(&graphql_path(&[("query", query.as_str())])).send().await.expect("answer");
        let body: serde_json::Value = get.json().await.expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], *code);
        let batch = caller.post("/graphql").json(&json!([{ "query": query }]));
        let body: serde_json::Value =
            batch.send().await.expect("answer").json().await.expect("JSON");
        assert_eq!(body[0]["errors"][0]["extensions"]["code"], *code);
        let mut socket = Socket::open(&caller).await;
        socket.start("1", query, json!({})).await;
        let answer = socket.next().await.expect("an answer").to_string();
        assert!(answer.contains(code), "{answer}");
    }
    caller.data("{ publicBoards { id } }", json!({})).await;
}

#[tokio::test]
async fn a_mutation_that_stands_twice_is_not_carried_out_twice() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let query = "mutation { createBoard(input: { title: \"t\" }) { id } createBoard(input: { title: \"t\" }) { id } }";
    assert_eq!(ada.code(query, json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    let boards = ada.data("{ myBoards { id } }", json!({})).await;
    assert_eq!(boards["myBoards"], json!([]));
}

#[tokio::test]
async fn costs_do_not_overflow() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let mut query = String::from("id");
    for _ in 0..9 {
        query = format!("generations(limit: 100) {{ board {{ {query} }} }}");
    }
    let query = format!("{{ myBoards {{ {query} }} }}");
    assert_eq!(ada.code(&query, json!({})).await, "QUERY_TOO_COMPLEX");
}

#[tokio::test]
async fn long_lists_within_long_lists_end_the_query_and_not_the_server() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for number in 0..150 {
        ada.board(&format!("board {number}"), false).await;
    }
    let query = "{ me { boards { owner { boards { id } } } } }";
    assert_eq!(ada.code(query, json!({})).await, "QUERY_TOO_COMPLEX");
    let boards = ada.data("{ me { boards { id } } }", json!({})).await;
    assert_eq!(boards["me"]["boards"].as_array().map(Vec::len), Some(150));
}

#[tokio::test]
async fn the_caller_is_judged_before_the_arguments() {
    let app = TestApp::start().await;
    for query in ["{ user(id: \"zz\") { id } }", "mutation { deleteBoard(id: \"zz\") }"] {
        assert_eq!(app.anonymous().code(query, json!({})).await, "UNAUTHENTICATED");
        assert_eq!(app.user("ada").code(query, json!({})).await, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn under_provider_none_foreign_pages_are_refused() {
    let none = |config: &mut boards::config::Config| config.auth_provider = AuthProvider::None;
    let app = TestApp::builder().config(none).start().await;
    let local = app.anonymous();
    local.data("{ me { id } }", json!({})).await;
    let rebound = local.get("/graphql?query={me{id}}").header("Host", "evil.example:8088");
    assert_eq!(rebound.send().await.expect("an answer").status(), 403);
    for (origin, status) in [("https://evil.example", 403), ("http://localhost:3033", 200)] {
        let request = local.post("/graphql").header("Origin", origin);
        let answer = request.json(&json!({ "query": "{ me { id } }" })).send().await;
        assert_eq!(answer.expect("an answer").status(), status, "{origin}");
    }
}

#[tokio::test]
async fn what_could_not_be_read_again_is_not_stored() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
    let literal = format!("{}$v{}", "{a:".repeat(45), "}".repeat(45));
    for operation in [
        format!(
            "mutation($v: JSON) {{ createBoard(input: {{ title: \"t\", settings: {literal} }}) {{ id }} }}"
        ),
        format!(
            "mutation($v: JSON) {{ createTag(input: {{ name: \"t\", metadata: {literal} }}) {{ id }} }}"
        ),
    ] {
        assert_eq!(ada.code(&operation, json!({ "v": deep })).await, "BAD_USER_INPUT");
    }
    let lists = ada.data("{ myBoards { id } tags { id } }", json!({})).await;
    assert_eq!(lists, json!({ "myBoards": [], "tags": [] }));
    let fits = (0..60).fold(json!(1), |inner, _| json!([inner]));
    let query = "mutation($v: JSON) { createBoard(input: { title: \"t\", settings: { a: $v } }) { settings } }";
    let board = ada.data(query, json!({ "v": fits })).await;
    assert_eq!(board["createBoard"]["settings"]["a"], fits);
}
