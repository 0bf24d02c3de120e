//! Progress as it happens: server-sent events, WebSocket and multipart, each as long as the caller
//! may see what they watch.

use std::time::Duration;

use boards::cli::token::{TokenClaims, sign_token};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Client, FAILING, RECORDED, SLOW, Socket, TestApp, text};

const BOUND: Duration = Duration::from_secs(20);
const GENERATION: &str =
    "subscription($id: UUID!) { generationUpdated(id: $id) { id status progress } }";
const BOARD: &str =
    "subscription($id: UUID!) { boardUpdated(boardId: $id) { title generationCount } }";

/// A stream of server-sent events.
struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    async fn open(client: &Client, generation: &str) -> Self {
        let response = progress(client, generation).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let data = event.strip_prefix("data: ").map(str::to_owned);
                let length = self.buffer.len() - rest.len();
                self.buffer.drain(..length);
                match data {
                    Some(data) => return Some(serde_json::from_str(&data).expect("JSON")),
                    None => continue, // A comment, to keep the connection alive.
                }
            }
            let chunk = tokio::time::timeout(BOUND, self.response.chunk()).await.expect("in time");
            let chunk = chunk.expect("the stream ends in order")?;
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

async fn progress(client: &Client, generation: &str) -> Response {
    let path = format!("/api/sse/generations/{generation}/progress");
    client.get(&path).send().await.expect("an answer")
}

async fn queued(client: &Client, board: &str) -> String {
    client.generate_as(board, SLOW, "TEXT", json!({})).await
}

async fn act(client: &Client, mutation: &str, variables: Value) {
    client.data(mutation, variables).await;
}

async fn cancel(client: &Client, generation: &str) {
    let mutation = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
    act(client, mutation, json!({ "id": generation })).await;
}

async fn remove(owner: &Client, board: &str, user: &Client) {
    let mutation =
        "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }";
    act(owner, mutation, json!({ "b": board, "u": user.id().await })).await;
}

/// A token that ends soon, but not before it was used once on a busy machine.
fn short_token(app: &TestApp, subject: &str) -> String {
    let claims = TokenClaims {
        subject: subject.to_owned(),
        tenant: None,
        email: None,
        name: None,
        scope: None,
        expires_in: Duration::from_secs(4),
    };
    sign_token(&app.config, &claims).expect("a token")
}

/// The code of the error in a GraphQL answer.
fn code(payload: &Value) -> Option<&str> {
    payload.pointer("/errors/0/extensions/code")?.as_str()
}

#[tokio::test]
async fn events_tell_the_present_state_and_the_end() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = queued(&ada, &board).await;
    let mut events = Events::open(&ada, &generation).await;
    let first = events.next().await.expect("the present state");
    let timestamp = text(&first["timestamp"]);
    chrono::DateTime::parse_from_rfc3339(&timestamp).expect("a time");
    let expected = json!({
        "jobId": generation, "status": "queued", "progress": 0.0, "phase": "queued",
        "message": null, "timestamp": timestamp,
    });
    assert_eq!(first, expected);
    cancel(&ada, &generation).await;
    let rest = events.rest().await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["status"], "cancelled");

    // Of one that has ended there is only the end to tell.
    let again = Events::open(&ada, &generation).await.rest().await;
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["status"], "cancelled");
}

#[tokio::test]
async fn progress_never_goes_back_and_reaches_one() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let params = json!({ "name": board, "seconds": 3, "unsteady": true });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    let events = Events::open(&ada, &generation).await.rest().await;
    let done: Vec<f64> =
        events.iter().map(|event| event["progress"].as_f64().expect("a number")).collect();
    assert!(done.is_sorted(), "{done:?}");
    assert!(done.iter().any(|done| (0.01..0.99).contains(done)), "real progress: {done:?}");
    let last = events.last().expect("events");
    assert_eq!((&last["status"], &last["progress"]), (&json!("completed"), &json!(1.0)));
    let order = ["queued", "processing", "completed"];
    let place = |event: &Value| order.iter().position(|status| event["status"] == *status);
    assert!(events.iter().map(place).is_sorted(), "{events:?}");
}

#[tokio::test]
async fn a_failure_is_told_with_its_message() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let params = json!({ "message": "no clouds today" });
    let generation = ada.generate_as(&board, FAILING, "TEXT", params).await;
    let events = Events::open(&ada, &generation).await.rest().await;
    let last = events.last().expect("events");
    assert_eq!((&last["status"], &last["message"]), (&json!("failed"), &json!("no clouds today")));
}

