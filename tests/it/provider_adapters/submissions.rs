//! What is known of a submission that went wrong: whether a job may have been begun.

use std::net::SocketAddr;

use super::*;
use crate::support::{Fault, Kind};

/// Submits to each provider in turn with this fault; gives the errors and how many submissions arrived.
async fn errors(patience: Patience, fault: &Fault) -> Vec<(&'static str, ProviderError, usize)> {
    let mut errors = Vec::new();
    for name in PROVIDER_NAMES {
        let bench = Bench::with(patience).await;
        bench.stand_in.fault(Kind::Submit, fault, 1);
        let error = bench.submit(name).await.expect_err(name);
        assert_eq!(bench.stand_in.requests(Kind::Submit), 1, "{name} was sent again");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
        errors.push((name, error, bench.stand_in.submissions().len()));
    }
    errors
}

#[tokio::test]
async fn refusals_that_pass_have_begun_nothing() {
    for status in [429, 500, 503] {
        for (name, error, begun) in errors(PATIENT, &Fault::Status(status, json!({}))).await {
            assert!(!may_have_acted(&error), "{name} {status}");
            assert_eq!(begun, 0);
        }
    }
}

#[tokio::test]
async fn gateways_do_not_know() {
    for status in [502, 504, 520, 524] {
        for (name, error, _) in errors(PATIENT, &Fault::Status(status, json!({}))).await {
            assert!(may_have_acted(&error), "{name} {status}");
        }
    }
}

#[tokio::test]
async fn too_many_requests_say_when_to_come_back() {
    for (name, error, _) in errors(PATIENT, &Fault::TooMany("7")).await {
        let ProviderError::Passing { retry_after, may_have_acted, .. } = error else {
            panic!("{name}: {error:?}")
        };
        assert_eq!((retry_after, may_have_acted), (Some(Duration::from_secs(7)), false), "{name}");
    }
    for (_, error, _) in errors(PATIENT, &Fault::TooMany("86400")).await {
        let ProviderError::Passing { retry_after, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_mins(10)));
    }
}

#[tokio::test]
async fn who_does_not_answer_may_have_begun_it() {
    for (name, error, begun) in errors(IMPATIENT, &Fault::Hang).await {
        assert!(may_have_acted(&error) && begun == 1, "{name}: {error:?}");
        assert!(error.to_string().contains("in time"), "{error}");
    }
}

#[tokio::test]
async fn who_cuts_the_connection_may_have_begun_it() {
    for (fault, wanted) in [(Fault::CutBefore, 0), (Fault::CutAfter, 1), (Fault::CutInside, 1)] {
        for (name, error, begun) in errors(PATIENT, &fault).await {
            assert!(may_have_acted(&error), "{name} {fault:?}: {error:?}");
            assert_eq!(begun, wanted, "{name} {fault:?}");
        }
    }
}

#[tokio::test]
async fn who_answers_nonsense_may_have_begun_it() {
    for fault in [
        Fault::Garbage,
        Fault::Huge,
        Fault::Status(200, json!("text")),
        Fault::Status(200, json!({ "code": 200, "data": {} })),
        Fault::Status(
            200,
            json!({
                "request_id": "../../evil", "id": "a/b", "code": 200, "data": { "taskId": "?x" }
            }),
        ),
    ] {
        for (name, error) in nonsense(&fault).await {
            assert!(may_have_acted(&error), "{name} {fault:?}: {error:?}");
        }
    }
}

/// `OpenAI` has no ids, so that any JSON is an answer.
async fn nonsense(fault: &Fault) -> Vec<(&'static str, ProviderError)> {
    let mut errors = Vec::new();
    for name in PROVIDER_NAMES {
        if name == "openai" && matches!(fault, Fault::Status(..)) {
            continue;
        }
        let bench = Bench::start().await;
        bench.stand_in.fault(Kind::Submit, fault, 1);
        errors.push((name, bench.submit(name).await.expect_err(name)));
    }
    errors
}

