//! Replicate.

use axum::{
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json as value};

use super::{
    job::Stage,
    request::{Request, json},
    state::State,
};

const REPLICATE: &str = "replicate";

pub(super) async fn answer(state: &State, request: &Request) -> Response {
    if !state.admits(request, "Bearer") {
        let problem = value!({ "title": "Unauthenticated", "detail": "no token", "status": 401 });
        return json(401, problem);
    }
    let steps: Vec<&str> = request.path.split('/').collect();
    match (request.method.as_str(), steps.as_slice()) {
        ("POST", ["v1", "files"]) => upload(state, request).await,
        ("POST", ["v1", "predictions"] | ["v1", "models", _, _, "predictions"]) => {
            submit(state, request)
        }
        ("GET", ["v1", "predictions", job]) => match state.poll(REPLICATE, job) {
            Some((Stage::Gone, ..)) | None => unknown(),
            Some((step, _, result)) => json(200, prediction(job, step, &result)),
        },
        ("POST", ["v1", "predictions", job, "cancel"]) => match state.cancel(REPLICATE, job) {
            Some(_) => json(200, prediction(job, Stage::Cancelled, &Value::Null)),
            None => unknown(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn unknown() -> Response {
    json(
        404,
        value!({ "title": "Not found", "detail": "The prediction was not found", "status": 404 }),
    )
}

async fn upload(state: &State, request: &Request) -> Response {
    let files = request.form().await.map(|(_, files)| files).unwrap_or_default();
    match files.into_iter().find(|file| file.field == "content") {
        None => json(400, value!({ "title": "no content" })),
        Some(file) => {
            let url = state.keep(file);
            json(201, value!({ "id": "file", "urls": { "get": url } }))
        }
    }
}

fn submit(state: &State, request: &Request) -> Response {
    debug_assert_eq!(request.method, Method::POST);
    let body = request.json();
    let has_version = request.path != "v1/predictions" || body["version"].is_string();
    if !body["input"].is_object() || !has_version {
        return json(422, value!({ "title": "Input validation failed", "detail": "no input" }));
    }
    let submission = request.submission(REPLICATE, body, Vec::new());
    let job = state.begin(submission, || value!({ "output": [state.file_url("picture.png")] }));
    json(201, prediction(&job, Stage::Queued, &Value::Null))
}

/// The prediction; once it has succeeded, with the members of the result.
fn prediction(job: &str, stage: Stage, result: &Value) -> Value {
    let (status, error) = match stage {
        Stage::Queued => ("starting", Value::Null),
        Stage::Running => ("processing", Value::Null),
        Stage::Done => ("succeeded", Value::Null),
        Stage::Failed(reason) => ("failed", reason.into()),
        Stage::Cancelled | Stage::Gone => ("canceled", Value::Null),
    };
    let mut prediction = value!({
        "id": job, "model": "owner/name", "version": "1", "status": status, "input": {},
        "output": null, "error": error, "logs": "", "urls": {},
    });
    if status == "processing" {
        prediction["logs"] = " 10%|#  | 1/10\n 50%|### | 5/10".into();
    }
    if let (true, Some(members)) = (status == "succeeded", result.as_object()) {
        for (name, member) in members {
            prediction[name] = member.clone();
        }
    }
    prediction
}
