//! Input artifacts on their way to the providers' file stores.

use super::*;
use crate::support::{Fault, Kind};

async fn upload(bench: &Bench, name: &str, bytes: &[u8]) -> Result<String, ProviderError> {
    let file = artifact("image/png", bytes.to_vec());
    bench.adapter(name).upload(Some(&key()), &file).await
}

#[tokio::test]
async fn files_are_there_under_the_address_that_is_given() {
    let bench = Bench::start().await;
    for name in WITH_JOBS {
        let bytes = format!("a picture for {name}");
        let url = upload(&bench, name, bytes.as_bytes()).await.expect("a URL");
        let there = reqwest::get(&url).await.expect("an answer");
        assert_eq!(there.headers()["content-type"], "image/png", "{name}");
        assert_eq!(there.text().await.expect("bytes"), bytes, "{name}");
        let kept = bench.stand_in.uploads().pop().expect("an upload");
        let field = match name {
            "fal" => "",
            "kie" => "file",
            _ => "content",
        };
        assert_eq!((kept.field.as_str(), kept.file_name.as_str()), (field, "input.png"));
    }
}

#[tokio::test]
async fn uploads_are_tried_again() {
    for name in WITH_JOBS {
        let bench = Bench::start().await;
        bench.stand_in.fault(Kind::Upload, &Fault::CutBefore, 1);
        bench.stand_in.fault(Kind::Upload, &Fault::TooMany("0"), 1);
        upload(&bench, name, b"x").await.expect("a URL");
        assert_eq!(bench.stand_in.requests(Kind::Upload), 3, "{name}");
    }
}

#[tokio::test]
async fn uploads_that_fail_begin_nothing() {
    for name in WITH_JOBS {
        for (patience, fault) in [
            (PATIENT, Fault::Status(500, json!({}))),
            (PATIENT, Fault::Garbage),
            (PATIENT, Fault::Huge),
            (IMPATIENT, Fault::Hang),
        ] {
            let bench = Bench::with(patience).await;
            bench.stand_in.fault(Kind::Upload, &fault, 10);
            let error = upload(&bench, name, b"x").await.expect_err("it fails");
            assert!(!may_have_acted(&error), "{name} {fault:?}");
        }
        let bench = Bench::start().await;
        bench.stand_in.require_key("another-key");
        let error = upload(&bench, name, b"x").await.expect_err("a wrong key");
        assert!(matches!(error, ProviderError::Credentials(_)), "{name}: {error:?}");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
    }
}

#[tokio::test]
async fn one_token_of_fal_serves_many_files() {
    let bench = Bench::start().await;
    for _ in 0..3 {
        upload(&bench, "fal", b"x").await.expect("a URL");
    }
    assert_eq!(bench.stand_in.requests(Kind::Token), 1);
    // A token that is refused is not used again.
    bench.stand_in.fault(Kind::Upload, &Fault::Status(401, json!({})), 1);
    upload(&bench, "fal", b"x").await.expect("a URL");
    assert_eq!(bench.stand_in.requests(Kind::Token), 2);
    // Another key has another.
    let file = artifact("image/png", vec![1]);
    let other = ApiKey::from("another-key");
    bench.adapter("fal").upload(Some(&other), &file).await.expect("a URL");
    assert_eq!(bench.stand_in.requests(Kind::Token), 3);
}

#[tokio::test]
async fn large_files_go_to_fal_in_parts() {
    let bench = Bench::start().await;
    let mut bytes = vec![0; (100 << 20) + 5];
    for (place, byte) in bytes.iter_mut().enumerate().step_by(1 << 20) {
        *byte = u8::try_from(place >> 20).expect("few");
    }
    bench.stand_in.fault(Kind::Upload, &Fault::CutBefore, 1);
    upload(&bench, "fal", &bytes).await.expect("a URL");
    let kept = bench.stand_in.uploads().pop().expect("an upload");
    assert!(kept.bytes == bytes, "the parts are together as they were");
    // The beginning, which is sent twice, eleven parts, the end.
    assert_eq!(bench.stand_in.requests(Kind::Upload), 14);
}

#[tokio::test]
async fn fals_other_way_is_taken_where_its_store_fails() {
    let bench = Bench::start().await;
    bench.stand_in.fault(Kind::Upload, &Fault::Status(503, json!({})), 3);
    let url = upload(&bench, "fal", b"a picture").await.expect("a URL");
    assert!(url.ends_with("/files/initiated/input.png"), "{url}");
    let kept = bench.stand_in.uploads().pop().expect("an upload");
    assert_eq!(kept.bytes, b"a picture"[..]);
}

#[tokio::test]
async fn places_that_answers_name_are_not_on_a_network_of_ones_own() {
    for place in ["http://127.0.0.1:1/x", "https://10.0.0.1/x", "https://localhost/x", "file:///x"]
    {
        let bench = Bench::start().await;
        bench.stand_in.fault(Kind::Upload, &Fault::Status(503, json!({})), 3);
        let answer = json!({ "upload_url": place, "file_url": "https://a.example/x" });
        bench.stand_in.fault(Kind::Upload, &Fault::Status(200, answer), 1);
        let error = upload(&bench, "fal", b"x").await.expect_err("refused");
        assert!(error.to_string().contains("makes no sense"), "{place}: {error}");
    }
}

#[tokio::test]
async fn what_is_no_address_of_a_file_is_not_taken() {
    let answer = json!({
        "access_url": "javascript:alert(1)", "upload_url": "x", "urls": { "get": "file:///x" },
        "code": 200, "data": { "downloadUrl": "" }
    });
    for name in WITH_JOBS {
        let bench = Bench::start().await;
        bench.stand_in.fault(Kind::Upload, &Fault::Status(200, answer.clone()), 10);
        let error = upload(&bench, name, b"x").await.expect_err("no address");
        assert!(!may_have_acted(&error), "{name}");
    }
}
