//! GraphQL over HTTP: POST, and GET for queries (graphql.github.io/graphql-over-http).

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::{
    Request, Response as GraphqlResponse, ServerError, Value as ConstValue, Variables,
    http::{create_multipart_mixed_stream, is_accept_multipart_mixed},
    parser::types::OperationType,
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{
        Extension, FromRequestParts, Query, Request as HttpRequest, State, WebSocketUpgrade,
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use serde_json::Value;

use super::{
    HttpState,
    accept::{AnswerType, accepted},
    credentials,
    liveness::{Liveness, Standing},
    playground,
    request_log::RequestFacts,
    websocket,
};
use crate::{
    audit::AuditEvent,
    auth::Credentials,
    error::Error,
    graphql::{
        AnswerForm, Circumstances, Operation, PERSISTED_QUERY, Session, WHOLE_OPERATION,
        answer_body, request_error,
    },
    rate_limit::Points,
};

/// How often a subscription over multipart/mixed shows that it lives.
const MULTIPART_HEARTBEAT: Duration = Duration::from_secs(15);

/// Room for a short answer from the beginning.
const BODY_BYTES: usize = 1024;

/// A refusal before anything was executed.
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    fn into_response(self, answer: AnswerType) -> Response {
        let body = serde_json::json!({
            "errors": [{ "message": self.message, "extensions": { "code": self.code } }]
        });
        let mut response = sent(self.status, answer, body.to_string().into_bytes());
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// POST /graphql.
pub(super) async fn post(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let accepted = accepted(&headers);
    let wants_parts = accepted.multipart && wants_multipart(&headers);
    let Some(answer) = accepted.answer.or(wants_parts.then_some(AnswerType::Json)) else {
        return not_acceptable();
    };
    let payload = match read_payload(&state, &headers, body).await {
        Ok(payload) => payload,
        Err(refused) => return refused.into_response(answer),
    };
    // Opened before the caller is judged.
    let liveness = wants_parts.then(|| Liveness::open(&state));
    let credentials = credentials::from_headers(&headers, &facts);
    let session = Session::new(state.authenticate_with(&credentials, &facts).await);
    match payload {
        Payload::Single(request) => {
            let operation = match read(&state, &session, &facts, *request) {
                Ok(operation) => operation,
                Err(refused) => return graphql_response(answer, &refused),
            };
            if let Some(liveness) = liveness
                && operation.kind() == Some(OperationType::Subscription)
            {
                return multipart(&state, liveness, credentials, &session, &facts, operation);
            }
            let response = execute(&state, &session, &facts, operation, AnswerForm::Text).await;
            graphql_response(answer, &response)
        }
        Payload::Batch(requests) => {
            let mut responses = Vec::with_capacity(requests.len());
            for request in requests {
                let response = match read(&state, &session, &facts, request) {
                    Ok(operation) => {
                        execute(&state, &session, &facts, operation, AnswerForm::Text).await
                    }
                    Err(refused) => *refused,
                };
                responses.push(response);
            }
            sent(StatusCode::OK, answer, batch_body(&responses))
        }
    }
}

/// GET /graphql: a WebSocket, a query, or the playground for a browser.
pub(super) async fn get(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    request: HttpRequest,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &state).await {
        return websocket::upgrade(state, facts, &parts.headers, upgrade);
    }
    let headers = parts.headers;
    let accepted = accepted(&headers);
    let parameters = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
    let Ok(Query(parameters)) = parameters else {
        return Refused::bad_request("The query string cannot be read")
            .into_response(accepted.answer.unwrap_or(AnswerType::Json));
    };
    let asks = ["query", "extensions"].iter().any(|name| parameters.contains_key(*name));
    if !asks && accepted.html && state.settings.playground {
        return playground::page();
    }
    let Some(answer) = accepted.answer else { return not_acceptable() };
    let request = match request_from_parameters(parameters) {
        Ok(request) => request,
        Err(refused) => return refused.into_response(answer),
    };
    let session = Session::new(state.authenticate(&headers, &facts).await);
    let operation = match read(&state, &session, &facts, request) {
        Ok(operation) => operation,
        Err(refused) => return graphql_response(answer, &refused),
    };
    if !matches!(operation.kind(), None | Some(OperationType::Query)) {
        // It is refused in any case.
        let _ = state.charge(&facts, Points::REFUSED_OPERATION);
        let message = "Only queries may be sent by GET; send mutations and subscriptions by POST";
        return Refused::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
            .into_response(answer);
    }
    graphql_response(answer, &execute(&state, &session, &facts, operation, AnswerForm::Text).await)
}

/// Reads an operation, unless the server is too busy for it, its caller has asked for too much already
/// or its document would cost too much to look at. Every transport asks this for every operation, once
/// the caller was judged and before anything else reads the document.
///
/// # Errors
/// The refusal.
pub(super) fn read(
    state: &HttpState,
    session: &Session,
    facts: &RequestFacts,
    request: Request,
) -> Result<Operation, Box<GraphqlResponse>> {
    if let Some(unavailable) = session.unavailable() {
        return Err(refusal(request_error(&unavailable)));
    }
    let meter = state.meter(facts);
    if let Err(limited) = meter.may_ask() {
        state.note_refusal(facts, AuditEvent::new(WHOLE_OPERATION), limited.code());
        return Err(refusal(request_error(&limited)));
    }
    state.engine.read(request, session).map_err(|refused| {
        // It is refused in any case.
        let _ = meter.charge(Points::REFUSED_OPERATION);
        refusal(refused)
    })
}

fn refusal(error: ServerError) -> Box<GraphqlResponse> {
    Box::new(GraphqlResponse::from_errors(vec![error]))
}

/// On whose behalf an operation of the request runs.
pub(super) fn circumstances(
    state: &HttpState,
    session: &Session,
    facts: &RequestFacts,
    form: AnswerForm,
) -> Circumstances {
    Circumstances {
        session: session.clone(),
        origin: Arc::clone(&facts.origin),
        meter: state.meter(facts),
        label: facts.operation.clone(),
        form,
    }
}

/// Runs one operation within the time that a request may take.
pub(super) async fn execute(
    state: &HttpState,
    session: &Session,
    facts: &RequestFacts,
    operation: Operation,
    form: AnswerForm,
) -> GraphqlResponse {
    let limit = state.settings.request_timeout;
    // Boxed where it begins: as a part of the handler it would be moved with it from layer to layer.
    let answer =
        Box::pin(state.engine.execute(operation, circumstances(state, session, facts, form)));
    match tokio::time::timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => GraphqlResponse::from_errors(vec![request_error(&Error::Timeout)]),
    }
}

fn multipart(
    state: &HttpState,
    liveness: Liveness,
    credentials: Credentials,
    session: &Session,
    facts: &RequestFacts,
    operation: Operation,
) -> Response {
    let standing = session.caller().ok().map(Standing::of);
    let ended = async move {
        match standing {
            Some(standing) => liveness.ended(Arc::new(credentials), standing).await,
            None => std::future::pending().await,
        }
    };
    let circumstances = circumstances(state, session, facts, AnswerForm::Values);
    let engine = state.engine.clone();
    let answers = async move { engine.subscribe(operation, circumstances).await };
    let answers = answers.flatten_stream().boxed();
    let answers = until_ended(answers, ended.boxed())
        .take_until(state.stopping.clone().cancelled_owned())
        .boxed();
    let parts = create_multipart_mixed_stream(answers, MULTIPART_HEARTBEAT);
    let content_type = "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=\"1.0\"";
    let body = Body::from_stream(parts.map(Ok::<_, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The answers of a subscription until its session ends; the reason is then the last one.
fn until_ended(
    answers: BoxStream<'static, GraphqlResponse>,
    ended: BoxFuture<'static, Error>,
) -> impl Stream<Item = GraphqlResponse> + Send {
    stream::unfold((answers, Some(ended)), |(mut answers, ended)| async move {
        let mut ended = ended?;
        tokio::select! {
            biased;
            reason = &mut ended => {
                let last = GraphqlResponse::from_errors(vec![request_error(&reason)]);
                Some((last, (answers, None)))
            }
            answer = answers.next() => Some((answer?, (answers, Some(ended)))),
        }
    })
}

fn wants_multipart(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(is_accept_multipart_mixed)
}

enum Payload {
    Single(Box<Request>),
    Batch(Vec<Request>),
}

async fn read_payload(
    state: &HttpState,
    headers: &HeaderMap,
    body: Body,
) -> Result<Payload, Refused> {
    if !is_json(headers) {
        let message = "Send the request as application/json";
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        ));
    }
    let limit = state.settings.max_body_bytes;
    let reading = tokio::time::timeout(state.settings.request_timeout, to_bytes(body, limit));
    let bytes: Bytes = match reading.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("The request is longer than {limit} bytes or broke off");
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message));
        }
        Err(_) => {
            let message = "The request did not arrive in time";
            return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message));
        }
    };
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Refused::bad_request("The request body is not JSON"))?;
    match value {
        Value::Array(items) => batch(items, state.settings.max_batch_size),
        value => request_from_json(value).map(|request| Payload::Single(Box::new(request))),
    }
}

