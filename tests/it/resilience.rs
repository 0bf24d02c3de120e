//! One slow statement, one greedy tenant or many connections at once do not hold up the others.

mod connections;
mod overload;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Client, SlowTable, Socket, TestApp, TestAppBuilder, eventually, eventually_within, is_quiet,
    on_postgres, slow_title,
};

/// Each look may take as long as a request that found a place.
const BOUND: Duration = Duration::from_mins(1);

const RECENT: &str = "{ recentGenerations { id } }";
const RENAME: &str =
    "mutation($b: UUID!, $t: String!) { updateBoard(input: { id: $b, title: $t }) { title } }";

/// A server with two tenants, and a user of the first who has a generation.
async fn world(builder: TestAppBuilder) -> (TestApp, Client, String) {
    let app = builder.tenants(&["one", "two"]).start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("A board", true).await;
    let generation = ada.upload_png(&board).await;
    (app, ada, generation)
}

fn within_a_second() -> TestAppBuilder {
    TestApp::builder().config(|config| config.request_timeout = Duration::from_secs(1))
}

/// Everything that is done for a tenant still works: twice as many at once as there are connections.
async fn works(app: &TestApp, user: &Client) {
    let all = (0..2 * app.config.database_max_connections)
        .map(|_| answered(user, "{ me { id } myBoards { id } }"));
    join_all(all).await;
    answered(user, "mutation { createBoard(input: { title: \"Another board\" }) { id } }").await;
}

/// Asks until there is an answer: where other tests hold the processors, the short limit of a request
/// can strike one that nothing holds up.
async fn answered(user: &Client, operation: &str) {
    eventually_within(BOUND, "an answer", async || {
        let answer = user.graphql(operation, json!({})).await;
        let is_late = matches!(answer.code(), Some("TIMEOUT" | "OVERLOADED"));
        assert!(is_late || answer.body.get("errors").is_none(), "{operation}: {}", answer.body);
        (!is_late).then_some(())
    })
    .await;
}

async fn becomes_quiet(app: &TestApp) {
    eventually_within(BOUND, "nothing runs any more", async || is_quiet(app).await.then_some(()))
        .await;
}

#[tokio::test]
async fn a_slow_statement_is_stopped_on_every_transport() {
    let (app, ada, generation) = world(within_a_second()).await;
    let table = SlowTable::new(&app, "generations").await;
    let answer = ada.graphql(RECENT, json!({})).await;
    assert_eq!(answer.code(), Some("TIMEOUT"), "{}", answer.body);
    assert_eq!(answer.message(), Some("The request took too long and was stopped"));

    let mut socket = Socket::open(&ada).await;
    socket.start("query", RECENT, json!({})).await;
    let told = socket.rest("query").await;
    assert_eq!(told[0]["errors"][0]["extensions"]["code"], "TIMEOUT", "{told:?}");
    let watch = "subscription($g: UUID!) { generationUpdated(id: $g) { status } }";
    socket.start("watch", watch, json!({ "g": generation })).await;
    let told = socket.rest("watch").await;
    assert_eq!(told[0]["errors"][0]["extensions"]["code"], "TIMEOUT", "{told:?}");

    let progress = format!("/api/sse/generations/{generation}/progress");
    let answer = ada.get(&progress).send().await.expect("an answer");
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.json::<serde_json::Value>().await.expect("JSON")["error"], "TIMEOUT");

    works(&app, &app.user_of("two", "bob")).await;
    becomes_quiet(&app).await;
    table.restore().await;
    ada.data(RECENT, json!({})).await;
}

/// What is on a board is read with it, but not for those who do not see it: they are refused at once,
/// however much there is.
#[tokio::test]
async fn what_is_on_a_board_is_not_read_for_those_who_do_not_see_it() {
    if !on_postgres() {
        return; // SQLite may begin to read them before it comes to the condition.
    }
    let (app, ada, _) = world(TestApp::builder()).await;
    let board = ada.board("A private board", false).await;
    ada.upload_png(&board).await;
    let stranger = app.user_of("one", "stranger");
    stranger.id().await;
    let table = SlowTable::new(&app, "generations").await;
    let query = "query($b: UUID!) { board(id: $b) { generations { id } members { role } } }";
    assert_eq!(stranger.code(query, json!({ "b": board })).await, "FORBIDDEN");
    becomes_quiet(&app).await;
    table.restore().await;
    ada.data(query, json!({ "b": board })).await;
}

#[tokio::test]
async fn what_a_loader_reads_is_stopped_with_its_operation() {
    let (app, ada, _) = world(TestApp::builder()).await;
    let board = ada.board("A public board", true).await;
    ada.add_member(&board, &app.user_of("one", "eve"), "VIEWER").await;
    let table = SlowTable::new(&app, "board_members").await;
    // Whether a board is public says its own row; its members are read by a loader.
    let members = impatient(&ada, "{ publicBoards { members { id } } }", json!({}));
    eventually("the loader reads", async || (!is_quiet(&app).await).then_some(())).await;
    members.abort();
    becomes_quiet(&app).await;
    table.restore().await;
    works(&app, &ada).await;
}

#[tokio::test]
async fn a_change_that_takes_too_long_is_taken_back_whole() {
    let (app, ada, _) = world(within_a_second()).await;
    let board = ada.board("Before", false).await;
    slow_title(&app).await;
    assert_eq!(ada.code(RENAME, json!({ "b": board, "t": "slow" })).await, "TIMEOUT");
    becomes_quiet(&app).await;
    let found = ada.data("query($b: UUID!) { board(id: $b) { title } }", json!({ "b": board }));
    assert_eq!(found.await["board"]["title"], "Before");
    ada.data(RENAME, json!({ "b": board, "t": "After" })).await;
    works(&app, &ada).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_its_statements_along() {
    if !on_postgres() {
        return; // There a statement that does not end takes a core, and all other tests would wait.
    }
    let (app, ada, _) = world(TestApp::builder()).await;
    let board = ada.board("Before", false).await;
    let table = SlowTable::new(&app, "generations").await;
    slow_title(&app).await;
    let reading = impatient(&ada, RECENT, json!({}));
    let writing = impatient(&ada, RENAME, json!({ "b": board, "t": "slow" }));
    eventually("both run", async || (!is_quiet(&app).await).then_some(())).await;
    reading.abort();
    writing.abort();
    becomes_quiet(&app).await;
    table.restore().await;
    let found = ada.data("query($b: UUID!) { board(id: $b) { title } }", json!({ "b": board }));
    assert_eq!(found.await["board"]["title"], "Before");
    works(&app, &ada).await;
}

/// Sends an operation again and again, whether it finds no room or takes too long, over connections that
/// end when the task is aborted.
fn impatient(
    user: &Client,
    query: &'static str,
    variables: serde_json::Value,
) -> tokio::task::JoinHandle<()> {
    let user = user.clone();
    tokio::spawn(async move {
        while matches!(
            user.graphql(query, variables.clone()).await.code(),
            Some("OVERLOADED" | "TIMEOUT")
        ) {}
    })
}
