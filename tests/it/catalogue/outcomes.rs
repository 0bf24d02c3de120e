//! Submissions that fail: what is sent again, what is not, and what the user reads.

use super::*;
use crate::support::{Fault, Kind};

fn time(generation: &Value, attempt: usize, name: &str) -> chrono::DateTime<chrono::FixedOffset> {
    let text = generation["attempts"][attempt][name].as_str().expect("a time");
    chrono::DateTime::parse_from_rfc3339(text).expect("RFC 3339")
}

/// A body in which each of the providers would say these words.
fn refusal(words: &str) -> Value {
    json!({ "detail": words, "error": { "message": words }, "msg": words })
}

#[tokio::test]
async fn what_was_surely_not_begun_is_submitted_again() {
    let scene = Scene::start().await;
    scene.stand_in.fault(Kind::Submit, &Fault::TooMany("3"), 1);
    scene.stand_in.fault(Kind::Submit, &Fault::Status(500, json!({ "detail": "oh" })), 1);
    let picture = scene.picture(FAL).await;
    assert_completed(&picture, &["RETRIED", "RETRIED", "COMPLETED"]);
    let attempt = |place: usize, name: &str| picture["attempts"][place][name].clone();
    assert_eq!(attempt(0, "message"), "fal asks to be asked less often");
    assert_eq!(attempt(1, "message"), "fal answered with status 500");
    // Without Retry-After it would come back after two seconds at most.
    let pause = time(&picture, 1, "startedAt") - time(&picture, 0, "endedAt");
    assert!(pause >= chrono::Duration::seconds(3), "{pause}");
    let jobs = scene.jobs();
    assert_eq!((jobs.len(), scene.stand_in.requests(Kind::Submit)), (1, 3));
    let ids = [0, 1, 2].map(|place| attempt(place, "externalJobId"));
    assert_eq!(ids, [Value::Null, Value::Null, json!(jobs[0])]);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_tried_again() {
    // Nothing listens there any more once the listener is gone.
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let scene = Scene::with(|builder| {
        builder.config(move |config| {
            config.job_attempts = 2;
            config.provider_addresses.replicate =
                format!("http://{address}").parse().expect("an address");
        })
    })
    .await;
    let picture = scene.picture(REPLICATE).await;
    assert_eq!(picture["status"], "FAILED");
    assert_eq!(outcomes(&picture), ["RETRIED", "FAILED"]);
    assert_eq!(picture["attempts"][0]["message"], "Replicate cannot be reached");
    assert_eq!(picture["errorMessage"], "Replicate cannot be reached");
}

/// The stand-in has begun each of the jobs.
#[tokio::test]
async fn what_may_have_been_begun_is_never_submitted_again() {
    let scene = Scene::with(|builder| builder.impatient(Duration::from_secs(5))).await;
    let mut submissions = 0;
    for generator in [FAL, KIE, REPLICATE, OPENAI] {
        for fault in [Fault::CutAfter, Fault::CutInside, Fault::Garbage, Fault::Hang] {
            scene.stand_in.fault(Kind::Submit, &fault, 1);
            let picture = scene.picture(generator).await;
            let message = failure(&picture);
            let warning = "It may run there and be paid for, so it was not submitted again";
            assert!(message.ends_with(warning), "{generator}, {fault:?}: {message}");
            submissions += 1;
            assert_eq!(scene.jobs().len(), submissions, "{generator}, {fault:?}");
            assert_eq!(scene.stand_in.requests(Kind::Submit), submissions);
        }
    }
}

#[tokio::test]
async fn what_a_provider_refuses_fails_at_once_in_its_words() {
    let scene = Scene::start().await;
    for generator in [FAL, KIE, REPLICATE, OPENAI] {
        let words = "the prompt shows a cat";
        let body = refusal(words);
        for status in [400, 422] {
            scene.stand_in.fault(Kind::Submit, &Fault::Status(status, body.clone()), 1);
            assert_eq!(failure(&scene.picture(generator).await), words, "{generator}");
        }
        // Some repeat the key that they were sent.
        let words = "FAL_KEY-value, KIE_API_KEY-value, REPLICATE_API_TOKEN-value and \
                     OPENAI_API_KEY-value are unknown";
        let body = refusal(words);
        scene.stand_in.fault(Kind::Submit, &Fault::Status(401, body), 1);
        let picture = scene.picture(generator).await;
        assert!(failure(&picture).ends_with("does not take the key"), "{picture}");
        assert!(!picture.to_string().contains("-value"), "{picture}");
    }
    assert_eq!(scene.jobs(), Vec::<String>::new());
}
