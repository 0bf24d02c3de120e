//! Progress of a generation as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Extension, Path, State},
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use chrono::{SecondsFormat, Utc};
use futures_util::{Stream, StreamExt};
use serde_json::json;
use uuid::Uuid;

use super::{
    HttpState, credentials,
    error::RestError,
    liveness::{Liveness, Standing},
    request_log::RequestFacts,
};
use crate::{
    audit::AuditEvent,
    domain::{GenerationId, GenerationStatus, TokenScope},
    error::Error,
    rate_limit::Points,
    store::Generation,
};

/// The name in the audit log: the route's.
const ACTION: &str = "/api/sse/generations/{id}/progress";
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// GET /api/sse/generations/{id}/progress: the present state, then each change, until the end.
pub(super) async fn progress(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, RestError> {
    let liveness = Liveness::open(&state);
    let credentials = credentials::from_headers(&headers, &facts);
    let caller = state.authenticate_with(&credentials, &facts).await?;
    state.charge(&facts, Points::PROGRESS)?;
    caller.require_scope(TokenScope::GenerationsRead)?;
    let id = Uuid::try_parse(&id).map_err(|_| Error::NotFound("Generation"))?;
    let id = GenerationId(id);
    caller.scope().generation(id).await?.ok_or(Error::NotFound("Generation"))?;
    let updates = caller.scope().watch_generation(id, caller.expires_at());
    let ended = liveness.ended(Arc::new(credentials), Standing::of(&caller));
    let stopping = state.stopping.clone();
    let refused = move |error: &Error| {
        let event = AuditEvent::new(ACTION).on("generation", id);
        state.note_refusal(&facts, event, error.code());
    };
    let events = updates
        .inspect(move |update| {
            if let Err(error) = update {
                refused(error);
            }
        })
        .take_while(|update| std::future::ready(update.is_ok()))
        .filter_map(|update| std::future::ready(update.ok()))
        .map(|generation| Ok(event(&generation)))
        .take_until(stopping.cancelled_owned())
        .take_until(Box::pin(ended));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")))
}

fn event(generation: &Generation) -> Event {
    let (status, phase) = match generation.status {
        GenerationStatus::Pending => ("queued", "queued"),
        GenerationStatus::Processing => ("processing", "processing"),
        GenerationStatus::Completed => ("completed", "completed"),
        GenerationStatus::Failed => ("failed", "failed"),
        GenerationStatus::Cancelled => ("cancelled", "cancelled"),
    };
    let body = json!({
        "jobId": generation.id,
        "status": status,
        "progress": generation.progress,
        "phase": phase,
        "message": generation.error_message,
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    Event::default().data(body.to_string())
}
