//! Generations that people bring instead of having them made.

use sea_orm::{ActiveValue::Set, prelude::Decimal};
use serde_json::Value;

use super::{AuthorizedBoard, Generation, LineageEntry, now};
use crate::{
    domain::{ArtifactType, GenerationId, GenerationStatus, JsonObject},
    error::Result,
};

/// An artifact whose file is stored already.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The id under which the file was stored.
    pub id: GenerationId,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// Where the file is.
    pub storage_url: String,
    /// Where the thumbnail is.
    pub thumbnail_url: Option<String>,
    /// What the user said of it.
    pub input_params: JsonObject,
    /// Facts about the file.
    pub output_metadata: JsonObject,
    /// The generation that it was made from.
    pub parent: Option<LineageEntry>,
}

impl AuthorizedBoard {
    /// Writes the row of an uploaded artifact.
    ///
    /// # Errors
    /// [`crate::error::Error::NotFound`] when the board or the parent was deleted meanwhile.
    pub async fn add_upload(&self, upload: NewUpload) -> Result<Generation> {
        let now = now();
        let inputs: Vec<LineageEntry> = upload.parent.into_iter().collect();
        let name = format!("user-upload-{}", upload.artifact_type);
        let mut row =
            self.new_row(upload.id, name, upload.artifact_type, upload.input_params, &inputs, now)?;
        row.status = Set(GenerationStatus::Completed.as_str().to_owned());
        row.progress = Set(Decimal::ONE);
        row.storage_url = Set(Some(upload.storage_url));
        row.thumbnail_url = Set(upload.thumbnail_url);
        row.output_metadata = Set(Value::Object(upload.output_metadata));
        row.started_at = Set(Some(now));
        row.completed_at = Set(Some(now));
        let transaction = self.scope.store().begin().await?;
        let row = self.insert_generation(&transaction, row, &inputs).await?;
        transaction.commit().await?;
        self.scope.publish_generation(self.board.id, upload.id);
        row.try_into()
    }
}