fn batch(items: Vec<Value>, max: usize) -> Result<Payload, Refused> {
    if items.is_empty() {
        return Err(Refused::bad_request("The batch is empty"));
    }
    if items.len() > max {
        let message = format!("A batch may hold at most {max} operations");
        return Err(Refused::new(StatusCode::BAD_REQUEST, "BATCH_TOO_LARGE", message));
    }
    items.into_iter().map(request_from_json).collect::<Result<_, _>>().map(Payload::Batch)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    parts.next().as_deref() == Some("application/json")
        && parts.all(|parameter| match parameter.strip_prefix("charset=") {
            Some(charset) => charset.trim_matches('"') == "utf-8",
            None => true,
        })
}

/// The members of a GraphQL request, strictly: what is not of its type is refused, not ignored.
fn request_from_json(value: Value) -> Result<Request, Refused> {
    let Value::Object(mut members) = value else { return Err(lacking("an object")) };
    let persisted_query = persisted_query(members.remove("extensions"))?;
    let query = match members.remove("query") {
        Some(Value::String(query)) => query,
        // Its hash stands for it.
        None | Some(Value::Null) if persisted_query.is_some() => String::new(),
        _ => return Err(lacking("a query, which is a text")),
    };
    let mut request = Request::new(query);
    if let Some(named) = persisted_query {
        request.extensions.insert(PERSISTED_QUERY.to_owned(), named);
    }
    match members.remove("operationName") {
        None | Some(Value::Null) => {}
        // Several clients send an empty name for none.
        Some(Value::String(name)) if name.is_empty() => {}
        Some(Value::String(name)) => request = request.operation_name(name),
        Some(_) => return Err(lacking("an operationName that is a text")),
    }
    match members.remove("variables") {
        None | Some(Value::Null) => Ok(request),
        Some(variables @ Value::Object(_)) => {
            Ok(request.variables(Variables::from_json(variables)))
        }
        Some(_) => Err(lacking("variables that are an object")),
    }
}

