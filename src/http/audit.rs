//! What the routes beside GraphQL put into the audit log: every refusal, under the name of the route.
//! What a handler records itself, it marks as recorded.

use axum::{
    Extension,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};

use super::{HttpState, error::RefusalCode, request_log::RequestFacts};
use crate::{
    audit::{AuditEvent, decision},
    domain::Decision,
};

/// Where no route matched.
const NO_ROUTE: &str = "(none)";

/// Records a refusal on its way out.
pub(super) async fn record_refusal(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    if let Some(RefusalCode(code)) = response.extensions().get().copied()
        && !facts.is_recorded()
    {
        let route = route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.as_str().to_owned());
        state.note_refusal(&facts, AuditEvent::new(route), code);
    }
    response
}

impl HttpState {
    /// Records that something was refused with this code, if the code is one of a refusal.
    pub(super) fn note_refusal(&self, facts: &RequestFacts, event: AuditEvent, code: &'static str) {
        if decision(code, false) == Decision::Denied {
            self.audit.record(event.by(&facts.actor()).ended(Decision::Denied, code));
        }
    }
}
