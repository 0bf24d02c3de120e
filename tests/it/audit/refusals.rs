//! Refusals of every kind and on every transport.

use boards::domain::Decision;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOBODY, recorded, rows, sum, told};
use crate::support::{Client, Socket, TestApp, eventually, graphql_path, text};

const BOARD: &str = "query($id: UUID!) { board(id: $id) { id } }";

#[tokio::test]
async fn of_queries_by_post_get_batch_and_websocket() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Hers", false).await;
    let variables = json!({ "id": board });
    assert_eq!(bob.code(BOARD, variables.clone()).await, "FORBIDDEN");
    let path = graphql_path(&[("query", BOARD), ("variables", &variables.to_string())]);
    bob.get(&path).send().await.expect("an answer");
    let operation = json!({ "query": BOARD, "variables": variables });
    bob.post("/graphql").json(&json!([operation, operation])).send().await.expect("an answer");
    let mut socket = Socket::open(&bob).await;
    socket.start("1", BOARD, variables.clone()).await;
    socket.next().await.expect("an answer");
    let rows = recorded(&app, "board", 5).await;
    assert_eq!(sum(&rows), 5, "{rows:?}");
    for row in &rows {
        let expected = (Decision::Denied, Some("FORBIDDEN"), Some("board"), Some(board.as_str()));
        assert_eq!(told(row), expected);
        assert_eq!(row.actor.map(|id| id.to_string()), Some(bob.id().await));
    }
}

#[tokio::test]
async fn of_anonymous_callers_and_of_fields_below() {
    let app = TestApp::start().await;
    let board = app.user("ada").board("Hers", false).await;
    app.anonymous().code(BOARD, json!({ "id": board })).await;
    let rows = recorded(&app, "board", 1).await;
    let reason = Some("UNAUTHENTICATED");
    assert_eq!(told(&rows[0]), (Decision::Denied, reason, Some("board"), Some(board.as_str())));
    assert_eq!(rows[0].actor, None);

    let narrow = app.user_with_scope("ada", "boards:read");
    let below = "query($id: UUID!) { alias: board(id: $id) { id generations { id } } }";
    assert_eq!(narrow.code(below, json!({ "id": board })).await, "FORBIDDEN");
    let rows = recorded(&app, "board", 2).await;
    assert!(rows.iter().any(|row| row.reason.as_deref() == Some("FORBIDDEN")), "{rows:?}");
}

#[tokio::test]
async fn of_subscriptions_on_both_transports() {
    const WATCH: &str = "subscription($id: UUID!) { alias: boardUpdated(boardId: $id) { id } }";
    let app = TestApp::start().await;
    let board = app.user("ada").board("Hers", false).await;
    let bob = app.user("bob");
    let mut socket = Socket::open(&bob).await;
    socket.start("1", WATCH, json!({ "id": board })).await;
    socket.next().await.expect("an answer");
    let accept = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0, application/json";
    let request = bob.post("/graphql").header("accept", accept);
    let body = json!({ "query": WATCH, "variables": { "id": board } });
    request.json(&body).send().await.expect("an answer").bytes().await.expect("parts");
    let rows = recorded(&app, "boardUpdated", 2).await;
    assert_eq!(sum(&rows), 2);
    for row in &rows {
        let expected = (Decision::Denied, Some("FORBIDDEN"), Some("board"), Some(board.as_str()));
        assert_eq!(told(row), expected);
    }
}

