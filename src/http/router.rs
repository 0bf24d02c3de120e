//! The routes, and what every request goes through.

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware,
    response::Response,
    routing::{get, post},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use super::{
    HttpState,
    credentials::X_TENANT,
    error::refusal,
    graphql, health,
    local::only_local,
    origins::is_listed,
    playground,
    request_log::{X_REQUEST_ID, log_request},
    sse, storage, tenants, uploads, well_known,
};

/// Room in an upload for the fields beside the file.
const FORM_OVERHEAD: usize = 1024 * 1024;
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// Every route of the server.
pub fn router(state: HttpState) -> Router {
    let upload_limit = usize::try_from(state.settings.max_upload_bytes)
        .unwrap_or(usize::MAX)
        .saturating_add(FORM_OVERHEAD);
    let uploads = Router::new()
        .route("/api/uploads/artifact", post(uploads::artifact))
        .layer(DefaultBodyLimit::max(upload_limit));
    let mut router = Router::new()
        .route("/graphql", get(graphql::get).post(graphql::post))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/api/storage/{*key}", get(storage::get))
        .route("/api/sse/generations/{id}/progress", get(sse::progress))
        .merge(uploads)
        .merge(tenants::routes(&state));
    if state.settings.playground {
        router = router.merge(playground::routes());
    }
    router = router.fallback(not_found).layer(CatchPanicLayer::custom(panicked));
    if state.settings.local_only.is_some() {
        router = router.layer(middleware::from_fn_with_state(state.clone(), only_local));
    }
    router
        .layer(cors(&state.settings.cors_origins))
        .merge(well_known::routes())
        .layer(middleware::from_fn_with_state(state.clone(), log_request))
        .with_state(state)
}

async fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this address")
}

fn panicked(_cause: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Internal server error")
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.to_vec();
    let is_allowed = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| is_listed(origin, &origins))
    };
    let range: HeaderName = header::RANGE;
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST, Method::HEAD, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            X_TENANT,
            X_REQUEST_ID,
            range,
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}
