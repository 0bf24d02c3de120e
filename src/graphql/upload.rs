//! Uploading an artifact by URL.

use async_graphql::{Context, InputObject, Object, Result};
use uuid::Uuid;

use super::{
    access::{BoardPermission, Caller, SignedIn, access, granted},
    arguments::ArtifactType,
    auditing::Trail,
    generation::GenerationObject,
    session::Session,
};
use crate::{
    artifacts::Artifacts,
    domain::{GenerationId, Permission, TokenScope},
    error::Error,
    jobs::{UploadDetails, store_upload},
};

/// An artifact to be fetched and put on a board.
#[derive(InputObject)]
struct UploadArtifactInput {
    /// Id of the board.
    board_id: Uuid,
    /// Kind of the artifact.
    artifact_type: ArtifactType,
    /// Where to fetch the file, by http or https from the public internet. Files of one's own are
    /// sent to POST /api/uploads/artifact.
    file_url: Option<String>,
    /// Name of the file, for people.
    original_filename: Option<String>,
    /// What the file shows.
    user_description: Option<String>,
    /// Id of the generation that the artifact was made from.
    parent_generation_id: Option<Uuid>,
}

#[derive(Default)]
pub(super) struct UploadMutations;

#[Object]
impl UploadMutations {
    /// Fetches a file by its URL and puts it on a board as a completed generation.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Create),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn upload_artifact(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The artifact.")] input: UploadArtifactInput,
    ) -> Result<GenerationObject> {
        let scope = Session::scope_of(context)?;
        let artifacts = context.data::<Artifacts>()?;
        let board = scope.authorize_board(input.board_id.into(), Permission::Create).await?;
        let details = UploadDetails {
            artifact_type: input.artifact_type.into(),
            original_filename: input.original_filename,
            user_description: input.user_description,
            parent: input.parent_generation_id.map(GenerationId),
        };
        let checked = details.check("input.", scope).await?;
        let url = input
            .file_url
            .ok_or_else(|| Error::bad_input("input.fileUrl", "fileUrl is required"))?;
        let incoming = artifacts.fetch(&url, "input.fileUrl").await?;
        match store_upload(artifacts, board, checked, incoming).await {
            Ok(generation) => {
                Trail::made(context, "generation", generation.id);
                Ok(generation.into())
            }
            Err(Error::UnsupportedMedia(message)) => {
                Err(Error::bad_input("input.artifactType", message).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
