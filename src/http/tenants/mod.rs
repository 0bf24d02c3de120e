//! Tenants as a whole over REST: /api/setup for operators of the platform, /api/tenants/register for
//! everyone with a token.

mod answer;
mod body;
mod setup;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Extension, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use super::{HttpState, error::RestError, request_log::RequestFacts};
use crate::{
    audit::AuditEvent, auth::PlatformCaller, domain::TokenScope, error::Error,
    platform::Registrant, store::TenantRecord,
};

/// The routes, each answered within the time of a request.
pub(super) fn routes(state: &HttpState) -> Router<HttpState> {
    Router::new()
        .route("/api/setup/status", get(setup::status))
        .route("/api/setup/tenants", get(setup::list).post(setup::create))
        .route(
            "/api/setup/tenants/{tenant}",
            get(setup::tenant).patch(setup::update).delete(setup::delete),
        )
        .route("/api/tenants/register", post(register))
        .layer(DefaultBodyLimit::max(body::MAX_BYTES))
        .layer(middleware::from_fn_with_state(state.clone(), within_time))
}

async fn within_time(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(state.settings.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => RestError(Error::Timeout).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    name: String,
    slug: String,
}

impl HttpState {
    /// Puts what somebody did to a tenant as a whole into the audit log, however it ended.
    fn note_act(
        &self,
        action: &'static str,
        caller: &PlatformCaller,
        facts: &RequestFacts,
        outcome: &Result<TenantRecord, Error>,
    ) {
        facts.set_recorded();
        let event = AuditEvent::new(action).by(&caller.actor(&facts.origin));
        let event = match outcome {
            Ok(record) => event.on("tenant", record.tenant.id),
            Err(_) => event,
        };
        self.audit.record(event.with_outcome(outcome));
    }
}

/// POST /api/tenants/register: a tenant of the caller's own. A token that was granted scopes needs
/// `tenant:admin` among them.
async fn register(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, RestError> {
    let caller = state.authenticate_platform(&headers, &facts, TokenScope::TenantAdmin).await?;
    let body: RegisterBody = body::read(request).await?;
    if !caller.may_register(&body.slug) {
        return Err(Error::forbidden("register this tenant").into());
    }
    let registrant =
        Registrant { profile: caller.profile(), verified_email: caller.verified_email() };
    let outcome = state.platform.register(registrant, &body.name, &body.slug).await;
    state.note_act("platform.tenant.register", &caller, &facts, &outcome);
    let record = outcome?;
    Ok((StatusCode::CREATED, answer::tenant(&record)).into_response())
}
