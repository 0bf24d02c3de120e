//! Suspension: the door is shut, the work stops, and what was made stays.

use std::time::Duration;

use serde_json::json;

use super::{REINSTATE, SUSPEND, admin, reinstate, suspend};
use crate::support::{Client, SLOW, Socket, TestApp, eventually, png, sql, text, upload_form};

const STATUS: &str = "query($id: UUID!) { generation(id: $id) { status errorMessage } }";
const REFUSAL: &str = "You don't have permission to use this tenant";

async fn until_status(viewer: &Client, generation: &str, wanted: &str) -> serde_json::Value {
    eventually(wanted, async || {
        let found = viewer.data(STATUS, json!({ "id": generation })).await["generation"].clone();
        (found["status"] == wanted).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_suspended_user_is_let_in_nowhere_until_reinstated() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    let bob_id = bob.id().await;
    let board = bob.board("His", true).await;
    let generation = bob.upload_png(&board).await;
    let query = "query($id: UUID!) { generation(id: $id) { storageUrl } }";
    let link =
        text(&bob.data(query, json!({ "id": generation })).await["generation"]["storageUrl"]);
    let (_, file) = link.split_once("/api/").expect("a storage link");
    let file = format!("/api/{}", file.split('?').next().expect("a path"));
    let progress = format!("/api/sse/generations/{generation}/progress");

    let suspended = ada.data(SUSPEND, json!({ "id": bob_id })).await;
    assert!(suspended["suspendUser"]["suspendedAt"].is_string());
    for query in ["{ me { id } }", "{ publicBoards { id } }", "{ generators { name } }"] {
        let refused = bob.graphql(query, json!({})).await;
        assert_eq!(refused.message(), Some(REFUSAL), "{query}");
        assert_eq!(refused.code(), Some("FORBIDDEN"), "{query}");
    }
    for path in [&file, &progress] {
        assert_eq!(bob.get(path).send().await.expect("answered").status(), 403, "{path}");
    }
    let upload =
        bob.post("/api/uploads/artifact").multipart(upload_form(&board, "image", png(8, 8)));
    assert_eq!(upload.send().await.expect("answered").status(), 403);
    let mut socket = Socket::open(&bob).await;
    socket.start("1", "{ me { id } }", json!({})).await;
    let refused = socket.next().await.expect("an answer");
    assert_eq!(refused["payload"]["errors"][0]["message"], REFUSAL, "{refused}");

    let again = ada.data(SUSPEND, json!({ "id": bob_id })).await;
    assert_eq!(again, suspended, "once is enough");
    let open = ada.data(REINSTATE, json!({ "id": bob_id })).await;
    assert_eq!(open["reinstateUser"]["suspendedAt"], json!(null));
    assert_eq!(bob.id().await, bob_id);
    assert_eq!(bob.get(&file).send().await.expect("answered").status(), 200);
}

/// What they watch goes on for others.
#[tokio::test]
async fn open_connections_of_a_suspended_user_end() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    let board = ada.board("Shared", false).await;
    ada.add_member(&board, &bob, "VIEWER").await;
    let generation = ada.generate(&board, "qr-code", json!({ "text": "waits" })).await;
    let bob_id = bob.id().await;
    let watch = "subscription($id: UUID!) { generationUpdated(id: $id) { id } }";
    let mut sockets = [Socket::open(&ada).await, Socket::open(&bob).await];
    for socket in &mut sockets {
        socket.start("1", watch, json!({ "id": generation })).await;
        socket.next().await.expect("the present state");
    }
    let progress = format!("/api/sse/generations/{generation}/progress");
    let events = bob.get(&progress).send().await.expect("answered");
    assert_eq!(events.status(), 200);
    suspend(&ada, &bob_id).await;
    let ends = async {
        while sockets[1].next().await.is_some() {}
        events.text().await.expect("it ends in good order")
    };
    tokio::time::timeout(Duration::from_secs(10), ends).await.expect("before the next recheck");
    sockets[0].start("2", "{ me { id } }", json!({})).await;
    assert_eq!(sockets[0].next().await.expect("hers goes on")["id"], "2");
}

#[tokio::test]
async fn what_a_suspended_user_owns_and_is_stays() {
    let app = TestApp::start().await;
    let (ada, bob, eve) = (admin(&app, "ada").await, app.user("bob"), app.user("eve"));
    let (his, hers) = (bob.board("His", false).await, eve.board("Hers", false).await);
    bob.add_member(&his, &eve, "EDITOR").await;
    eve.add_member(&hers, &bob, "EDITOR").await;
    let generation = bob.upload_png(&his).await;
    let bob_id = bob.id().await;
    suspend(&ada, &bob_id).await;
    let query = "query($b: UUID!, $h: UUID!, $g: UUID!, $u: UUID!) {
        board(id: $b) { title owner { id displayName email } }
        hers: board(id: $h) { members { userId } }
        generation(id: $g) { status user { id } } user(id: $u) { displayName } }";
    let variables = json!({ "b": his, "h": hers, "g": generation, "u": bob_id });
    let wanted = json!({
        "board": { "title": "His", "owner": {
            "id": bob_id, "displayName": "Name of bob", "email": "bob@example.com" } },
        "hers": { "members": [{ "userId": bob_id }] },
        "generation": { "status": "COMPLETED", "user": { "id": bob_id } },
        "user": { "displayName": "Name of bob" },
    });
    assert_eq!(eve.data(query, variables).await, wanted);
}

