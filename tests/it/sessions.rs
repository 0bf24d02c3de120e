//! What lives longer than a request ends with its caller: each WebSocket, multipart subscriptions and
//! server-sent events, whichever process suspended the user or closed the tenant.

use std::time::Duration;

use boards::store::SessionChange;
use chrono::{SubsecRound, Utc};
use serde_json::{Value, json};

use crate::support::{Client, Issuer, Socket, TestApp, eventually, on_postgres, sql, text};

const WATCH: &str = "subscription($id: UUID!) { boardUpdated(boardId: $id) { title } }";
/// How a browser asks for parts.
const PARTS: &str = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0, application/json";

/// Does what `suspendUser` in another process would.
async fn suspend(app: &TestApp, user: &str) {
    let now = Utc::now().trunc_subsecs(6);
    let statement = "UPDATE users SET disabled_at = $1 WHERE id = $2";
    assert_eq!(sql::execute(app, statement, [now.into(), sql::id(user)]).await, 1);
}

/// A WebSocket that watches a board and has been told its present state.
async fn watching(client: &Client, board: &str) -> Socket {
    let mut socket = Socket::open(client).await;
    socket.start("1", WATCH, json!({ "id": board })).await;
    assert_eq!(socket.next().await.expect("the present state")["type"], "next");
    socket
}

#[tokio::test]
async fn a_suspension_closes_the_websockets_of_that_user_alone() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Open", true).await;
    let mut of_ada = watching(&ada, &board).await;
    let mut of_bob = watching(&bob, &board).await;
    // One that has nothing running ends too.
    let mut idle = Socket::open(&bob).await;
    let mut anonymous = watching(&app.anonymous(), &board).await;
    suspend(&app, &bob.id().await).await;
    assert_eq!(of_bob.close_code().await, Some(4403));
    assert_eq!(idle.close_code().await, Some(4403));
    assert_eq!(bob.code("{ me { id } }", json!({})).await, "FORBIDDEN");

    let rename = "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"New\" }) { id } }";
    ada.data(rename, json!({ "id": board })).await;
    for socket in [&mut of_ada, &mut anonymous] {
        let news = socket.next().await.expect("the connection stays open");
        assert_eq!(news["payload"]["data"]["boardUpdated"]["title"], "New");
    }
}

/// An operation on a connection that is open already is judged as a request would be, also before
/// anything has been announced.
#[tokio::test]
async fn each_operation_of_a_websocket_asks_again() {
    let app = TestApp::start().await;
    let bob = app.user("bob");
    let id = bob.id().await;
    let mut socket = Socket::open(&bob).await;
    suspend(&app, &id).await;
    socket.start("1", "{ me { id } }", json!({})).await;
    // The connection may have been closed by then, which is as good.
    if let Some(answer) = socket.next().await {
        assert_eq!(answer.pointer("/payload/errors/0/extensions/code"), Some(&json!("FORBIDDEN")));
    }
}

#[tokio::test]
async fn a_suspension_ends_events_and_parts() {
    let app = TestApp::start().await;
    let bob = app.user("bob");
    let board = bob.board("His", false).await;
    let generation = bob.generate_as(&board, crate::support::SLOW, "TEXT", json!({})).await;
    let progress = bob.get(&format!("/api/sse/generations/{generation}/progress"));
    let mut progress = progress.send().await.expect("an answer");
    assert!(progress.chunk().await.expect("a chunk").is_some(), "the present state");
    let body = json!({ "query": WATCH, "variables": { "id": board } });
    let parts = bob.post("/graphql").header("accept", PARTS).json(&body);
    let mut parts = parts.send().await.expect("an answer");
    assert!(parts.chunk().await.expect("a chunk").is_some(), "the present state");

    suspend(&app, &bob.id().await).await;
    while progress.chunk().await.expect("a chunk").is_some() {}
    let rest = parts.text().await.expect("the rest");
    assert!(rest.contains("\"code\":\"FORBIDDEN\""), "{rest}");
}

