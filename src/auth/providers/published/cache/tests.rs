//! When keys are fetched and how long they are believed, with a clock that the tests turn.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::auth::providers::{
    jwt::testing::Issuer,
    testing::{FakeProvider, Reply, at, client},
};

const ES256: JwtAlgorithm = JwtAlgorithm::Es256;
const HOUR: i64 = 3600;

fn issuer() -> Issuer {
    Issuer::new(ES256)
}

fn cache_of(provider: &FakeProvider) -> KeyCache {
    let source = KeySource::of(client(), &provider.url).expect("an issuer with a URL");
    KeyCache::new("test".into(), source)
}

fn keys(ids: &[&str], issuer: &Issuer) -> serde_json::Value {
    let keys: Vec<_> = ids.iter().map(|id| issuer.jwk(id)).collect();
    json!({ "keys": keys })
}

/// Whether there is a key of this id, so many seconds after the beginning.
async fn ask(cache: &KeyCache, id: &str, seconds: i64) -> Result<(), Fault> {
    cache.key(Some(id), ES256, at(seconds)).await.map(drop)
}

/// Waits until nothing is being fetched.
async fn settled(cache: &KeyCache) {
    let flight = running(&cache.state());
    if let Some(flight) = flight {
        landed(flight).await;
    }
}

#[tokio::test]
async fn nothing_is_fetched_before_the_first_token() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    assert_eq!(provider.requests(), 0);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    assert_eq!((provider.fetches(), provider.requests()), (1, 2), "keys and discovery");
}

#[tokio::test]
async fn keys_can_be_fetched_before_the_first_token() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    cache.prepare(at(0));
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn many_at_once_wait_for_one_fetch() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    let answers = join_all((0..200).map(|_| ask(&cache, "0", 0))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_in_thirty_seconds() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    for (seconds, fetches) in [(1, 2), (2, 2), (30, 2), (31, 3), (60, 3), (61, 4)] {
        let ids: Vec<String> = (0..200).map(|n| format!("{seconds}-{n}")).collect();
        let answers = join_all(ids.iter().map(|id| ask(&cache, id, seconds))).await;
        assert!(answers.iter().all(|answer| *answer == Err(Fault::Key)));
        assert_eq!(provider.fetches(), fetches, "{seconds} s");
    }
    assert_eq!(provider.seen("/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn an_unknown_key_at_the_very_first_is_not_fetched_twice() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    let answers = join_all((0..200).map(|_| ask(&cache, "x", 0))).await;
    assert!(answers.iter().all(|answer| *answer == Err(Fault::Key)));
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn who_hangs_up_takes_nobody_along() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    let mut first = Box::pin(ask(&cache, "0", 0));
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    assert_eq!(provider.fetches(), 1);
}

#[rstest]
#[case::as_it_says(Some(HOUR as u64), HOUR)]
#[case::at_least_a_minute(Some(0), 60)]
#[case::at_most_a_day(Some(1_000_000), 24 * HOUR)]
#[case::ten_minutes_if_it_says_nothing(None, 600)]
#[tokio::test]
async fn keys_are_current_for_as_long_as_the_answer_says(
    #[case] says: Option<u64>,
    #[case] age: i64,
) {
    let issuer = issuer();
    let provider = FakeProvider::start().await;
    provider.reply("/jwks", Reply::Json(keys(&["0"], &issuer), says));
    let cache = cache_of(&provider);
    for seconds in [0, age / 2, age * 3 / 4 - 1] {
        assert_eq!(ask(&cache, "0", seconds).await, Ok(()));
    }
    assert_eq!(provider.fetches(), 1);
    assert_eq!(ask(&cache, "0", age).await, Ok(()));
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test]
async fn ageing_keys_are_renewed_while_they_are_used() {
    let issuer = issuer();
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    provider.reply("/jwks", Reply::Silence);
    assert_eq!(ask(&cache, "0", 450).await, Ok(()), "nobody waits");
    settled(&cache).await;
    assert_eq!(provider.fetches(), 2);
    provider.publish(&[&issuer]);
    assert_eq!(ask(&cache, "0", 460).await, Ok(()));
    settled(&cache).await;
    assert_eq!(provider.fetches(), 3);
    assert_eq!(ask(&cache, "0", 900).await, Ok(()), "current for ten minutes more");
    assert_eq!(provider.fetches(), 3);
}

#[tokio::test]
async fn rotation_with_overlap_goes_unnoticed() {
    let issuer = issuer();
    let provider = FakeProvider::start().await;
    let publish = |ids: &[&str]| provider.reply("/jwks", Reply::Json(keys(ids, &issuer), Some(60)));
    publish(&["old"]);
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "old", 0).await, Ok(()));
    publish(&["old", "new"]);
    assert_eq!(ask(&cache, "new", 10).await, Ok(()), "signed with at once");
    assert_eq!(ask(&cache, "old", 11).await, Ok(()));
    publish(&["new"]);
    assert_eq!(ask(&cache, "old", 20).await, Ok(()), "within the cache's bound");
    assert_eq!(ask(&cache, "new", 70).await, Ok(()));
    assert_eq!(ask(&cache, "old", 71).await, Err(Fault::Key), "removed");
}

