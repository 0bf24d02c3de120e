//! Jobs from submission to end.

use super::*;
use crate::support::{End, Kind, Script};

async fn succeeded(bench: &Bench, name: &str, job: &str) -> Value {
    match bench.state(name, job).await {
        Ok(JobState::Succeeded(answer)) => answer,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn jobs_wait_and_run_and_give_their_result() {
    let bench = Bench::start().await;
    for name in WITH_JOBS {
        let job = bench.job(name).await;
        let queued = bench.state(name, &job).await.expect("a state");
        let position = (name == "fal").then_some(3);
        assert_eq!(queued, JobState::Queued { position }, "{name}");
        let running = bench.state(name, &job).await.expect("a state");
        let done = (name == "replicate").then_some(0.5);
        assert_eq!(running, JobState::Running { done }, "{name}");
        let answer = succeeded(&bench, name, &job).await;
        let url = match name {
            "fal" => answer["images"][0]["url"].clone(),
            "replicate" => answer["output"][0].clone(),
            _ => answer["data"]["response"]["resultUrls"][0].clone(),
        };
        let url = url.as_str().expect("a URL").to_owned();
        let file = reqwest::get(&url).await.expect("an answer");
        assert_eq!(file.status(), 200, "{name}: {url}");
        // Who asks again, after a crash for example, is told the same.
        assert_eq!(succeeded(&bench, name, &job).await, answer, "{name}");
        assert_eq!(bench.stand_in.polls_of(&job), 4, "{name}");
    }
    assert_eq!(bench.stand_in.submissions().len(), WITH_JOBS.len());
}

#[tokio::test]
async fn requests_are_sent_as_they_are() {
    let bench = Bench::start().await;
    for name in WITH_JOBS {
        bench.job(name).await;
        let submission = bench.stand_in.submissions().pop().expect("a submission");
        assert_eq!(submission.provider, name);
        assert_eq!(submission.body, request(name).body, "{name}");
        let path = match name {
            "fal" => "fal-ai/flux-2/edit",
            "replicate" => "v1/models/black-forest-labs/flux-1.1-pro/predictions",
            _ => "api/v1/jobs/createTask",
        };
        assert_eq!(submission.path, path);
        let scheme = if name == "fal" { "Key" } else { "Bearer" };
        assert_eq!(submission.headers["authorization"], format!("{scheme} {KEY}"));
        assert!(!submission.headers.contains_key("prefer"), "{name}");
    }
}

#[tokio::test]
async fn replicate_runs_versions_and_waits_where_it_is_told() {
    let bench = Bench::start().await;
    let endpoint = json!({ "version": "8d65e3f4", "wait": true });
    let request = ProviderRequest { endpoint, ..request("replicate") };
    let adapter = bench.adapter("replicate");
    adapter.submit(Some(&key()), &request, Uuid::new_v4()).await.expect("a job");
    let submission = bench.stand_in.submissions().pop().expect("a submission");
    assert_eq!(submission.path, "v1/predictions");
    assert_eq!(submission.body, json!({ "input": { "prompt": "a cat" }, "version": "8d65e3f4" }));
    // The job's id must be known soon.
    assert_eq!(submission.headers["prefer"], "wait=1");
}

#[tokio::test]
async fn parameters_may_choose_the_model() {
    let bench = Bench::start().await;
    for (name, model, path) in [
        ("fal", "fal-ai/flux-2", "fal-ai/flux-2"),
        ("replicate", "me/mine", "v1/models/me/mine/predictions"),
    ] {
        let request = ProviderRequest { model: Some(model.to_owned()), ..request(name) };
        let submitted = bench.adapter(name).submit(Some(&key()), &request, Uuid::new_v4()).await;
        assert!(matches!(submitted, Ok(Submitted::Job(_))), "{name}: {submitted:?}");
        assert_eq!(bench.stand_in.submissions().pop().expect("a submission").path, path);
        let request = ProviderRequest { model: Some("../x".to_owned()), ..request };
        let refused = bench.adapter(name).submit(Some(&key()), &request, Uuid::new_v4()).await;
        assert!(matches!(refused, Err(ProviderError::Refused(_))), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn failed_runs_say_why() {
    let bench = Bench::start().await;
    bench.stand_in.script(Script::at_once(End::Failed("the cat\nwas asleep".to_owned())));
    for name in WITH_JOBS {
        let job = bench.job(name).await;
        let failed = JobState::Failed("the cat was asleep".to_owned());
        assert_eq!(bench.state(name, &job).await, Ok(failed), "{name}");
    }
}

#[tokio::test]
async fn jobs_that_are_gone_are_told_from_jobs_that_fail() {
    let bench = Bench::start().await;
    bench.stand_in.script(Script::at_once(End::Gone));
    for name in WITH_JOBS {
        let job = bench.job(name).await;
        assert_eq!(bench.state(name, &job).await, Err(ProviderError::NoSuchJob), "{name}");
        let unknown = bench.state(name, "never-submitted").await;
        assert_eq!(unknown, Err(ProviderError::NoSuchJob), "{name}");
    }
}

#[tokio::test]
async fn jobs_that_never_end_run_on() {
    let bench = Bench::start().await;
    let never = |queued| Script { queued, ..Script::at_once(End::Never) };
    bench
        .stand_in
        .scripts(move |submission| never(if submission.provider == "fal" { 2 } else { 0 }));
    for name in WITH_JOBS {
        let job = bench.job(name).await;
        let mut waited = 0;
        for _ in 0..5 {
            match bench.state(name, &job).await.expect("a state") {
                JobState::Queued { .. } => waited += 1,
                JobState::Running { .. } => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(waited, if name == "fal" { 2 } else { 0 }, "{name}");
    }
}

#[tokio::test]
async fn results_may_hold_the_file_itself() {
    let bench = Bench::start().await;
    // More than an answer may have that only names files.
    let url = format!("data:image/png;base64,{}", "A".repeat(6 << 20));
    let result = json!({ "images": [{ "url": url }] });
    bench.stand_in.script(Script::at_once(End::Done));
    bench.stand_in.results({
        let result = result.clone();
        move |_| result.clone()
    });
    let job = bench.job("fal").await;
    assert!(succeeded(&bench, "fal", &job).await == result, "all of it");
}

#[tokio::test]
async fn no_id_leads_out_of_its_address() {
    let bench = Bench::start().await;
    for name in WITH_JOBS {
        for id in ["../../files", "..", "a/b", "%2e%2e", "a?x=1", "a#b", "", "a\r\nX: y"] {
            assert_eq!(bench.state(name, id).await, Err(ProviderError::NoSuchJob), "{id:?}");
            if name != "kie" {
                assert_eq!(bench.cancel(name, id).await, Err(ProviderError::NoSuchJob), "{id:?}");
            }
        }
    }
    let sent: usize = [Kind::Status, Kind::Result, Kind::Cancel, Kind::File, Kind::Submit]
        .map(|kind| bench.stand_in.requests(kind))
        .iter()
        .sum();
    assert_eq!(sent, 0, "nothing is sent for such an id");
}

#[tokio::test]
async fn kies_other_tasks_have_states_of_their_own() {
    let bench = Bench::start().await;
    let task = |kind: &str, status: &str, state: Value| {
        json!({
            "submit": format!("/api/v1/{kind}"), "status": format!("/api/v1/{status}"),
            "task_id": ["$.taskId", "$.data.taskId"], "state": state
        })
    };
    let flag = json!({ "path": "$.data.successFlag", "success": [1], "failed": [2, 3] });
    let words = json!({
        "path": "$.data.status", "success": ["SUCCESS"], "failed_if_contains": "FAIL"
    });
    let adapter = bench.adapter("kie");
    for (endpoint, end) in [
        (task("veo/generate", "veo/record-info", flag.clone()), End::Done),
        (task("aleph/generate", "aleph/record-info", flag), End::Failed("why".to_owned())),
        (task("generate", "generate/record-info", words.clone()), End::Done),
        (task("generate/sounds", "generate/record-info", words), End::Failed("why".to_owned())),
    ] {
        assert_eq!(adapter.check_endpoint(&endpoint), Ok(()));
        bench.stand_in.script(Script { queued: 0, running: 1, end: end.clone() });
        let request = ProviderRequest { endpoint: endpoint.clone(), ..request("kie") };
        let submitted = adapter.submit(Some(&key()), &request, Uuid::new_v4()).await;
        let Ok(Submitted::Job(job)) = submitted else { panic!("{submitted:?}") };
        let state = async || adapter.state(Some(&key()), &endpoint, &job).await.expect("a state");
        assert_eq!(state().await, JobState::Running { done: None });
        match end {
            End::Done => assert!(matches!(state().await, JobState::Succeeded(_))),
            _ => assert_eq!(state().await, JobState::Failed("why".to_owned())),
        }
    }
}

#[tokio::test]
async fn polls_are_as_often_as_the_file_says() {
    let bench = Bench::start().await;
    let interval =
        |name: &str, polls| bench.adapter(name).poll_interval(&endpoint(name), polls).as_secs_f64();
    assert!((interval("kie", 0) - 1.0).abs() < 1e-9, "soon at first");
    assert!((interval("kie", 1) - 10.0).abs() < 1e-9);
    for name in ["fal", "replicate"] {
        assert!(interval(name, 0) < 1.0 && interval(name, 1000) <= 5.0, "{name}");
    }
}
