//! Uploads: what a person says about a file, checked, and the file with its row.

use serde_json::{Value, json};

use crate::{
    artifacts::{Artifacts, Incoming, Place},
    domain::{ArtifactType, GenerationId, JsonObject, Validator},
    error::{Error, Result},
    store::{AuthorizedBoard, Generation, LineageEntry, NewUpload, Scope},
};

const FILENAME_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 10_000;

/// What a person says about a file, unchecked.
#[derive(Clone, Debug)]
pub struct UploadDetails {
    /// What it is said to be.
    pub artifact_type: ArtifactType,
    /// Its name where it came from.
    pub original_filename: Option<String>,
    /// What it shows.
    pub user_description: Option<String>,
    /// The generation that it was made from.
    pub parent: Option<GenerationId>,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub struct CheckedUpload {
    artifact_type: ArtifactType,
    input_params: JsonObject,
    parent: Option<LineageEntry>,
}

impl UploadDetails {
    /// Checks the texts, and the parent as if the caller had asked to see it. Arguments are named
    /// with `prefix` in errors.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Forbidden`] for the parent, [`Error::BadUserInput`].
    pub async fn check(self, prefix: &str, scope: &Scope) -> Result<CheckedUpload> {
        let parent = match self.parent {
            Some(id) => {
                let parent = scope.generation(id).await?.ok_or(Error::NotFound("Generation"))?;
                Some(LineageEntry {
                    generation: parent.id,
                    role: "parent".to_owned(),
                    artifact_type: parent.artifact_type,
                })
            }
            None => None,
        };
        let mut validator = Validator::new();
        let mut input_params = JsonObject::new();
        let mut keep = |name: &str, argument: &str, value: Option<String>, max: usize| {
            let path = format!("{prefix}{argument}");
            let text = value.and_then(|text| validator.optional_text(&path, &text, max));
            if let Some(text) = text {
                input_params.insert(name.to_owned(), Value::from(text));
            }
        };
        keep("original_filename", "originalFilename", self.original_filename, FILENAME_MAX);
        keep("user_description", "userDescription", self.user_description, DESCRIPTION_MAX);
        validator.finish()?;
        Ok(CheckedUpload { artifact_type: self.artifact_type, input_params, parent })
    }
}

/// Stores a file that came in and writes its row. When the row cannot be written, the file goes.
/// Once begun this goes on to its end, even when the caller has gone away.
///
/// # Errors
/// [`Error::UnsupportedMedia`] when the file is not of the kind it is said to be.
pub async fn store_upload(
    artifacts: &Artifacts,
    board: AuthorizedBoard,
    upload: CheckedUpload,
    incoming: Incoming,
) -> Result<Generation> {
    let artifacts = artifacts.clone();
    let stored = tokio::spawn(async move {
        let place = Place {
            tenant: board.board().tenant,
            board: board.board().id,
            generation: GenerationId::new(),
        };
        let result = keep(&artifacts, &board, place, upload, &incoming).await;
        if result.is_err() {
            artifacts.delete_generation(place).await;
        }
        result
    });
    stored.await.map_err(Error::internal)?
}

async fn keep(
    artifacts: &Artifacts,
    board: &AuthorizedBoard,
    place: Place,
    upload: CheckedUpload,
    incoming: &Incoming,
) -> Result<Generation> {
    let stored = artifacts.keep(place, upload.artifact_type, incoming).await?;
    let new = NewUpload {
        id: place.generation,
        artifact_type: upload.artifact_type,
        storage_url: stored.storage_url,
        thumbnail_url: stored.thumbnail_url,
        input_params: upload.input_params,
        output_metadata: stored.facts,
        parent: upload.parent,
    };
    board.add_upload(new).await
}

/// The answer of POST /api/uploads/artifact, as existing front ends expect it.
#[must_use]
pub fn upload_answer(artifacts: &Artifacts, generation: &Generation) -> Value {
    let link =
        |stored: &Option<String>| stored.as_deref().map(|stored| artifacts.links().link(stored));
    json!({
        "id": generation.id,
        "status": generation.status.as_str(),
        "storageUrl": link(&generation.storage_url),
        "thumbnailUrl": link(&generation.thumbnail_url),
        "artifactType": generation.artifact_type,
        "generatorName": generation.generator_name,
    })
}
