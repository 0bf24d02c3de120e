//! An answer is the same text whatever carries it, and its fields stand in the order in which they were
//! asked for, whether they were written at once or put together from what several of them found.

use serde_json::{Value, json};

use crate::support::{Client, Socket, TestApp};

/// Operations on a board `$b`, and how their answers begin behind `{"data":`.
const OPERATIONS: [(&str, &str); 14] = [
    (
        "query($b: UUID!) { board(id: $b) { title members { user { displayName } role } id
             generations(limit: 2) { status inputParams artifactType } settings } }",
        r#"{"board":{"title":"A board","members":[{"user":{"displayName":"Name of eve"},"role":"VIEWER"}],"id":"#,
    ),
    (
        "query($b: UUID!) { board(id: $b) { membersConnection(first: 1) { totalCount edges { node {
             role user { displayName id } } cursor } } title generations(limit: 1) { ancestry {
             generation { id status } depth } progress } } }",
        r#"{"board":{"membersConnection":{"totalCount":1,"edges":[{"node":{"role":"VIEWER","user":{"displayName":"Name of eve","id":"#,
    ),
    (
        "query($b: UUID!) { ...R } fragment R on Query { board(id: $b) { ...B title ... on Board {
             isPublic owner { ...U } } } } fragment B on Board { isPublic generationCount }
             fragment U on User { displayName __typename }",
        r#"{"board":{"isPublic":false,"generationCount":2,"title":"A board","owner":{"displayName":"Name of ada","__typename":"User"}}}"#,
    ),
    (
        "query($b: UUID!) { board(id: $b) { owner { displayName } title owner { tenantRole } } board(id: $b) { isPublic } }",
        r#"{"board":{"owner":{"displayName":"Name of ada","tenantRole":"MEMBER"},"title":"A board","isPublic":false}}"#,
    ),
    (
        "query($b: UUID!) { a: board(id: $b) { generations(limit: 1) { status } }
             b: board(id: $b) { generations(limit: 2) { progress } more: generations(offset: 1) { status } } }",
        r#"{"a":{"generations":[{"status":"PENDING"}]},"b":{"generations":[{"progress":0.0},{"progress":0.0}],"more":[{"status":"PENDING"}]}}"#,
    ),
    (
        "query($b: UUID!) { board(id: $b) { title @skip(if: true) isPublic @include(if: true) members { role @skip(if: false) user { id @skip(if: true) displayName } } } }",
        r#"{"board":{"isPublic":false,"members":[{"role":"VIEWER","user":{"displayName":"Name of eve"}}]}}"#,
    ),
    (
        "query($b: UUID!, $no: Boolean = false) { me { id @include(if: $no) } board(id: $b) { owner { id @skip(if: true) } generations(limit: 2) { id @skip(if: true) } title } }",
        r#"{"me":{},"board":{"owner":{},"generations":[{},{}],"title":"A board"}}}"#,
    ),
    (
        "query($b: UUID!, $x: Boolean = false) { board(id: $b) { members { ...M @include(if: $x) } isPublic } } fragment M on BoardMember { role }",
        r#"{"board":{"members":[{}],"isPublic":false}}}"#,
    ),
    (
        "query($b: UUID!) { board(id: $b) { membersConnection(first: 1) { nodes @skip(if: true) { id } } title } }",
        r#"{"board":{"membersConnection":{},"title":"A board"}}}"#,
    ),
    ("query($b: UUID!) { board(id: $b) @skip(if: true) { id } }", "{}}"),
    (
        "query($b: UUID!, $hide: Boolean = true, $show: Boolean = true) { board(id: $b) { id @skip(if: $hide) title @include(if: $show) } }",
        r#"{"board":{"title":"A board"}}}"#,
    ),
    (
        "query($b: UUID!, $hide: Boolean = true) { board(id: $b) { title } board(id: $b) @skip(if: $hide) { isPublic } }",
        r#"{"board":{"title":"A board"}}}"#,
    ),
    (
        "query($b: UUID!, $n: Int = 1) { board(id: $b) { generations(limit: $n) { status } } }",
        r#"{"board":{"generations":[{"status":"PENDING"}]}}}"#,
    ),
    (
        "query($b: UUID!) { board(id: $b) { generations(limit: 101) { id } title } me { displayName } }",
        r#"{"board":null,"me":{"displayName":"Name of ada"}},"errors":[{"message":"limit must be"#,
    ),
];

