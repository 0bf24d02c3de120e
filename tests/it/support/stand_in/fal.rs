//! fal: the queue, the tokens, the file store.

use axum::{
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json as value};

use super::{
    job::{Job, Stage},
    request::{Request, json},
    state::{State, Upload},
};

const FAL: &str = "fal";
/// What lets into the store.
const TOKEN: &str = "token-for-the-store";

pub(super) fn answer(state: &State, request: &Request) -> Response {
    if !state.admits(request, "Key") {
        return json(401, value!({ "detail": "No user found for Key ID and Secret" }));
    }
    match request.path.split_once("/requests/") {
        None if request.method == Method::POST => submit(state, request),
        None => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        Some((name, rest)) => of_job(state, request, name, rest),
    }
}

fn submit(state: &State, request: &Request) -> Response {
    let body = request.json();
    if !body.is_object() {
        let wrong = value!([{ "loc": ["body"], "msg": "not an object", "type": "x" }]);
        return json(422, value!({ "detail": wrong }));
    }
    let submission = request.submission(FAL, body, Vec::new());
    let job = state.begin(submission, || usual(state));
    let url = |what: &str| format!("{}/fal/{}/requests/{job}{what}", state.url, name(request));
    let answer = value!({
        "request_id": job, "response_url": url(""), "status_url": url("/status"),
        "cancel_url": url("/cancel"), "queue_position": 0,
    });
    json(200, answer)
}

/// Owner and name of the application.
fn name(request: &Request) -> String {
    request.path.split('/').take(2).collect::<Vec<_>>().join("/")
}

fn usual(state: &State) -> Value {
    let file = |name: &str, content_type: &str| value!({ "url": state.file_url(name), "content_type": content_type, "file_name": name });
    let picture = file("picture.png", "image/png");
    value!({
        "images": [picture], "image": picture, "audio": file("sound.wav", "audio/wav"),
        "video": file("clip.mp4", "video/mp4"), "seed": 7,
    })
}

