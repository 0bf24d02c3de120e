//! An identity provider for the tests: on this machine, with answers that a test can change, and
//! counting who asks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{client::ProviderClient, jwt::testing::Issuer, locked};

/// The time of all tests.
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_secs(NOW + seconds).expect("a date")
}

/// How an address answers.
#[derive(Clone)]
pub(super) enum Reply {
    /// This document, current for so many seconds if it says.
    Json(Value, Option<u64>),
    /// These bytes.
    Raw(Vec<u8>),
    /// This status and nothing else.
    Status(u16),
    /// A redirect to where the good answer is.
    Moved(String),
    /// Nothing, ever.
    Silence,
    /// A body that begins and never ends.
    Trickle,
    /// A body that has no end.
    Flood,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<Seen>>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) body: String,
}

/// A running provider; it is gone when this is dropped.
pub(super) struct FakeProvider {
    pub(super) url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FakeProvider {
    /// With a discovery document that names `/jwks`, where there is nothing yet.
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        let this = Self { url, shared, task };
        let document = json!({ "issuer": this.url, "jwks_uri": format!("{}/jwks", this.url) });
        this.reply("/.well-known/openid-configuration", Reply::Json(document, None));
        this
    }

    /// The same, with these keys published under the ids `0`, `1` and so on.
    pub(super) async fn publishing(issuers: &[&Issuer]) -> Self {
        let this = Self::start().await;
        this.publish(issuers);
        this
    }

    pub(super) fn publish(&self, issuers: &[&Issuer]) {
        let keys = issuers.iter().enumerate().map(|(id, issuer)| issuer.jwk(&id.to_string()));
        self.reply("/jwks", Reply::Json(json!({ "keys": keys.collect::<Vec<_>>() }), None));
    }

    pub(super) fn reply(&self, path: &str, reply: Reply) {
        locked(&self.shared.replies).insert(path.to_owned(), reply);
    }

    /// What has come to a path.
    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        let requests = locked(&self.shared.requests);
        requests.iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// How many requests have come to the keys.
    pub(super) fn fetches(&self) -> usize {
        self.seen("/jwks").len()
    }

    /// How many requests have come to any path.
    pub(super) fn requests(&self) -> usize {
        locked(&self.shared.requests).len()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.expect("a small body");
    let path = parts.uri.path().to_owned();
    let reply = locked(&shared.replies).get(&path).cloned();
    locked(&shared.requests).push(Seen {
        path,
        authorization: text_of(&parts.headers, &header::AUTHORIZATION),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    match reply.unwrap_or(Reply::Status(404)) {
        Reply::Json(document, None) => axum::Json(document).into_response(),
        Reply::Json(document, Some(age)) => {
            let age = HeaderValue::try_from(format!("public, max-age={age}")).expect("a header");
            ([(header::CACHE_CONTROL, age)], axum::Json(document)).into_response()
        }
        Reply::Raw(bytes) => bytes.into_response(),
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Moved(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Reply::Silence => std::future::pending().await,
        Reply::Trickle => body_of(Some(1)),
        Reply::Flood => body_of(None),
    }
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// So many kilobytes and then silence, or kilobytes for ever.
fn body_of(kilobytes: Option<usize>) -> Response {
    use futures_util::{StreamExt, stream};
    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024]));
    let chunks = stream::repeat_with(chunk);
    match kilobytes {
        Some(count) => Body::from_stream(chunks.take(count).chain(stream::pending())),
        None => Body::from_stream(chunks),
    }
    .into_response()
}

/// A client that loses patience soon, so that tests do not wait for long.
pub(super) fn client() -> ProviderClient {
    ProviderClient::new(Duration::from_millis(500)).expect("a client")
}