/// The answer as the body of a response.
async fn over_http(caller: &Client, query: &str, board: &str) -> String {
    let body = json!({ "query": query, "variables": { "b": board } });
    let response = caller.post("/graphql").json(&body).send().await.expect("an answer");
    response.text().await.expect("a text")
}

async fn in_a_batch(caller: &Client, query: &str, board: &str) -> String {
    let operation = json!({ "query": query, "variables": { "b": board } });
    let body = json!([operation, operation]);
    let response = caller.post("/graphql").json(&body).send().await.expect("an answer");
    let answers: Vec<Value> = response.json().await.expect("JSON");
    assert_eq!(answers[0], answers[1], "{query}");
    answers[0].to_string()
}

#[tokio::test]
async fn they_are_the_same_whatever_carries_them() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.user("ada"), app.user("eve"));
    let board = ada.board("A board", false).await;
    ada.add_member(&board, &eve, "VIEWER").await;
    for seed in 0..2 {
        ada.generate(&board, "pattern-image", json!({ "seed": seed })).await;
    }
    let odd = json!({ "b": board, "s": { "a \"text\"": "\u{1}ä", "n": 1.50 } });
    let change =
        "mutation($b: UUID!, $s: JSON!) { updateBoard(input: { id: $b, settings: $s }) { id } }";
    ada.data(change, odd).await;
    let mut socket = Socket::open(&ada).await;
    for (number, (query, begins)) in OPERATIONS.into_iter().enumerate() {
        let text = over_http(&ada, query, &board).await;
        assert!(text.starts_with(&format!("{{\"data\":{begins}")), "{query}: {text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(in_a_batch(&ada, query, &board).await, value.to_string(), "{query}");
        let id = number.to_string();
        socket.start(&id, query, json!({ "b": board })).await;
        let told = socket.rest(&id).await;
        assert_eq!(told[0].to_string(), value.to_string(), "{query}");
    }
}

#[tokio::test]
async fn a_part_that_fails_takes_only_what_must_go_with_it() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    let limited = app.user_with_scope("ada", "generations:read");
    let query = "query($b: UUID!) { recentGenerations(boardId: $b) { status board { id } user { displayName } } me { displayName } }";
    let text = over_http(&limited, query, &board).await;
    // The board of a generation may not be null, nor may the generation, nor the list.
    assert!(text.starts_with(r#"{"data":null,"errors":[{"#), "{text}");
    let query = "query($b: UUID!) { me { displayName boards { id } } recentGenerations(boardId: $b) { status } }";
    let text = over_http(&limited, query, &board).await;
    let expected =
        r#"{"data":{"me":null,"recentGenerations":[{"status":"PENDING"}]},"errors":[{"message":"#;
    assert!(text.starts_with(expected), "{text}");
    let path: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(path["errors"][0]["path"], json!(["me", "boards"]));
}

#[tokio::test]
async fn what_a_default_skips_is_not_done() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    let skipped = "mutation($b: UUID!, $dry: Boolean! = true) { deleteBoard(id: $b) @skip(if: $dry) __typename }";
    assert_eq!(over_http(&ada, skipped, &board).await, r#"{"data":{"__typename":"Mutation"}}"#);
    let text = over_http(&ada, "query($b: UUID!) { board(id: $b) { title } }", &board).await;
    assert_eq!(text, r#"{"data":{"board":{"title":"A board"}}}"#);
}
