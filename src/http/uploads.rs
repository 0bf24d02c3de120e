//! POST /api/uploads/artifact: a file as multipart/form-data, streamed to disk.

use axum::{
    Json,
    extract::{
        Extension, Multipart, State,
        multipart::{Field, MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode},
};
use futures_util::TryStreamExt;
use serde_json::Value;
use uuid::Uuid;

use super::{HttpState, error::RestError, request_log::RequestFacts};
use crate::{
    artifacts::Incoming,
    audit::{Act, AuditEvent, decision},
    auth::AuthContext,
    domain::{ArtifactType, BoardId, GenerationId, Permission, TokenScope},
    error::{Error, Result},
    jobs::{UploadDetails, store_upload, upload_answer},
    rate_limit::Points,
    store::Scope,
};

/// Bytes of a field that is not the file.
const FIELD_MAX: usize = 64 * 1024;
/// Parts of a form: more than there are names is no upload of ours.
const PARTS_MAX: usize = 16;

/// The form as far as it has been read; fields may come in any order.
#[derive(Default)]
struct Form {
    board: Option<BoardId>,
    artifact_type: Option<String>,
    user_description: Option<String>,
    parent: Option<String>,
    file: Option<Incoming>,
    filename: Option<String>,
    files: usize,
}

pub(super) async fn artifact(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, RestError> {
    let caller = state.authenticate(&headers, &facts).await?;
    state.charge(&facts, Points::UPLOAD)?;
    facts.set_recorded();
    let mut act = state.audit.begin(AuditEvent::new("uploadArtifact").by(&facts.actor()));
    let outcome = receive(&state, &caller, form, &mut act).await;
    match &outcome {
        Ok(_) => act.done(),
        Err(error) => act.ended(decision(error.code(), true), error.code()),
    }
    Ok(Json(outcome?))
}

async fn receive(
    state: &HttpState,
    caller: &AuthContext,
    form: Result<Multipart, MultipartRejection>,
    act: &mut Act,
) -> Result<Value> {
    let scope = caller.scope();
    scope.user()?;
    caller.require_scope(TokenScope::GenerationsWrite)?;
    let form = form
        .map_err(|_| Error::UnsupportedMedia("Send the file as multipart/form-data".to_owned()))?;
    let form = Form::read(state, scope, form, act).await?;
    let board = form.board.ok_or_else(|| missing("board_id"))?;
    let board = scope.authorize_board(board, Permission::Create).await?;
    // The caller may add to the board: only now is the rest of the form judged.
    let parent = form.parent.filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| uuid("parent_generation_id", &parent)).transpose()?;
    let details = UploadDetails {
        artifact_type: artifact_type(&form.artifact_type.ok_or_else(|| missing("artifact_type"))?)?,
        original_filename: form.filename,
        user_description: form.user_description,
        parent: parent.map(GenerationId),
    };
    let checked = details.check("", scope).await?;
    if form.files > 1 {
        return Err(Error::bad_input("file", "Send one file"));
    }
    let incoming = form.file.ok_or_else(|| missing("file"))?;
    let generation = store_upload(&state.artifacts, board, checked, incoming).await?;
    act.on("generation", generation.id);
    Ok(upload_answer(&state.artifacts, &generation))
}

impl Form {
    async fn read(
        state: &HttpState,
        scope: &Scope,
        mut parts: Multipart,
        act: &mut Act,
    ) -> Result<Self> {
        let mut form = Self::default();
        let mut count = 0;
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            count += 1;
            if count > PARTS_MAX {
                return Err(Error::bad_input("form", "The form has too many parts"));
            }
            form.take(state, scope, part, act).await?;
        }
        Ok(form)
    }

    async fn take(
        &mut self,
        state: &HttpState,
        scope: &Scope,
        part: Field<'_>,
        act: &mut Act,
    ) -> Result<()> {
        match part.name().unwrap_or_default() {
            "board_id" => {
                let board = BoardId(uuid("board_id", &text(part).await?)?);
                act.on("board", board);
                // Where the board is known before the file, one who may not add to it need not
                // send the file.
                scope.authorize_board(board, Permission::Create).await?;
                self.board = Some(board);
            }
            "artifact_type" => self.artifact_type = Some(text(part).await?),
            "user_description" => self.user_description = Some(text(part).await?),
            "parent_generation_id" => self.parent = Some(text(part).await?),
            "file" if self.file.is_some() => self.files += 1,
            "file" => {
                self.files += 1;
                self.filename = part.file_name().map(str::to_owned);
                self.file = Some(state.artifacts.receive(part.map_err(broken)).await?);
            }
            _ => drop(text(part).await?),
        }
        Ok(())
    }
}

async fn text(mut part: Field<'_>) -> Result<String> {
    let name = part.name().unwrap_or("form").chars().take(50).collect::<String>();
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > FIELD_MAX {
            return Err(Error::bad_input(&name, format!("{name} is too long")));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| Error::bad_input(&name, format!("{name} is not UTF-8")))
}

fn uuid(name: &str, text: &str) -> Result<Uuid> {
    Uuid::try_parse(text.trim())
        .map_err(|_| Error::bad_input(name, format!("{name} must be a UUID")))
}

fn artifact_type(text: &str) -> Result<ArtifactType> {
    text.trim().parse().map_err(|()| {
        let names = ArtifactType::ALL.map(ArtifactType::as_str).join(", ");
        Error::bad_input("artifact_type", format!("artifact_type must be one of {names}"))
    })
}

fn missing(name: &str) -> Error {
    Error::bad_input(name, format!("{name} is required"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge("The upload is too large".to_owned())
    } else {
        Error::bad_input("form", "The form is malformed or broke off")
    }
}
