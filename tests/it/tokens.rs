//! Every fault that a token can have fails every field, public ones too, on every transport; and
//! good tokens of each kind of key are believed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use boards::config::{Config, JwtAlgorithm};
use chrono::Utc;
use reqwest::{RequestBuilder, Response, StatusCode, header::HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Issuer, SECRET, Socket, TestApp, TestAppBuilder, eventually, unsigned};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "boards";

/// What is wrong, and every value of the Authorization header.
type Fault = (&'static str, Vec<HeaderValue>);

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).expect("bytes that a header may hold")
}

fn bearer(token: &str) -> Vec<HeaderValue> {
    vec![header(&format!("Bearer {token}"))]
}

fn strict() -> TestAppBuilder {
    TestApp::builder().config(|config| {
        config.auth_issuer = Some(ISSUER.to_owned());
        config.auth_audience = Some(AUDIENCE.to_owned());
    })
}

fn faults_of_the_header() -> Vec<Fault> {
    let good = header(&format!("Bearer {}", Issuer::trusted().token(&json!({ "sub": "ada" }))));
    vec![
        ("nothing", vec![header("")]),
        ("no token", vec![header("Bearer")]),
        ("another scheme", vec![header("Basic YWRhOnNlY3JldA==")]),
        ("an unknown scheme", vec![header("Token abc")]),
        ("no scheme", vec![header("abc.def.ghi")]),
        ("two tokens in one header", vec![header("Bearer abc.def.ghi, Bearer abc.def.ghi")]),
        ("not ASCII", vec![header("Bearer ä.b.c")]),
        ("two headers", vec![good.clone(), good.clone()]),
        ("a good and another scheme's", vec![good, header("Basic YWRhOnNlY3JldA==")]),
    ]
}

