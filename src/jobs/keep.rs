//! What a run made is fetched and stored: the artifact that was asked for, those that become generations of
//! their own beside it, and the files beside each.

use serde_json::{Value, json};
use uuid::Uuid;

use super::run::Stop;
use crate::{
    artifacts::{Artifacts, FetchError, Place, StoredArtifact},
    domain::{ArtifactType, GenerationId, JsonObject},
    generators::{AdditionalOutput, Artifact, Content, Made},
    store::{FinishedArtifact, Generation, Sibling},
};

/// Artifacts of one run at most.
const ARTIFACTS_MAX: usize = 64;
/// Files beside one artifact at most.
const ADDITIONAL_MAX: usize = 16;

/// All that a run made, stored.
pub(super) struct Kept {
    pub(super) artifact: FinishedArtifact,
    pub(super) siblings: Vec<Sibling>,
}

/// Where the files of a generation are.
pub(super) fn place_of(generation: &Generation) -> Place {
    Place { tenant: generation.tenant, board: generation.board, generation: generation.id }
}

/// Stores all that a run made.
pub(super) async fn keep(
    artifacts: &Artifacts,
    generation: &Generation,
    artifact_type: ArtifactType,
    made: Made,
) -> Result<Kept, Stop> {
    let size = made.artifacts.len();
    if size > ARTIFACTS_MAX {
        return Err(Stop::Failed(format!(
            "The generator made more than {ARTIFACTS_MAX} artifacts"
        )));
    }
    let mut kept = Vec::with_capacity(size);
    for (index, artifact) in made.artifacts.into_iter().enumerate() {
        let id =
            if index == 0 { generation.id } else { sibling_id(generation.id, artifact.position) };
        let place = Place { generation: id, ..place_of(generation) };
        let batch = (size > 1).then(|| batch_facts(generation.id, artifact.position, size));
        let own = generation.output_metadata.value().as_object().cloned().unwrap_or_default();
        let stored = keep_one(artifacts, place, artifact_type, artifact, own, batch).await;
        match stored {
            Ok(artifact) => kept.push(Sibling { id, artifact }),
            Err(stop) => {
                forget(artifacts, generation, &kept).await;
                return Err(stop);
            }
        }
    }
    let mut kept = kept.into_iter();
    let first = kept.next().ok_or_else(|| Stop::Failed("The generator made nothing".to_owned()))?;
    Ok(Kept { artifact: first.artifact, siblings: kept.collect() })
}

/// Deletes the files of artifacts that became no generations.
pub(super) async fn forget(artifacts: &Artifacts, generation: &Generation, siblings: &[Sibling]) {
    for sibling in siblings.iter().filter(|sibling| sibling.id != generation.id) {
        artifacts.delete_generation(Place { generation: sibling.id, ..place_of(generation) }).await;
    }
}

/// The same whenever the run is repeated, so that it stores its files in the same places.
fn sibling_id(generation: GenerationId, position: usize) -> GenerationId {
    Uuid::new_v5(&generation.0, format!("output {position}").as_bytes()).into()
}

fn batch_facts(generation: GenerationId, position: usize, size: usize) -> JsonObject {
    let mut facts = JsonObject::new();
    facts.insert("batch_id".to_owned(), json!(generation));
    facts.insert("batch_index".to_owned(), json!(position));
    facts.insert("batch_size".to_owned(), json!(size));
    facts
}

async fn keep_one(
    artifacts: &Artifacts,
    place: Place,
    artifact_type: ArtifactType,
    artifact: Artifact,
    mut output_metadata: JsonObject,
    batch: Option<JsonObject>,
) -> Result<FinishedArtifact, Stop> {
    let stored = keep_content(artifacts, place, artifact_type, artifact.content).await?;
    // What was measured is believed more than what was announced.
    output_metadata.extend(artifact.metadata);
    output_metadata.extend(stored.facts);
    output_metadata.extend(batch.unwrap_or_default());
    let mut additional_files = Vec::new();
    for (number, file) in artifact.additional.into_iter().take(ADDITIONAL_MAX).enumerate() {
        additional_files.push(keep_additional(artifacts, place, number, file).await?);
    }
    Ok(FinishedArtifact {
        storage_url: stored.storage_url,
        thumbnail_url: stored.thumbnail_url,
        output_metadata,
        additional_files,
    })
}

async fn keep_content(
    artifacts: &Artifacts,
    place: Place,
    artifact_type: ArtifactType,
    content: Content,
) -> Result<StoredArtifact, Stop> {
    match content {
        Content::Bytes(bytes) => Ok(artifacts.keep_output(place, artifact_type, bytes).await?),
        Content::Url { url, trusted } => {
            let incoming =
                artifacts.fetch_output(&url, trusted.as_ref()).await.map_err(unfetched)?;
            Ok(artifacts.keep(place, artifact_type, &incoming).await?)
        }
    }
}

async fn keep_additional(
    artifacts: &Artifacts,
    place: Place,
    number: usize,
    file: AdditionalOutput,
) -> Result<Value, Stop> {
    let incoming = match file.content {
        Content::Bytes(bytes) => {
            let chunk = futures_util::stream::iter([Ok(bytes)]);
            artifacts.receive(chunk).await?
        }
        Content::Url { url, trusted } => {
            artifacts.fetch_output(&url, trusted.as_ref()).await.map_err(unfetched)?
        }
    };
    let (url, facts) = artifacts.keep_additional(place, number, &incoming).await?;
    let mut metadata = file.metadata;
    metadata.extend(facts);
    Ok(json!({ "type": file.kind, "url": url, "metadata": metadata }))
}

/// What a provider has made can be fetched again, as long as it keeps it.
fn unfetched(error: FetchError) -> Stop {
    let message = |what: &str| format!("What the provider made could not be fetched: {what}");
    match error {
        FetchError::Internal(cause) => Stop::Broken(crate::error::Error::Internal(cause)),
        FetchError::Unreachable | FetchError::TimedOut | FetchError::Status(429 | 500..) => {
            Stop::Passing { message: message(&error.to_string()), retry_after: None }
        }
        error => Stop::Failed(message(&error.to_string())),
    }
}
