//! `OpenAI` and servers that are compatible: the answer is the result.

use base64::{Engine, engine::general_purpose::STANDARD};
use boards::generators::providers::Resubmission;

use super::*;
use crate::support::{Fault, Kind};

async fn answer(bench: &Bench, key: Option<&ApiKey>, request: &ProviderRequest) -> Value {
    match bench.adapter("openai").submit(key, request, Uuid::new_v4()).await {
        Ok(Submitted::Answer(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pictures_come_with_the_answer() {
    let bench = Bench::start().await;
    let answer = answer(&bench, Some(&key()), &request("openai")).await;
    let pictures = answer["data"].as_array().expect("pictures");
    assert_eq!(pictures.len(), 2);
    let picture = STANDARD.decode(pictures[0]["b64_json"].as_str().expect("base64"));
    let served = reqwest::get(bench.stand_in.file_url("picture.png")).await.expect("an answer");
    assert_eq!(picture.expect("base64"), served.bytes().await.expect("a picture"));
    let submission = bench.stand_in.submissions().pop().expect("a submission");
    assert_eq!(submission.path, "v1/images/generations");
    assert_eq!(submission.body, request("openai").body);
    assert_eq!(submission.headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test]
async fn large_answers_are_taken_where_they_hold_files() {
    let bench = Bench::start().await;
    let large = "A".repeat(20 << 20);
    bench.stand_in.results(move |_| json!({ "data": [{ "b64_json": large }] }));
    let answer = answer(&bench, Some(&key()), &request("openai")).await;
    assert_eq!(answer["data"][0]["b64_json"].as_str().map(str::len), Some(20 << 20));
}

#[tokio::test]
async fn transcriptions_are_forms() {
    let bench = Bench::start().await;
    let body = json!({
        "model": "whisper-1", "language": "en", "prompt": null, "temperature": 0.5,
        "timestamp_granularities": ["word"]
    });
    let file = artifact("audio/mpeg", b"a sound".to_vec());
    let request = ProviderRequest {
        endpoint: json!({ "path": "/audio/transcriptions", "model": "whisper-1" }),
        model: Some("whisper-1".to_owned()),
        body,
        files: vec![RequestFile { field: "file".to_owned(), file }],
    };
    let answer = answer(&bench, Some(&key()), &request).await;
    assert_eq!(answer, json!({ "text": "7 bytes were heard" }));
    let submission = bench.stand_in.submissions().pop().expect("a submission");
    let sent = json!({
        "model": "whisper-1", "language": "en", "temperature": "0.5",
        "timestamp_granularities[]": "word"
    });
    assert_eq!(submission.body, sent);
    let [file] = submission.files.as_slice() else { panic!("one file") };
    // Servers tell formats by the ending.
    assert_eq!((file.file_name.as_str(), file.content_type.as_str()), ("input.mp3", "audio/mpeg"));
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key() {
    let bench = Bench::start().await;
    let adapter = bench.adapter("openai");
    assert!(adapter.works_without_key());
    assert_eq!(adapter.resubmission(None), Resubmission::Safe);
    let origin = adapter.trusted_origin().map(|origin| origin.ascii_serialization());
    assert_eq!(origin, Some(format!("http://{}", bench.stand_in.address)));
    answer(&bench, None, &request("openai")).await;
    let submission = bench.stand_in.submissions().pop().expect("a submission");
    assert!(!submission.headers.contains_key("authorization"));
}

#[tokio::test]
async fn openai_itself_needs_a_key_and_is_never_asked_twice() {
    let providers = adapters(&ProviderAddresses::of_the_providers(), PATIENT);
    let adapter = providers.get("openai").expect("openai");
    assert!(!adapter.works_without_key() && adapter.trusted_origin().is_none());
    assert_eq!(adapter.resubmission(None), Resubmission::Never);
    // Nothing is sent without one.
    let refused = adapter.submit(None, &request("openai"), Uuid::new_v4()).await;
    assert!(matches!(refused, Err(ProviderError::Credentials(_))), "{refused:?}");
}

#[tokio::test]
async fn one_generation_has_one_idempotency_key() {
    let bench = Bench::start().await;
    let adapter = bench.adapter("openai");
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    bench.stand_in.fault(Kind::Submit, &Fault::CutAfter, 1);
    let lost = adapter.submit(Some(&key()), &request("openai"), first).await;
    assert!(may_have_acted(&lost.expect_err("the answer was lost")));
    for id in [first, second] {
        adapter.submit(Some(&key()), &request("openai"), id).await.expect("an answer");
    }
    assert_eq!(bench.stand_in.submissions().len(), 3);
    assert_eq!(bench.stand_in.duplicates(), [first.to_string()]);
}

#[tokio::test]
async fn an_account_without_money_is_not_asked_again() {
    let bench = Bench::start().await;
    for (status, code) in [(429, "insufficient_quota"), (400, "billing_hard_limit_reached")] {
        let said = json!({ "error": { "message": "no money", "type": code, "code": null } });
        bench.stand_in.fault(Kind::Submit, &Fault::Status(status, said), 1);
        let error = bench.submit("openai").await.expect_err("refused");
        assert!(matches!(error, ProviderError::Credentials(_)), "{error:?}");
        assert!(error.to_string().ends_with(" wants to be paid first"), "{error}");
    }
}

#[tokio::test]
async fn there_are_no_jobs_and_no_files() {
    let bench = Bench::start().await;
    assert_eq!(bench.state("openai", "job").await, Err(ProviderError::NoSuchJob));
    assert_eq!(bench.cancel("openai", "job").await, Err(ProviderError::NoSuchJob));
    let uploaded = bench.adapter("openai").upload(None, &artifact("image/png", vec![1])).await;
    assert!(matches!(uploaded, Err(ProviderError::Refused(_))), "{uploaded:?}");
}
