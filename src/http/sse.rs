//! Progress of a generation as server-sent events.

use std::{convert::Infallible, time::Duration};

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

use super::{HttpState, error::RestError, request_log::RequestFacts};
use crate::{domain::GenerationStatus, error::Error, store::Generation};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// GET /api/sse/generations/{id}/progress: the present state, then each change, until the end.
pub(super) async fn progress(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, RestError> {
    let caller = state.authenticate(&headers, &facts).await?;
    let id = Uuid::try_parse(&id).map_err(|_| Error::NotFound("Generation"))?.into();
    caller.scope().generation(id).await?.ok_or(Error::NotFound("Generation"))?;
    let updates = caller.scope().watch_generation(id, caller.expires_at());
    let stopping = state.stopping.clone();
    let events = updates
        .take_while(|update| std::future::ready(update.is_ok()))
        .filter_map(|update| std::future::ready(update.ok()))
        .map(|generation| Ok(event(&generation)))
        .take_until(stopping.cancelled_owned());
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
