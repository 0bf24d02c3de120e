//! Keys: needed, refused, and never repeated.

use super::*;
use crate::support::{Fault, Kind};

fn is_about_the_key(error: &ProviderError) -> bool {
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    matches!(error, ProviderError::Credentials(_))
}

#[tokio::test]
async fn wrong_keys_are_told_from_other_refusals() {
    for name in PROVIDER_NAMES {
        let bench = Bench::start().await;
        bench.stand_in.require_key("another-key");
        let error = bench.submit(name).await.expect_err("a wrong key");
        assert!(is_about_the_key(&error), "{name}: {error:?}");
        for status in [401, 402, 403] {
            let fault = Fault::Status(status, refusal("ask your bank"));
            bench.stand_in.fault(Kind::Submit, &fault, 1);
            let error = bench.submit(name).await.expect_err("refused");
            assert!(is_about_the_key(&error), "{name} {status}: {error:?}");
            assert!(!error.to_string().contains("bank"), "words about an account: {error}");
        }
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let bench = Bench::start().await;
    for name in WITH_JOBS {
        let adapter = bench.adapter(name);
        let file = artifact("image/png", vec![1]);
        let errors = [
            adapter.submit(None, &request(name), Uuid::new_v4()).await.map(drop),
            adapter.upload(None, &file).await.map(drop),
            adapter.state(None, &endpoint(name), "job").await.map(drop),
        ];
        for error in errors {
            assert!(is_about_the_key(&error.expect_err("no key")), "{name}");
        }
        assert!(!adapter.works_without_key(), "{name}");
    }
    let sent = [Kind::Submit, Kind::Upload, Kind::Status, Kind::Token];
    assert!(sent.iter().all(|kind| bench.stand_in.requests(*kind) == 0));
}

#[tokio::test]
async fn providers_that_repeat_the_key_are_not_repeated() {
    for name in PROVIDER_NAMES {
        for (status, words) in [
            (401, format!("Incorrect key {KEY}")),
            (403, "Incorrect key k3y-of***********half".to_owned()),
            (422, format!("got Bearer {KEY}")),
            (400, "s3cr3t-half is unknown".to_owned()),
        ] {
            let bench = Bench::start().await;
            bench.stand_in.fault(Kind::Submit, &Fault::Status(status, refusal(&words)), 1);
            let error = bench.submit(name).await.expect_err("refused");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("k3y-of") && !shown.contains("s3cr3t"), "{name}: {shown}");
        }
    }
}

#[tokio::test]
async fn keys_of_the_deployment_are_found_by_name_and_never_shown() {
    let bench = Bench::start().await;
    let keys = GeneratorKeys::default().with("KIE_API_KEY", KEY);
    let providers = Providers::with(&bench.stand_in.addresses(), keys, PATIENT).expect("clients");
    let adapter = providers.get("kie").expect("kie");
    bench.stand_in.require_key(KEY);
    let found = providers.key(adapter.as_ref());
    let submitted = adapter.submit(found, &request("kie"), Uuid::new_v4()).await;
    assert!(matches!(submitted, Ok(Submitted::Job(_))), "{submitted:?}");
    assert!(!format!("{providers:?}").contains("s3cr3t"));
    assert!(providers.key(providers.get("fal").expect("fal").as_ref()).is_none());
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_is_refused_as_none() {
    let bench = Bench::start().await;
    let key = ApiKey::from("two\r\nlines: s3cr3t");
    for name in WITH_JOBS {
        let submitted =
            bench.adapter(name).submit(Some(&key), &request(name), Uuid::new_v4()).await;
        let error = submitted.expect_err("no key");
        assert!(is_about_the_key(&error), "{name}: {error:?}");
    }
}
