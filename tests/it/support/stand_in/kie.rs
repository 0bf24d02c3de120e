//! Kie: a code in each answer, and another form of it for each kind of task.

use axum::{
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json as value};

use super::{
    job::Stage,
    request::{Request, json},
    state::{State, Submission},
};

const KIE: &str = "kie";
/// Where tasks are submitted, and where they are asked about.
const PATHS: [(&str, &str); 5] = [
    ("api/v1/jobs/createTask", "api/v1/jobs/recordInfo"),
    ("api/v1/veo/generate", "api/v1/veo/record-info"),
    ("api/v1/aleph/generate", "api/v1/aleph/record-info"),
    ("api/v1/generate", "api/v1/generate/record-info"),
    ("api/v1/generate/sounds", "api/v1/generate/record-info"),
];

fn coded(code: u16, message: &str, data: &Value) -> Response {
    json(200, value!({ "code": code, "msg": message, "data": data }))
}

pub(super) fn answer(state: &State, request: &Request) -> Response {
    if !state.admits(request, "Bearer") {
        return coded(401, "You do not have access permissions", &Value::Null);
    }
    let is_submission = PATHS.iter().any(|(submit, _)| request.is(&Method::POST, submit));
    if is_submission {
        return submit(state, request);
    }
    if !PATHS.iter().any(|(_, status)| request.is(&Method::GET, status)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let job = request.query.get("taskId").map(String::as_str).unwrap_or_default();
    let found = state.poll(KIE, job).filter(|(step, submission, _)| {
        let is_its = PATHS.contains(&(submission.path.as_str(), request.path.as_str()));
        is_its && !matches!(step, Stage::Gone)
    });
    match found {
        None => coded(422, "recordInfo is null", &Value::Null),
        Some((Stage::Done, _, result)) => json(200, result),
        Some((step, submission, _)) => {
            let data = state_of(&submission, &step);
            coded(200, "success", &data)
        }
    }
}

fn submit(state: &State, request: &Request) -> Response {
    let body = request.json();
    if !body.is_object() {
        return coded(422, "not an object", &Value::Null);
    }
    let submission = request.submission(KIE, body, Vec::new());
    let mut done = state_of(&submission, &Stage::Done);
    let usual = || {
        add_usual(state, &mut done);
        value!({ "code": 200, "msg": "success", "data": done })
    };
    let job = state.begin(submission, usual);
    coded(200, "success", &value!({ "taskId": job }))
}

/// How a kind of task says where it stands.
fn state_of(submission: &Submission, stage: &Stage) -> Value {
    let (word, flag, status, reason) = match stage {
        Stage::Queued => ("waiting", 0, "PENDING", ""),
        Stage::Running => ("generating", 0, "TEXT_SUCCESS", ""),
        Stage::Done => ("success", 1, "SUCCESS", ""),
        Stage::Failed(reason) => ("fail", 3, "GENERATE_AUDIO_FAILED", reason.as_str()),
        Stage::Cancelled | Stage::Gone => ("fail", 2, "CREATE_TASK_FAILED", "gone"),
    };
    match submission.path.as_str() {
        "api/v1/jobs/createTask" => value!({ "state": word, "failMsg": reason }),
        "api/v1/generate" | "api/v1/generate/sounds" => {
            value!({ "status": status, "errorMessage": reason })
        }
        _ => value!({ "successFlag": flag, "errorMessage": reason }),
    }
}

fn add_usual(state: &State, data: &mut Value) {
    let url = state.file_url("picture.png");
    data["resultJson"] = value!({ "resultUrls": [url] }).to_string().into();
    data["response"] = value!({
        "resultUrls": [state.file_url("clip.mp4")],
        "resultVideoUrl": state.file_url("clip.mp4"),
        "sunoData": [{ "audioUrl": state.file_url("sound.wav"), "duration": 0.1 }],
    });
}

pub(super) async fn answer_files(state: &State, request: &Request) -> Response {
    if !state.admits(request, "Bearer") {
        return coded(401, "You do not have access permissions", &Value::Null);
    }
    if !request.is(&Method::POST, "api/file-stream-upload") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (texts, files) = request.form().await.unwrap_or_default();
    match files.into_iter().find(|file| file.field == "file") {
        Some(file) if texts["uploadPath"].is_string() => {
            let url = state.keep(file);
            let data = value!({ "downloadUrl": url, "filePath": texts["uploadPath"] });
            json(200, value!({ "success": true, "code": 200, "msg": "fine", "data": data }))
        }
        _ => coded(400, "no file", &Value::Null),
    }
}