#[tokio::test]
async fn who_may_not_watch_is_told_so_before_the_stream() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let private = queued(&ada, &ada.board("Private", false).await).await;
    let public = queued(&ada, &ada.board("Public", true).await).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    let forged = app.anonymous().with_token("no.good.token");
    let cases = [
        (app.anonymous(), &*private, 401, "UNAUTHENTICATED"),
        (app.anonymous(), &*unknown, 401, "UNAUTHENTICATED"),
        (forged.clone(), &*private, 401, "UNAUTHENTICATED"),
        (forged, &*public, 401, "UNAUTHENTICATED"),
        (app.user("bob"), &*private, 403, "FORBIDDEN"),
        (app.user("bob"), &*unknown, 404, "NOT_FOUND"),
        (app.user("bob"), "not-an-id", 404, "NOT_FOUND"),
    ];
    for (client, generation, status, error) in cases {
        let response = progress(&client, generation).await;
        assert_eq!(response.status().as_u16(), status, "{generation}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"], error, "{body}");
        assert!(body["detail"].is_string(), "{body}");
    }
    for client in [app.anonymous(), app.user("bob")] {
        let first = Events::open(&client, &public).await.next().await.expect("an event");
        assert_eq!(first["status"], "queued");
    }
}

#[tokio::test]
async fn events_end_when_access_does() {
    let app = TestApp::builder().config(|config| config.auth_leeway = Duration::ZERO).start().await;
    let ada = app.user("ada");
    let bob = app.user("bob");
    for ending in ["removal", "privacy", "deletion", "board", "expiry"] {
        let board = ada.board("B", ending == "privacy").await;
        let generation = queued(&ada, &board).await;
        let mut watcher = bob.clone();
        match ending {
            "privacy" => watcher = app.anonymous(),
            "expiry" => {
                ada.add_member(&board, &bob, "VIEWER").await;
                watcher.token = Some(short_token(&app, "bob"));
            }
            _ => ada.add_member(&board, &bob, "VIEWER").await,
        }
        let mut events = Events::open(&watcher, &generation).await;
        assert_eq!(events.next().await.expect("an event")["status"], "queued");
        match ending {
            "removal" => remove(&ada, &board, &bob).await,
            "privacy" => {
                let mutation = "mutation($id: UUID!) {
                    updateBoard(input: { id: $id, isPublic: false }) { id } }";
                act(&ada, mutation, json!({ "id": board })).await;
            }
            "deletion" => {
                let mutation = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
                act(&ada, mutation, json!({ "id": generation })).await;
            }
            "board" => {
                let mutation = "mutation($id: UUID!) { deleteBoard(id: $id) }";
                act(&ada, mutation, json!({ "id": board })).await;
            }
            _ => {}
        }
        assert_eq!(events.rest().await, Vec::<Value>::new(), "{ending}");
    }
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let mut app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = queued(&ada, &board).await;
    let mut events = Events::open(&ada, &generation).await;
    events.next().await.expect("an event");
    let mut socket = Socket::open(&ada).await;
    socket.start("1", GENERATION, json!({ "id": generation })).await;
    socket.next().await.expect("an item");
    app.stop().await;
    assert_eq!(events.rest().await, Vec::<Value>::new());
    assert_eq!(socket.close_code().await, Some(1001));
}

#[tokio::test]
async fn a_subscription_tells_each_change_of_a_generation() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let mut socket = Socket::open(&ada).await;
    let params = json!({ "name": board, "seconds": 1 });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    socket.start("g", GENERATION, json!({ "id": generation })).await;
    let items = socket.rest("g").await;
    assert!(items.iter().all(|item| item["data"]["generationUpdated"]["id"] == *generation));
    let last = items.last().expect("items");
    let end = json!({ "id": generation, "status": "COMPLETED", "progress": 1.0 });
    assert_eq!(last["data"]["generationUpdated"], end);
    assert!(items.len() > 1, "{items:?}");

    // The same connection also answers queries.
    socket.start("q", "{ me { email } }", json!({})).await;
    let answers = socket.rest("q").await;
    assert_eq!(answers, [json!({ "data": { "me": { "email": "ada@example.com" } } })]);
}

