//! A server that is killed while a provider works for it: the next one goes on where it was.

use super::*;
use crate::support::{ChildServer, Fault, Home, Kind, Script};

/// A program that is pointed at the stand-in, with keys.
async fn start(home: &Home, stand_in: &StandIn) -> ChildServer {
    let mut settings = stand_in.settings();
    settings.push(("FAL_KEY", "the-key".to_owned()));
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    home.start(&settings).await
}

#[tokio::test]
async fn the_next_worker_asks_for_the_same_job() {
    let (stand_in, home) = (StandIn::start().await, Home::new().await);
    stand_in.script(Script { running: 3, ..Script::default() });
    let first = start(&home, &stand_in).await;
    let ada = first.user("ada");
    let board = ada.board("B", false).await;
    let picture = ada.generate(&board, FAL, json!({ "prompt": "a cat" })).await;
    let job = job_of(&ada, &picture).await;
    first.kill();

    let second = start(&home, &stand_in).await;
    let picture = ended(&second.user("ada"), &picture).await;
    assert_completed(&picture, &["LOST", "COMPLETED"]);
    let submissions = stand_in.submissions();
    assert_eq!(submissions.len(), 1);
    assert_eq!((&submissions[0].job, &picture["externalJobId"]), (&job, &json!(job)));
}

/// It died between the question and the answer: nobody here knows whether there is a job.
#[tokio::test]
async fn the_next_worker_does_not_submit_what_may_have_been_begun() {
    let (stand_in, home) = (StandIn::start().await, Home::new().await);
    stand_in.fault(Kind::Submit, &Fault::Hang, 1);
    let first = start(&home, &stand_in).await;
    let ada = first.user("ada");
    let board = ada.board("B", false).await;
    let picture = ada.generate(&board, FAL, json!({ "prompt": "a cat" })).await;
    eventually_within(BOUND, "it is submitted", async || {
        (!stand_in.submissions().is_empty()).then_some(())
    })
    .await;
    first.kill();

    let second = start(&home, &stand_in).await;
    let picture = ended(&second.user("ada"), &picture).await;
    assert_eq!(
        (&picture["status"], outcomes(&picture)),
        (&json!("FAILED"), vec!["LOST", "FAILED"])
    );
    let message = picture["errorMessage"].as_str().expect("a message");
    assert!(message.contains("may run there and be paid for"), "{message}");
    assert_eq!(stand_in.requests(Kind::Submit), 1);
}
