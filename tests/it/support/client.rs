//! A caller: sends requests as one user (or none) and reads the answers.

use std::net::SocketAddr;

use boards::{
    cli::token::{TokenClaims, sign_token},
    config::{AuthProvider, Config},
};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::app::SECRET;

/// A token of the tests' issuer for a subject, good for an hour.
pub(crate) fn token(subject: &str) -> String {
    token_with_scope(subject, None)
}

/// The same, granted these scopes alone.
pub(crate) fn token_with_scope(subject: &str, scope: Option<&str>) -> String {
    let config = Config {
        auth_provider: AuthProvider::Jwt,
        jwt_secret: Some(SecretString::from(SECRET)),
        ..Config::for_tests("unused")
    };
    let claims = TokenClaims {
        subject: subject.to_owned(),
        tenant: None,
        email: Some(format!("{subject}@example.com")),
        name: Some(format!("Name of {subject}")),
        scope: scope.map(str::to_owned),
        expires_in: std::time::Duration::from_hours(1),
    };
    sign_token(&config, &claims).expect("a token")
}

/// One caller. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    pub(crate) token: Option<String>,
    pub(crate) tenant: Option<String>,
    headers: Vec<(String, String)>,
}

/// An answer to a GraphQL operation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, address, token: None, tenant: None, headers: Vec::new() }
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub(crate) fn with_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// Sends another header with each request, and with the one that opens a WebSocket.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn authorised(&self, mut request: RequestBuilder) -> RequestBuilder {
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("X-Tenant", tenant);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// A GET of a path, with this caller's headers.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.authorised(self.http.get(format!("http://{}{path}", self.address)))
    }

    /// A POST to a path, with this caller's headers.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.authorised(self.http.post(format!("http://{}{path}", self.address)))
    }

    /// A request of any method to a path, with this caller's headers.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.authorised(self.http.request(method, format!("http://{}{path}", self.address)))
    }

    /// A GET of an absolute URL, without any credentials: a signed link.
    pub(crate) async fn follow(&self, url: &str) -> Response {
        self.http.get(url).send().await.expect("an answer")
    }

    /// Runs an operation.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables });
        let response = self.post("/graphql").json(&body).send().await.expect("an answer");
        let status = response.status();
        Answer { status, body: response.json().await.expect("JSON") }
    }

    /// Runs an operation that must succeed; its data.
    pub(crate) async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.graphql(query, variables).await;
        assert!(answer.body.get("errors").is_none(), "{query}: {}", answer.body);
        answer.body["data"].clone()
    }

    /// Runs an operation that must fail; the code of its first error.
    pub(crate) async fn code(&self, query: &str, variables: Value) -> String {
        let answer = self.graphql(query, variables).await;
        answer.code().unwrap_or_else(|| panic!("{query} must fail: {}", answer.body)).to_owned()
    }

    /// The caller's user id.
    pub(crate) async fn id(&self) -> String {
        text(&self.data("{ me { id } }", json!({})).await["me"]["id"])
    }

    /// Makes a board; its id.
    pub(crate) async fn board(&self, title: &str, is_public: bool) -> String {
        let query = "mutation($t: String!, $p: Boolean) {
            createBoard(input: { title: $t, isPublic: $p }) { id } }";
        text(&self.data(query, json!({ "t": title, "p": is_public })).await["createBoard"]["id"])
    }

    /// Makes another user a member of a board of this caller's.
    pub(crate) async fn add_member(&self, board: &str, user: &Client, role: &str) {
        let query = "mutation($b: UUID!, $u: UUID!, $r: BoardRole) {
            addBoardMember(input: { boardId: $b, userId: $u, role: $r }) { id } }";
        self.data(query, json!({ "b": board, "u": user.id().await, "r": role })).await;
    }

    /// Queues a generation; its id.
    pub(crate) async fn generate(&self, board: &str, generator: &str, params: Value) -> String {
        self.generate_as(board, generator, "IMAGE", params).await
    }

    /// Queues a generation of a kind; its id.
    pub(crate) async fn generate_as(
        &self,
        board: &str,
        generator: &str,
        kind: &str,
        params: Value,
    ) -> String {
        let query = "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) { id } }";
        let input = json!({
            "boardId": board, "generatorName": generator, "artifactType": kind,
            "inputParams": params,
        });
        text(&self.data(query, json!({ "i": input })).await["createGeneration"]["id"])
    }

    /// Waits until a generation has ended; the generation.
    pub(crate) async fn ended(&self, generation: &str) -> Value {
        let query = "query($id: UUID!) { generation(id: $id) {
            id status progress errorMessage storageUrl thumbnailUrl outputMetadata } }";
        super::eventually("the generation ends", async || {
            let found = self.data(query, json!({ "id": generation })).await["generation"].clone();
            let status = found["status"].as_str().unwrap_or_default().to_owned();
            (!matches!(status.as_str(), "PENDING" | "PROCESSING")).then_some(found)
        })
        .await
    }

    /// Puts a small PNG on a board by POST /api/uploads/artifact; the new generation's id.
    pub(crate) async fn upload_png(&self, board: &str) -> String {
        let form = reqwest::multipart::Form::new()
            .text("board_id", board.to_owned())
            .text("artifact_type", "image")
            .part("file", reqwest::multipart::Part::bytes(png(8, 8)).file_name("dot.png"));
        let response = self.post("/api/uploads/artifact").multipart(form).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        text(&response.json::<Value>().await.expect("JSON")["id"])
    }
}

impl Answer {
    /// The code of the first error.
    pub(crate) fn code(&self) -> Option<&str> {
        self.body.pointer("/errors/0/extensions/code")?.as_str()
    }

    /// The message of the first error.
    pub(crate) fn message(&self) -> Option<&str> {
        self.body.pointer("/errors/0/message")?.as_str()
    }
}

/// A JSON text as a text.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// A PNG of that size.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([u8::try_from(x % 256).unwrap_or(0), u8::try_from(y % 256).unwrap_or(0), 90])
    });
    picture.write_to(&mut bytes, image::ImageFormat::Png).expect("a PNG");
    bytes.into_inner()
}

/// The path of a GraphQL request by GET.
pub(crate) fn graphql_path(parameters: &[(&str, &str)]) -> String {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/graphql?{query}")
}