#[tokio::test]
async fn of_files_events_and_links() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Hers", false).await;
    let generation = ada.upload_png(&board).await;
    let query = "query($id: UUID!) { generation(id: $id) { storageUrl } }";
    let link = ada.data(query, json!({ "id": generation })).await;
    let link = url::Url::parse(&text(&link["generation"]["storageUrl"])).expect("a link");
    let statuses = async |caller: &Client, path: &str| {
        caller.get(path).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(statuses(&bob, link.path()).await, 403);
    let forged = format!("{}?expires=4102444800&signature=abc", link.path());
    assert_eq!(statuses(&app.anonymous(), &forged).await, 403);
    let progress = format!("/api/sse/generations/{generation}/progress");
    assert_eq!(statuses(&bob, &progress).await, 403);
    assert_eq!(statuses(&app.anonymous(), &progress).await, 401);
    // What is not there is no refusal.
    assert_eq!(statuses(&bob, &progress.replace(&generation, NOBODY)).await, 404);
    let files = recorded(&app, "/api/storage/{*key}", 2).await;
    assert_eq!(files.len(), 2, "{files:?}");
    let events = recorded(&app, "/api/sse/generations/{id}/progress", 2).await;
    let mut reasons: Vec<_> = events.iter().filter_map(|row| row.reason.as_deref()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["FORBIDDEN", "UNAUTHENTICATED"]);
}

/// Once for a request, however many fields it asked for, and by whom as far as that is known.
#[tokio::test]
async fn of_credentials() {
    let app = TestApp::two_tenants().await;
    let query = "{ a: me { id } b: me { id } publicBoards { id } }";
    let bad = app.anonymous().with_token("no.token.here").with_tenant("one");
    assert_eq!(bad.code(query, json!({})).await, "UNAUTHENTICATED");
    let status = bad.get("/api/sse/generations/x/progress").send().await.expect("sent").status();
    assert_eq!(status, 401);
    let rows = recorded(&app, "authenticate", 2).await;
    assert_eq!(sum(&rows), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row.tenant.is_none() && row.actor.is_none()));

    let lost = app.user_of("nowhere", "ada");
    assert_eq!(lost.code(query, json!({})).await, "TENANT_NOT_FOUND");
    assert_eq!(app.user("ada").code(query, json!({})).await, "TENANT_REQUIRED");
    // Without credentials it is a wrong address, not an attempt.
    assert_eq!(app.anonymous().code(query, json!({})).await, "TENANT_REQUIRED");
    let one = app.user_of("one", "ada");
    let id = one.id().await;
    let suspend = "UPDATE users SET disabled_at = created_at WHERE id = $1";
    crate::support::sql::execute(&app, suspend, [crate::support::sql::id(&id)]).await;
    assert_eq!(one.code(query, json!({})).await, "FORBIDDEN");
    let rows = recorded(&app, "authenticate", 5).await;
    assert_eq!(sum(&rows), 5, "{rows:?}");
    let suspended = rows.iter().find(|row| row.reason.as_deref() == Some("FORBIDDEN"));
    let suspended = suspended.expect("the suspended user");
    assert_eq!(suspended.actor.map(|id| id.to_string()), Some(id));
    assert!(suspended.tenant.is_some(), "the admins of the tenant may read of it");
}

/// Who is known and has no user in the tenant is named as their provider does.
#[tokio::test]
async fn of_strangers_and_of_those_who_are_in_no_tenant() {
    let app = TestApp::two_tenants().await;
    let close = "UPDATE tenants SET join_policy = 'invite' WHERE slug = $1";
    crate::support::sql::execute(&app, close, ["two".into()]).await;
    assert_eq!(app.user_of("two", "ada").code("{ me { id } }", json!({})).await, "FORBIDDEN");
    let status = app.user("bob").get("/api/setup/status").send().await.expect("sent").status();
    assert_eq!(status, 403);
    for (action, subject) in [("authenticate", "ada"), ("/api/setup/status", "bob")] {
        let row = recorded(&app, action, 1).await.remove(0);
        let who = (row.actor, row.provider.as_deref(), row.subject.as_deref());
        assert_eq!(who, (None, Some("jwt"), Some(subject)), "{action}");
    }
}

#[tokio::test]
async fn of_credentials_on_a_websocket() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(&app.anonymous().with_token("no.token.here")).await;
    socket.start("1", "{ publicBoards { id } }", json!({})).await;
    assert_ne!(socket.next().await.expect("an answer")["payload"]["errors"], Value::Null);
    let rows = recorded(&app, "authenticate", 2).await;
    assert_eq!(rows[0].reason.as_deref(), Some("UNAUTHENTICATED"));
}

