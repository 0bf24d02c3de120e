//! Generators: named recipes that turn parameters and artifacts into a new artifact.

pub mod builtin;
pub mod catalogue;
mod declared;
mod external_job;
pub mod providers;
mod registry;
mod schema;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::domain::{ArtifactType, GenerationId};

pub use catalogue::{ArtifactFacts, Catalogue, Declaration};
pub use declared::DeclaredGenerator;
pub use external_job::{ExternalJob, JobLedger, LedgerError};
pub use registry::{Entry, Registry, declared};
pub use schema::{Arity, ArtifactReference, InputSchema};

/// One recipe. Deterministic built-ins stand in [`builtin`]; providers will stand beside them.
#[async_trait]
pub trait Generator: Send + Sync {
    /// The name under which clients ask for it, for example `qr-code`.
    fn name(&self) -> &str;

    /// What it makes, in a sentence for people.
    fn description(&self) -> &str;

    /// The kind of artifact that it makes.
    fn artifact_type(&self) -> ArtifactType;

    /// JSON Schema (2020-12) of its parameters. An artifact parameter is
    /// `{"$ref": "#/$defs/ImageArtifact"}` (Audio, Video, Text), or an array of them.
    fn input_schema(&self) -> Value;

    /// The same schema, ready to check parameters.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    fn compiled_schema(&self) -> Result<Arc<InputSchema>, String> {
        InputSchema::compile(self.input_schema()).map(Arc::new)
    }

    /// Who runs it; none for one that runs in this process.
    fn provider(&self) -> Option<&str> {
        None
    }

    /// Whether its provider can be used without a key.
    fn works_without_key(&self) -> bool {
        self.provider().is_none()
    }

    /// What a run with these parameters, defaults filled in, is expected to cost, where `facts` says what
    /// is known of the artifacts among them; none where nothing is known. Nothing for one that runs in this process.
    fn cost(&self, _params: &Map<String, Value>, _facts: &ArtifactFacts) -> Option<Cost> {
        self.provider().is_none().then(Cost::free)
    }

    /// Makes the artifact, or several.
    ///
    /// # Errors
    /// [`Failure`] with a message for the user, or when it was cancelled.
    async fn run(&self, run: Run) -> Result<Made, Failure>;

    /// Tells the provider to stop a job that it has begun. Well if that has ended.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::Passing`] where it is worth trying again.
    async fn cancel(&self, _key: Option<providers::ApiKey>, _job: &str) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a run is expected to cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// In US dollars.
    pub usd: Decimal,
    /// How it is charged, for people: `per image`, `per second`, …
    pub kind: String,
    /// How sure that is: `stated` by the provider, `approximate`, or a `placeholder`.
    pub basis: String,
}

impl Cost {
    /// Nothing.
    #[must_use]
    pub fn free() -> Self {
        Self { usd: Decimal::ZERO, kind: "free".to_owned(), basis: "stated".to_owned() }
    }
}

/// What one run of a generator gets.
#[derive(Clone)]
pub struct Run {
    /// The generation that is run.
    pub generation: GenerationId,
    /// What is known of its job at the provider, and where to write that down.
    pub job: ExternalJob,
    /// The key to the provider that counts for the tenant, if there is one.
    pub key: Option<providers::ApiKey>,
    /// Parameters that satisfy the input schema, defaults filled in.
    pub params: Map<String, Value>,
    /// What is known of the artifacts that the parameters name.
    pub facts: ArtifactFacts,
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

/// All that a run made: at least one artifact. The first is that of the generation that was asked
/// for, each other becomes a generation of its own beside it.
#[derive(Clone, Debug)]
pub struct Made {
    /// They.
    pub artifacts: Vec<Artifact>,
}

/// One artifact that a run made.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Its place in what the provider answered, from 0; skipped ones leave gaps.
    pub position: usize,
    /// The artifact itself.
    pub content: Content,
    /// Facts about it for `outputMetadata`: width, height, duration, …
    pub metadata: Map<String, Value>,
    /// Files beside it.
    pub additional: Vec<AdditionalOutput>,
}

/// A file beside an artifact.
#[derive(Clone, Debug)]
pub struct AdditionalOutput {
    /// What the file is, for example `mask` or `cover`: lower-case letters, digits and hyphens.
    pub kind: String,
    /// The file.
    pub content: Content,
    /// Facts about it.
    pub metadata: Map<String, Value>,
}

/// Where the bytes of something made are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here.
    Bytes(Bytes),
    /// At the provider, to be fetched.
    Url {
        /// Where.
        url: Url,
        /// The origin of the provider's API where an operator has configured it, which may then be
        /// on the operator's own network: files of this very origin are fetched from there too.
        trusted: Option<url::Origin>,
    },
}

impl From<Output> for Made {
    fn from(output: Output) -> Self {
        let artifact = Artifact {
            position: 0,
            content: Content::Bytes(output.bytes),
            metadata: output.metadata,
            additional: Vec::new(),
        };
        Self { artifacts: vec![artifact] }
    }
}

/// What a run in this process made.
#[derive(Clone, Debug)]
pub struct Output {
    /// The artifact.
    pub bytes: Bytes,
    /// Facts about it for `outputMetadata`: width, height, duration, …
    pub metadata: Map<String, Value>,
}

/// Why a run made nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be done; the message is for the user.
    #[error("{0}")]
    Message(String),
    /// It could not be done this time; another attempt may succeed.
    #[error("{message}")]
    Passing {
        /// For the user, should it have been the last attempt.
        message: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
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