#[tokio::test]
async fn a_subscription_tells_each_change_of_a_board() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Before", true).await;
    let mut signed_in = Socket::open(&ada).await;
    let mut anonymous = Socket::open(&app.anonymous()).await;
    let item = |title: &str, count: u8| {
        let board = json!({ "title": title, "generationCount": count });
        json!({ "type": "next", "id": "b", "payload": { "data": { "boardUpdated": board } } })
    };
    for socket in [&mut signed_in, &mut anonymous] {
        socket.start("b", BOARD, json!({ "id": board })).await;
        assert_eq!(socket.next().await, Some(item("Before", 0)));
    }
    let mutation =
        "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"After\" }) { id } }";
    act(&ada, mutation, json!({ "id": board })).await;
    for socket in [&mut signed_in, &mut anonymous] {
        assert_eq!(socket.next().await, Some(item("After", 0)));
    }
    queued(&ada, &board).await;
    for socket in [&mut signed_in, &mut anonymous] {
        assert_eq!(socket.next().await, Some(item("After", 1)));
    }
    let mutation =
        "mutation($id: UUID!) { updateBoard(input: { id: $id, isPublic: false }) { id } }";
    act(&ada, mutation, json!({ "id": board })).await;
    let last = anonymous.rest("b").await;
    assert_eq!(last.iter().map(code).collect::<Vec<_>>(), [Some("UNAUTHENTICATED")]);
    assert_eq!(signed_in.next().await, Some(item("After", 1)));
    let mutation = "mutation($id: UUID!) { deleteBoard(id: $id) }";
    act(&ada, mutation, json!({ "id": board })).await;
    assert_eq!(signed_in.rest("b").await, Vec::<Value>::new());
}

#[tokio::test]
async fn subscriptions_end_when_access_does() {
    let app = TestApp::builder().config(|config| config.auth_leeway = Duration::ZERO).start().await;
    let ada = app.user("ada");
    let bob = app.user("bob");
    for expiring in [false, true] {
        let board = ada.board("B", false).await;
        let generation = queued(&ada, &board).await;
        ada.add_member(&board, &bob, "VIEWER").await;
        let mut watcher = bob.clone();
        if expiring {
            watcher.token = Some(short_token(&app, "bob"));
        }
        let mut sockets = [
            (Socket::open(&watcher).await, GENERATION, &generation),
            (Socket::open(&watcher).await, BOARD, &board),
        ];
        for (socket, query, id) in &mut sockets {
            socket.start("1", query, json!({ "id": id })).await;
            let first = socket.next().await.expect("the present state");
            assert!(first["payload"]["data"].is_object(), "{first}");
        }
        if !expiring {
            remove(&ada, &board, &bob).await;
        }
        let expected = if expiring { "UNAUTHENTICATED" } else { "FORBIDDEN" };
        for (socket, query, id) in &mut sockets {
            let last = socket.rest("1").await;
            assert_eq!(last.iter().map(code).collect::<Vec<_>>(), [Some(expected)], "{query}");
            // And nothing more can be had on the connection.
            socket.start("2", query, json!({ "id": id })).await;
            let last = socket.rest("2").await;
            assert_eq!(last.iter().map(code).collect::<Vec<_>>(), [Some(expected)], "{query}");
        }
    }
}

#[tokio::test]
async fn subscriptions_check_access_as_queries_do() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Private", false).await;
    let generation = queued(&ada, &board).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    let forged = app.anonymous().with_token("no.good.token");
    let cases = [
        (app.anonymous(), false, "UNAUTHENTICATED"),
        (app.anonymous(), true, "UNAUTHENTICATED"),
        (forged, false, "UNAUTHENTICATED"),
        (app.user("bob"), false, "FORBIDDEN"),
        (app.user("bob"), true, "NOT_FOUND"),
    ];
    for (client, missing, expected) in cases {
        let mut socket = Socket::open(&client).await;
        for (operation, query, id) in [("g", GENERATION, &generation), ("b", BOARD, &board)] {
            let id = if missing { &unknown } else { id };
            socket.start(operation, query, json!({ "id": id })).await;
            let answers = socket.rest(operation).await;
            assert_eq!(answers.iter().map(code).collect::<Vec<_>>(), [Some(expected)], "{query}");
            assert!(!answers[0].to_string().contains("Private"));
        }
    }
}

#[tokio::test]
async fn connection_params_may_hold_headers_in_the_way_of_any_client() {
    let app = TestApp::two_tenants().await;
    let authorization = format!("Bearer {}", app.user("ada").token.expect("a token"));
    for params in [
        json!({ "Authorization": authorization, "X-Tenant": "one" }),
        json!({ "authorization": authorization, "x-tenant": "one" }),
        json!({ "headers": { "Authorization": authorization, "X-Tenant": "one" } }),
    ] {
        let mut socket = Socket::connect(&app.anonymous()).await;
        socket.send(json!({ "type": "connection_init", "payload": params })).await;
        assert_eq!(socket.next().await.expect("an answer")["type"], "connection_ack");
        socket.start("1", "{ me { authSubject } }", json!({})).await;
        let answers = socket.rest("1").await;
        assert_eq!(answers[0]["data"]["me"]["authSubject"], "ada", "{params}");
    }
}

