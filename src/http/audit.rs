//! What the routes beside GraphQL put into the audit log: every refusal, under the name of the route.
//! What a handler records itself, it marks as recorded.

use axum::response::Response;

use super::{HttpState, error::RefusalCode, request_log::RequestFacts};
use crate::{
    audit::{AuditEvent, decision},
    domain::Decision,
};

impl HttpState {
    /// Records a refusal on its way out.
    pub(super) fn note_refused(&self, facts: &RequestFacts, route: &str, response: &Response) {
        if let Some(RefusalCode(code)) = response.extensions().get().copied()
            && !facts.is_recorded()
        {
            self.note_refusal(facts, AuditEvent::new(route.to_owned()), code);
        }
    }

    /// Records that something was refused with this code, if the code is one of a refusal.
    pub(super) fn note_refusal(&self, facts: &RequestFacts, event: AuditEvent, code: &'static str) {
        if decision(code, false) == Decision::Denied {
            self.audit.record(event.by(&facts.actor()).ended(Decision::Denied, code));
        }
    }
}