#[tokio::test]
async fn what_a_suspended_user_has_running_and_queued_is_cancelled() {
    let app =
        TestApp::builder().worker().config(|config| config.worker_concurrency = 1).start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    let board = ada.board("Shared", false).await;
    ada.add_member(&board, &bob, "EDITOR").await;
    let running = bob.generate_as(&board, SLOW, "TEXT", json!({})).await;
    until_status(&ada, &running, "PROCESSING").await;
    let queued = bob.generate(&board, "qr-code", json!({ "text": "his" })).await;
    let other = ada.generate(&board, "qr-code", json!({ "text": "hers" })).await;
    let bob_id = bob.id().await;
    suspend(&ada, &bob_id).await;
    for generation in [&running, &queued] {
        let found = ada.data(STATUS, json!({ "id": generation })).await;
        assert_eq!(found["generation"]["status"], "CANCELLED", "at once");
    }
    // The only place is free again: the slow one would keep it for an hour.
    assert_eq!(ada.ended(&other).await["status"], "COMPLETED");
    reinstate(&ada, &bob_id).await;
    let retry = "mutation($id: UUID!) { retryGeneration(id: $id) { id } }";
    let retried = bob.data(retry, json!({ "id": queued })).await;
    let retried = text(&retried["retryGeneration"]["id"]);
    assert_eq!(bob.ended(&retried).await["status"], "COMPLETED");
}

/// Somebody else may have written the suspension, and a job may have come in between.
#[tokio::test]
async fn the_worker_asks_again_whether_the_creator_is_suspended() {
    let app =
        TestApp::builder().worker().config(|config| config.worker_concurrency = 1).start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Shared", false).await;
    ada.add_member(&board, &bob, "EDITOR").await;
    let blocker = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
    until_status(&ada, &blocker, "PROCESSING").await;
    let queued = bob.generate(&board, "qr-code", json!({ "text": "his" })).await;
    let mark = "UPDATE users SET disabled_at = created_at WHERE id = $1";
    sql::execute(&app, mark, [sql::id(&bob.id().await)]).await;
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
    ada.data(cancel, json!({ "id": blocker })).await;
    let ended = until_status(&ada, &queued, "FAILED").await;
    assert_eq!(ended["errorMessage"], REFUSAL);
}
