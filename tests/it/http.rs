//! GraphQL over HTTP as its specification says, the limits, what surrounds every request, and what
//! is written about it.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode, header};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Socket, TestApp, TestAppBuilder, eventually, graphql_path, on_postgres, text,
};

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

async fn post(client: &Client, content_type: &str, accept: &str, body: &str) -> Response {
    let mut request = client.post("/graphql").body(body.to_owned());
    if !content_type.is_empty() {
        request = request.header("Content-Type", content_type);
    }
    if !accept.is_empty() {
        request = request.header("Accept", accept);
    }
    request.send().await.expect("an answer")
}

fn header_of<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// A request of any method to any path, with headers.
async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut request = client.request(method, app.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn the_answer_has_the_type_that_the_client_wants() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for (accept, status, content_type) in [
        ("", 200, JSON),
        ("*/*", 200, JSON),
        (JSON, 200, JSON),
        (GRAPHQL, 200, GRAPHQL),
        ("application/graphql-response+json, application/json;q=0.9", 200, GRAPHQL),
        ("application/json, application/graphql-response+json;q=0.5", 200, JSON),
        ("text/html", 406, JSON),
        ("image/png, application/json;q=0", 406, JSON),
    ] {
        let body = r#"{"query":"{ generators { name } }"}"#;
        let response = post(&client, JSON, accept, body).await;
        assert_eq!(response.status().as_u16(), status, "{accept}");
        let found = header_of(&response, "content-type").expect("a type").to_owned();
        assert!(found.starts_with(content_type), "{accept}: {found}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["data"]["generators"].is_array(), status == 200, "{accept}: {body}");
    }
}

#[tokio::test]
async fn a_request_is_json_by_its_type() {
    let app = TestApp::start().await;
    let body = r#"{"query":"{ __typename }"}"#;
    for (content_type, status) in [
        (JSON, 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON; charset=\"UTF-8\"", 200),
        ("", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/graphql", 415),
        ("application/json; charset=iso-8859-1", 415),
    ] {
        let response = post(&app.anonymous(), content_type, "", body).await;
        assert_eq!(response.status().as_u16(), status, "{content_type}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["errors"].is_array(), status != 200, "{body}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_400_in_both_types() {
    let app = TestApp::start().await;
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"{ __typename }\"",
        "{}",
        "[]",
        "[7]",
        r#"{"query":null}"#,
        r#"{"query":7}"#,
        r#"{"query":["{ __typename }"]}"#,
        r#"{"query":"{ __typename }","operationName":7}"#,
        r#"{"query":"{ __typename }","variables":[]}"#,
        r#"{"query":"{ __typename }","variables":"{}"}"#,
        r#"{"query":"{ __typename }","extensions":"none"}"#,
    ] {
        for accept in [JSON, GRAPHQL] {
            let response = post(&app.anonymous(), JSON, accept, body).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
            let answer: Value = response.json().await.expect("JSON");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{body}");
            assert!(answer.get("data").is_none(), "{answer}");
        }
    }
    for body in [
        r#"{"query":"{ __typename }","operationName":null,"variables":null,"extensions":null}"#,
        r#"{"query":"{ __typename }","extensions":{"trace":1},"unknown":true}"#,
    ] {
        let response = post(&app.anonymous(), JSON, GRAPHQL, body).await;
        assert_eq!(response.status(), StatusCode::OK, "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_executed_is_400_only_in_the_new_type() {
    let app = TestApp::start().await;
    let unknown_operation = json!({ "query": "query A { __typename } query B { __typename }",
        "operationName": "C" });
    let nameless = json!({ "query": "query A { __typename } query B { __typename }" });
    for (body, code) in [
        (json!({ "query": "{ generators {" }), Some("GRAPHQL_PARSE_FAILED")),
        (json!({ "query": "" }), None),
        (json!({ "query": "{ nothing }" }), Some("GRAPHQL_VALIDATION_FAILED")),
        (json!({ "query": "{ board { id } }" }), Some("GRAPHQL_VALIDATION_FAILED")),
        (
            json!({ "query": "subscription { boardUpdated(boardId: \"0198c0de-0000-7000-8000-000000000000\") { id } }" }),
            None,
        ),
        (unknown_operation, None),
        (nameless, None),
    ] {
        for (accept, status) in [(JSON, 200), (GRAPHQL, 400)] {
            let response = post(&app.anonymous(), JSON, accept, &body.to_string()).await;
            let found = response.status().as_u16();
            let answer: Value = response.json().await.expect("JSON");
            assert_eq!(found, status, "{body}: {answer}");
            let said = &answer["errors"][0]["extensions"]["code"];
            assert!(said.is_string() && code.is_none_or(|code| said == code), "{body}: {answer}");
            assert!(answer.get("data").is_none(), "{answer}");
        }
    }
    // Variables are judged where they are used.
    let query = "query($id: UUID!) { board(id: $id) { id } }";
    for (variables, code) in [
        (json!({}), "BAD_USER_INPUT"),
        (json!({ "id": 7 }), "BAD_USER_INPUT"),
        (json!({ "id": null }), "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let answer = app.anonymous().graphql(query, variables).await;
        assert_eq!(answer.code(), Some(code), "{}", answer.body);
    }
    // What was executed is 200, also when a field failed.
    let body = json!({ "query": "{ generators { name } me { id } }" }).to_string();
    let response = post(&app.anonymous(), JSON, GRAPHQL, &body).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer["data"]["me"], Value::Null);
    assert!(answer["data"]["generators"].is_array());
    assert_eq!(answer["errors"][0]["path"], json!(["me"]));
}

#[tokio::test]
async fn a_get_reads_and_never_writes() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let get = async |parameters: &[(&str, &str)]| {
        ada.get(&graphql_path(parameters)).header("Accept", GRAPHQL).send().await.expect("answer")
    };
    let two = "query A($r: BoardQueryRole) { myBoards(role: $r) { id } } mutation B { createTag(input: { name: \"n\" }) { id } }";
    let read = [("query", two), ("operationName", "A"), ("variables", r#"{"r":"OWNER"}"#)];
    let response = get(&read).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.json::<Value>().await.expect("JSON"),
        json!({ "data": { "myBoards": [] } })
    );
    for parameters in [
        &[("query", "mutation { createTag(input: { name: \"n\" }) { id } }")][..],
        &[("query", two), ("operationName", "B")][..],
        &[("query", "subscription { boardUpdated(boardId: \"0\") { id } }")][..],
    ] {
        let response = get(parameters).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{parameters:?}");
        assert_eq!(header_of(&response, "allow"), Some("POST"));
    }
    assert_eq!(ada.data("{ tags { id } }", json!({})).await["tags"], json!([]));
    for parameters in [
        &[][..],
        &[("operationName", "A")][..],
        &[("query", "{ __typename }"), ("variables", "{")][..],
        &[("query", "{ __typename }"), ("variables", "[]")][..],
        &[("query", "{ nothing }")][..],
        &[("query", two)][..],
    ] {
        assert_eq!(get(parameters).await.status(), StatusCode::BAD_REQUEST, "{parameters:?}");
    }
    let response = send(&app, Method::DELETE, "/graphql", &[]).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(header_of(&response, "allow").is_some_and(|allow| allow.contains("POST")));
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_bounded() {
    let app = TestApp::builder().config(|config| config.max_batch_size = 3).start().await;
    let ada = app.user("ada");
    let operation = |name: &str| json!({ "query": format!("{{ {name}: __typename }}") });
    let batch = json!([operation("a"), { "query": "{ nothing }" }, operation("c")]);
    let response = post(&ada, JSON, "", &batch.to_string()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answers: Value = response.json().await.expect("JSON");
    assert_eq!(answers[0], json!({ "data": { "a": "Query" } }));
    assert!(answers[1]["errors"].is_array() && answers[1].get("data").is_none(), "{answers}");
    assert_eq!(answers[2], json!({ "data": { "c": "Query" } }));

    let batch = Value::Array(vec![operation("a"); 4]);
    let response = post(&ada, JSON, "", &batch.to_string()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["message"], "A batch may hold at most 3 operations");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BATCH_TOO_LARGE");
}

#[tokio::test]
async fn a_body_is_bounded() {
    let app = TestApp::builder().config(|config| config.max_body_bytes = 2_000).start().await;
    for (length, status) in [(1_000, 200), (3_000, 413), (3_000_000, 413)] {
        let body = json!({ "query": "{ __typename }", "padding": "x".repeat(length) });
        let response = post(&app.anonymous(), JSON, "", &body.to_string()).await;
        assert_eq!(response.status().as_u16(), status, "{length}");
        let answer: Value = response.json().await.expect("JSON");
        if status == 413 {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE");
            assert!(text(&answer["errors"][0]["message"]).contains("2000 bytes"), "{answer}");
        }
    }
}

#[tokio::test]
async fn operations_are_bounded() {
    let limited = |limit: &str| -> TestAppBuilder {
        let limit = limit.to_owned();
        TestApp::builder().config(move |config| match &*limit {
            "depth" => config.max_query_depth = 4,
            "complexity" => config.max_query_complexity = 100,
            _ => config.max_query_aliases = 3,
        })
    };
    for (limit, good, bad, code, message) in [
        (
            "depth",
            "{ myBoards { owner { boards { id } } } }",
            "{ myBoards { owner { boards { owner { id } } } } }",
            "QUERY_TOO_DEEP",
            "The query is nested deeper than 4 levels",
        ),
        (
            "complexity",
            "{ myBoards(limit: 10) { id } }",
            "{ myBoards(limit: 100) { id title } }",
            "QUERY_TOO_COMPLEX",
            "The query costs more than 100 points",
        ),
        (
            "aliases",
            "{ a: __typename b: __typename c: __typename }",
            "{ a: __typename b: __typename ... on Query { c: __typename d: __typename } }",
            "QUERY_TOO_MANY_ALIASES",
            "The query has more than 3 aliases",
        ),
    ] {
        let app = limited(limit).start().await;
        let ada = app.user("ada");
        ada.data(good, json!({})).await;
        let answer = ada.graphql(bad, json!({})).await;
        assert_eq!(answer.code(), Some(code), "{}", answer.body);
        assert_eq!(answer.message(), Some(message));
        assert!(answer.body.get("data").is_none(), "{}", answer.body);
        let body = json!({ "query": bad }).to_string();
        assert_eq!(post(&ada, JSON, GRAPHQL, &body).await.status(), StatusCode::BAD_REQUEST);
        // The same over a WebSocket.
        let mut socket = Socket::open(&ada).await;
        socket.start("1", bad, json!({})).await;
        let answers = socket.rest("1").await;
        assert_eq!(answers[0]["errors"][0]["extensions"]["code"], code, "{answers:?}");
    }
}

#[tokio::test]
async fn nesting_without_end_is_no_trouble() {
    let app = TestApp::start().await;
    for query in [
        format!("{}{}", "{ a ".repeat(20_000), "}".repeat(20_000)),
        format!("{{ board(id: {}{}) {{ id }} }}", "[".repeat(20_000), "]".repeat(20_000)),
        "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned(),
    ] {
        let answer = app.anonymous().graphql(&query, json!({})).await;
        assert!(answer.code().is_some(), "{}", answer.body);
    }
    let answer = app.anonymous().graphql("{ __typename }", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn tools_can_read_the_schema_unless_that_is_off() {
    let query = include_str!("fixtures/introspection.graphql");
    let app = TestApp::start().await;
    let data = app.anonymous().data(query, json!({})).await;
    let types = data["__schema"]["types"].as_array().expect("types");
    assert!(types.iter().any(|found| found["name"] == "Generation"));
    assert_eq!(data["__schema"]["subscriptionType"]["name"], "Subscription");

    let app = TestApp::builder().config(|config| config.introspection = false).start().await;
    let answer = app.anonymous().graphql(query, json!({})).await;
    let told = answer.body.pointer("/data/__schema/types");
    assert!(told.is_none(), "{}", answer.body);
    let answer = app.anonymous().graphql("{ __type(name: \"Board\") { name } }", json!({})).await;
    assert!(answer.body.pointer("/data/__type/name").is_none(), "{}", answer.body);
    app.anonymous().data("{ __typename generators { name } }", json!({})).await;
}

#[tokio::test]
async fn a_request_has_its_time_and_no_more() {
    let app = TestApp::builder()
        .config(|config| config.request_timeout = Duration::from_secs(1))
        .start()
        .await;
    let ada = app.user("ada");
    ada.id().await;
    // Somebody else holds what the request needs.
    let connection = app.database().connect().await;
    let somebody = connection.begin().await.expect("begun");
    let lock = if on_postgres() {
        "LOCK TABLE boards IN ACCESS EXCLUSIVE MODE"
    } else {
        "UPDATE boards SET title = title"
    };
    somebody.execute_unprepared(lock).await.expect("locked");
    let mutation = "mutation { createBoard(input: { title: \"T\" }) { id } }";
    let answer = ada.graphql(mutation, json!({})).await;
    assert_eq!(answer.code(), Some("TIMEOUT"), "{}", answer.body);
    assert_eq!(answer.message(), Some("The request took too long and was stopped"));
    somebody.rollback().await.expect("let go");
    eventually("the server works again", async || {
        ada.graphql(mutation, json!({})).await.body["data"]["createBoard"].is_object().then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = TestApp::start().await;
    for path in ["/health", "/api/nothing", "/graphql"] {
        let long = "x".repeat(129);
        for (sent, kept) in [
            ("trace-1.a_B", true),
            (&*"x".repeat(128), true),
            (&*long, false),
            ("two words", false),
            ("line\tbreak", false),
            ("", false),
        ] {
            let response = send(&app, Method::GET, path, &[("X-Request-Id", sent)]).await;
            let id = header_of(&response, "x-request-id").expect("an id");
            assert_eq!(id == sent, kept, "{path} {sent} {id}");
            assert!(kept || id.parse::<uuid::Uuid>().is_ok(), "{id}");
        }
    }
}

#[tokio::test]
async fn front_ends_of_the_configured_origins_may_call() {
    let app = TestApp::builder()
        .config(|config| config.cors_origins = vec!["https://app.example.com".to_owned()])
        .start()
        .await;
    for (origin, allowed) in [
        ("https://app.example.com", true),
        ("https://evil.example", false),
        ("https://app.example.com.evil.example", false),
        ("null", false),
    ] {
        for path in ["/graphql", "/api/uploads/artifact", "/api/storage/a/b"] {
            let preflight = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "authorization,content-type,x-tenant"),
            ];
            let response = send(&app, Method::OPTIONS, path, &preflight).await;
            let told = header_of(&response, "access-control-allow-origin");
            assert_eq!(told, allowed.then_some(origin), "{path}");
            if allowed {
                assert!(response.status().is_success());
                let headers = header_of(&response, "access-control-allow-headers").expect("them");
                for name in ["authorization", "content-type", "x-tenant"] {
                    assert!(headers.to_ascii_lowercase().contains(name), "{headers}");
                }
            }
        }
        let response = send(&app, Method::GET, "/health", &[("Origin", origin)]).await;
        let told = header_of(&response, "access-control-allow-origin");
        assert_eq!(told, allowed.then_some(origin));
        assert!(header_of(&response, "access-control-allow-credentials").is_none());
        let readable = header_of(&response, "access-control-expose-headers").expect("them");
        assert!(readable.contains("x-request-id"), "{readable}");
    }
    let response = send(&app, Method::GET, "/health", &[]).await;
    assert_eq!(header_of(&response, "access-control-expose-headers"), None);
}

#[tokio::test]
async fn the_playground_can_be_switched_off() {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let app = TestApp::start().await;
    for path in ["/", "/graphql"] {
        let response = send(&app, Method::GET, path, &[("Accept", browser)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let content_type = header_of(&response, "content-type");
        assert_eq!(content_type, Some("text/html; charset=utf-8"), "{path}");
    }
    let app = TestApp::builder().config(|config| config.playground = false).start().await;
    for (path, status) in [("/", 404), ("/graphql", 400), ("/playground/playground.js", 404)] {
        let response = send(&app, Method::GET, path, &[("Accept", browser)]).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert!(!response.text().await.expect("a body").contains("<html"), "{path}");
    }
}

#[tokio::test]
async fn other_addresses_and_methods() {
    let app = TestApp::start().await;
    for path in ["/nothing", "/api", "/api/storage", "/graphql/", "/.env"] {
        let response = send(&app, Method::GET, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"], "NOT_FOUND", "{path}");
        assert!(body["detail"].is_string(), "{path}");
    }
    let response = send(&app, Method::POST, "/health", &[]).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/health", "/ready", "/", "/graphql?query=%7B__typename%7D"] {
        let response = send(&app, Method::HEAD, path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(response.headers().contains_key(header::CONTENT_TYPE), "{path}");
        assert_eq!(response.text().await.expect("a body"), "", "{path}");
    }
}

#[tokio::test]
async fn the_log_has_a_line_for_each_request_and_no_secret() {
    let home = Home::new().await;
    let settings = [("BOARDS_LOG_FORMAT", "json"), ("BOARDS_LOG_LEVEL", "info,boards=trace")];
    let server = home.start(&settings).await;
    let ada = server.user("ada");
    let token = ada.token.clone().expect("a token");
    let me = ada.id().await;

    let mutation = "mutation MakeBoard($t: String!) { createBoard(input: {
        title: $t, description: \"secret-in-the-text\" }) { id } }";
    let body = json!({ "query": mutation, "variables": { "t": "secret-in-a-variable" } });
    let request = ada.post("/graphql").header("X-Request-Id", "make").json(&body);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let board = text(&answer["data"]["createBoard"]["id"]);
    let picture = ada.upload_png(&board).await;
    let link = text(&ada.ended(&picture).await["storageUrl"]);
    let response = ada.follow(&link).await;
    assert_eq!(response.status(), StatusCode::OK);
    let forged = ada.follow(&format!("{link}secret-in-a-signature")).await;
    assert!(forged.status().is_client_error());
    let query = graphql_path(&[
        ("query", "query Find($t: String!) { searchBoards(query: $t) { id } }"),
        ("variables", r#"{"t":"secret-in-a-query-string"}"#),
    ]);
    ada.get(&query).header("X-Request-Id", "find").send().await.expect("an answer");
    let stranger = server.anonymous().with_token("secret-in-a-bad-token").with_tenant("default");
    stranger.get("/graphql?query=%7Bme%7Bid%7D%7D").send().await.expect("an answer");
    let nowhere = "/secret-in-a-path?token=secret-in-a-parameter";
    ada.get(nowhere).header("X-Request-Id", "nowhere").send().await.expect("an answer");
    ada.graphql("{ secret-in-no-query", json!({ "x": "secret-in-a-variable" })).await;
    let mut socket = Socket::open(&ada).await;
    let variables = json!({ "t": "secret-in-a-variable" });
    socket.start("1", "query($t: String!) { searchBoards(query: $t) { id } }", variables).await;
    socket.rest("1").await;

    let log = server.whole_log().await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    let signature = link.split_once('?').expect("a signed link").1;
    for secret in [&*token, token.rsplit('.').next().expect("a part"), signature, "secret-in-"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let of = |id: &str| -> Vec<&Value> {
        let is_of = |line: &&Value| line["message"] == "request" && line["span"]["id"] == id;
        lines.iter().filter(is_of).collect()
    };
    let [make] = &of("make")[..] else { panic!("one line a request: {log}") };
    assert_eq!(make["method"], "POST");
    assert_eq!(make["route"], "/graphql");
    assert_eq!(make["operation"], "MakeBoard");
    assert_eq!(make["tenant"], "default");
    assert_eq!(make["user"], *me);
    assert_eq!(make["status"], 200);
    assert!(make["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0));
    let [find] = &of("find")[..] else { panic!("one line a request: {log}") };
    assert_eq!(find["operation"], "Find");
    let [nowhere] = &of("nowhere")[..] else { panic!("one line a request: {log}") };
    assert_eq!(nowhere["status"], 404);
}
