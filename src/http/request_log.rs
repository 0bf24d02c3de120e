//! One log line for each request, with an id that the client gave or gets. No token, no query
//! string (links are signed there) and no variable reaches it.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{auth::AuthContext, graphql::RequestLabel};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 128;

/// What handlers find out about a request for its log line.
#[derive(Clone, Default)]
pub(super) struct RequestFacts {
    caller: Arc<OnceLock<Caller>>,
    pub(super) operation: RequestLabel,
}

struct Caller {
    tenant: String,
    user: Option<Uuid>,
}

impl RequestFacts {
    pub(super) fn set_caller(&self, caller: &AuthContext) {
        let user = caller.user().map(|user| user.id.into());
        let _ = self.caller.set(Caller { tenant: caller.tenant().slug.clone(), user });
    }
}

/// Logs a request when it has been answered.
pub(super) async fn log_request(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let facts = RequestFacts::default();
    request.extensions_mut().insert(facts.clone());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = %id);
    async move {
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        let caller = facts.caller.get();
        tracing::info!(
            %method,
            route,
            tenant = caller.map(|caller| caller.tenant.as_str()),
            user = caller.and_then(|caller| caller.user).map(tracing::field::display),
            operation = facts.operation.get(),
            status = response.status().as_u16(),
            duration_ms = started.elapsed().as_secs_f64() * 1_000.0,
            "request"
        );
        response
    }
    .instrument(span)
    .await
}

/// The client's id if it is harmless, otherwise a new one.
fn request_id(request: &Request) -> String {
    let harmless = |id: &&str| {
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    request
        .headers()
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(harmless)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