/// A tenant that is closed is not there any more, for those without a token either.
#[tokio::test]
async fn a_closed_tenant_ends_the_sessions_in_it() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    let (board_one, board_two) = (one.board("One", true).await, two.board("Two", true).await);
    let mut signed_in = watching(&one, &board_one).await;
    let mut anonymous = watching(&app.anonymous().with_tenant("one"), &board_one).await;
    let mut of_two = watching(&two, &board_two).await;
    let close = "UPDATE tenants SET status = 'deleting', updated_at = $1 WHERE slug = 'one'";
    let now = Utc::now().trunc_subsecs(6);
    assert_eq!(sql::execute(&app, close, [now.into()]).await, 1);
    assert_eq!(signed_in.close_code().await, Some(4403));
    assert_eq!(anonymous.close_code().await, Some(4403));
    assert_eq!(one.code("{ me { id } }", json!({})).await, "TENANT_NOT_FOUND");
    let rename = "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"New\" }) { id } }";
    two.data(rename, json!({ "id": board_two })).await;
    assert_eq!(of_two.next().await.expect("still open")["type"], "next");
}

/// Each of two processes hears what the other did.
#[tokio::test]
async fn two_processes_end_the_same_sessions() {
    if !on_postgres() {
        return;
    }
    let first = TestApp::start().await;
    let second = TestApp::builder().beside(&first).start().await;
    let board = first.user("ada").board("Open", true).await;
    let bob = first.user("bob");
    let id = bob.id().await;
    let mut on_first = watching(&bob, &board).await;
    let mut on_second = watching(&second.user("bob"), &board).await;
    suspend(&first, &id).await;
    assert_eq!(on_first.close_code().await, Some(4403));
    assert_eq!(on_second.close_code().await, Some(4403));
    let lift = "UPDATE users SET disabled_at = NULL WHERE id = $1";
    sql::execute(&first, lift, [sql::id(&id)]).await;
    let reinstated: Value = eventually("the user is back", async || {
        let answer = second.user("bob").graphql("{ me { id } }", json!({})).await;
        answer.code().is_none().then_some(answer.body)
    })
    .await;
    assert_eq!(text(&reinstated["data"]["me"]["id"]), id);
}

/// A connection whose token was not good yet when it was opened is watched from the moment it is.
#[tokio::test]
async fn a_session_that_begins_late_ends_with_its_user_too() {
    let app = TestApp::builder().config(|config| config.auth_leeway = Duration::ZERO).start().await;
    let board = app.user("ada").board("Open", true).await;
    let bob = app.user("bob").id().await;
    let claims = json!({ "sub": "bob", "nbf": Utc::now().timestamp() + 2 });
    let token = Issuer::trusted().token(&claims);
    let mut socket = Socket::open(&app.anonymous().with_token(&token)).await;
    let mut operation = 0_u32;
    eventually("the token becomes good", async || {
        operation += 1;
        socket.start(&operation.to_string(), "{ me { id } }", json!({})).await;
        let answer = socket.next().await.expect("an answer");
        assert_eq!(socket.next().await.expect("an end")["type"], "complete");
        answer["payload"].get("errors").is_none().then_some(())
    })
    .await;
    assert!(operation > 1, "it was not good at first");
    socket.start("watch", WATCH, json!({ "id": board })).await;
    assert_eq!(socket.next().await.expect("the present state")["type"], "next");
    suspend(&app, &bob).await;
    assert_eq!(socket.close_code().await, Some(4403));
}

/// What was begun as one user does not go on as another, whom the same credentials now mean.
#[tokio::test]
async fn a_session_does_not_pass_to_somebody_else() {
    let app = TestApp::two_tenants().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("Open", true).await;
    let id: uuid::Uuid = ada.id().await.parse().expect("an id");
    let mut socket = watching(&ada, &board).await;
    for (slug, new) in [("one", "past"), ("two", "one")] {
        let rename = "UPDATE tenants SET slug = $1 WHERE slug = $2";
        assert_eq!(sql::execute(&app, rename, [new.into(), slug.into()]).await, 1);
    }
    app.store().events().session_changed(SessionChange::User(id.into()));
    assert_eq!(socket.close_code().await, Some(4401));
}
