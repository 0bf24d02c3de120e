//! How wide a token may be, whose it is, and how many there may be.

use serde_json::{Value, json};

use super::{CREATE, LIST, ME, REVOKE, assert_refused, listed, make, revoke, set_time};
use crate::support::{Client, TestApp};

async fn refused_scopes(caller: &Client, scopes: &[&str]) -> Value {
    let answer = caller.graphql(CREATE, json!({ "name": "n", "scopes": scopes })).await;
    assert_eq!(answer.code(), Some("FORBIDDEN"), "{scopes:?}: {}", answer.body);
    answer.body["errors"][0]["extensions"]["requiredScopes"].clone()
}

#[tokio::test]
async fn never_wider_than_what_it_was_made_with() {
    let app = TestApp::start().await;
    app.user("ada").id().await;
    let narrow = app.user_with_scope("ada", "tokens:write boards:read openid");
    assert_eq!(refused_scopes(&narrow, &["boards:write"]).await, json!(["boards:write"]));
    assert_eq!(
        refused_scopes(&narrow, &["boards:read", "tenant:admin"]).await,
        json!(["tenant:admin"])
    );
    let child = make(&narrow, &["boards:read", "tokens:write"], json!({})).await.client(&narrow);
    assert_eq!(refused_scopes(&child, &["tags:write"]).await, json!(["tags:write"]));
    let grandchild = make(&child, &["tokens:write"], json!({})).await.client(&child);
    assert_eq!(refused_scopes(&grandchild, &["boards:read"]).await, json!(["boards:read"]));
    let last = make(&child, &["boards:read"], json!({})).await.client(&child);
    let nobody = json!({ "id": "00000000-0000-4000-8000-000000000000" });
    let create = json!({ "name": "n", "scopes": ["boards:read"] });
    for (query, variables) in [(LIST, json!({})), (CREATE, create), (REVOKE, nobody)] {
        let answer = last.graphql(query, variables).await;
        assert_eq!(answer.code(), Some("FORBIDDEN"), "{query}: {}", answer.body);
    }
}

/// What the caller may not give is said before what is wrong with the rest.
#[tokio::test]
async fn scopes_come_before_the_input() {
    let app = TestApp::start().await;
    app.user("ada").id().await;
    let narrow = app.user_with_scope("ada", "tokens:write");
    let answer =
        narrow.graphql(CREATE, json!({ "name": "", "scopes": ["boards:read", "x"] })).await;
    assert_eq!(answer.code(), Some("FORBIDDEN"), "{}", answer.body);
}

#[tokio::test]
async fn wrong_input_is_named() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let soon = chrono::Utc::now() + chrono::TimeDelta::days(1);
    let cases = [
        (json!({ "name": " ", "scopes": ["boards:read"] }), vec!["name"]),
        (json!({ "name": "n".repeat(101), "scopes": ["boards:read"] }), vec!["name"]),
        (json!({ "name": "a\u{0}b", "scopes": ["boards:read"] }), vec!["name"]),
        (json!({ "name": "n", "scopes": [] }), vec!["scopes"]),
        (json!({ "name": "n", "scopes": ["boards:*"] }), vec!["scopes"]),
        (json!({ "name": "n", "scopes": ["boards:read", "Boards:read"] }), vec!["scopes"]),
        (json!({ "name": "n", "scopes": ["platform:admin"] }), vec!["scopes"]),
        (
            json!({ "name": "n", "scopes": ["boards:read"], "expiresAt": "2020-01-01T00:00:00Z" }),
            vec!["expiresAt"],
        ),
        (
            json!({ "name": "n", "scopes": ["boards:read"], "expiresAt": "9999-01-01T00:00:00Z" }),
            vec!["expiresAt"],
        ),
        (json!({ "name": "", "scopes": ["x"], "expiresAt": soon }), vec!["name", "scopes"]),
    ];
    for (variables, paths) in cases {
        ada.refused_input(CREATE, variables, &paths).await;
    }
    assert_eq!(listed(&ada).await, Vec::<String>::new());
    let twice =
        make(&ada, &["boards:read", "boards:read"], json!({ "name": "n".repeat(100) })).await;
    assert_eq!(twice.row["scopes"], json!(["boards:read"]));
}

