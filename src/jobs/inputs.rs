//! The artifacts that a run reads, as far as its creator may still see them.

use std::collections::HashMap;

use serde_json::Value;

use super::{request::facts_of, run::Stop};
use crate::{
    artifacts::Artifacts,
    domain::{GenerationId, JsonObject},
    generators::{ArtifactFacts, Entry, InputArtifact},
    store::Scope,
};

/// Bytes of all artifacts that one run reads.
const MAX_INPUT_BYTES: u64 = 512 * 1024 * 1024;

/// The artifacts that a run reads, and what is known of them.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) artifacts: HashMap<GenerationId, InputArtifact>,
    pub(super) facts: ArtifactFacts,
}

/// The artifacts that the parameters name.
pub(super) async fn read(
    artifacts: &Artifacts,
    entry: &Entry,
    params: &JsonObject,
    scope: &Scope,
) -> Result<Inputs, Stop> {
    let references = entry.schema.artifacts(params);
    if references.is_empty() {
        return Ok(Inputs::default());
    }
    let ids: Vec<GenerationId> = references.iter().map(|entry| entry.generation).collect();
    let found = scope.generations_by_id(&ids).await?;
    let mut left = MAX_INPUT_BYTES;
    let mut inputs = Inputs::default();
    for id in ids {
        if inputs.artifacts.contains_key(&id) {
            continue;
        }
        let source = found.iter().find(|source| source.id == id);
        let Some((source, stored)) =
            source.and_then(|source| Some((source, source.storage_url.as_deref()?)))
        else {
            return Err(Stop::Failed(format!("The artifact {id} is no longer available")));
        };
        let bytes = artifacts.read(stored, left).await?;
        left = left.saturating_sub(bytes.len() as u64);
        let metadata = source.output_metadata.value();
        let content_type = metadata.get("content_type").and_then(Value::as_str);
        let input = InputArtifact {
            artifact_type: source.artifact_type,
            content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
            bytes,
        };
        inputs.facts.insert(id, facts_of(source));
        inputs.artifacts.insert(id, input);
    }
    Ok(inputs)
}
