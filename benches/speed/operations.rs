//! Operations from the request to its answer, without a network: authentication, the engine with its
//! resolvers, and an embedded database.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{Request, StatusCode, header},
};
use boards::{
    app::App,
    cli::token::{TokenClaims, sign_token},
    config::{AuthProvider, Config},
};
use divan::Bencher;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const SECRET: &str = "a secret of the benches, at least 32 bytes long";
const GENERATIONS: usize = 20;
const MAX_BYTES: usize = 1024 * 1024;

/// The operation that `load/` measures as `board`.
pub(crate) fn board_query() -> String {
    let operation = include_str!("../../load/queries/board.json");
    let operation: Value = serde_json::from_str(operation).expect("JSON");
    operation["query"].as_str().expect("a query").to_owned()
}

/// The least that a signed-in caller can ask for.
#[divan::bench]
fn me(bencher: Bencher) {
    Server::start().measure(bencher, &json!({ "query": "{ me { id displayName } }" }));
}

/// A board with its owner, members and generations.
#[divan::bench]
fn board(bencher: Bencher) {
    let server = Server::start();
    let variables = json!({ "id": server.seed() });
    server.measure(bencher, &json!({ "query": board_query(), "variables": variables }));
}

/// The same, its text named by its hash.
#[divan::bench]
fn board_by_hash(bencher: Bencher) {
    let server = Server::start();
    let text = board_query();
    let persisted = json!({ "version": 1, "sha256Hash": hash(&text) });
    let mut operation = json!({
        "query": text, "variables": { "id": server.seed() },
        "extensions": { "persistedQuery": persisted },
    });
    server.data(&operation);
    operation["query"].take();
    server.measure(bencher, &operation);
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a text takes it");
        digits
    })
}

/// A server that is called in this process.
struct Server {
    runtime: Runtime,
    router: Router,
    token: String,
    _app: App,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = Config {
            auth_provider: AuthProvider::Jwt,
            jwt_secret: Some(SecretString::from(SECRET)),
            worker_enabled: false,
            ..Config::for_tests(folder.path())
        };
        let claims = TokenClaims {
            subject: "ada".to_owned(),
            tenant: None,
            email: Some("ada@example.com".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            scope: None,
            expires_in: Duration::from_hours(1),
        };
        let token = sign_token(&config, &claims).expect("a token");
        let runtime = Runtime::new().expect("a runtime");
        let address = SocketAddr::from(([127, 0, 0, 1], 8088));
        let app = runtime.block_on(App::start(config, address)).expect("the server starts");
        Self { runtime, router: app.router(), token, _app: app, _folder: folder }
    }

    /// Makes a board with generations; its id.
    fn seed(&self) -> String {
        let made = self.data(&json!({
            "query": "mutation { createBoard(input: { title: \"Seeded\", description: \"A board\" }) { id } }",
        }));
        let board = made["createBoard"]["id"].as_str().expect("an id").to_owned();
        for number in 0..GENERATIONS {
            let input = json!({
                "boardId": board, "generatorName": "pattern-image", "artifactType": "IMAGE",
                "inputParams": { "prompt": "a calm sea", "seed": number },
            });
            self.data(&json!({
                "query": "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) { id } }",
                "variables": { "i": input },
            }));
        }
        board
    }

    /// Measures an operation that goes well.
    fn measure(&self, bencher: Bencher, operation: &Value) {
        self.data(operation);
        let body = Bytes::from(operation.to_string());
        bencher.bench(|| self.answer(body.clone()));
    }

    fn data(&self, operation: &Value) -> Value {
        let answer = self.answer(Bytes::from(operation.to_string()));
        let mut answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert!(answer.get("errors").is_none(), "{operation}: {answer}");
        answer["data"].take()
    }

    fn answer(&self, body: Bytes) -> Bytes {
        let request = Request::post("/graphql")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .expect("a request");
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            to_bytes(response.into_body(), MAX_BYTES).await.expect("a body")
        })
    }
}