fn faults_of_the_form() -> Vec<Fault> {
    let issuer = Issuer::trusted();
    let now = Utc::now().timestamp();
    let good = issuer.token(&json!({ "sub": "ada" }));
    let (message, signature) = good.rsplit_once('.').expect("a signature");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let (head, payload) = message.split_once('.').expect("a payload");
    let other_payload =
        URL_SAFE_NO_PAD.encode(json!({ "sub": "eve", "exp": now + 60 }).to_string());
    let claims = format!(r#"{{"sub":"ada","exp":{}}}"#, now + 60);
    let none = |name: &str| unsigned(&format!(r#"{{"alg":"{name}"}}"#), &claims);
    vec![
        ("malformed", bearer("not-a-token")),
        ("not base64", bearer("a.b.c")),
        ("two parts", bearer(message)),
        ("four parts", bearer(&format!("{good}.{signature}"))),
        ("five parts", bearer("a.b.c.d.e")),
        ("too long", bearer(&format!("{head}.{}.{signature}", payload.repeat(400)))),
        ("no signature", bearer(&format!("{message}."))),
        ("another payload", bearer(&format!("{head}.{other_payload}.{signature}"))),
        ("another signature", bearer(&format!("{message}.{first}{}", &signature[1..]))),
        ("alg none", bearer(&format!("{}.", none("none")))),
        ("alg none, signed", bearer(&issuer.signed(r#"{"alg":"none"}"#, &claims))),
        ("alg None", bearer(&format!("{}.", none("None")))),
        ("no alg", bearer(&issuer.signed(r#"{"typ":"JWT"}"#, &claims))),
        ("claims that are no object", bearer(&issuer.signed(r#"{"alg":"HS256"}"#, "[]"))),
        (
            "a claim twice",
            bearer(&issuer.signed(
                r#"{"alg":"HS256"}"#,
                &format!(r#"{{"sub":"ada","sub":"eve","exp":{}}}"#, now + 60),
            )),
        ),
        (
            "critical extensions",
            bearer(&issuer.with_header(
                &json!({ "alg": "HS256", "crit": ["b64"], "b64": false }),
                &json!({ "sub": "ada" }),
            )),
        ),
        (
            "a token of another type",
            bearer(&issuer.with_header(
                &json!({ "alg": "HS256", "typ": "logout+jwt" }),
                &json!({ "sub": "ada" }),
            )),
        ),
    ]
}

fn faults_of_the_claims() -> Vec<Fault> {
    let issuer = Issuer::trusted();
    let now = Utc::now().timestamp();
    let token = |claims: Value| bearer(&issuer.token(&claims));
    let other = Issuer::with_secret(JwtAlgorithm::Hs256, b"the secret of somebody else, 32 bytes");
    let longer = Issuer::with_secret(JwtAlgorithm::Hs512, SECRET.as_bytes());
    vec![
        ("wrongly signed", bearer(&other.token(&json!({ "sub": "ada" })))),
        ("another algorithm", bearer(&longer.token(&json!({ "sub": "ada" })))),
        ("expired", token(json!({ "sub": "ada", "exp": now - 3600 }))),
        ("expired just beyond the leeway", token(json!({ "sub": "ada", "exp": now - 31 }))),
        ("no exp", token(json!({ "sub": "ada", "exp": null }))),
        ("exp that is a text", token(json!({ "sub": "ada", "exp": (now + 60).to_string() }))),
        ("not yet valid", token(json!({ "sub": "ada", "nbf": now + 3600 }))),
        ("nbf that is a text", token(json!({ "sub": "ada", "nbf": "soon" }))),
        ("no sub", token(json!({ "name": "Ada" }))),
        ("empty sub", token(json!({ "sub": "" }))),
        ("sub that is a number", token(json!({ "sub": 7 }))),
        ("sub too long", token(json!({ "sub": "a".repeat(256) }))),
        ("an audience although none is configured", token(json!({ "sub": "ada", "aud": "x" }))),
        ("audiences although none is configured", token(json!({ "sub": "ada", "aud": ["x"] }))),
        ("aud of another type", token(json!({ "sub": "ada", "aud": 7 }))),
        ("iss of another type", token(json!({ "sub": "ada", "iss": ["x"] }))),
    ]
}

fn faults_of_issuer_and_audience() -> Vec<Fault> {
    let token = |claims: Value| bearer(&Issuer::trusted().token(&claims));
    vec![
        ("neither", token(json!({ "sub": "ada" }))),
        ("no audience", token(json!({ "sub": "ada", "iss": ISSUER }))),
        ("no issuer", token(json!({ "sub": "ada", "aud": AUDIENCE }))),
        ("wrong audience", token(json!({ "sub": "ada", "iss": ISSUER, "aud": "other" }))),
        ("audiences of others", token(json!({ "sub": "ada", "iss": ISSUER, "aud": ["a", "b"] }))),
        ("no audience in the list", token(json!({ "sub": "ada", "iss": ISSUER, "aud": [] }))),
        ("part of the audience", token(json!({ "sub": "ada", "iss": ISSUER, "aud": "board" }))),
        (
            "wrong issuer",
            token(json!({ "sub": "ada", "iss": "https://issuer.example/", "aud": AUDIENCE })),
        ),
        ("issuers", token(json!({ "sub": "ada", "iss": [ISSUER], "aud": AUDIENCE }))),
    ]
}

/// What a lenient reader could take for something else than it is.
fn faults_of_cunning() -> Vec<Fault> {
    let issuer = Issuer::trusted();
    let now = Utc::now().timestamp();
    let raw = |claims: &str| bearer(&issuer.signed(r#"{"alg":"HS256"}"#, claims));
    let exp = |number: &str| raw(&format!(r#"{{"sub":"ada","exp":{number}}}"#));
    let claims = format!(r#"{{"sub":"ada","exp":{}}}"#, now + 60);
    let good = issuer.token(&json!({ "sub": "ada" }));
    let mut faults = vec![
        ("exp beyond any date", exp("1e300")),
        ("exp beyond any number", exp("1e999")),
        ("exp of twenty digits", exp("99999999999999999999")),
        ("exp that is negative", exp("-1")),
        ("exp that is no date in a fraction", exp("0.5")),
        ("exp that is true", exp("true")),
        ("exp in a list", exp(&format!("[{}]", now + 60))),
        ("exp twice", raw(&format!(r#"{{"sub":"ada","exp":1,"exp":{}}}"#, now + 60))),
        ("aud twice", raw(&format!(r#"{{"sub":"ada","exp":{},"aud":"x","aud":null}}"#, now + 60))),
        ("sub twice, once escaped", {
            raw(&format!(r#"{{"sub":"ada","s\u0075b":"eve","exp":{}}}"#, now + 60))
        }),
        ("sub in a list", raw(&format!(r#"{{"sub":["ada"],"exp":{}}}"#, now + 60))),
        ("sub that is an object", raw(&format!(r#"{{"sub":{{"a":1}},"exp":{}}}"#, now + 60))),
        ("sub that is null", raw(&format!(r#"{{"sub":null,"exp":{}}}"#, now + 60))),
        ("a token within a token", {
            bearer(&issuer.signed(r#"{"alg":"HS256","cty":"JWT"}"#, &good))
        }),
        ("alg twice", bearer(&issuer.signed(r#"{"alg":"none","alg":"HS256"}"#, &claims))),
        ("alg in a list", bearer(&issuer.signed(r#"{"alg":["HS256"]}"#, &claims))),
        ("alg in other letters", bearer(&issuer.signed(r#"{"alg":"hs256"}"#, &claims))),
        ("encrypted", {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
            bearer(&format!("{header}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"))
        }),
        ("a serialisation in JSON", bearer(&URL_SAFE_NO_PAD.encode(r#"{"payload":"e30"}"#))),
    ];
    for name in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        faults.push(("none, unsigned", bearer(&format!("{}.", unsigned(&header, &claims)))));
        faults.push(("none, signed", bearer(&issuer.signed(&header, &claims))));
    }
    faults
}

/// RFC 6750, section 2.3: a token in an address ends in logs and histories. It is not looked at.
#[tokio::test]
async fn a_token_in_the_query_string_is_none() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let generation = ada.upload_png(&board).await;
    let token = ada.token.clone().expect("a token");
    let anonymous = app.anonymous();
    for name in ["access_token", "token", "authorization", "Authorization", "bearer"] {
        let path = format!("/graphql?query=%7Bme%7Bid%7D%7D&{name}={token}");
        let answer: Value =
            anonymous.get(&path).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer["errors"][0]["message"], "Not authenticated", "{name}");
        let path = format!("/api/sse/generations/{generation}/progress?{name}={token}");
        let answer = anonymous.get(&path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
    let form = [("access_token", token.as_str()), ("query", "{ me { id } }")];
    let form = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let posted = anonymous
        .post("/graphql")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let posted = posted.send().await.expect("an answer");
    assert_eq!(posted.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn dates_may_have_a_fraction() {
    let app = TestApp::start().await;
    let soon = Utc::now().timestamp() + 60;
    let claims = format!(r#"{{"sub":"ada","exp":{soon}.5,"nbf":1.25e9}}"#);
    let token = Issuer::trusted().signed(r#"{"alg":"HS256"}"#, &claims);
    assert_eq!(subject(&app, &token).await, "ada");
}

#[tokio::test]
async fn a_faulty_token_fails_every_field_on_every_transport() {
    let app = TestApp::start().await;
    for fault in
        [faults_of_the_header(), faults_of_the_form(), faults_of_the_claims(), faults_of_cunning()]
            .into_iter()
            .flatten()
    {
        refused_everywhere(&app, &fault).await;
    }
}

#[tokio::test]
async fn issuer_and_audience_are_checked_when_they_are_configured() {
    let app = strict().start().await;
    for fault in faults_of_issuer_and_audience() {
        refused_everywhere(&app, &fault).await;
    }
    for audience in [json!(AUDIENCE), json!(["other", AUDIENCE])] {
        let claims = json!({ "sub": "ada", "iss": ISSUER, "aud": audience });
        assert_eq!(subject(&app, &Issuer::trusted().token(&claims)).await, "ada");
    }
}

#[tokio::test]
async fn a_token_that_is_valid_for_another_audience_is_not_valid_here() {
    let here = strict().start().await;
    let there = strict().config(|config| config.auth_audience = Some("wiki".to_owned()));
    let there = there.start().await;
    let claims = json!({ "sub": "ada", "iss": ISSUER, "aud": "wiki" });
    let token = Issuer::trusted().token(&claims);
    assert_eq!(subject(&there, &token).await, "ada");
    refused_everywhere(&here, &("for the wiki", bearer(&token))).await;
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway() {
    let app = TestApp::start().await;
    let now = Utc::now().timestamp();
    for claims in
        [json!({ "sub": "ada", "exp": now - 5 }), json!({ "sub": "ada", "nbf": now + 25 })]
    {
        assert_eq!(subject(&app, &Issuer::trusted().token(&claims)).await, "ada");
    }
}

#[tokio::test]
async fn every_algorithm_end_to_end() {
    let secret = |algorithm| Issuer::with_secret(algorithm, SECRET.as_bytes());
    let issuers = [
        (secret(JwtAlgorithm::Hs256), Issuer::rs256()),
        (secret(JwtAlgorithm::Hs384), secret(JwtAlgorithm::Hs256)),
        (secret(JwtAlgorithm::Hs512), secret(JwtAlgorithm::Hs256)),
        (Issuer::rs256(), Issuer::rs256()),
        (Issuer::es256(), Issuer::es256()),
        (Issuer::eddsa(), Issuer::eddsa()),
    ];
    for (issuer, other) in issuers {
        let app = TestApp::builder().config(trusting(&issuer)).start().await;
        let claims = json!({ "sub": "ada" });
        assert_eq!(subject(&app, &issuer.token(&claims)).await, "ada", "{}", issuer.algorithm);
        refused(&app, &("another key", bearer(&other.token(&claims)))).await;
        if !issuer.public.is_empty() {
            let secret = Issuer::with_secret(JwtAlgorithm::Hs256, issuer.public.as_bytes());
            let fault = ("the public key as a secret", bearer(&secret.token(&claims)));
            refused(&app, &fault).await;
            let header = json!({ "alg": issuer.algorithm.to_string() });
            let fault = ("the same, renamed", bearer(&secret.with_header(&header, &claims)));
            refused(&app, &fault).await;
        }
    }
}

#[tokio::test]
async fn a_socket_whose_token_ends_is_refused_from_then_on() {
    let app = TestApp::builder()
        .config(|config| config.auth_leeway = std::time::Duration::ZERO)
        .start()
        .await;
    let claims = json!({ "sub": "ada", "exp": Utc::now().timestamp() + 4 });
    let mut socket =
        Socket::open(&app.anonymous().with_token(&Issuer::trusted().token(&claims))).await;
    let mut answers = 0_u32;
    let refusal = eventually("the token ends", async || {
        answers += 1;
        socket.start(&answers.to_string(), "{ publicBoards { id } }", json!({})).await;
        let answer = socket.next().await.expect("an answer");
        assert_eq!(socket.next().await.expect("an end")["type"], "complete");
        answer["payload"].get("errors").is_some().then_some(answer)
    })
    .await;
    assert!(answers > 1, "it was good at first");
    says_invalid_token(&refusal["payload"], &json!(null), "publicBoards", "ended");
}

fn trusting(issuer: &Issuer) -> impl FnOnce(&mut Config) + 'static {
    let (algorithm, public) = (issuer.algorithm, issuer.public.clone());
    move |config| {
        config.jwt_algorithm = algorithm;
        if !public.is_empty() {
            config.jwt_secret = None;
            config.jwt_public_key = Some(public);
        }
    }
}

async fn subject(app: &TestApp, token: &str) -> String {
    let caller = app.anonymous().with_token(token);
    let me = caller.data("{ me { authSubject } }", json!({})).await;
    me["me"]["authSubject"].as_str().expect("a subject").to_owned()
}

async fn refused_everywhere(app: &TestApp, fault: &Fault) {
    refused(app, fault).await;
    refused_by_rest(app, fault).await;
    refused_by_socket(app, fault).await;
}

fn with_header(request: RequestBuilder, (_, values): &Fault) -> RequestBuilder {
    values.iter().fold(request, |request, value| request.header("Authorization", value))
}

async fn refused(app: &TestApp, fault: &Fault) {
    let fields = [("publicBoards", json!(null)), ("me", json!({ "me": null }))];
    for (field, data) in fields {
        let body = json!({ "query": format!("{{ {field} {{ id }} }}") });
        let request = with_header(app.anonymous().post("/graphql"), fault);
        let response = request.json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{fault:?}");
        let body: Value = response.json().await.expect("JSON");
        says_invalid_token(&body, &data, field, fault.0);
    }
}

/// The message and code of the error table, the field's path, and null there.
fn says_invalid_token(body: &Value, data: &Value, field: &str, fault: &str) {
    assert_eq!(body.get("data"), Some(data), "{fault}: {body}");
    let errors = body["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{fault}: {body}");
    assert_eq!(errors[0]["message"], "Invalid or expired token", "{fault}: {body}");
    assert_eq!(errors[0]["extensions"]["code"], "UNAUTHENTICATED", "{fault}: {body}");
    assert_eq!(errors[0]["path"], json!([field]), "{fault}: {body}");
}

async fn refused_by_rest(app: &TestApp, fault: &Fault) {
    let anonymous = app.anonymous();
    let id = Uuid::now_v7();
    let sse = anonymous.get(&format!("/api/sse/generations/{id}/progress"));
    let form = reqwest::multipart::Form::new().text("board_id", id.to_string());
    let upload = anonymous.post("/api/uploads/artifact").multipart(form);
    let file = anonymous.get(&format!("/api/storage/{id}/{id}/{id}/artifact.png"));
    for request in [sse, upload, file] {
        let response = with_header(request, fault).send().await.expect("an answer");
        rest_says_invalid_token(response, fault.0).await;
    }
}

async fn rest_says_invalid_token(response: Response, fault: &str) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{fault}: {}", response.url());
    let challenge = response.headers().get("www-authenticate").expect("a challenge");
    let challenge = challenge.to_str().expect("text");
    let expected = "Bearer error=\"invalid_token\", resource_metadata=\"";
    assert!(challenge.starts_with(expected), "{fault}: {challenge}");
    let body: Value = response.json().await.expect("JSON");
    let expected = json!({ "error": "UNAUTHENTICATED", "detail": "Invalid or expired token" });
    assert_eq!(body, expected, "{fault}");
}

/// In connectionParams, where several headers are several members that differ by case alone.
async fn refused_by_socket(app: &TestApp, fault: &Fault) {
    let names = ["Authorization", "authorization"];
    let params: serde_json::Map<String, Value> = names
        .iter()
        .zip(&fault.1)
        .map(|(name, value)| ((*name).to_owned(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let mut socket = Socket::connect(&app.anonymous()).await;
    socket.send(json!({ "type": "connection_init", "payload": params })).await;
    assert_eq!(socket.next().await.expect("an answer")["type"], "connection_ack");
    socket.start("q", "{ publicBoards { id } }", json!({})).await;
    let answer = socket.next().await.expect("an answer");
    says_invalid_token(&answer["payload"], &json!(null), "publicBoards", fault.0);
    assert_eq!(socket.next().await.expect("an end")["type"], "complete");
    let subscription = "subscription($id: UUID!) { boardUpdated(boardId: $id) { id } }";
    socket.start("s", subscription, json!({ "id": Uuid::now_v7() })).await;
    let answer = socket.next().await.expect("an answer");
    let errors =
        if answer["type"] == "error" { &answer["payload"] } else { &answer["payload"]["errors"] };
    assert_eq!(errors[0]["message"], "Invalid or expired token", "{}: {answer}", fault.0);
    assert_eq!(errors[0]["extensions"]["code"], "UNAUTHENTICATED", "{}: {answer}", fault.0);
}