/// What is in another tenant looks missing; trying to change it is on record as a refusal.
#[tokio::test]
async fn of_changes_in_another_tenant() {
    let app = TestApp::two_tenants().await;
    let board = app.user_of("one", "ada").board("Hers", false).await;
    let two = app.user_of("two", "bob");
    let delete = "mutation($id: UUID!) { deleteBoard(id: $id) }";
    assert_eq!(two.code(delete, json!({ "id": board })).await, "NOT_FOUND");
    let rows = recorded(&app, "deleteBoard", 1).await;
    let expected = (Decision::Denied, Some("NOT_FOUND"), Some("board"), Some(board.as_str()));
    assert_eq!(told(&rows[0]), expected);
}

#[tokio::test]
async fn ten_thousand_are_a_few_rows_and_hold_nobody_up() {
    const REFUSED: usize = 10_000;
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Hers", false).await;
    bob.id().await;
    let fields: Vec<String> =
        (0..50).map(|n| format!("f{n}: board(id: \"{board}\") {{ id }}")).collect();
    let operation = json!({ "query": format!("{{ {} }}", fields.join(" ")) });
    let batch: Vec<&Value> = std::iter::repeat_n(&operation, 10).collect();
    let flood = async {
        for _ in 0..REFUSED / 500 {
            bob.post("/graphql").json(&batch).send().await.expect("an answer");
        }
    };
    let mut served = 0_u64;
    let mut flood = std::pin::pin!(flood);
    loop {
        let change = async { ada.board(&Uuid::new_v4().to_string(), false).await };
        tokio::select! {
            () = &mut flood => break,
            _ = change => served += 1,
        }
    }
    assert!(served > 0, "others are served meanwhile");
    let rows = recorded(&app, "board", REFUSED as u64).await;
    assert_eq!(sum(&rows), REFUSED as u64);
    // One user from one address, refused for one reason: a row for each time that they were written.
    assert!(rows.len() <= 60, "{} rows", rows.len());
    let changes = recorded(&app, "createBoard", served + 1).await;
    assert!(
        changes.iter().filter(|row| row.decision == Decision::Allowed).all(|row| row.count == 1)
    );
    assert!(super::rows(app.store()).await.iter().all(|row| row.action != "audit.dropped"));
}

/// A flood of ids that are nobody's is as bounded as one of a single id.
#[tokio::test]
async fn many_objects_are_told_apart_roughly() {
    let app = TestApp::start().await;
    let bob = app.user("bob");
    bob.id().await;
    for _ in 0..5 {
        let fields: Vec<String> =
            (0..50).map(|n| format!("f{n}: deleteBoard(id: \"{}\")", Uuid::new_v4())).collect();
        bob.graphql(&format!("mutation {{ {} }}", fields.join(" ")), json!({})).await;
    }
    eventually("all are counted", async || {
        let rows = rows(app.store()).await;
        (rows.iter().filter(|row| row.action == "deleteBoard").map(|row| row.count).sum::<u64>()
            == 250)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_callers_who_ask_too_often() {
    let few = std::num::NonZeroU32::MIN;
    let app = TestApp::builder()
        .config(move |config| {
            config.rate_limit = true;
            config.rate_limit_user = few;
        })
        .start()
        .await;
    let ada = app.user("ada");
    eventually("the points are used up", async || {
        let answer = ada.graphql("{ me { id } }", json!({})).await;
        (answer.code() == Some("RATE_LIMITED")).then_some(())
    })
    .await;
    let progress = format!("/api/sse/generations/{NOBODY}/progress");
    assert_eq!(ada.get(&progress).send().await.expect("an answer").status(), 429);
    let route = "/api/sse/generations/{id}/progress";
    for action in ["graphql", route] {
        let rows = recorded(&app, action, 1).await;
        assert_eq!(told(&rows[0]), (Decision::Denied, Some("RATE_LIMITED"), None, None));
        assert!(rows[0].actor.is_some(), "{rows:?}");
    }
}