#[tokio::test]
async fn each_submission_has_a_connection_of_its_own() {
    // One that was kept may be closed by the time that it is used again, and nobody could tell then
    // whether the provider had read the request.
    let bench = Bench::start().await;
    for name in PROVIDER_NAMES {
        for _ in 0..2 {
            bench.submit(name).await.expect("a job");
        }
    }
    let mut peers: Vec<_> = bench.stand_in.submissions().iter().map(|one| one.peer).collect();
    peers.sort();
    peers.dedup();
    assert_eq!(peers.len(), 2 * PROVIDER_NAMES.len());
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_begun() {
    // A port that was free a moment ago, and of which nobody else is told.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address: SocketAddr = listener.local_addr().expect("bound");
    drop(listener);
    let at: boards::config::ApiUrl = format!("http://{address}").parse().expect("an address");
    let addresses = ProviderAddresses {
        fal: at.clone(),
        replicate: at.clone(),
        openai: at.clone(),
        kie: at,
        ..ProviderAddresses::of_the_providers()
    };
    let providers = adapters(&addresses, PATIENT);
    for adapter in providers.iter() {
        let request = request(adapter.name());
        let error = adapter.submit(Some(&key()), &request, Uuid::new_v4()).await;
        let error = error.expect_err("nobody is there");
        assert!(!may_have_acted(&error), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("127.0.0.1") && !shown.contains("s3cr3t"), "{shown}");
    }
}

#[tokio::test]
async fn refusals_are_repeated_in_the_providers_words() {
    for status in [400, 404, 413, 422] {
        let said = refusal("prompt:\r\n too \u{202e}long");
        for (name, error, _) in errors(PATIENT, &Fault::Status(status, said.clone())).await {
            assert_eq!(error, ProviderError::Refused("prompt: too long".to_owned()), "{name}");
        }
    }
    let long = refusal(&"x".repeat(20_000));
    for (_, error, _) in errors(PATIENT, &Fault::Status(422, long)).await {
        assert_eq!(error.to_string().chars().count(), 500);
    }
    let longer = refusal(&"x".repeat(30_000));
    for (_, error, _) in errors(PATIENT, &Fault::Status(422, longer)).await {
        assert!(error.to_string().ends_with("answered with status 422"), "{error}");
    }
}

#[tokio::test]
async fn details_of_fal_name_the_parameter() {
    let bench = Bench::start().await;
    let detail = json!([{ "loc": ["body", "prompt"], "msg": "field required", "type": "x" }]);
    let fault = Fault::Status(422, json!({ "detail": detail }));
    bench.stand_in.fault(Kind::Submit, &fault, 1);
    let error = bench.submit("fal").await.expect_err("refused");
    assert_eq!(error, ProviderError::Refused("prompt: field required".to_owned()));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for (name, error, begun) in errors(PATIENT, &Fault::Status(307, json!({}))).await {
        assert!(matches!(error, ProviderError::Refused(_)), "{name}: {error:?}");
        assert_eq!(begun, 0);
    }
}

#[tokio::test]
async fn kies_codes_count_although_the_status_is_200() {
    let error = async |code: u16| {
        let bench = Bench::start().await;
        let said = json!({ "code": code, "msg": "why", "data": null });
        bench.stand_in.fault(Kind::Submit, &Fault::Status(200, said), 1);
        bench.submit("kie").await.expect_err("refused")
    };
    for code in [401, 402, 403] {
        assert!(matches!(error(code).await, ProviderError::Credentials(_)), "{code}");
    }
    for code in [404, 422, 501, 505] {
        assert_eq!(error(code).await, ProviderError::Refused("why".to_owned()), "{code}");
    }
    for code in [429, 455, 500] {
        assert!(!may_have_acted(&error(code).await), "{code}");
    }
}

#[tokio::test]
async fn endpoints_that_lead_elsewhere_are_refused_before_anything_is_sent() {
    let bench = Bench::start().await;
    for (name, endpoint) in [
        ("fal", json!({ "application": "../x" })),
        ("replicate", json!({ "model": "https://a.example/x" })),
        ("openai", json!({ "path": "/files" })),
        ("kie", json!({ "submit": "https://a.example" })),
    ] {
        let adapter = bench.adapter(name);
        let reason = adapter.check_endpoint(&endpoint).expect_err(name);
        let request = ProviderRequest { endpoint, ..request(name) };
        let refused = adapter.submit(Some(&key()), &request, Uuid::new_v4()).await;
        assert_eq!(refused, Err(ProviderError::Refused(reason)));
    }
    assert_eq!(bench.stand_in.requests(Kind::Submit), 0);
}