#[tokio::test]
async fn operations_before_the_connection_is_initialised_are_refused() {
    let app = TestApp::start().await;
    let mut socket = Socket::connect(&app.user("ada")).await;
    socket.start("1", "{ generators { name } }", json!({})).await;
    assert_eq!(socket.close_code().await, Some(4401));
}

#[tokio::test]
async fn a_connection_is_initialised_once() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(&app.user("ada")).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.close_code().await, Some(4429));
}

#[tokio::test]
async fn what_is_no_message_closes_the_connection() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(&app.user("ada")).await;
    socket.send(json!({ "type": "make-me-a-sandwich" })).await;
    assert_eq!(socket.close_code().await, Some(4400));
}

#[tokio::test]
async fn operations_on_a_connection_are_bounded() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = queued(&ada, &board).await;
    let mut socket = Socket::open(&ada).await;
    for number in 0..100 {
        socket.start(&number.to_string(), GENERATION, json!({ "id": generation })).await;
        assert_eq!(socket.next().await.expect("an item")["type"], "next");
    }
    socket.start("one more", GENERATION, json!({ "id": generation })).await;
    let refused = socket.rest("one more").await;
    assert_eq!(refused.iter().map(code).collect::<Vec<_>>(), [Some("CONFLICT")]);
    // One that ends makes room.
    socket.send(json!({ "type": "complete", "id": "7" })).await;
    assert_eq!(socket.rest("7").await, Vec::<Value>::new());
    socket.start("again", GENERATION, json!({ "id": generation })).await;
    let item = socket.next().await.expect("an item");
    assert_eq!(item["payload"]["data"]["generationUpdated"]["status"], "PENDING", "{item}");
}

#[tokio::test]
async fn foreign_pages_cannot_connect() {
    let app = TestApp::start().await;
    let own = app.url("");
    for (origin, protocol, status) in [
        (None, "graphql-transport-ws", StatusCode::SWITCHING_PROTOCOLS),
        (Some(&*own), "graphql-transport-ws", StatusCode::SWITCHING_PROTOCOLS),
        (Some("http://localhost:3033"), "graphql-transport-ws", StatusCode::SWITCHING_PROTOCOLS),
        (Some("https://evil.example"), "graphql-transport-ws", StatusCode::FORBIDDEN),
        (Some("http://localhost:3034"), "graphql-transport-ws", StatusCode::FORBIDDEN),
        (Some("null"), "graphql-transport-ws", StatusCode::FORBIDDEN),
        (None, "graphql-ws", StatusCode::BAD_REQUEST),
    ] {
        let mut request = app
            .user("ada")
            .get("/graphql")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", protocol);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{origin:?} {protocol}");
        if status == StatusCode::SWITCHING_PROTOCOLS {
            assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
        }
    }
}

#[tokio::test]
async fn a_subscription_by_post_comes_in_parts() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = queued(&ada, &board).await;
    let subscribe = async |client: &Client| {
        let body = json!({ "query": GENERATION, "variables": { "id": generation } });
        let accept = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json";
        let request = client.post("/graphql").header("Accept", accept).json(&body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
        assert!(content_type.starts_with("multipart/mixed"), "{content_type}");
        response
    };
    let refused = subscribe(&app.user("bob")).await.text().await.expect("parts");
    assert!(refused.contains("\"FORBIDDEN\"") && !refused.contains("PENDING"), "{refused}");

    let mut response = subscribe(&ada).await;
    let first = tokio::time::timeout(BOUND, response.chunk()).await.expect("in time");
    let mut parts = String::from_utf8_lossy(&first.expect("a part").expect("a part")).into_owned();
    cancel(&ada, &generation).await;
    let rest = tokio::time::timeout(BOUND, response.text()).await.expect("in time");
    parts.push_str(&rest.expect("parts"));
    let states: Vec<Value> = parts
        .split("--graphql")
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .map(|(_, body)| serde_json::from_str::<Value>(body).expect("JSON"))
        .map(|body| body["data"]["generationUpdated"]["status"].clone())
        .collect();
    assert_eq!(states, ["PENDING", "CANCELLED"], "{parts}");
    assert!(parts.ends_with("--graphql--\r\n"), "{parts}");
}
