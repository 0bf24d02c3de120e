//! Generators that behave as a test needs, beside the built-in ones.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use boards::{
    domain::ArtifactType,
    generators::{Cost, Failure, Generator, Made, Output, Run, builtin},
};
use serde_json::{Map, Value, json};

/// Runs until it is cancelled, or for the `seconds` that it is told.
pub(crate) const SLOW: &str = "test-slow";
/// Fails with the message that it is told.
pub(crate) const FAILING: &str = "test-failing";
/// Panics.
pub(crate) const PANICKING: &str = "test-panicking";

/// Reports progress for the `seconds` that it is told, and notes under its `name` when it began and
/// ended; see [`runs_of`]. An `unsteady` one also reports less than before; a `stubborn` one makes
/// its artifact although it was cancelled.
pub(crate) const RECORDED: &str = "test-recorded";

/// What is known of the runs of [`RECORDED`] under one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) started: usize,
    pub(crate) ended: Vec<Instant>,
}

static RUNS: LazyLock<Mutex<HashMap<String, Runs>>> = LazyLock::new(Mutex::default);

/// The runs of [`RECORDED`] under a name; tests run at once, so names are unique.
pub(crate) fn runs_of(name: &str) -> Runs {
    RUNS.lock().expect("runs").get(name).cloned().unwrap_or_default()
}

struct Slow;
struct Recorded;
struct Failing;
struct Panicking;

/// All built-in generators and those of the tests.
pub(crate) fn test_generators() -> Vec<Arc<dyn Generator>> {
    let mut generators = builtin::all();
    generators.extend([
        Arc::new(Slow) as Arc<dyn Generator>,
        Arc::new(Recorded),
        Arc::new(Failing),
        Arc::new(Panicking),
    ]);
    generators
}

/// What runs of these cost, but for the one of which nothing is known.
fn cent() -> Cost {
    Cost { usd: "0.01".parse().expect("a number"), kind: "per run".into(), basis: "stated".into() }
}

fn text(content: &str) -> Made {
    Made::from(Output { bytes: bytes::Bytes::from(content.to_owned()), metadata: Map::new() })
}

fn schema(properties: &Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

#[async_trait]
impl Generator for Slow {
    fn name(&self) -> &str {
        SLOW
    }

    fn description(&self) -> &str {
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

    fn cost(&self, _params: &Map<String, Value>) -> Option<Cost> {
        Some(cent())
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let seconds = run.params.get("seconds").and_then(Value::as_f64).unwrap_or(3600.0);
        run.progress.report(0.5, "waiting");
        tokio::select! {
            () = run.cancel.cancelled() => Err(Failure::Cancelled),
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => Ok(text("at last")),
        }
    }
}

/// Notes the end of a run however it ends.
struct Ending(String);

impl Drop for Ending {
    fn drop(&mut self) {
        let mut runs = RUNS.lock().expect("runs");
        runs.entry(self.0.clone()).or_default().ended.push(Instant::now());
    }
}

#[async_trait]
impl Generator for Recorded {
    fn name(&self) -> &str {
        RECORDED
    }

    fn description(&self) -> &str {
        "Is watched."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({
            "name": { "type": "string", "description": "What the runs are noted under." },
            "seconds": { "type": "number", "default": 0, "description": "How long." },
            "unsteady": { "type": "boolean", "default": false, "description": "Goes back." },
            "stubborn": { "type": "boolean", "default": false, "description": "Goes on." }
        }))
    }

    fn cost(&self, _params: &Map<String, Value>) -> Option<Cost> {
        Some(cent())
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let flag = |name: &str| run.params.get(name).and_then(Value::as_bool).unwrap_or_default();
        let name = run.params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let seconds = run.params.get("seconds").and_then(Value::as_f64).unwrap_or_default();
        RUNS.lock().expect("runs").entry(name.clone()).or_default().started += 1;
        let _ending = Ending(name);
        for step in 0..8_u8 {
            let goes_back = flag("unsteady") && step % 2 == 1;
            let done = f64::from(step) / if goes_back { 16.0 } else { 8.0 };
            run.progress.report(done, "waiting");
            tokio::select! {
                () = run.cancel.cancelled() => {
                    if flag("stubborn") { break }
                    return Err(Failure::Cancelled);
                }
                () = tokio::time::sleep(Duration::from_secs_f64(seconds / 8.0)) => {}
            }
        }
        Ok(text("noted"))
    }
}

#[async_trait]
impl Generator for Failing {
    fn name(&self) -> &str {
        FAILING
    }

    fn description(&self) -> &str {
        "Fails."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({ "message": { "type": "string", "description": "What to say." } }))
    }

    fn cost(&self, _params: &Map<String, Value>) -> Option<Cost> {
        Some(cent())
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let message = run.params.get("message").and_then(Value::as_str).unwrap_or("no");
        Err(Failure::Message(message.to_owned()))
    }
}

#[async_trait]
impl Generator for Panicking {
    fn name(&self) -> &str {
        PANICKING
    }

    fn description(&self) -> &str {
        "Panics."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({}))
    }

    fn cost(&self, _params: &Map<String, Value>) -> Option<Cost> {
        None
    }

    async fn run(&self, _run: Run) -> Result<Made, Failure> {
        panic!("a secret that no client may read")
    }
}
