//! The generators that one can ask for.

use std::sync::Arc;

use async_graphql::{Context, Json, Object, Result};
use serde_json::Value;

use super::{
    access::{Anyone, Caller, access, granted},
    arguments::{ArtifactType, cost},
    session::Session,
};
use crate::{
    domain::{self, TokenScope},
    error::Error,
    generators::{Entry, Registry},
    jobs::{Keys, Reach},
};

/// One generator, and whether the caller's tenant can run it.
pub(super) struct GeneratorInfo {
    entry: Arc<Entry>,
    available: bool,
}

/// A recipe that turns parameters and artifacts into a new artifact.
#[Object]
impl GeneratorInfo {
    /// Name to pass to createGeneration.
    async fn name(&self) -> &str {
        self.entry.generator.name()
    }

    /// What it makes.
    async fn description(&self) -> &str {
        self.entry.generator.description()
    }

    /// Kind of artifact that it makes.
    async fn artifact_type(&self) -> ArtifactType {
        self.entry.generator.artifact_type().into()
    }

    /// JSON Schema (2020-12) of its parameters. A parameter that refers to
    /// `#/$defs/ImageArtifact` (Audio, Video, Text) takes the id of a completed generation of that
    /// kind.
    async fn input_schema(&self) -> Json<Value> {
        Json(self.entry.schema.document().clone())
    }

    /// Name of the provider that runs it; null for one that runs on this server.
    async fn provider(&self) -> Option<&str> {
        self.entry.generator.provider()
    }

    /// Whether it can be run: false where neither the tenant nor the server has a key to its
    /// provider.
    async fn available(&self) -> bool {
        self.available
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
        let reach = if context.look_ahead().field("available").exists() {
            context.data::<Keys>()?.reach(Session::scope_of(context)?).await?
        } else {
            Reach::default()
        };
        let info = |entry: &Arc<Entry>| GeneratorInfo {
            available: reach.covers(entry.generator.as_ref()),
            entry: Arc::clone(entry),
        };
        Ok(context
            .data::<Arc<Registry>>()?
            .iter()
            .filter(|entry| wanted.is_none_or(|wanted| entry.generator.artifact_type() == wanted))
            .map(info)
            .collect())
    }
}

fn unknown_type() -> Error {
    let names = domain::ArtifactType::ALL.map(domain::ArtifactType::as_str).join(", ");
    Error::bad_input("artifactType", format!("artifactType must be one of {names}"))
}
