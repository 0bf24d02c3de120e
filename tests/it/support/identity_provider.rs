//! An identity provider on this machine, which publishes keys, introspects, counts who asks, and
//! can be taken down.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::issuer::Issuer;

#[derive(Default)]
struct Shared {
    url: String,
    keys: Vec<Value>,
    /// What is known of opaque tokens.
    tokens: HashMap<String, Value>,
    is_down: bool,
    /// Whether questions about tokens wait for their answers.
    is_silent: watch::Sender<bool>,
    fetches: usize,
    questions: usize,
}

type Provider = Arc<Mutex<Shared>>;

/// A running identity provider; it ends when this is dropped.
pub(crate) struct IdentityProvider {
    pub(crate) url: String,
    shared: Provider,
    task: JoinHandle<()>,
}

impl IdentityProvider {
    /// Publishes the key of this issuer under the id `key`.
    pub(crate) async fn publishing(issuer: &Issuer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let keys = vec![issuer.jwk("key")];
        let shared: Provider =
            Arc::new(Mutex::new(Shared { url: url.clone(), keys, ..Shared::default() }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(keys_of))
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("served");
        });
        Self { url, shared, task }
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.lock().expect("unbroken").is_down = is_down;
    }

    /// Lets questions about tokens wait for their answers until it is no longer so.
    pub(crate) fn set_silent(&self, is_silent: bool) {
        self.shared.lock().expect("unbroken").is_silent.send_replace(is_silent);
    }

    /// Answers so when asked about an opaque token.
    pub(crate) fn knows(&self, token: &str, answer: Value) {
        self.shared.lock().expect("unbroken").tokens.insert(token.to_owned(), answer);
    }

    /// How often the keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.lock().expect("unbroken").fetches
    }

    /// How often it was asked about a token.
    pub(crate) fn questions(&self) -> usize {
        self.shared.lock().expect("unbroken").questions
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(provider: &Provider, document: impl FnOnce(&mut Shared) -> Value) -> Response {
    let mut shared = provider.lock().expect("unbroken");
    let document = document(&mut shared);
    if shared.is_down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    Json(document).into_response()
}

async fn discovery(State(provider): State<Provider>) -> Response {
    answer(
        &provider,
        |shared| json!({ "issuer": shared.url, "jwks_uri": format!("{}/jwks", shared.url) }),
    )
}

async fn keys_of(State(provider): State<Provider>) -> Response {
    answer(&provider, |shared| {
        shared.fetches += 1;
        json!({ "keys": shared.keys })
    })
}

async fn introspect(State(provider): State<Provider>, body: String) -> Response {
    let form: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let mut silence = {
        let mut shared = provider.lock().expect("unbroken");
        shared.questions += 1;
        shared.is_silent.subscribe()
    };
    let _ = silence.wait_for(|is_silent| !is_silent).await;
    answer(&provider, |shared| {
        let known = form.get("token").and_then(|token| shared.tokens.get(token));
        known.cloned().unwrap_or_else(|| json!({ "active": false }))
    })
}
