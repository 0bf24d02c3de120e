//! Generators that behave as a test needs, beside the built-in ones.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use boards::{
    domain::{ArtifactType, Submission},
    generators::{
        AdditionalOutput, Artifact, ArtifactFacts, Content, Cost, Failure, Generator, Made, Output,
        Run, builtin, providers::ApiKey,
    },
};
use serde_json::{Map, Value, json};

/// Runs until it is cancelled, or for the `seconds` that it is told.
pub(crate) const SLOW: &str = "test-slow";
/// Fails with the message that it is told.
pub(crate) const FAILING: &str = "test-failing";
/// Makes as many texts as it is told, each with a file beside it.
pub(crate) const BATCH: &str = "test-batch";
/// Fails in a way that may pass, as often as it is told, and notes its runs as [`RECORDED`] does.
pub(crate) const PASSING: &str = "test-passing";
/// Has a provider begin a job and waits for its end, which never comes; see [`stopped_jobs`].
pub(crate) const REMOTE: &str = "test-remote";
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

static STOPPED: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);

/// The jobs of [`REMOTE`] that its provider was told to stop.
pub(crate) fn stopped_jobs() -> Vec<String> {
    STOPPED.lock().expect("jobs").clone()
}

struct Slow;
struct Batch;
struct Passing;
struct Remote;
struct Recorded;
struct Failing;
struct Panicking;

/// All built-in generators and those of the tests.
pub(crate) fn test_generators() -> Vec<Arc<dyn Generator>> {
    let mut generators = builtin::all();
    generators.extend([
        Arc::new(Slow) as Arc<dyn Generator>,
        Arc::new(Recorded),
        Arc::new(Batch),
        Arc::new(Passing),
        Arc::new(Remote),
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

    fn cost(&self, _params: &Map<String, Value>, _facts: &ArtifactFacts) -> Option<Cost> {
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
    fn name(&self) -> &'static str {
        RECORDED
    }

    fn description(&self) -> &'static str {
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

    fn cost(&self, _params: &Map<String, Value>, _facts: &ArtifactFacts) -> Option<Cost> {
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
impl Generator for Batch {
    fn name(&self) -> &'static str {
        BATCH
    }

    fn description(&self) -> &'static str {
        "Makes several."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({
            "number": { "type": "integer", "default": 3, "description": "How many." },
            "source": { "$ref": "#/$defs/ImageArtifact" },
        }))
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let number = run.params.get("number").and_then(Value::as_u64).unwrap_or(3);
        let number = usize::try_from(number).expect("small");
        // The second is missing, as one that a provider withheld.
        let positions = (0..=number).filter(|position| number < 2 || *position != 1).take(number);
        let artifact = |position| Artifact {
            position,
            content: Content::Bytes(format!("text {position}").into()),
            metadata: Map::new(),
            additional: vec![AdditionalOutput {
                kind: "note".to_owned(),
                content: Content::Bytes(format!("beside {position}").into()),
                metadata: Map::new(),
            }],
        };
        Ok(Made { artifacts: positions.map(artifact).collect() })
    }
}

#[async_trait]
impl Generator for Passing {
    fn name(&self) -> &'static str {
        PASSING
    }

    fn description(&self) -> &'static str {
        "Fails at first."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({
            "name": { "type": "string", "description": "What the runs are noted under." },
            "failures": { "type": "integer", "default": 1, "description": "How often it fails." },
        }))
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let name = run.params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let failures = run.params.get("failures").and_then(Value::as_u64).unwrap_or(1);
        let started = {
            let mut runs = RUNS.lock().expect("runs");
            let runs = runs.entry(name).or_default();
            runs.started += 1;
            runs.started as u64
        };
        if started <= failures {
            let message = format!("busy, said for the {started}. time");
            return Err(Failure::Passing { message, retry_after: None });
        }
        Ok(text("at last"))
    }
}

#[async_trait]
impl Generator for Remote {
    fn name(&self) -> &'static str {
        REMOTE
    }

    fn description(&self) -> &'static str {
        "Waits for a provider."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Text
    }

    fn input_schema(&self) -> Value {
        schema(&json!({ "job": { "type": "string", "description": "The job's id." } }))
    }

    fn provider(&self) -> Option<&str> {
        Some("test")
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        let job = run.params.get("job").and_then(Value::as_str).unwrap_or_default();
        if *run.job.submission() == Submission::NotBegun {
            run.job.ledger().begin().await.map_err(|_| Failure::Cancelled)?;
            run.job.ledger().begun(job).await.map_err(|_| Failure::Cancelled)?;
        }
        run.cancel.cancelled().await;
        Err(Failure::Cancelled)
    }

    async fn cancel(&self, _key: Option<ApiKey>, job: &str) -> Result<(), Failure> {
        STOPPED.lock().expect("jobs").push(job.to_owned());
        Ok(())
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

    fn cost(&self, _params: &Map<String, Value>, _facts: &ArtifactFacts) -> Option<Cost> {
        Some(cent())
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
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

    fn cost(&self, _params: &Map<String, Value>, _facts: &ArtifactFacts) -> Option<Cost> {
        None
    }

    async fn run(&self, _run: Run) -> Result<Made, Failure> {
        panic!("a secret that no client may read")
    }
}
