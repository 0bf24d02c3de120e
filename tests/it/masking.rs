//! What goes wrong inside stays inside: no answer on any transport says what broke.

use reqwest::StatusCode;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{Client, SLOW, Socket, TestApp, graphql_path};

/// What only the log may say: the table, the SQL, and whose words they are.
const INSIDE: [&str; 9] = [
    "generations",
    "no such",
    "relation",
    "does not exist",
    "select ",
    "sqlx",
    "sqlite",
    "postgres",
    "sea_orm",
];
const QUERY: &str = "query($id: UUID!) { generation(id: $id) { id status } }";
const MUTATION: &str = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
const SUBSCRIPTION: &str = "subscription($id: UUID!) { generationUpdated(id: $id) { id status } }";

/// A server whose table of generations has gone, and the id of a generation that was in it.
struct Broken {
    app: TestApp,
    ada: Client,
    board: String,
    generation: String,
}

impl Broken {
    async fn prepare() -> Self {
        let app = TestApp::start().await;
        let ada = app.user("ada");
        let board = ada.board("B", false).await;
        let generation = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
        Self { app, ada, board, generation }
    }

    async fn break_it(&self) {
        let connection = self.app.database().connect().await;
        let rename = "ALTER TABLE generations RENAME TO hidden";
        connection.execute_unprepared(rename).await.expect("renamed");
    }

    fn variables(&self) -> Value {
        json!({ "id": self.generation })
    }
}

fn assert_says_nothing(answer: &str) {
    let lower = answer.to_lowercase();
    for word in INSIDE {
        assert!(!lower.contains(word), "{word}: {answer}");
    }
}

fn assert_masked(payload: &Value) {
    assert_eq!(payload["errors"][0]["message"], "Internal server error", "{payload}");
    assert_eq!(payload["errors"][0]["extensions"], json!({ "code": "INTERNAL_SERVER_ERROR" }));
    assert_says_nothing(&payload.to_string());
}

#[tokio::test]
async fn by_post_and_get() {
    let broken = Broken::prepare().await;
    broken.break_it().await;
    for operation in [QUERY, MUTATION] {
        let answer = broken.ada.graphql(operation, broken.variables()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_masked(&answer.body);
        assert_eq!(answer.body["errors"][0]["path"].as_array().map(Vec::len), Some(1));
    }
    let batch = json!([
        { "query": QUERY, "variables": broken.variables() },
        { "query": "{ me { email } }" },
    ]);
    let response = broken.ada.post("/graphql").json(&batch).send().await.expect("an answer");
    let answers: Value = response.json().await.expect("JSON");
    assert_masked(&answers[0]);
    assert_eq!(answers[1]["data"]["me"]["email"], "ada@example.com");
    let query = format!("{{generation(id:\"{}\"){{id}}}}", broken.generation);
    let path = graphql_path(&[("query", &query)]);
    let response = broken.ada.get(&path).send().await.expect("an answer");
    assert_masked(&response.json().await.expect("JSON"));
}

#[tokio::test]
async fn over_a_websocket() {
    let broken = Broken::prepare().await;
    let mut socket = Socket::open(&broken.ada).await;
    socket.start("running", SUBSCRIPTION, broken.variables()).await;
    let first = socket.next().await.expect("the present state");
    assert_eq!(first["payload"]["data"]["generationUpdated"]["status"], "PENDING");
    broken.break_it().await;
    let last = socket.rest("running").await;
    assert_eq!(last.len(), 1, "{last:?}");
    assert_masked(&last[0]);
    for operation in [SUBSCRIPTION, QUERY, MUTATION] {
        socket.start("new", operation, broken.variables()).await;
        let answers = socket.rest("new").await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_masked(&answers[0]);
    }
}

#[tokio::test]
async fn in_parts() {
    let broken = Broken::prepare().await;
    let start = async || {
        let body = json!({ "query": SUBSCRIPTION, "variables": broken.variables() });
        let accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json";
        let request = broken.ada.post("/graphql").header("Accept", accept).json(&body);
        request.send().await.expect("an answer")
    };
    let running = start().await;
    broken.break_it().await;
    for (response, items) in [(running, 2), (start().await, 1)] {
        let parts = response.text().await.expect("parts");
        assert_says_nothing(&parts);
        let bodies: Vec<Value> = parts
            .split("--graphql")
            .filter_map(|part| part.split_once("\r\n\r\n"))
            .map(|(_, body)| serde_json::from_str(body).expect("JSON"))
            // While it waits for the database, empty parts say that it is still there.
            .filter(|body| *body != json!({}))
            .collect();
        // The one that ran may have been broken before its first look.
        assert!((1..=items).contains(&bodies.len()), "{parts}");
        assert_masked(bodies.last().expect("a part"));
    }
}

#[tokio::test]
async fn over_rest() {
    let broken = Broken::prepare().await;
    let tenant = {
        let me = broken.ada.data("{ me { tenantId } }", json!({})).await;
        crate::support::text(&me["me"]["tenantId"])
    };
    broken.break_it().await;
    let (board, generation) = (&broken.board, &broken.generation);
    let form = reqwest::multipart::Form::new()
        .text("board_id", board.clone())
        .text("artifact_type", "image")
        .part(
            "file",
            reqwest::multipart::Part::bytes(crate::support::png(4, 4)).file_name("a.png"),
        );
    let requests = [
        broken.ada.get(&format!("/api/sse/generations/{generation}/progress")),
        broken.ada.post("/api/uploads/artifact").multipart(form),
    ];
    for request in requests {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body: Value = response.json().await.expect("JSON");
        let masked = json!({ "error": "INTERNAL_SERVER_ERROR", "detail": "Internal server error" });
        assert_eq!(body, masked);
    }
    // A file that is not there is no secret either, whatever the database says.
    let path = format!("/api/storage/{tenant}/{board}/{generation}/artifact.png");
    let response = broken.ada.get(&path).send().await.expect("an answer");
    assert!(!response.status().is_success());
    assert_says_nothing(&response.text().await.expect("a body"));
}
