//! The adapters of the providers, against a server that speaks their protocols and fails on demand.

mod cancel;
mod jobs;
mod keys;
mod questions;
mod submissions;
mod synchronous;
mod uploads;

use std::{sync::Arc, time::Duration};

use boards::{
    config::{GeneratorKeys, ProviderAddresses},
    domain::ArtifactType,
    generators::{
        InputArtifact,
        providers::{
            ApiKey, JobState, PROVIDER_NAMES, Patience, Provider, ProviderError, ProviderRequest,
            Providers, RequestFile, Submitted,
        },
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::StandIn;

/// What none of the answers and errors may show.
const KEY: &str = "k3y-of-the-tests:s3cr3t-half";

/// The providers that have jobs.
const WITH_JOBS: [&str; 3] = ["fal", "kie", "replicate"];

/// Long enough for a machine that is busy with something else.
const PATIENT: Patience = Patience {
    connection: Duration::from_secs(20),
    question: Duration::from_mins(1),
    submission: Duration::from_mins(1),
    result: Duration::from_mins(1),
    upload: Duration::from_mins(1),
    pause: Duration::from_millis(1),
};

/// For providers that do not answer.
const IMPATIENT: Patience = Patience {
    question: Duration::from_millis(500),
    submission: Duration::from_millis(500),
    result: Duration::from_millis(500),
    upload: Duration::from_millis(500),
    ..PATIENT
};

/// The stand-in and the adapters that are pointed at it.
struct Bench {
    stand_in: StandIn,
    providers: Providers,
}

impl Bench {
    async fn start() -> Self {
        Self::with(PATIENT).await
    }

    async fn with(patience: Patience) -> Self {
        let stand_in = StandIn::start().await;
        let providers = adapters(&stand_in.addresses(), patience);
        Self { stand_in, providers }
    }

    fn adapter(&self, name: &str) -> Arc<dyn Provider> {
        Arc::clone(self.providers.get(name).expect(name))
    }

    /// Submits the usual request of a provider.
    async fn submit(&self, name: &str) -> Result<Submitted, ProviderError> {
        let adapter = self.adapter(name);
        adapter.submit(Some(&key()), &request(name), Uuid::new_v4()).await
    }

    /// The same; gives the job's id.
    async fn job(&self, name: &str) -> String {
        match self.submit(name).await {
            Ok(Submitted::Job(job)) => job,
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn state(&self, name: &str, job: &str) -> Result<JobState, ProviderError> {
        self.adapter(name).state(Some(&key()), &endpoint(name), job).await
    }

    async fn cancel(&self, name: &str, job: &str) -> Result<(), ProviderError> {
        self.adapter(name).cancel(Some(&key()), &endpoint(name), job).await
    }
}

fn adapters(addresses: &ProviderAddresses, patience: Patience) -> Providers {
    Providers::with(addresses, GeneratorKeys::default(), patience).expect("clients")
}

fn key() -> ApiKey {
    KEY.into()
}

/// As a generator's file has it.
fn endpoint(name: &str) -> Value {
    match name {
        "fal" => json!({ "application": "fal-ai/flux-2/edit" }),
        "replicate" => json!({ "model": "black-forest-labs/flux-1.1-pro" }),
        "openai" => json!({ "path": "/images/generations", "model": "gpt-image-1" }),
        _ => json!({
            "submit": "/api/v1/jobs/createTask",
            "status": "/api/v1/jobs/recordInfo",
            "task_id": ["$.data.taskId"],
            "state": {
                "path": "$.data.state", "success": ["success"], "failed": ["fail"],
                "running": ["waiting", "queuing", "generating"]
            },
            "error_message": ["$.data.failMsg"],
            "poll_seconds": 10
        }),
    }
}

fn request(name: &str) -> ProviderRequest {
    let body = match name {
        "fal" => json!({ "prompt": "a cat" }),
        "openai" => json!({ "model": "gpt-image-1", "prompt": "a cat", "n": 2 }),
        _ => json!({ "input": { "prompt": "a cat" } }),
    };
    ProviderRequest { endpoint: endpoint(name), model: None, body, files: Vec::new() }
}

fn artifact(content_type: &str, bytes: Vec<u8>) -> InputArtifact {
    InputArtifact {
        artifact_type: ArtifactType::Image,
        content_type: content_type.to_owned(),
        bytes: bytes.into(),
    }
}

/// Whether the provider may have acted; fails for errors that do not pass.
fn may_have_acted(error: &ProviderError) -> bool {
    match error {
        ProviderError::Passing { may_have_acted, .. } => *may_have_acted,
        other => panic!("{other:?} does not pass"),
    }
}

/// A body in which each of the providers would find these words in a refusal.
fn refusal(words: &str) -> Value {
    json!({ "detail": words, "error": { "message": words }, "msg": words })
}
