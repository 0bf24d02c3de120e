//! A small server on this machine that speaks `OpenAI`'s protocol for images, as far as the demo needs it.
//! It draws patterns, each settled by its prompt.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::domain::GenerationId;
use crate::generators::{ArtifactFacts, Content, ExternalJob, Made, Progress, Registry, Run};

/// The only model that it has. No other server has one of this name: should a worker beside the demo's take
/// its job, that is refused there, and not paid for.
pub(super) const MODEL: &str = "boards-demo";
/// What draws.
const GENERATOR: &str = "pattern-image";

/// A running stand-in; it ends when this is dropped.
pub(super) struct StandIn {
    address: SocketAddr,
    asked: Arc<AtomicBool>,
    task: JoinHandle<std::io::Result<()>>,
}

/// What requests are answered from.
#[derive(Clone)]
struct Studio {
    registry: Arc<Registry>,
    asked: Arc<AtomicBool>,
}

impl StandIn {
    /// Starts one on a free port.
    pub(super) async fn start(registry: Registry) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(AtomicBool::new(false));
        let studio = Studio { registry: Arc::new(registry), asked: Arc::clone(&asked) };
        let router = Router::new().route("/v1/images/generations", post(answer)).with_state(studio);
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, asked, task })
    }

    /// Its base address, as `BOARDS_OPENAI_URL` has it.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Whether it has drawn anything.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(studio): State<Studio>, Json(request): Json<Value>) -> Response {
    if request["model"] != MODEL {
        // Somebody else's job on the same database: it is to wait for a worker that is not the demo's.
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")]).into_response();
    }
    match draw(&studio.registry, &request).await {
        Err(message) => {
            let error = json!({ "message": message, "type": "invalid_request_error" });
            (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
        }
        Ok(picture) => {
            studio.asked.store(true, Ordering::Relaxed);
            let image = json!({ "b64_json": BASE64_STANDARD.encode(picture) });
            Json(json!({ "created": 0, "data": [image] })).into_response()
        }
    }
}

/// A picture as PNG, or what is wrong with the request.
async fn draw(registry: &Registry, request: &Value) -> Result<bytes::Bytes, String> {
    let entry = registry.get(GENERATOR).ok_or("nothing draws here")?;
    let size = request["size"].as_str().and_then(|size| size.split_once('x'));
    let (width, height) = size.ok_or("size must be such as 512x512")?;
    let pixels = |text: &str| text.parse::<u32>().unwrap_or_default();
    let params =
        json!({ "prompt": request["prompt"], "width": pixels(width), "height": pixels(height) });
    let params = entry.schema.check(&params).map_err(|violations| {
        violations.into_iter().map(|wrong| wrong.message).collect::<Vec<_>>().join("; ")
    })?;
    let run = Run {
        generation: GenerationId::new(),
        job: ExternalJob::untracked(),
        key: None,
        params,
        facts: ArtifactFacts::new(),
        artifacts: std::collections::HashMap::new(),
        progress: Progress::ignored(),
        cancel: tokio_util::sync::CancellationToken::new(),
    };
    let Made { artifacts } =
        entry.generator.run(run).await.map_err(|failure| failure.to_string())?;
    match artifacts.into_iter().next().map(|artifact| artifact.content) {
        Some(Content::Bytes(bytes)) => Ok(bytes),
        _ => Err("nothing was drawn".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(request: Value) -> (StatusCode, bool, bytes::Bytes) {
        let studio = Studio {
            registry: Arc::new(Registry::builtin().expect("generators")),
            asked: Arc::default(),
        };
        let response = answer(State(studio.clone()), Json(request)).await;
        let (status, later) = (response.status(), response.headers().contains_key(RETRY_AFTER));
        assert_eq!(studio.asked.load(Ordering::Relaxed), status == StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, later, body)
    }

    #[tokio::test]
    async fn a_prompt_is_drawn() {
        let request = json!({ "model": MODEL, "prompt": "a calm sea", "size": "64x32" });
        let (status, _, body) = asked(request.clone()).await;
        assert_eq!(status, StatusCode::OK);
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        let picture = answer["data"][0]["b64_json"].as_str().expect("an image");
        let picture = BASE64_STANDARD.decode(picture).expect("base64");
        let picture = image::load_from_memory(&picture).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (64, 32));
        assert_eq!(asked(request).await.2, body, "the prompt decides");
    }

    #[tokio::test]
    async fn jobs_of_others_go_back_to_the_queue() {
        let request = json!({ "model": "dall-e-3", "prompt": "a calm sea", "size": "64x64" });
        let (status, later, _) = asked(request).await;
        assert_eq!((status, later), (StatusCode::TOO_MANY_REQUESTS, true));
    }

    #[tokio::test]
    async fn what_cannot_be_drawn_is_refused() {
        for size in ["auto", "8x8", "x"] {
            let request = json!({ "model": MODEL, "prompt": "a calm sea", "size": size });
            assert_eq!(asked(request).await.0, StatusCode::BAD_REQUEST, "{size}");
        }
    }
}
