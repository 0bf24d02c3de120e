//! `OpenAI`: the answer is the result.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json as value};

use super::{
    files::picture,
    request::{Request, json},
    state::{State, Submission},
};

pub(super) async fn answer(state: &State, request: &Request) -> Response {
    // Servers of one's own take requests without a key.
    let is_anonymous = request.header("authorization").is_empty() && state.is_open();
    if !is_anonymous && !state.admits(request, "Bearer") {
        return refuse(401, "Incorrect API key provided", "invalid_api_key");
    }
    let (body, files) = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "v1/images/generations") => (request.json(), Vec::new()),
        ("POST", "v1/audio/transcriptions") => match request.form().await {
            Some(form) => form,
            None => return refuse(400, "not a form", "invalid_request"),
        },
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let is_whole = match files.as_slice() {
        [] => body["prompt"].is_string(),
        [file] => file.field == "file" && body["model"].is_string(),
        _ => false,
    };
    if !is_whole {
        return refuse(400, "you must provide what was asked for", "invalid_request");
    }
    let submission = request.submission("openai", body, files);
    let result = state.result(&submission, || usual(&submission));
    state.remember(submission);
    json(200, result)
}

fn refuse(status: u16, message: &str, code: &str) -> Response {
    json(
        status,
        value!({ "error": { "message": message, "type": "x", "param": null, "code": code } }),
    )
}

fn usual(submission: &Submission) -> Value {
    if let [file] = submission.files.as_slice() {
        return value!({ "text": format!("{} bytes were heard", file.bytes.len()) });
    }
    let count = submission.body["n"].as_u64().unwrap_or(1);
    let picture = value!({ "b64_json": STANDARD.encode(picture()) });
    let pictures: Vec<Value> = (0..count).map(|_| picture.clone()).collect();
    value!({ "created": 1, "data": pictures })
}
