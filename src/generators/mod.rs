//! Generators: named recipes that turn parameters and artifacts into a new artifact.

pub mod builtin;
mod registry;
mod schema;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::domain::{ArtifactType, GenerationId};

pub use registry::{Entry, Registry};
pub use schema::{ArtifactReference, InputSchema};

/// One recipe. Deterministic built-ins stand in [`builtin`]; providers will stand beside them.
#[async_trait]
pub trait Generator: Send + Sync {
    /// The name under which clients ask for it, for example `qr-code`.
    fn name(&self) -> &'static str;

    /// What it makes, in a sentence for people.
    fn description(&self) -> &'static str;

    /// The kind of artifact that it makes.
    fn artifact_type(&self) -> ArtifactType;

    /// JSON Schema (2020-12) of its parameters. An artifact parameter is
    /// `{"$ref": "#/$defs/ImageArtifact"}` (Audio, Video, Text), or an array of them.
    fn input_schema(&self) -> Value;

    /// Makes the artifact.
    ///
    /// # Errors
    /// [`Failure`] with a message for the user, or when it was cancelled.
    async fn run(&self, run: Run) -> Result<Output, Failure>;
}

/// What one run of a generator gets.
#[derive(Clone)]
pub struct Run {
    /// Parameters that satisfy the input schema, defaults filled in.
    pub params: Map<String, Value>,
    /// The artifacts that the parameters name, by the id they name.
    pub artifacts: HashMap<GenerationId, InputArtifact>,
    /// Where to report progress.
    pub progress: Progress,
    /// Set when the run should stop; look at it at least every 100 ms.
    pub cancel: CancellationToken,
}

/// An artifact that a run reads.
#[derive(Clone, Debug)]
pub struct InputArtifact {
    /// Its kind.
    pub artifact_type: ArtifactType,
    /// Its media type, judged by its bytes.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What a run made.
#[derive(Clone, Debug)]
pub struct Output {
    /// The artifact.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: &'static str,
    /// Facts about it for `outputMetadata`: width, height, duration, …
    pub metadata: Map<String, Value>,
}

/// Why a run made nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be done; the message is for the user.
    #[error("{0}")]
    Message(String),
    /// Somebody cancelled it.
    #[error("cancelled")]
    Cancelled,
}

/// Takes progress reports of one run. Cheap to clone and to call; the worker limits what it passes on.
#[derive(Clone)]
pub struct Progress(Arc<Sink>);

type Sink = dyn Fn(f64, &str) + Send + Sync;

impl Progress {
    /// Reports go to `sink`: the part done from 0 to 1, and a word for the phase.
    pub fn new(sink: impl Fn(f64, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Drops every report.
    #[must_use]
    pub fn ignored() -> Self {
        Self::new(|_, _| ())
    }

    /// Reports the part done (0 to 1) and the phase ("drawing").
    pub fn report(&self, done: f64, phase: &str) {
        (self.0)(done.clamp(0.0, 1.0), phase);
    }
}