fn of_job(state: &State, request: &Request, name: &str, rest: &str) -> Response {
    let (job, what) = rest.split_once('/').unwrap_or((rest, ""));
    let unknown = || json(404, value!({ "detail": "Request not found" }));
    // Jobs are under the first two segments, whatever they were submitted to.
    let known = state.look(FAL, job, |_| ());
    let is_its = known
        .is_some_and(|((), submission, _)| submission.path.split('/').take(2).eq(name.split('/')));
    if !is_its {
        return unknown();
    }
    match (request.method.as_str(), what) {
        ("GET", "status") => match state.poll(FAL, job) {
            Some((step, ..)) => status(&step).unwrap_or_else(unknown),
            None => unknown(),
        },
        ("GET", "") => match state.look(FAL, job, |job| Job::stage(job)) {
            Some((step, _, result)) => outcome(step, result),
            None => unknown(),
        },
        ("PUT", "cancel") => match state.cancel(FAL, job) {
            Some(true) => json(202, value!({ "status": "CANCELLATION_REQUESTED" })),
            Some(false) => json(400, value!({ "status": "ALREADY_COMPLETED" })),
            None => unknown(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn status(stage: &Stage) -> Option<Response> {
    let ended = |error: Value| {
        let mut status = value!({ "status": "COMPLETED", "logs": null, "metrics": {} });
        if let (Some(status), Some(error)) = (status.as_object_mut(), error.as_object()) {
            status.extend(error.clone());
        }
        status
    };
    let status = match stage {
        Stage::Queued => value!({ "status": "IN_QUEUE", "queue_position": 3 }),
        Stage::Running => value!({ "status": "IN_PROGRESS", "logs": null }),
        Stage::Done => ended(value!({})),
        Stage::Failed(_) => {
            ended(value!({ "error": "Unprocessable", "error_type": "bad_request" }))
        }
        Stage::Cancelled => ended(value!({ "error": "gone", "error_type": "client_cancelled" })),
        Stage::Gone => return None,
    };
    Some(json(200, status))
}

fn outcome(stage: Stage, result: Value) -> Response {
    match stage {
        Stage::Done => json(200, result),
        Stage::Failed(reason) => {
            json(422, value!({ "detail": [{ "loc": ["body"], "msg": reason }] }))
        }
        Stage::Gone => json(404, value!({ "detail": "Request not found" })),
        _ => json(400, value!({ "detail": "Request is still in progress" })),
    }
}

pub(super) fn answer_rest(state: &State, request: &Request) -> Response {
    if !state.admits(request, "Key") {
        return json(401, value!({ "detail": "No user found for Key ID and Secret" }));
    }
    let kind = request.query.get("storage_type").map(String::as_str);
    match (request.method.as_str(), request.path.as_str(), kind) {
        ("POST", "storage/auth/token", Some("fal-cdn-v3")) => {
            let answer = value!({
                "token": TOKEN, "token_type": "Bearer", "base_url": "https://elsewhere.example",
                "expires_at": "2999-01-01T00:00:00Z",
            });
            json(200, answer)
        }
        ("POST", "storage/upload/initiate", Some("gcs")) => {
            let asked = request.json();
            let upload = Upload {
                field: String::new(),
                file_name: asked["file_name"].as_str().unwrap_or_default().to_owned(),
                content_type: asked["content_type"].as_str().unwrap_or_default().to_owned(),
                bytes: axum::body::Bytes::new(),
            };
            let file = format!("{}/files/initiated/{}", state.url, upload.file_name);
            let id = state.begin_parts(upload);
            let place = format!("{}/fal-cdn/initiated/{id}", state.url);
            json(200, value!({ "upload_url": place, "file_url": file }))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) fn answer_store(state: &State, request: &Request) -> Response {
    let steps: Vec<&str> = request.path.split('/').collect();
    let done =
        |is_done| if is_done { StatusCode::OK } else { StatusCode::NOT_FOUND }.into_response();
    // No key goes to such a place: it is named by an answer.
    if let ("PUT", ["initiated", id]) = (request.method.as_str(), steps.as_slice()) {
        let is_bare = request.header("authorization").is_empty();
        let is_begun = is_bare && state.add_part(id, 1, request.body.clone());
        return done(is_begun && state.end_parts(id, &[1]));
    }
    if request.header("authorization") != format!("Bearer {TOKEN}") {
        return json(401, value!({ "detail": "no token" }));
    }
    match (request.method.as_str(), steps.as_slice()) {
        ("POST", ["files", "upload"]) => {
            let url = state.keep(upload(request));
            json(200, value!({ "access_url": url }))
        }
        ("POST", ["files", "upload", "multipart"]) => {
            let id = state.begin_parts(upload(request));
            let url = format!("{}/fal-cdn/files/large.bin", state.url);
            json(200, value!({ "access_url": url, "uploadId": id }))
        }
        ("PUT", ["files", "large.bin", "multipart", id, number]) => {
            let number = number.parse().unwrap_or_default();
            let mut answer = done(state.add_part(id, number, request.body.clone()));
            let tag = format!("tag-{number}").parse().expect("a header");
            answer.headers_mut().insert("etag", tag);
            answer
        }
        ("POST", ["files", "large.bin", "multipart", id, "complete"]) => {
            done(state.end_parts(id, &numbers(&request.json())))
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn upload(request: &Request) -> Upload {
    Upload {
        field: String::new(),
        file_name: request.header("x-fal-file-name").to_owned(),
        content_type: request.header("content-type").to_owned(),
        bytes: request.body.clone(),
    }
}

/// The parts that go together, each with its own tag.
fn numbers(body: &Value) -> Vec<usize> {
    let parts = body["parts"].as_array().into_iter().flatten();
    let number = |part: &Value| {
        let number = part["partNumber"].as_u64()?;
        (part["etag"] == format!("tag-{number}")).then(|| usize::try_from(number).ok())?
    };
    parts.filter_map(number).collect()
}
