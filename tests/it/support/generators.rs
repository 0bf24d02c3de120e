//! Generators that behave as a test needs, beside the built-in ones.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use boards::{
    domain::ArtifactType,
    generators::{Failure, Generator, Output, Run, builtin},
};
use serde_json::{Map, Value, json};

/// Runs until it is cancelled, or for the `seconds` that it is told.
pub(crate) const SLOW: &str = "test-slow";
/// Fails with the message that it is told.
pub(crate) const FAILING: &str = "test-failing";
/// Panics.
pub(crate) const PANICKING: &str = "test-panicking";

struct Slow;
struct Failing;
struct Panicking;

/// All built-in generators and those of the tests.
pub(crate) fn test_generators() -> Vec<Arc<dyn Generator>> {
    let mut generators = builtin::all();
    generators.extend([
        Arc::new(Slow) as Arc<dyn Generator>,
        Arc::new(Failing),
        Arc::new(Panicking),
    ]);
    generators
}

fn text(content: &str) -> Output {
    Output {
        bytes: bytes::Bytes::from(content.to_owned()),
        content_type: "text/plain; charset=utf-8",
        metadata: Map::new(),
    }
}

fn schema(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

#[async_trait]
impl Generator for Slow {
    fn name(&self) -> &'static str {
        SLOW
    }

    fn description(&self) -> &'static str {
        "Takes its time."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({ "seconds": {
            "type": "number", "minimum": 0, "maximum": 3600, "default": 3600, "description": "How long."
        } }))
    }

    async fn run(&self, run: Run) -> Result<Output, Failure> {
        let seconds = run.params.get("seconds").and_then(Value::as_f64).unwrap_or(3600.0);
        run.progress.report(0.5, "waiting");
        tokio::select! {
            () = run.cancel.cancelled() => Err(Failure::Cancelled),
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => Ok(text("at last")),
        }
    }
}

#[async_trait]
impl Generator for Failing {
    fn name(&self) -> &'static str {
        FAILING
    }

    fn description(&self) -> &'static str {
        "Fails."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({ "message": { "type": "string", "description": "What to say." } }))
    }

    async fn run(&self, run: Run) -> Result<Output, Failure> {
        let message = run.params.get("message").and_then(Value::as_str).unwrap_or("no");
        Err(Failure::Message(message.to_owned()))
    }
}

#[async_trait]
impl Generator for Panicking {
    fn name(&self) -> &'static str {
        PANICKING
    }

    fn description(&self) -> &'static str {
        "Panics."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({}))
    }

    async fn run(&self, _run: Run) -> Result<Output, Failure> {
        panic!("a secret that no client may read")
    }
}
