//! Another server on this machine, which serves files and counts who asks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use tokio::{net::TcpListener, task::JoinHandle};

/// A running file server; it ends when this is dropped.
pub(crate) struct FileServer {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(serde::Deserialize)]
struct Target {
    to: String,
}

impl FileServer {
    /// Serves `/dot.png`, `/page.png` (HTML), `/huge` (a megabyte, without its length), `/declared`
    /// (the same, with it), `/slow` (never ends), `/moved?to=URL`, `/empty` and `/credentials` (the
    /// secret headers that it was sent).
    pub(crate) async fn start() -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let router = Router::new()
            .route("/dot.png", get(async || super::png(8, 8)))
            .route("/page.png", get(async || "<html><script>alert(1)</script></html>"))
            .route("/huge", get(async || Body::from_stream(kilobytes().take(1024))))
            .route("/declared", get(async || vec![b'x'; 1024 * 1024]))
            .route(
                "/slow",
                get(async || Body::from_stream(kilobytes().take(1).chain(stream::pending()))),
            )
            .route(
                "/moved",
                get(async |Query(target): Query<Target>| Redirect::temporary(&target.to)),
            )
            .route("/empty", get(async || ""))
            .route("/credentials", get(credentials))
            .layer(middleware::from_fn_with_state(Arc::clone(&requests), count));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn kilobytes() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::repeat_with(|| Ok(Bytes::from(vec![b'x'; 1024])))
}

async fn credentials(headers: HeaderMap) -> Response {
    let secret = [header::AUTHORIZATION, header::COOKIE, header::REFERER];
    let found: Vec<_> = secret.iter().filter(|name| headers.contains_key(*name)).collect();
    (StatusCode::OK, format!("secret headers: {}", found.len())).into_response()
}

async fn count(State(requests): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    requests.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}
