//! How tokens end: by time, by revocation, with the token they were made with, with their user and
//! with their tenant.

use std::collections::BTreeSet;

use boards::{config::AuthProvider, store::SessionChange};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{CREATE, ME, assert_refused, listed, make, revoke, set_time};
use crate::support::{Client, SLOW, Socket, TestApp, on_postgres, sql, text};

fn end_of(row: &Value) -> DateTime<Utc> {
    text(&row["expiresAt"]).parse().expect("a time")
}

#[tokio::test]
async fn refused_once_expired() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let end = Utc::now() + TimeDelta::hours(1);
    let made = make(&ada, &["boards:read"], json!({ "expiresAt": end })).await;
    assert!((end_of(&made.row) - end).abs() < TimeDelta::milliseconds(1), "{}", made.row);
    let script = made.client(&ada);
    script.id().await;
    set_time(&app, &made.id, "expires_at", -1).await;
    assert_refused(&script).await;
    assert_eq!(listed(&ada).await, [made.id], "it is still shown, with its end");
}

#[tokio::test]
async fn a_token_does_not_outlive_the_one_it_was_made_with() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let end = Utc::now() + TimeDelta::hours(1);
    let parent = make(&ada, &["tokens:write"], json!({ "expiresAt": end })).await;
    let script = parent.client(&ada);
    let child = make(&script, &["tokens:write"], json!({})).await;
    assert_eq!(end_of(&child.row), end_of(&parent.row), "its end unless it says otherwise");
    let later = end + TimeDelta::hours(1);
    let asked =
        |end: DateTime<Utc>| json!({ "name": "n", "scopes": ["tokens:write"], "expiresAt": end });
    script.refused_input(CREATE, asked(later), &["expiresAt"]).await;
    let child = child.client(&ada);
    child.refused_input(CREATE, asked(later), &["expiresAt"]).await;
    let sooner = end - TimeDelta::minutes(30);
    let shorter = make(&child, &["tokens:write"], json!({ "expiresAt": sooner })).await;
    let last = shorter.client(&ada);
    last.refused_input(CREATE, asked(end - TimeDelta::minutes(1)), &["expiresAt"]).await;
    let endless = make(&ada, &["tokens:write"], json!({})).await;
    let of_endless = make(&endless.client(&ada), &["tokens:write"], json!({})).await;
    assert_eq!(of_endless.row["expiresAt"], Value::Null);
}

/// Descendants end with it; siblings and ancestors do not.
#[tokio::test]
async fn revoking_a_token_ends_those_made_with_it() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let scopes = ["tokens:write", "boards:read"];
    let root = make(&ada, &scopes, json!({})).await;
    let parent = make(&root.client(&ada), &scopes, json!({})).await;
    let sibling = make(&root.client(&ada), &scopes, json!({})).await;
    let child = make(&parent.client(&ada), &scopes, json!({})).await;
    let grandchild = make(&child.client(&ada), &scopes, json!({})).await;
    let mut ended = app.store().events().session_changes();
    assert_eq!(revoke(&grandchild.client(&ada), &parent.id).await, true, "one may end oneself");
    for made in [&parent, &child, &grandchild] {
        assert_refused(&made.client(&ada)).await;
    }
    for made in [&root, &sibling] {
        made.client(&ada).id().await;
    }
    // What this process announces is heard once more from the rows.
    let mut announced = BTreeSet::new();
    while let Ok(SessionChange::AccessToken(id)) = ended.try_recv() {
        announced.insert(id.to_string());
    }
    assert_eq!(announced, BTreeSet::from([parent.id, child.id, grandchild.id]));
}

/// It is a row that each request reads: no node remembers.
#[tokio::test]
async fn revocation_works_on_the_next_request_on_every_node() {
    if !on_postgres() {
        return; // SQLite has one process.
    }
    let first = TestApp::start().await;
    let second = TestApp::builder().beside(&first).start().await;
    let ada = first.user("ada");
    let made = make(&ada, &["tokens:write"], json!({})).await;
    let at = |app: &TestApp, token: &str| app.anonymous().with_token(token);
    let child = make(&at(&second, &made.token), &["tokens:write"], json!({})).await;
    for app in [&first, &second] {
        at(app, &made.token).id().await;
        at(app, &child.token).id().await;
    }
    revoke(&ada, &made.id).await;
    for app in [&second, &first] {
        assert_refused(&at(app, &made.token)).await;
        assert_refused(&at(app, &child.token)).await;
    }
}

const WATCH: &str = "subscription($id: UUID!) { boardUpdated(boardId: $id) { title } }";

async fn watching(caller: &Client, board: &str) -> Socket {
    let mut socket = Socket::open(caller).await;
    socket.start("1", WATCH, json!({ "id": board })).await;
    assert_eq!(socket.next().await.expect("the present state")["type"], "next");
    socket
}

