//! The generators that one can ask for.

use std::sync::Arc;

use async_graphql::{Context, Json, Object, Result, SimpleObject};
use serde_json::Value;

use super::{
    access::{Anyone, Caller, access, granted},
    arguments::{ArtifactType, cost},
};
use crate::{
    domain::{self, TokenScope},
    error::Error,
    generators::{Entry, Registry},
};

/// A recipe that turns parameters and artifacts into a new artifact.
#[derive(SimpleObject)]
pub(super) struct GeneratorInfo {
    /// Name to pass to createGeneration.
    name: String,
    /// What it makes.
    description: String,
    /// Kind of artifact that it makes.
    artifact_type: ArtifactType,
    /// JSON Schema (2020-12) of its parameters. A parameter that refers to
    /// `#/$defs/ImageArtifact` (Audio, Video, Text) takes the id of a completed generation of that
    /// kind.
    input_schema: Json<Value>,
}

impl From<&Entry> for GeneratorInfo {
    fn from(entry: &Entry) -> Self {
        Self {
            name: entry.generator.name().to_owned(),
            description: entry.generator.description().to_owned(),
            artifact_type: entry.generator.artifact_type().into(),
            input_schema: Json(entry.schema.document().clone()),
        }
    }
}

#[derive(Default)]
pub(super) struct GeneratorQueries;

#[Object]
impl GeneratorQueries {
    /// Generators that one can ask for, by name.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "cost(20, child_complexity)"
    )]
    async fn generators(
        &self,
        context: &Context<'_>,
        #[graphql(
            desc = "Only those that make this kind of artifact: image, video, audio, text, lora or model, in any case."
        )]
        artifact_type: Option<String>,
    ) -> Result<Vec<GeneratorInfo>> {
        let wanted: Option<domain::ArtifactType> =
            artifact_type.map(|name| name.parse().map_err(|()| unknown_type())).transpose()?;
        Ok(context
            .data::<Arc<Registry>>()?
            .iter()
            .filter(|entry| wanted.is_none_or(|wanted| entry.generator.artifact_type() == wanted))
            .map(GeneratorInfo::from)
            .collect())
    }
}

fn unknown_type() -> Error {
    let names = domain::ArtifactType::ALL.map(domain::ArtifactType::as_str).join(", ");
    Error::bad_input("artifactType", format!("artifactType must be one of {names}"))
}
