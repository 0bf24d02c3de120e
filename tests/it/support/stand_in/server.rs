//! Connections, and the faults that happen to requests on them.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Request as HttpRequest, Response as HttpResponse, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::json as value;
use tokio::net::TcpListener;

use super::{
    fal,
    fault::{Fault, Kind},
    files, kie, openai, replicate,
    request::{Peer, Request, json},
    state::State,
};

/// Largest request.
const MOST_BYTES: usize = 512 << 20;

/// Serves until it is aborted.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    // Connections end with this.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((connection, peer)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |mut request: HttpRequest<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                answer(Arc::clone(&state), request)
            });
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// An error cuts the connection.
async fn answer(
    state: Arc<State>,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Body>, io::Error> {
    let kind = kind(request.method().as_str(), request.uri().path());
    let fault = state.faults.next(kind);
    if matches!(fault, Some(Fault::CutBefore)) {
        return Err(cut());
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), MOST_BYTES).await.map_err(|_| cut())?;
    match fault {
        Some(Fault::Status(status, body)) => return Ok(json(status, body)),
        Some(Fault::TooMany(pause)) => {
            let mut answer = json(429, value!({ "detail": "too many" }));
            answer.headers_mut().insert(RETRY_AFTER, pause.parse().expect("a header"));
            return Ok(answer);
        }
        _ => {}
    }
    let answer = act(&state, parts, body).await;
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::CutAfter) => Err(cut()),
        Some(Fault::CutInside) => {
            let begun = stream::iter([Ok(Bytes::from_static(b"{\"reque")), Err(cut())]);
            // The first part must have left before the connection is cut.
            let paced = begun.then(async |part| {
                tokio::time::sleep(Duration::from_millis(20)).await;
                part
            });
            Ok(Response::new(Body::from_stream(paced)))
        }
        Some(Fault::Garbage) => Ok("<html>It works!</html>".into_response()),
        Some(Fault::Huge) => {
            let endless =
                stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 65536])));
            Ok(Response::new(Body::from_stream(endless)))
        }
        _ => Ok(answer),
    }
}

fn cut() -> io::Error {
    io::Error::other("cut on demand")
}

fn kind(method: &str, path: &str) -> Kind {
    let part = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match part {
        "files" => Kind::File,
        "fal-rest" if path.ends_with("/token") => Kind::Token,
        "fal-rest" | "fal-cdn" | "kie-files" => Kind::Upload,
        "replicate" if path.ends_with("/files") => Kind::Upload,
        _ if path.ends_with("/cancel") => Kind::Cancel,
        "fal" if method == "GET" && path.ends_with("/status") => Kind::Status,
        "fal" if method == "GET" => Kind::Result,
        _ if method == "GET" => Kind::Status,
        _ => Kind::Submit,
    }
}

async fn act(state: &State, parts: axum::http::request::Parts, body: Bytes) -> Response {
    let (part, request) = Request::new(parts, body);
    match part.as_str() {
        "files" => files::answer(state, &request),
        "fal" => fal::answer(state, &request),
        "fal-rest" => fal::answer_rest(state, &request),
        "fal-cdn" => fal::answer_store(state, &request),
        "replicate" => replicate::answer(state, &request).await,
        "openai" => openai::answer(state, &request).await,
        "kie" => kie::answer(state, &request),
        "kie-files" => kie::answer_files(state, &request).await,
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