/// Those of the revoked token and of those made with it, at every node, and no others.
#[tokio::test]
async fn revocation_ends_open_websockets_and_events() {
    let app = TestApp::start().await;
    let second = if on_postgres() {
        Some(TestApp::builder().beside(&app).start().await)
    } else {
        None // SQLite has one process.
    };
    let elsewhere = second.as_ref().unwrap_or(&app);
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let generation = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
    let scopes = ["boards:read", "generations:read", "tokens:write"];
    let parent = make(&ada, &scopes, json!({})).await;
    let child = make(&parent.client(&ada), &scopes, json!({})).await.client(&elsewhere.anonymous());
    let other = make(&ada, &scopes, json!({})).await.client(&ada);
    let progress = parent.client(&ada).get(&format!("/api/sse/generations/{generation}/progress"));
    let mut progress = progress.send().await.expect("an answer");
    assert!(progress.chunk().await.expect("a chunk").is_some(), "the present state");
    let mut sockets =
        [watching(&parent.client(&ada), &board).await, watching(&child, &board).await];
    let mut of_other = watching(&other, &board).await;
    revoke(&ada, &parent.id).await;
    for socket in &mut sockets {
        assert_eq!(socket.close_code().await, Some(4401));
    }
    while progress.chunk().await.expect("a chunk").is_some() {}
    let rename = "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"New\" }) { id } }";
    ada.data(rename, json!({ "id": board })).await;
    assert_eq!(of_other.next().await.expect("still open")["type"], "next");
}

/// Whoever makes tokens while theirs is being revoked has none left.
#[tokio::test]
async fn no_token_slips_through_while_its_maker_is_revoked() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for _ in 0..5 {
        let parent = make(&ada, &["tokens:write"], json!({})).await;
        let script = parent.client(&ada);
        let makers = (0..8)
            .map(|_| script.graphql(CREATE, json!({ "name": "n", "scopes": ["tokens:write"] })));
        let revoked = revoke(&ada, &parent.id);
        let (answers, _) = tokio::join!(futures_util::future::join_all(makers), revoked);
        for answer in answers {
            let Some(token) = answer.body.pointer("/data/createAccessToken/token") else {
                assert_eq!(answer.code(), Some("UNAUTHENTICATED"), "{}", answer.body);
                continue;
            };
            assert_refused(&app.anonymous().with_token(&text(token))).await;
        }
    }
    assert_eq!(listed(&ada).await, Vec::<String>::new());
}

async fn set_user(app: &TestApp, user: &Client, disabled: Option<DateTime<Utc>>) {
    let id = sql::id(&user.id().await);
    let sql = "UPDATE users SET disabled_at = $1 WHERE id = $2";
    assert_eq!(sql::execute(app, sql, [disabled.into(), id]).await, 1);
}

#[tokio::test]
async fn a_suspended_users_tokens_open_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let script = make(&ada, &["boards:read"], json!({})).await.client(&ada);
    script.id().await;
    set_user(&app, &ada, Some(Utc::now())).await;
    for query in [ME, "{ publicBoards { id } }"] {
        assert_eq!(script.code(query, json!({})).await, "FORBIDDEN", "{query}");
    }
}

#[tokio::test]
async fn a_closed_tenants_tokens_open_nothing() {
    let app = TestApp::two_tenants().await;
    let ada = app.user_of("one", "ada");
    let script = make(&ada, &["boards:read"], json!({})).await.client(&ada);
    script.id().await;
    let close = "UPDATE tenants SET status = 'deleting' WHERE slug = $1";
    assert_eq!(sql::execute(&app, close, ["one".into()]).await, 1);
    assert_eq!(script.code(ME, json!({})).await, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn tokens_go_with_their_user() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let script = make(&ada, &["boards:read"], json!({})).await.client(&ada);
    let id = sql::id(&ada.id().await);
    assert_eq!(sql::execute(&app, "DELETE FROM users WHERE id = $1", [id]).await, 1);
    assert_refused(&script).await;
}

#[tokio::test]
async fn it_ends_with_the_trust_in_its_users_provider() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let made = make(&ada, &["boards:read"], json!({})).await.client(&ada);
    let id = made.id().await;
    let rename = "UPDATE users SET auth_provider = $2 WHERE id = $1";
    for provider in ["former", "none"] {
        assert_eq!(sql::execute(&app, rename, [sql::id(&id), provider.into()]).await, 1);
        assert_refused(&made).await;
    }
    assert_eq!(sql::execute(&app, rename, [sql::id(&id), "jwt".into()]).await, 1);
    assert_eq!(made.id().await, id);
}

#[tokio::test]
async fn it_works_in_no_tenant_that_its_users_provider_may_not_vouch_for() {
    let mut app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    let of_one = make(&one, &["boards:read"], json!({})).await.token;
    let of_two = make(&two, &["boards:read"], json!({})).await.token;
    app.stop().await;
    let mut issuer = app.config.trusted_issuers().remove(0);
    issuer.issuer = Some("https://id.example".to_owned());
    issuer.tenants = Some(vec!["one".to_owned()]);
    let narrowed = TestApp::builder().beside(&app).config(|config| {
        config.multi_tenant_mode = true;
        config.auth_provider = AuthProvider::None;
        config.auth_issuers = vec![issuer];
    });
    let narrowed = narrowed.start().await;
    narrowed.anonymous().with_token(&of_one).id().await;
    let refused = narrowed.anonymous().with_token(&of_two);
    assert_eq!(refused.code(ME, json!({})).await, "FORBIDDEN");
}
