//! More than the database can do: who is refused, who is not, and that it passes.

use std::time::Duration;

use reqwest::header::{ACCEPT, RETRY_AFTER};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};

use super::{BOUND, RECENT, becomes_quiet, impatient, works, world};
use crate::support::{
    Client, SLOW, SlowTable, Socket, TestApp, TestAppBuilder, eventually_within, on_postgres,
};

/// Longer than anyone waits for a connection.
const PATIENCE: Duration = Duration::from_secs(3);

fn with_short_waits() -> TestAppBuilder {
    TestApp::builder().config(|config| config.database_wait = Duration::from_secs(1))
}

/// Sends a slow operation many times until there is no room for one more.
async fn fill(user: &Client, query: &'static str) -> Vec<tokio::task::JoinHandle<()>> {
    let clients: Vec<_> = (0..10).map(|_| impatient(user, query, json!({}))).collect();
    eventually_within(BOUND, "one more is refused", async || {
        // Before the others have come, this one is among those who find a place, and stays there.
        let answer = tokio::time::timeout(PATIENCE, user.graphql(query, json!({}))).await.ok()?;
        (answer.code() == Some("OVERLOADED")).then_some(())
    })
    .await;
    clients
}

#[tokio::test]
async fn a_tenant_whose_statements_are_slow_leaves_room_for_the_others() {
    if !on_postgres() {
        return; // There a statement that does not end takes a core, and all other tests would wait.
    }
    let (app, ada, _) = world(with_short_waits()).await;
    let bob = app.user_of("two", "bob");
    let board = bob.board("A board", false).await;
    let table = SlowTable::new(&app, "generations").await;
    let slow = fill(&ada, RECENT).await;
    works(&app, &bob).await;
    let mut socket = Socket::open(&bob).await;
    let watch = "subscription($b: UUID!) { boardUpdated(boardId: $b) { id } }";
    socket.start("watch", watch, json!({ "b": board })).await;
    assert_eq!(socket.next().await.expect("the board")["type"], "next");
    // The tenant itself is told so, and by whom it may ask again.
    let answer = ada.graphql(RECENT, json!({})).await;
    assert_eq!(answer.code(), Some("OVERLOADED"), "{}", answer.body);
    assert_eq!(answer.message(), Some("The server is busy; try again in a moment"));
    let extensions = &answer.body["errors"][0]["extensions"];
    assert!(extensions["retryAfter"].as_u64().is_some_and(|seconds| seconds > 0), "{extensions}");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    becomes_quiet(&app).await;
    table.restore().await;
    ada.data(RECENT, json!({})).await;
    works(&app, &ada).await;
}

#[tokio::test]
async fn a_server_that_cannot_judge_anyone_says_that_it_is_busy() {
    if !on_postgres() {
        return; // There a statement that does not end takes a core, and all other tests would wait.
    }
    let (app, ada, _) = world(with_short_waits()).await;
    let table = SlowTable::new(&app, "users").await;
    let slow: Vec<_> = (0..10).map(|_| impatient(&ada, "{ me { id } }", json!({}))).collect();
    let body = json!({ "query": "{ me { id } }" });
    let answer = eventually_within(BOUND, "one more is refused", async || {
        let request = ada.post("/graphql").header(ACCEPT, "application/graphql-response+json");
        let answer = tokio::time::timeout(PATIENCE, request.json(&body).send()).await.ok()?;
        let answer = answer.expect("an answer");
        (answer.status() == 503).then_some(answer)
    })
    .await;
    assert!(answer.headers().contains_key(RETRY_AFTER));
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "OVERLOADED");
    assert_eq!(answer.get("data"), None, "{answer}");
    let link = format!("/api/sse/generations/{}/progress", uuid::Uuid::new_v4());
    let answer = ada.get(&link).send().await.expect("an answer");
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert_eq!(answer.json::<Value>().await.expect("JSON")["error"], "OVERLOADED");
    for path in ["/health", "/ready"] {
        let answer = app.anonymous().get(path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
    }
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    table.restore().await;
    becomes_quiet(&app).await;
    works(&app, &ada).await;
}

#[tokio::test]
async fn the_worker_goes_on_while_requests_hold_every_connection() {
    if !on_postgres() {
        return; // There a statement that does not end takes a core, and all other tests would wait.
    }
    let app = with_short_waits().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    ada.data("mutation { createTag(input: { name: \"A tag\" }) { id } }", json!({})).await;
    let table = SlowTable::new(&app, "tags").await;
    let generation = ada.generate_as(&board, SLOW, "TEXT", json!({ "seconds": 3 })).await;
    let slow = fill(&ada, "{ tags { id } }").await;
    let connection = app.database().connect().await;
    eventually_within(BOUND, "the generation is made", async || {
        let row = generations_that_are_made(&connection).await;
        (row == 1).then_some(())
    })
    .await;
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    becomes_quiet(&app).await;
    table.restore().await;
    works(&app, &ada).await;
    assert_eq!(ada.ended(&generation).await["status"], "COMPLETED");
}

async fn generations_that_are_made(connection: &DatabaseConnection) -> i64 {
    let sql = "SELECT count(*) AS made FROM generations WHERE status = 'completed'";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get("", "made").expect("a number")
}
