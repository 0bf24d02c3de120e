//! Questions about jobs, which may be asked again.

use super::*;
use crate::support::{End, Fault, Kind, Script, StandIn};

#[tokio::test]
async fn questions_are_asked_again_a_few_times() {
    for name in WITH_JOBS {
        let bench = Bench::start().await;
        let job = bench.job(name).await;
        for fault in [Fault::Status(500, json!({})), Fault::CutAfter, Fault::TooMany("0")] {
            bench.stand_in.fault(Kind::Status, &fault, 1);
        }
        let error = bench.state(name, &job).await.expect_err("three times is enough");
        assert!(!may_have_acted(&error), "{name}: a question begins nothing");
        bench.stand_in.fault(Kind::Status, &Fault::Status(503, json!({})), 2);
        assert!(bench.state(name, &job).await.is_ok(), "{name}");
        assert_eq!(bench.stand_in.requests(Kind::Status), 6, "{name}");
    }
}

#[tokio::test]
async fn who_wants_to_be_left_alone_is() {
    for name in WITH_JOBS {
        let bench = Bench::start().await;
        let job = bench.job(name).await;
        bench.stand_in.fault(Kind::Status, &Fault::TooMany("30"), 1);
        let error = bench.state(name, &job).await.expect_err("too many");
        let ProviderError::Passing { retry_after, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(30)), "{name}");
        assert_eq!(bench.stand_in.requests(Kind::Status), 1, "{name}");
    }
}

#[tokio::test]
async fn nonsense_and_silence_pass() {
    for name in WITH_JOBS {
        for (patience, fault) in [
            (PATIENT, Fault::Garbage),
            (PATIENT, Fault::Huge),
            (PATIENT, Fault::Status(200, json!({ "status": "DANCING", "code": "x" }))),
            (IMPATIENT, Fault::Hang),
        ] {
            let bench = Bench::with(patience).await;
            let job = bench.job(name).await;
            bench.stand_in.fault(Kind::Status, &fault, 3);
            let error = bench.state(name, &job).await.expect_err("nonsense");
            assert!(!may_have_acted(&error), "{name} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_job_is_not_asked_for_again() {
    for name in WITH_JOBS {
        let bench = Bench::start().await;
        let job = bench.job(name).await;
        bench.stand_in.fault(Kind::Status, &Fault::Status(404, json!({ "detail": "no" })), 1);
        assert_eq!(bench.state(name, &job).await, Err(ProviderError::NoSuchJob), "{name}");
        assert_eq!(bench.stand_in.requests(Kind::Status), 1, "{name}");
    }
}

#[tokio::test]
async fn fals_result_is_told_from_its_failures() {
    let said = |text: &str| json!({ "detail": text });
    let failed = |text: &str| Ok(JobState::Failed(text.to_owned()));
    let state = async |status: u16, body: Value| {
        let bench = Bench::start().await;
        bench.stand_in.script(Script::at_once(End::Done));
        let job = bench.job("fal").await;
        bench.stand_in.fault(Kind::Result, &Fault::Status(status, body), 3);
        bench.state("fal", &job).await
    };
    assert_eq!(state(422, said("unsafe")).await, failed("unsafe"));
    assert_eq!(state(400, said("too large")).await, failed("too large"));
    assert_eq!(state(500, said("out of memory")).await, failed("out of memory"));
    let unknown = state(422, json!({})).await.expect("a state");
    assert!(matches!(unknown, JobState::Failed(text) if text.contains("does not say why")));
    assert_eq!(state(404, said("gone")).await, Err(ProviderError::NoSuchJob));
    for passing in [(500, json!({})), (502, said("gateway")), (503, said("busy"))] {
        let error = state(passing.0, passing.1).await.expect_err("it passes");
        assert!(matches!(error, ProviderError::Passing { .. }), "{error:?}");
    }
    let credentials = state(401, said("no")).await;
    assert!(matches!(credentials, Err(ProviderError::Credentials(_))), "{credentials:?}");
}

#[tokio::test]
async fn that_a_run_of_fal_failed_is_known_without_its_result() {
    let bench = Bench::start().await;
    bench.stand_in.script(Script::at_once(End::Failed("the reason".to_owned())));
    let job = bench.job("fal").await;
    bench.stand_in.fault(Kind::Result, &Fault::Status(503, json!({})), 3);
    let failed = JobState::Failed("Unprocessable".to_owned());
    assert_eq!(bench.state("fal", &job).await, Ok(failed));
}

#[tokio::test]
async fn addresses_that_answers_name_are_not_asked() {
    let (bench, other) = (Bench::start().await, StandIn::start().await);
    let at = |what: &str| format!("http://{}/fal/a/b/requests/some-job{what}", other.address);
    let answer = json!({
        "request_id": "some-job", "response_url": at(""), "status_url": at("/status"),
        "cancel_url": at("/cancel"),
    });
    bench.stand_in.fault(Kind::Submit, &Fault::Status(200, answer), 1);
    let job = bench.job("fal").await;
    assert_eq!(bench.state("fal", &job).await, Err(ProviderError::NoSuchJob));
    assert_eq!(bench.cancel("fal", &job).await, Err(ProviderError::NoSuchJob));
    let asked = [Kind::Status, Kind::Result, Kind::Cancel].map(|kind| other.requests(kind));
    assert_eq!(asked, [0, 0, 0], "the key would have gone there");
}
