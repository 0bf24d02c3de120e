//! When a token was last used is known to the minute, at no cost to requests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{LIST, ME, Made, make};
use crate::support::{Client, TestApp, eventually, text};

async fn last_use(caller: &Client, made: &Made) -> Option<DateTime<Utc>> {
    let data = caller.data(LIST, json!({})).await;
    let list = data["accessTokens"].as_array().expect("a list").clone();
    let row = list.into_iter().find(|row| row["id"] == made.id).expect("it is listed");
    (row["lastUsedAt"] != Value::Null).then(|| text(&row["lastUsedAt"]).parse().expect("a time"))
}

/// A hundred requests are a hundred reads; the one write comes when the server stops.
#[tokio::test]
async fn no_write_for_a_request() {
    let mut app = TestApp::start().await;
    let ada = app.user("ada");
    let made = make(&ada, &["boards:read"], json!({})).await;
    let unused = make(&ada, &["boards:read"], json!({})).await;
    let script = made.client(&ada);
    let (before, started) = (app.store().statement_count(), Utc::now());
    for _ in 0..100 {
        script.data(ME, json!({})).await;
    }
    assert_eq!(app.store().statement_count() - before, 100);
    assert_eq!(last_use(&ada, &made).await, None, "nothing is written yet");
    let ended = Utc::now();
    app.stop().await;
    let next = TestApp::builder().beside(&app).start().await;
    let ada = next.user("ada");
    let used = last_use(&ada, &made).await.expect("it was written when the server stopped");
    assert!((started..=ended).contains(&used), "{started} {used} {ended}");
    assert_eq!(last_use(&ada, &unused).await, None);
}

#[tokio::test]
async fn written_regularly() {
    let app = TestApp::builder().token_use_interval(Duration::from_millis(20)).start().await;
    let ada = app.user("ada");
    let (first, second) = (
        make(&ada, &["boards:read"], json!({})).await,
        make(&ada, &["boards:read"], json!({})).await,
    );
    first.client(&ada).id().await;
    let used = eventually("it is written", async || last_use(&ada, &first).await).await;
    second.client(&ada).id().await;
    first.client(&ada).id().await;
    let later = eventually("it is written again", async || {
        last_use(&ada, &first).await.filter(|later| *later > used)
    })
    .await;
    let other = eventually("of each token", async || last_use(&ada, &second).await).await;
    assert!((later - other).abs() < TimeDelta::minutes(1));
}

#[tokio::test]
async fn what_was_refused_is_no_use() {
    let app = TestApp::builder().token_use_interval(Duration::from_millis(20)).start().await;
    let ada = app.user("ada");
    let expired = make(&ada, &["boards:read"], json!({})).await;
    super::set_time(&app, &expired.id, "expires_at", -1).await;
    super::assert_refused(&expired.client(&ada)).await;
    let good = make(&ada, &["boards:read"], json!({})).await;
    good.client(&ada).id().await;
    eventually("the other's is written", async || last_use(&ada, &good).await).await;
    assert_eq!(last_use(&ada, &expired).await, None);
}
