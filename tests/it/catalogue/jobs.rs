//! Jobs that are followed: to their end, out of sight, and until nobody wants them any more.

use super::*;
use crate::support::{End, Fault, Kind, Script, sql};

#[tokio::test]
async fn questions_that_fail_are_asked_again_within_the_attempt() {
    let scene = Scene::start().await;
    for generator in [FAL, REPLICATE] {
        scene.stand_in.fault(Kind::Status, &Fault::Garbage, 1);
        scene.stand_in.fault(Kind::Status, &Fault::Status(503, json!({})), 4);
        scene.stand_in.fault(Kind::Status, &Fault::CutBefore, 1);
        assert_completed(&scene.picture(generator).await, &["COMPLETED"]);
    }
    assert_eq!(scene.jobs().len(), 2);
}

/// A key may be mended while a job runs, which is paid for already.
#[tokio::test]
async fn a_key_that_is_refused_later_does_not_cost_the_job() {
    let scene = Scene::start().await;
    scene.stand_in.fault(Kind::Status, &Fault::Status(401, json!({ "detail": "expired" })), 1);
    let picture = scene.picture(FAL).await;
    assert_completed(&picture, &["RETRIED", "COMPLETED"]);
    assert_eq!(picture["attempts"][0]["message"], "fal does not take the key");
    assert_eq!(scene.jobs().len(), 1, "asked for again, not submitted again");
    assert_eq!(picture["attempts"][0]["externalJobId"], picture["externalJobId"]);
}

#[tokio::test]
async fn a_job_that_fails_says_why_and_is_not_tried_again() {
    let scene = Scene::start().await;
    let end = End::Failed("the picture would show a cat".to_owned());
    scene.stand_in.script(Script::at_once(end));
    for generator in [FAL, KIE, REPLICATE] {
        let picture = scene.picture(generator).await;
        assert_eq!(failure(&picture), "the picture would show a cat");
        assert_eq!(picture["attempts"][0]["externalJobId"], picture["externalJobId"]);
    }
    assert_eq!(scene.jobs().len(), 3);
}

/// It is asked about for half a minute more: providers may need a moment until they know their jobs.
#[tokio::test]
async fn a_job_that_disappears_fails() {
    let scene = Scene::start().await;
    scene.stand_in.script(Script { queued: 1, running: 0, end: End::Gone });
    let picture = scene.picture(FAL).await;
    assert_eq!(failure(&picture), "The provider does not know this job any more");
    let jobs = scene.jobs();
    assert_eq!(jobs.len(), 1);
    assert!(scene.stand_in.polls_of(&jobs[0]) > 2);
}

#[tokio::test]
async fn cancelling_reaches_the_provider() {
    let scene = Scene::start().await;
    scene.stand_in.script(Script::at_once(End::Never));
    // The first time, the provider does not listen.
    scene.stand_in.fault(Kind::Cancel, &Fault::Status(500, json!({})), 1);
    for generator in [FAL, REPLICATE] {
        let generation = scene.queue(generator).await;
        let job = scene.job(&generation).await;
        let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
        scene.ada.data(cancel, json!({ "id": generation })).await;
        eventually_within(BOUND, "the provider is told", async || {
            (scene.stand_in.cancels().contains(&job)).then_some(())
        })
        .await;
        let cancelled = look(&scene.ada, &generation).await;
        assert_eq!(
            (&cancelled["status"], outcomes(&cancelled)),
            (&json!("CANCELLED"), vec!["CANCELLED"])
        );
    }
    eventually_within(BOUND, "and that is done with", async || {
        let left = "SELECT count(*) FROM provider_cancellations";
        (sql::count(&scene.app, left).await == 0).then_some(())
    })
    .await;
    assert_eq!(scene.stand_in.cancels(), scene.jobs(), "each once");
}
