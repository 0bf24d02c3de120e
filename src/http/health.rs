//! Whether the process serves, and whether it can do its work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{HttpState, error::refusal};

/// GET /health: the process serves.
pub(super) async fn health() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// GET /ready: the database answers and has every migration of this build.
pub(super) async fn ready(State(state): State<HttpState>) -> Response {
    match state.store.migration_status().await {
        Ok(migrations) if migrations.iter().all(|migration| migration.applied) => {
            Json(json!({ "status": "ready" })).into_response()
        }
        Ok(migrations) => {
            let missing = migrations.iter().filter(|migration| !migration.applied).count();
            let detail = format!("{missing} migrations are missing; run `boards migrate`");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "MIGRATIONS_MISSING", &detail)
        }
        Err(error) => {
            tracing::warn!(?error, "not ready");
            let detail = "The database does not answer";
            refusal(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", detail)
        }
    }
}