#[tokio::test]
async fn an_answer_without_a_usable_key_replaces_none() {
    for nothing in [json!({ "keys": [] }), json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })] {
        let provider = FakeProvider::publishing(&[&issuer()]).await;
        let cache = cache_of(&provider);
        assert_eq!(ask(&cache, "0", 0).await, Ok(()));
        provider.reply("/jwks", Reply::Json(nothing, None));
        assert_eq!(ask(&cache, "0", 600).await, Ok(()));
        settled(&cache).await;
        assert_eq!(ask(&cache, "0", 24 * HOUR + 60).await, Err(Fault::Unavailable));
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_for_some_seconds() {
    let issuer = issuer();
    let provider = FakeProvider::start().await;
    provider.reply("/jwks", Reply::Silence);
    let cache = cache_of(&provider);
    let started = std::time::Instant::now();
    let answers = join_all((0..200).map(|_| ask(&cache, "0", 0))).await;
    assert!(answers.iter().all(|answer| *answer == Err(Fault::Unavailable)));
    for _ in 0..200 {
        assert_eq!(ask(&cache, "0", 4).await, Err(Fault::Unavailable));
    }
    assert_eq!(provider.fetches(), 1);
    assert!(started.elapsed().as_secs() < 5, "nobody waits for what has just failed");
    provider.publish(&[&issuer]);
    assert_eq!(ask(&cache, "0", 5).await, Ok(()), "and then asked again");
}

#[tokio::test]
async fn keys_outlive_their_provider_for_a_day() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    provider.reply("/jwks", Reply::Status(500));
    for seconds in [HOUR, 12 * HOUR, 24 * HOUR - 1] {
        assert_eq!(ask(&cache, "0", seconds).await, Ok(()));
        assert_eq!(ask(&cache, "x", seconds).await, Err(Fault::Unavailable), "who knows");
        settled(&cache).await;
    }
    assert_eq!(ask(&cache, "0", 24 * HOUR + 60).await, Err(Fault::Unavailable));
}

#[tokio::test]
async fn an_unknown_key_cannot_be_judged_while_the_provider_is_down() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    provider.reply("/jwks", Reply::Status(503));
    for seconds in [1, 2, 10, 29] {
        assert_eq!(ask(&cache, "x", seconds).await, Err(Fault::Unavailable), "{seconds} s");
        assert_eq!(ask(&cache, "0", seconds).await, Ok(()), "what is known still is");
    }
    assert_eq!(provider.fetches(), 2);
}

#[rstest]
#[case::garbage(Reply::Raw(b"<html>".to_vec()))]
#[case::empty(Reply::Raw(Vec::new()))]
#[case::no_keys(Reply::Json(json!({}), None))]
#[case::a_list(Reply::Json(json!([]), None))]
#[case::keys_of_another_kind(Reply::Json(json!({ "keys": ["a"] }), None))]
#[case::none(Reply::Json(json!({ "keys": [] }), None))]
#[case::none_usable(Reply::Json(json!({ "keys": [{}] }), None))]
#[case::too_many(Reply::Json(json!({ "keys": vec![json!({}); 101] }), None))]
#[case::huge(Reply::Flood)]
#[case::slow(Reply::Trickle)]
#[case::silent(Reply::Silence)]
#[case::not_found(Reply::Status(404))]
#[case::no_content(Reply::Status(204))]
#[case::broken(Reply::Status(500))]
#[case::moved(Reply::Moved("/elsewhere".to_owned()))]
#[tokio::test]
async fn what_cannot_be_believed_counts_as_down(#[case] reply: Reply) {
    let issuer = issuer();
    for path in ["/jwks", "/.well-known/openid-configuration"] {
        let provider = FakeProvider::publishing(&[&issuer]).await;
        provider.reply("/elsewhere", Reply::Json(keys(&["0"], &issuer), None));
        provider.reply(path, reply.clone());
        assert_eq!(ask(&cache_of(&provider), "0", 0).await, Err(Fault::Unavailable), "{path}");
        assert!(provider.seen("/elsewhere").is_empty());
    }
}

#[tokio::test]
async fn the_discovery_document_must_be_the_issuers_own() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    for issuer in [format!("{}/", provider.url), "https://id.example".to_owned()] {
        let keys = format!("{}/jwks", provider.url);
        let document = json!({ "issuer": issuer, "jwks_uri": keys });
        provider.reply("/.well-known/openid-configuration", Reply::Json(document, None));
        assert_eq!(ask(&cache_of(&provider), "0", 0).await, Err(Fault::Unavailable), "{issuer}");
    }
    assert_eq!(provider.fetches(), 0);
}

#[tokio::test]
async fn keys_that_have_moved_are_found_again() {
    let issuer = issuer();
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    let document = json!({ "issuer": provider.url, "jwks_uri": format!("{}/new", provider.url) });
    provider.reply("/.well-known/openid-configuration", Reply::Json(document, None));
    provider.reply("/new", Reply::Json(keys(&["new"], &issuer), None));
    provider.reply("/jwks", Reply::Status(404));
    assert_eq!(ask(&cache, "new", 600).await, Err(Fault::Unavailable));
    settled(&cache).await;
    assert_eq!(ask(&cache, "0", 606).await, Ok(()), "meanwhile the old ones are used");
    settled(&cache).await;
    assert_eq!(ask(&cache, "new", 640).await, Ok(()));
}

#[tokio::test]
async fn a_clock_that_was_set_back_forgets() {
    let provider = FakeProvider::publishing(&[&issuer()]).await;
    let cache = cache_of(&provider);
    assert_eq!(ask(&cache, "0", 0).await, Ok(()));
    assert_eq!(ask(&cache, "0", -1).await, Ok(()), "another request's clock");
    assert_eq!(provider.fetches(), 1);
    assert_eq!(ask(&cache, "0", -HOUR).await, Ok(()));
    assert_eq!(provider.fetches(), 2);
}
