//! What is asked of an introspection endpoint, what its answers are worth, and for how long.

use std::time::Duration;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::providers::{
        jwt::Times,
        testing::{FakeProvider, NOW, Reply, at, client},
    },
    config::ClientMethod,
};

const PATH: &str = "/introspect";

fn verifier_with(
    provider: &FakeProvider,
    method: ClientMethod,
    (id, secret): (&str, &str),
) -> IntrospectionVerifier {
    let client = IntrospectionClient {
        client: client(),
        url: format!("{}{PATH}", provider.url).parse().expect("a URL"),
        id: id.to_owned(),
        secret: secret.into(),
        method,
    };
    let rules = AnswerRules {
        provider: "opaque".into(),
        issuer: Some("https://id.example".to_owned()),
        audiences: vec!["boards".to_owned()],
        times: Times { leeway: TimeDelta::seconds(30) },
        tenant_claim: None,
    };
    IntrospectionVerifier::new("opaque".into(), client, rules)
}

fn verifier(provider: &FakeProvider) -> IntrospectionVerifier {
    verifier_with(provider, ClientMethod::Basic, ("boards", "secret"))
}

/// A good answer, changed by `changes`, where null takes a member away.
fn answer(changes: &Value) -> Reply {
    let mut answer = json!({
        "active": true, "sub": "ada", "aud": "boards", "iss": "https://id.example",
        "exp": NOW + 3600, "token_type": "Bearer", "scope": "boards:read",
    });
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(answer.as_object_mut().expect("an object").remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    Reply::Json(answer, None)
}

async fn answering(reply: Reply) -> FakeProvider {
    let provider = FakeProvider::start().await;
    provider.reply(PATH, reply);
    provider
}

async fn ask(verifier: &IntrospectionVerifier, token: &str, seconds: i64) -> Result<(), Fault> {
    verifier.judge(token, at(seconds)).await.map(drop)
}

#[tokio::test]
async fn a_good_answer_says_who_and_what_for() {
    let provider = answering(answer(&json!({ "aud": ["files", "boards"] }))).await;
    let identity = verifier(&provider).judge("token", at(0)).await.expect("a good token");
    assert_eq!((&*identity.provider, identity.subject.as_str()), ("opaque", "ada"));
    assert_eq!(identity.scopes, Some(vec!["boards:read".to_owned()]));
    assert_eq!(identity.expires_at, Some(at(3630)));
}

#[rstest]
#[case::inactive(json!({ "active": false }), Fault::Inactive)]
#[case::other_issuer(json!({ "iss": "https://id.example/" }), Fault::Issuer)]
#[case::issuers(json!({ "iss": ["https://id.example"] }), Fault::Issuer)]
#[case::no_audience(json!({ "aud": null }), Fault::Audience)]
#[case::other_audience(json!({ "aud": "files" }), Fault::Audience)]
#[case::other_audiences(json!({ "aud": ["files"] }), Fault::Audience)]
#[case::mixed_audiences(json!({ "aud": ["boards", 7] }), Fault::Audience)]
#[case::no_end(json!({ "exp": null }), Fault::Expiry)]
#[case::end_as_text(json!({ "exp": "1900000000" }), Fault::Expiry)]
#[case::ended(json!({ "exp": NOW - 30 }), Fault::Expired)]
#[case::not_yet(json!({ "nbf": NOW + 31 }), Fault::NotYetValid)]
#[case::bound_to_a_key(json!({ "token_type": "DPoP" }), Fault::NotBearer)]
#[case::type_as_list(json!({ "token_type": ["Bearer"] }), Fault::NotBearer)]
#[case::nobody(json!({ "sub": null }), Fault::Subject)]
#[case::several(json!({ "sub": ["ada"] }), Fault::Subject)]
#[tokio::test]
async fn answers_that_admit_nobody(#[case] changes: Value, #[case] fault: Fault) {
    let provider = answering(answer(&changes)).await;
    assert_eq!(ask(&verifier(&provider), "token", 0).await, Err(fault));
}

#[rstest]
#[case::issuer(json!({ "iss": null }))]
#[case::kind(json!({ "token_type": null }))]
#[case::kind_in_capitals(json!({ "token_type": "BEARER" }))]
#[case::within_the_leeway(json!({ "exp": NOW - 29 }))]
#[tokio::test]
async fn what_an_answer_may_leave_out(#[case] changes: Value) {
    let provider = answering(answer(&changes)).await;
    assert_eq!(ask(&verifier(&provider), "token", 0).await, Ok(()));
}

#[rstest]
#[case::text(answer(&json!({ "active": "true" })))]
#[case::number(answer(&json!({ "active": 1 })))]
#[case::missing(answer(&json!({ "active": null })))]
#[case::twice(Reply::Raw(br#"{"active":false,"active":true}"#.to_vec()))]
#[case::list(Reply::Json(json!([{ "active": true }]), None))]
#[case::garbage(Reply::Raw(b"active=true".to_vec()))]
#[case::we_are_not_known(Reply::Status(401))]
#[case::forbidden(Reply::Status(403))]
#[case::created(Reply::Status(201))]
#[case::broken(Reply::Status(500))]
#[case::moved(Reply::Moved("/elsewhere".to_owned()))]
#[case::silent(Reply::Silence)]
#[case::slow(Reply::Trickle)]
#[case::huge(Reply::Flood)]
#[tokio::test]
async fn answers_that_say_nothing(#[case] reply: Reply) {
    let provider = answering(reply).await;
    provider.reply("/elsewhere", answer(&json!({})));
    assert_eq!(ask(&verifier(&provider), "token", 0).await, Err(Fault::Unavailable));
    assert!(provider.seen("/elsewhere").is_empty());
}

#[tokio::test]
async fn good_answers_are_kept_for_thirty_seconds() {
    let provider = answering(answer(&json!({}))).await;
    let verifier = verifier(&provider);
    for (seconds, questions) in [(0, 1), (29, 1), (30, 2), (59, 2)] {
        assert_eq!(ask(&verifier, "token", seconds).await, Ok(()));
        assert_eq!(provider.requests(), questions, "{seconds} s");
    }
    provider.reply(PATH, answer(&json!({ "active": false })));
    assert_eq!(ask(&verifier, "token", 59).await, Ok(()));
    assert_eq!(ask(&verifier, "token", 60).await, Err(Fault::Inactive), "revoked");
}

#[tokio::test]
async fn it_says_when_it_would_ask() {
    let provider = answering(answer(&json!({}))).await;
    let verifier = verifier(&provider);
    assert!(verifier.would_ask("token", at(0)).await);
    assert_eq!(ask(&verifier, "token", 0).await, Ok(()));
    for (seconds, would) in [(0, false), (29, false), (30, true)] {
        assert_eq!(verifier.would_ask("token", at(seconds)).await, would, "{seconds} s");
    }
    assert!(verifier.would_ask("another", at(0)).await);
    let too_long = "a".repeat(TOKEN_MAX_BYTES + 1);
    assert!(!verifier.would_ask(&too_long, at(0)).await);
    assert_eq!(provider.requests(), 1, "to say so asks nobody");
}

#[tokio::test]
async fn good_answers_do_not_outlive_their_token() {
    let provider = answering(answer(&json!({ "exp": NOW + 7 }))).await;
    let verifier = verifier(&provider);
    assert_eq!(ask(&verifier, "token", 0).await, Ok(()));
    assert_eq!(ask(&verifier, "token", 6).await, Ok(()));
    assert_eq!(provider.requests(), 1);
    provider.reply(PATH, answer(&json!({ "active": false })));
    assert_eq!(ask(&verifier, "token", 7).await, Err(Fault::Inactive));
}

#[tokio::test]
async fn bad_answers_are_kept_for_ten_seconds() {
    let provider = answering(answer(&json!({ "active": false }))).await;
    let verifier = verifier(&provider);
    for (seconds, questions) in [(0, 1), (9, 1), (10, 2)] {
        assert_eq!(ask(&verifier, "token", seconds).await, Err(Fault::Inactive));
        assert_eq!(provider.requests(), questions, "{seconds} s");
    }
}

#[tokio::test]
async fn many_at_once_wait_for_one_answer() {
    let provider = answering(answer(&json!({}))).await;
    let verifier = verifier(&provider);
    let answers = join_all((0..200).map(|_| ask(&verifier, "token", 0))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(provider.requests(), 1);
    assert_eq!(ask(&verifier, "another", 0).await, Ok(()));
    assert_eq!(provider.requests(), 2, "another token, another question");
}

#[tokio::test]
async fn who_hangs_up_takes_no_answer_along() {
    let provider = answering(Reply::Silence).await;
    let verifier = verifier(&provider);
    let asked = async {
        while provider.requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = ask(&verifier, "token", 0) => panic!("{answer:?}"),
        () = asked => {}
    }
    provider.reply(PATH, answer(&json!({})));
    assert_eq!(ask(&verifier, "token", 0).await, Err(Fault::Unavailable), "the first answer");
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn a_silent_provider_is_left_alone_for_some_seconds() {
    let provider = answering(Reply::Silence).await;
    let verifier = verifier(&provider);
    assert_eq!(ask(&verifier, "first", 0).await, Err(Fault::Unavailable));
    for token in ["first", "second", "third"] {
        assert_eq!(ask(&verifier, token, 4).await, Err(Fault::Unavailable));
    }
    assert_eq!(provider.requests(), 1);
    provider.reply(PATH, answer(&json!({})));
    assert_eq!(ask(&verifier, "first", 10).await, Ok(()));
    assert_eq!(ask(&verifier, "second", 10).await, Ok(()));
}

#[tokio::test]
async fn a_token_that_the_provider_stumbles_over_closes_no_door() {
    let provider = answering(Reply::Status(500)).await;
    let verifier = verifier(&provider);
    assert_eq!(ask(&verifier, "poison", 0).await, Err(Fault::Unavailable));
    provider.reply(PATH, answer(&json!({})));
    assert_eq!(ask(&verifier, "good", 0).await, Ok(()));
    assert_eq!(ask(&verifier, "poison", 4).await, Err(Fault::Unavailable), "kept for five seconds");
    assert_eq!(ask(&verifier, "poison", 5).await, Ok(()));
}

#[tokio::test]
async fn a_flood_of_tokens_asks_a_bounded_number_at_once() {
    let provider = answering(Reply::Silence).await;
    let verifier = verifier(&provider);
    let tokens: Vec<String> = (0..500).map(|n| format!("token-{n}")).collect();
    let asking = join_all(tokens.iter().map(|token| ask(&verifier, token, 0)));
    let answers = tokio::time::timeout(Duration::from_secs(4), asking).await.expect("in time");
    assert!(answers.iter().all(|answer| *answer == Err(Fault::Unavailable)));
    assert!(provider.requests() <= QUESTIONS_MAX, "{}", provider.requests());
}

#[tokio::test]
async fn the_client_says_who_it_is_in_the_header() {
    let provider = answering(answer(&json!({}))).await;
    let verifier = verifier_with(&provider, ClientMethod::Basic, ("bo ards:1", "s%+é:&="));
    assert_eq!(ask(&verifier, "a+token/~==", 0).await, Ok(()));
    let seen = provider.seen(PATH).pop().expect("a question");
    // RFC 6749, section 2.3.1: form-encoded, then joined: `bo+ards%3A1:s%25%2B%C3%A9%3A%26%3D`.
    let basic = "Basic Ym8rYXJkcyUzQTE6cyUyNSUyQiVDMyVBOSUzQSUyNiUzRA==";
    assert_eq!(seen.authorization.as_deref(), Some(basic));
    assert_eq!(seen.body, "token=a%2Btoken%2F%7E%3D%3D&token_type_hint=access_token");
}

#[tokio::test]
async fn or_in_the_form() {
    let provider = answering(answer(&json!({}))).await;
    let verifier = verifier_with(&provider, ClientMethod::Post, ("boards", "s&c"));
    assert_eq!(ask(&verifier, "token", 0).await, Ok(()));
    let seen = provider.seen(PATH).pop().expect("a question");
    assert_eq!(seen.authorization, None);
    assert!(seen.body.ends_with("&client_id=boards&client_secret=s%26c"), "{}", seen.body);
}

#[tokio::test]
async fn long_tokens_are_asked_of_nobody() {
    let provider = answering(answer(&json!({}))).await;
    let long = "a".repeat(TOKEN_MAX_BYTES + 1);
    assert_eq!(ask(&verifier(&provider), &long, 0).await, Err(Fault::TooLong));
    assert_eq!(provider.requests(), 0);
}

#[test]
fn secrets_do_not_print() {
    let client = IntrospectionClient {
        client: client(),
        url: "https://id.example/introspect".parse().expect("a URL"),
        id: "boards".to_owned(),
        secret: "s3cr3t".into(),
        method: ClientMethod::Basic,
    };
    assert!(!format!("{client:?}").contains("s3cr3t"));
}
