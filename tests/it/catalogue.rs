//! The generators of the catalogue, run by the whole server: from the mutation over the queue, the worker and
//! the adapter to a provider on this machine, and back into a stored artifact. The adapters by themselves are
//! tested in `provider_adapters`, the files by themselves beside the code that reads them.

mod cases;
mod every;
mod jobs;
mod keys;
mod outcomes;
mod results;
mod takeover;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, StandIn, TestApp, TestAppBuilder, eventually_within};

/// A generator of fal, which has jobs.
const FAL: &str = "fal-flux-2";
/// One of Replicate, which has jobs too.
const REPLICATE: &str = "replicate-flux-pro";
/// One of Kie, which has jobs, and asks about them every ten seconds.
const KIE: &str = "kie-qwen-image-2";
/// One of `OpenAI`, whose answer is the result.
const OPENAI: &str = "openai-image";

const GENERATION: &str = "query($id: UUID!) { generation(id: $id) {
    id status errorMessage externalJobId storageUrl outputMetadata
    attempts { number outcome message startedAt endedAt externalJobId } } }";

/// Ample on a machine whose cores are busy with something else.
const BOUND: Duration = Duration::from_mins(2);

/// A server, the providers that it is pointed at, and somebody with a board.
struct Scene {
    stand_in: StandIn,
    app: TestApp,
    ada: Client,
    board: String,
}

impl Scene {
    async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(change: impl FnOnce(TestAppBuilder) -> TestAppBuilder) -> Self {
        let stand_in = StandIn::start().await;
        let app = change(TestApp::builder().catalogue(&stand_in)).start().await;
        let ada = app.user("ada");
        let board = ada.board("B", false).await;
        Self { stand_in, app, ada, board }
    }

    /// Queues a picture; its id.
    async fn queue(&self, generator: &str) -> String {
        self.ada.generate(&self.board, generator, json!({ "prompt": "a cat" })).await
    }

    /// Has a picture made; what became of it.
    async fn picture(&self, generator: &str) -> Value {
        ended(&self.ada, &self.queue(generator).await).await
    }

    /// Waits until a provider has begun the job of a generation; the job.
    async fn job(&self, generation: &str) -> String {
        job_of(&self.ada, generation).await
    }

    /// The jobs that were submitted, in their order.
    fn jobs(&self) -> Vec<String> {
        self.stand_in.submissions().into_iter().map(|submission| submission.job).collect()
    }
}

async fn look(client: &Client, generation: &str) -> Value {
    client.data(GENERATION, json!({ "id": generation })).await["generation"].clone()
}

async fn ended(client: &Client, generation: &str) -> Value {
    eventually_within(BOUND, "the generation ends", async || {
        let found = look(client, generation).await;
        let goes_on = ["PENDING", "PROCESSING"].map(Value::from).contains(&found["status"]);
        (!goes_on).then_some(found)
    })
    .await
}

async fn job_of(client: &Client, generation: &str) -> String {
    eventually_within(BOUND, "the job is begun", async || {
        look(client, generation).await["externalJobId"].as_str().map(str::to_owned)
    })
    .await
}

/// What came of each attempt, in their order.
fn outcomes(generation: &Value) -> Vec<&str> {
    let attempts = generation["attempts"].as_array().expect("a list").iter();
    attempts.map(|attempt| attempt["outcome"].as_str().unwrap_or("none")).collect()
}

/// The error that the user reads of a generation that failed at its first attempt.
fn failure(generation: &Value) -> &str {
    assert_eq!(generation["status"], "FAILED", "{generation}");
    assert_eq!(outcomes(generation), ["FAILED"], "{generation}");
    assert_eq!(generation["storageUrl"], Value::Null);
    generation["errorMessage"].as_str().expect("a message")
}

#[track_caller]
fn assert_completed(generation: &Value, attempts: &[&str]) {
    assert_eq!(generation["status"], "COMPLETED", "{generation}");
    assert_eq!(outcomes(generation), attempts, "{generation}");
    assert!(generation["storageUrl"].is_string(), "{generation}");
}
