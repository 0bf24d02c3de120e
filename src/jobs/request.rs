//! Checking a request for a generation: its parameters, and every artifact that they name.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    domain::{
        ArtifactType, GenerationId, GenerationStatus, JsonObject, Validator, Violation, json_object,
    },
    error::{Error, Result},
    generators::{ArtifactFacts, ArtifactReference, Cost, Registry},
    store::{Generation, LineageEntry, NewGeneration, Scope},
};

/// What a caller asks for, unchecked.
#[derive(Clone, Debug)]
pub struct GenerationRequest {
    /// The generator's name.
    pub generator_name: String,
    /// What the caller expects it to make; none when a generation is repeated.
    pub artifact_type: Option<ArtifactType>,
    /// The parameters.
    pub input_params: Value,
    /// Data of the client, checked.
    pub metadata: JsonObject,
}

impl GenerationRequest {
    /// Checks everything: the generator, all parameters at once, and each artifact as if the caller
    /// had asked to see it.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] with all violations; [`Error::NotFound`] or [`Error::Forbidden`] for
    /// an artifact that the caller could not look at.
    pub async fn check(self, registry: &Registry, scope: &Scope) -> Result<NewGeneration> {
        let checked = self.examine("input.", registry, scope).await?;
        Ok(NewGeneration {
            generator_name: self.generator_name,
            artifact_type: checked.makes,
            input_params: checked.params,
            metadata: self.metadata,
            inputs: checked.inputs,
            cost_usd: checked.cost.map(|cost| cost.usd),
            provider: checked.provider,
        })
    }

    /// What it would be expected to cost, once the same has been checked; none where nothing is known.
    ///
    /// # Errors
    /// As [`GenerationRequest::check`].
    pub async fn estimate(self, registry: &Registry, scope: &Scope) -> Result<Option<Cost>> {
        Ok(self.examine("", registry, scope).await?.cost)
    }

    /// Arguments are named with `prefix` in errors.
    async fn examine(&self, prefix: &str, registry: &Registry, scope: &Scope) -> Result<Checked> {
        let entry = registry.get(&self.generator_name).ok_or_else(|| {
            let name: String = self.generator_name.chars().take(100).collect();
            let path = format!("{prefix}generatorName");
            Error::bad_input(&path, format!("There is no generator \"{name}\""))
        })?;
        let makes = entry.generator.artifact_type();
        let mut validator = Validator::new();
        validator.check(
            self.artifact_type.is_none_or(|wanted| wanted == makes),
            &format!("{prefix}artifactType"),
            || format!("{} makes artifacts of type {makes}", self.generator_name),
        );
        let params = json_object("inputParams", &self.input_params, &mut validator);
        validator.finish()?;
        let filled = entry.schema.check(&self.input_params).map_err(Error::violations)?;
        let references = entry.schema.artifacts(&filled);
        let (inputs, facts) = check_artifacts(&references, scope).await?;
        let provider = entry.generator.provider().unwrap_or_default().to_owned();
        Ok(Checked { makes, provider, params, inputs, cost: entry.generator.cost(&filled, &facts) })
    }
}

/// What was found while a request was checked.
struct Checked {
    makes: ArtifactType,
    provider: String,
    params: JsonObject,
    inputs: Vec<LineageEntry>,
    cost: Option<Cost>,
}

/// Existence and access first, for all of them; then what they are.
async fn check_artifacts(
    references: &[ArtifactReference],
    scope: &Scope,
) -> Result<(Vec<LineageEntry>, ArtifactFacts)> {
    let ids: Vec<GenerationId> = references.iter().map(|reference| reference.generation).collect();
    let visible: HashMap<GenerationId, Generation> = if ids.is_empty() {
        HashMap::new()
    } else {
        let found = scope.generations_by_id(&ids).await?;
        found.into_iter().map(|generation| (generation.id, generation)).collect()
    };
    let mut violations = Vec::new();
    let mut inputs = Vec::with_capacity(references.len());
    for reference in references {
        let Some(source) = visible.get(&reference.generation) else {
            return Err(why_not_visible(reference.generation, scope).await);
        };
        if let Some(message) = unusable(source, reference) {
            violations.push(Violation { path: reference.path.clone(), message });
        }
        inputs.push(LineageEntry {
            generation: reference.generation,
            role: reference.role.clone(),
            artifact_type: reference.artifact_type,
        });
    }
    if !violations.is_empty() {
        return Err(Error::violations(violations));
    }
    let facts = visible.into_iter().map(|(id, source)| (id, facts_of(&source))).collect();
    Ok((inputs, facts))
}

/// What is known of an artifact, for what a generator makes of it.
pub(super) fn facts_of(source: &Generation) -> JsonObject {
    source.output_metadata.value().as_object().cloned().unwrap_or_default()
}

/// The same answer that the query `generation` would have given.
async fn why_not_visible(id: GenerationId, scope: &Scope) -> Error {
    match scope.generation(id).await {
        Ok(_) => Error::NotFound("Generation"),
        Err(error) => error,
    }
}

fn unusable(source: &Generation, reference: &ArtifactReference) -> Option<String> {
    let wanted = reference.artifact_type;
    if source.artifact_type != wanted {
        return Some(format!("{} must name an artifact of type {wanted}", reference.role));
    }
    if source.status != GenerationStatus::Completed || source.storage_url.is_none() {
        return Some(format!("{} must name a completed generation", reference.role));
    }
    None
}
