//! Each attempt is on record; what may pass is tried again, what will not is not.

use boards::store::{ConcurrencyLimits, WorkerId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, FAILING, PASSING, RECORDED, SLOW, TestApp, eventually, runs_of};

async fn attempts(client: &Client, generation: &str) -> Value {
    let query = "query($id: UUID!) { generation(id: $id) {
        attempts { number outcome message startedAt endedAt externalJobId } } }";
    client.data(query, json!({ "id": generation })).await["generation"]["attempts"].clone()
}

fn outcomes(attempts: &Value) -> Vec<(i64, String)> {
    let attempts = attempts.as_array().expect("a list").iter();
    let outcome = |attempt: &Value| {
        let outcome = attempt["outcome"].as_str().unwrap_or("none").to_owned();
        (attempt["number"].as_i64().expect("a number"), outcome)
    };
    attempts.map(outcome).collect()
}

#[tokio::test]
async fn what_may_pass_is_tried_again_after_a_pause() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let name = Uuid::new_v4().to_string();
    let generation = ada.generate_as(&board, PASSING, "TEXT", json!({ "name": name })).await;
    assert_eq!(ada.ended(&generation).await["status"], "COMPLETED");
    assert_eq!(runs_of(&name).started, 2);
    let attempts = attempts(&ada, &generation).await;
    assert_eq!(outcomes(&attempts), [(1, "RETRIED".to_owned()), (2, "COMPLETED".to_owned())]);
    assert_eq!(attempts[0]["message"], "busy, said for the 1. time");
    let time = |place: usize, name: &str| {
        let text = attempts[place][name].as_str().expect("a time");
        chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339")
    };
    let pause = time(1, "startedAt") - time(0, "endedAt");
    assert!(pause >= chrono::Duration::milliseconds(990), "{pause}");
}

#[tokio::test]
async fn the_last_attempt_says_why_it_failed() {
    let app = TestApp::builder().worker().config(|config| config.job_attempts = 2).start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let name = Uuid::new_v4().to_string();
    let params = json!({ "name": name, "failures": 9 });
    let generation = ada.generate_as(&board, PASSING, "TEXT", params).await;
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(ended["errorMessage"], "busy, said for the 2. time");
    let attempts = attempts(&ada, &generation).await;
    assert_eq!(outcomes(&attempts), [(1, "RETRIED".to_owned()), (2, "FAILED".to_owned())]);
}

#[tokio::test]
async fn what_will_not_pass_is_tried_once() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = ada.generate_as(&board, FAILING, "TEXT", json!({ "message": "no" })).await;
    assert_eq!(ada.ended(&generation).await["status"], "FAILED");
    let attempts = attempts(&ada, &generation).await;
    assert_eq!(outcomes(&attempts), [(1, "FAILED".to_owned())]);
    assert_eq!(attempts[0]["message"], "no");
}

#[tokio::test]
async fn cancelled_lost_and_released_attempts_are_told_apart() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
    assert_eq!(attempts(&ada, &generation).await, json!([]), "nobody has taken it yet");
    let (worker, limits) = (app.store().worker(), ConcurrencyLimits::default());
    let (dead, stopped, last) = (WorkerId::new(), WorkerId::new(), WorkerId::new());
    let minute = chrono::Duration::minutes(1);
    worker.claim(dead, 1, -minute, &limits).await.expect("claimed");
    worker.claim(stopped, 1, minute, &limits).await.expect("claimed");
    worker.hand_back(&[stopped]).await.expect("handed back");
    let jobs = worker.claim(last, 1, minute, &limits).await.expect("claimed");
    assert_eq!(jobs[0].attempts, 2, "one that was given back in good order does not count");
    let running = attempts(&ada, &generation).await;
    assert_eq!(running[2]["endedAt"], Value::Null);
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
    ada.data(cancel, json!({ "id": generation })).await;
    let wanted = [(1, "LOST"), (2, "RELEASED"), (3, "CANCELLED")];
    let wanted = wanted.map(|(number, outcome)| (number, outcome.to_owned()));
    assert_eq!(outcomes(&attempts(&ada, &generation).await), wanted);
}

#[tokio::test]
async fn a_generation_may_take_its_time_and_no_longer() {
    let second = std::time::Duration::from_secs(1);
    let app =
        TestApp::builder().worker().config(move |config| config.job_timeout = second).start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let name = Uuid::new_v4().to_string();
    let params = json!({ "name": name, "seconds": 3600 });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["errorMessage"], "It took longer than it may");
    eventually("the run ends", async || (!runs_of(&name).ended.is_empty()).then_some(())).await;
}
