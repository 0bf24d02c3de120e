//! Access tokens of the server's own: made, used, listed and revoked; never wider than what they were
//! made with; bound to one user and tenant.

mod bounds;
mod last_use;
mod lifetime;
mod refusals;

use boards::{
    auth::OwnToken,
    config::{AuthProvider, Config},
};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::{Client, Socket, TestApp, files_below, on_postgres, sql, text};

const CREATE: &str = "mutation($name: String!, $scopes: [String!]!, $expiresAt: DateTime) {
    createAccessToken(name: $name, scopes: $scopes, expiresAt: $expiresAt) {
        token accessToken { id name scopes createdAt expiresAt lastUsedAt } } }";
const LIST: &str = "{ accessTokens { id name scopes createdAt expiresAt lastUsedAt } }";
const REVOKE: &str = "mutation($id: UUID!) { revokeAccessToken(id: $id) }";
const ME: &str = "{ me { id } }";

/// A new token, as it was shown.
struct Made {
    token: String,
    id: String,
    /// What is known of it besides.
    row: Value,
}

impl Made {
    /// A caller with this token, at the same server as another caller.
    fn client(&self, like: &Client) -> Client {
        Client::new(like.address()).with_token(&self.token)
    }
}

/// Makes a token; what is in `more` stands in place of the usual arguments.
async fn make(caller: &Client, scopes: &[&str], more: Value) -> Made {
    let mut variables = json!({ "name": "script", "scopes": scopes });
    for (name, value) in more.as_object().expect("an object") {
        variables[name] = value.clone();
    }
    let made = caller.data(CREATE, variables).await["createAccessToken"].clone();
    let row = made["accessToken"].clone();
    Made { token: text(&made["token"]), id: text(&row["id"]), row }
}

async fn revoke(caller: &Client, id: &str) -> Value {
    caller.data(REVOKE, json!({ "id": id })).await["revokeAccessToken"].clone()
}

/// The ids in the caller's list.
async fn listed(caller: &Client) -> Vec<String> {
    let data = caller.data(LIST, json!({})).await;
    data["accessTokens"].as_array().expect("a list").iter().map(|one| text(&one["id"])).collect()
}

/// A valid token that is refused answers exactly this, whatever the reason.
async fn assert_refused(client: &Client) {
    let answer = client.graphql(ME, json!({})).await;
    assert_eq!(answer.code(), Some("UNAUTHENTICATED"), "{}", answer.body);
    assert_eq!(answer.message(), Some("Invalid or expired token"));
}

/// Sets a column of a token by SQL.
async fn set_time(app: &TestApp, token: &str, column: &str, minutes: i64) {
    let time = chrono::Utc::now() + chrono::TimeDelta::minutes(minutes);
    let statement = format!("UPDATE access_tokens SET {column} = $1 WHERE id = $2");
    assert_eq!(sql::execute(app, &statement, [time.into(), sql::id(token)]).await, 1);
}

#[tokio::test]
async fn made_used_listed_and_revoked() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let first = make(&ada, &["boards:read", "boards:write"], json!({ "name": " first " })).await;
    assert!(first.token.starts_with("bds_") && first.token.len() == 52, "{}", first.token);
    let expected = json!(["first", ["boards:read", "boards:write"], null, null]);
    let row = &first.row;
    assert_eq!(json!([row["name"], row["scopes"], row["expiresAt"], row["lastUsedAt"]]), expected);
    let script = first.client(&ada);
    assert_eq!(script.id().await, ada.id().await);
    let board = script.board("By a script", false).await;
    let seen = ada.data("query($id: UUID!) { board(id: $id) { title } }", json!({ "id": board }));
    assert_eq!(seen.await["board"]["title"], "By a script");

    let second = make(&ada, &["tokens:write"], json!({ "name": "second" })).await;
    assert_eq!(listed(&ada).await, [second.id.clone(), first.id.clone()], "newest first");
    assert_eq!(listed(&second.client(&ada)).await.len(), 2, "by an access token too");
    assert_eq!(revoke(&ada, &first.id).await, true);
    assert_refused(&script).await;
    assert_eq!(listed(&ada).await, std::slice::from_ref(&second.id));
    assert_eq!(revoke(&ada, &first.id).await, false, "revoked already");
    assert_eq!(second.client(&ada).id().await, ada.id().await, "the other one goes on");
}

/// Not in any row, nor in any file of the data folder, the embedded database among them.
#[tokio::test]
async fn a_token_is_shown_once_and_kept_nowhere() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let made = make(&ada, &["boards:read"], json!({})).await;
    made.client(&ada).id().await;
    let list = ada.data(LIST, json!({})).await.to_string();
    assert!(!list.contains(&made.token), "{list}");
    let hash = OwnToken::parse(&made.token).expect("a token").hash();
    let kept = everything_kept(&app).await;
    assert!(kept.iter().any(|text| text.contains(&hash)), "it looks where tokens are kept");
    // Half of it, and without what all have in common, would be too much already.
    let part = &made.token[4..28];
    assert!(!kept.iter().any(|text| text.contains(part)));
}

/// All that the server has stored, as text.
async fn everything_kept(app: &TestApp) -> Vec<String> {
    let mut kept = Vec::new();
    for path in files_below(&app.config.data_dir) {
        let bytes = std::fs::read(path).expect("the server's files can be read");
        kept.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    if on_postgres() {
        let connection = app.database().connect().await;
        let tables = "SELECT table_name::text FROM information_schema.tables
                       WHERE table_schema = current_schema()";
        for table in texts(&connection, tables).await {
            kept.extend(texts(&connection, &format!("SELECT t::text FROM {table} t")).await);
        }
    }
    kept
}

async fn texts(connection: &impl ConnectionTrait, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.expect("it can be read");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

#[tokio::test]
async fn the_local_user_of_provider_none_has_tokens_too() {
    let none = |config: &mut Config| config.auth_provider = AuthProvider::None;
    let app = TestApp::builder().config(none).start().await;
    let local = app.anonymous();
    let made = make(&local, &["boards:read"], json!({})).await;
    let script = made.client(&local);
    assert_eq!(script.id().await, local.id().await);
    let create = "mutation { createBoard(input: { title: \"No\" }) { id } }";
    assert_eq!(script.code(create, json!({})).await, "FORBIDDEN", "its scopes bind there too");
    assert_eq!(revoke(&local, &made.id).await, true);
    assert_refused(&script).await;
    // Any text is good there, but for what is one of ours to the letter.
    local.clone().with_token("bds_").id().await;
    local.with_token("any other text").id().await;
}

#[tokio::test]
async fn over_a_websocket_too() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let made = make(&ada, &["boards:read"], json!({})).await;
    let mut socket = Socket::open(&made.client(&ada)).await;
    let query = "query($id: UUID!) { board(id: $id) { title } }";
    socket.start("1", query, json!({ "id": board })).await;
    assert_eq!(socket.rest("1").await[0]["data"]["board"]["title"], "Hers");
    socket.start("2", "{ recentGenerations { id } }", json!({})).await;
    let refused = socket.rest("2").await;
    assert_eq!(refused[0]["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused:?}");
}