/// The one of a request's extensions that means something here.
fn persisted_query(extensions: Option<Value>) -> Result<Option<ConstValue>, Refused> {
    let mut extensions = match extensions {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(extensions)) => extensions,
        Some(_) => return Err(lacking("extensions that are an object")),
    };
    let named = extensions.remove(PERSISTED_QUERY).filter(|named| !named.is_null());
    named
        .map(ConstValue::from_json)
        .transpose()
        .map_err(|_| lacking("a persistedQuery that can be read"))
}

fn lacking(what: &str) -> Refused {
    Refused::bad_request(format!("A GraphQL request needs {what}"))
}

fn request_from_parameters(mut parameters: HashMap<String, String>) -> Result<Request, Refused> {
    let mut members = serde_json::Map::new();
    for name in ["query", "operationName"] {
        if let Some(text) = parameters.remove(name) {
            members.insert(name.to_owned(), Value::String(text));
        }
    }
    for name in ["variables", "extensions"] {
        if let Some(text) = parameters.remove(name).filter(|text| !text.is_empty()) {
            let value = serde_json::from_str(&text)
                .map_err(|_| Refused::bad_request(format!("{name} is not JSON")))?;
            members.insert(name.to_owned(), value);
        }
    }
    request_from_json(Value::Object(members))
}

/// A request error has no data at all; otherwise null is an answer too.
fn is_request_error(response: &GraphqlResponse) -> bool {
    !response.errors.is_empty()
        && response.data == async_graphql::Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// An answer as it is sent: that of a request that was refused has no data at all.
fn body(response: &GraphqlResponse) -> Vec<u8> {
    let mut text = Vec::with_capacity(BODY_BYTES);
    answer_body(response, !is_request_error(response), &mut text);
    text
}

fn batch_body(responses: &[GraphqlResponse]) -> Vec<u8> {
    let bodies: Vec<_> = responses.iter().map(body).collect();
    [b"[".as_slice(), &bodies.join(&b','), b"]"].concat()
}

fn graphql_response(answer: AnswerType, response: &GraphqlResponse) -> Response {
    if answer == AnswerType::Json || !is_request_error(response) {
        return sent(StatusCode::OK, answer, body(response));
    }
    let mut sent = sent(request_error_status(response), answer, body(response));
    if let Some(ConstValue::Number(seconds)) = extension(response, "retryAfter")
        && let Some(seconds) = seconds.as_u64()
    {
        sent.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    sent
}

/// What the first error of an answer says beside its message.
fn extension<'a>(response: &'a GraphqlResponse, name: &str) -> Option<&'a ConstValue> {
    response.errors.first()?.extensions.as_ref()?.get(name)
}

/// What a request error is to HTTP, where the answer's type lets it say so.
fn request_error_status(response: &GraphqlResponse) -> StatusCode {
    match extension(response, "code") {
        Some(ConstValue::String(code)) => match code.as_str() {
            "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
            "OVERLOADED" => StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT" => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        },
        _ => StatusCode::BAD_REQUEST,
    }
}

fn sent(status: StatusCode, answer: AnswerType, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, answer.content_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

fn not_acceptable() -> Response {
    let message = "Answers are application/graphql-response+json or application/json";
    Refused::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", message)
        .into_response(AnswerType::Json)
}