#[tokio::test]
async fn not_even_the_local_user_can_give_away_the_platform() {
    let app = TestApp::builder()
        .config(|config| config.auth_provider = boards::config::AuthProvider::None)
        .start()
        .await;
    let variables = json!({ "name": "n", "scopes": ["platform:admin"] });
    app.anonymous().refused_input(CREATE, variables, &["scopes"]).await;
}

#[tokio::test]
async fn bound_to_its_user() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let hers = make(&ada, &["boards:read"], json!({})).await;
    assert_eq!(listed(&bob).await, Vec::<String>::new());
    let nobody = "00000000-0000-4000-8000-000000000000";
    let foreign = bob.graphql(REVOKE, json!({ "id": hers.id })).await;
    let missing = bob.graphql(REVOKE, json!({ "id": nobody })).await;
    assert_eq!(foreign.code(), Some("NOT_FOUND"));
    assert_eq!(foreign.body, missing.body);
    let board = bob.board("His", false).await;
    let query = "query($id: UUID!) { board(id: $id) { title } }";
    let script = hers.client(&ada);
    assert_eq!(script.code(query, json!({ "id": board })).await, "FORBIDDEN");
    assert_eq!(app.anonymous().code(LIST, json!({})).await, "UNAUTHENTICATED");
}

/// Rule 1 of access.md: the token names the tenant, X-Tenant may repeat it.
#[tokio::test]
async fn bound_to_its_tenant() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "twin"), app.user_of("two", "twin"));
    let (in_one, in_two) = (one.id().await, two.id().await);
    let made = make(&one, &["boards:read", "tokens:write"], json!({})).await;
    let script = made.client(&one);
    assert_eq!(script.id().await, in_one, "without a header");
    assert_eq!(script.clone().with_tenant("one").id().await, in_one);
    for (header, code) in [("two", "FORBIDDEN"), ("three", "FORBIDDEN"), ("-", "TENANT_NOT_FOUND")]
    {
        let answer = script.clone().with_tenant(header).graphql(ME, json!({})).await;
        assert_eq!(answer.code(), Some(code), "{header}: {}", answer.body);
    }
    assert_eq!(listed(&two).await, Vec::<String>::new(), "the same subject in another tenant");
    assert_eq!(two.code(REVOKE, json!({ "id": made.id })).await, "NOT_FOUND");
    let child = make(&script, &["boards:read"], json!({})).await;
    assert_eq!(child.client(&one).id().await, in_one);
    assert_eq!(two.id().await, in_two);
}

/// Multi-tenancy was switched off: what is in other tenants is not there.
#[tokio::test]
async fn without_multi_tenancy_only_the_default_tenants_tokens_work() {
    let mut many = TestApp::builder().tenants(&["other"]).start().await;
    let other = make(&many.user_of("other", "ada"), &["boards:read"], json!({})).await;
    let own = make(&many.user_of("other", "bob"), &["boards:read"], json!({})).await;
    many.stop().await;
    let mut one = TestApp::builder()
        .config(|config| config.default_tenant_slug = "other".to_owned())
        .beside(&many)
        .start()
        .await;
    own.client(&one.anonymous()).id().await;
    let elsewhere = own.client(&one.anonymous()).with_tenant("default");
    assert_eq!(elsewhere.code(ME, json!({})).await, "TENANT_NOT_FOUND");
    one.stop().await;
    let default = TestApp::builder().beside(&many).start().await;
    let caller = other.client(&default.anonymous());
    assert_eq!(caller.code(ME, json!({})).await, "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn a_user_has_a_hundred_at_most_and_expired_ones_give_way() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let first = make(&ada, &["boards:read"], json!({})).await;
    for _ in 1..100 {
        make(&ada, &["boards:read"], json!({})).await;
    }
    let one_more = json!({ "name": "one more", "scopes": ["boards:read"] });
    assert_eq!(ada.code(CREATE, one_more.clone()).await, "CONFLICT");
    assert_eq!(listed(&ada).await.len(), 100);
    app.user("bob").data(CREATE, one_more.clone()).await;
    set_time(&app, &first.id, "expires_at", -1).await;
    ada.data(CREATE, one_more.clone()).await;
    let left = listed(&ada).await;
    assert!(left.len() == 100 && !left.contains(&first.id), "the expired one gave way");
    assert_eq!(ada.code(CREATE, one_more.clone()).await, "CONFLICT");
    revoke(&ada, &left[50]).await;
    ada.data(CREATE, one_more).await;
    assert_refused(&first.client(&ada)).await;
}
