//! What is no token, and how REST says so.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ME, assert_refused, make, revoke};
use crate::support::{Client, TestApp, png, upload_form};

/// Typos and other people's strings are told from tokens without the database.
#[tokio::test]
async fn what_is_malformed_costs_no_statement() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let token = make(&ada, &["boards:read"], json!({})).await.token;
    let other_letter = if token.ends_with('A') { "B" } else { "A" };
    let malformed = [
        "bds_".to_owned(),
        format!("{}{other_letter}", &token[..51]),
        token[..51].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!("bds_{token}"),
        format!("bds_{}", "A".repeat(48)),
        format!("bds_{}", "A".repeat(10_000)),
    ];
    let before = app.store().statement_count();
    for wrong in &malformed {
        assert_refused(&app.anonymous().with_token(wrong)).await;
    }
    assert_eq!(app.store().statement_count(), before);
    app.anonymous().with_token(&token).id().await;
}

#[tokio::test]
async fn a_well_formed_token_that_was_never_issued_costs_one() {
    let app = TestApp::start().await;
    let made = boards::auth::OwnToken::generate().expect("randomness");
    let before = app.store().statement_count();
    assert_refused(&app.anonymous().with_token(made.expose())).await;
    assert_eq!(app.store().statement_count() - before, 1);
}

/// Neither is a token of the provider's one of ours, nor the other way round.
#[tokio::test]
async fn the_scheme_and_the_prefix_must_be_right() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let token = make(&ada, &["boards:read"], json!({})).await.token;
    for wrong in [token.to_uppercase(), token[4..].to_owned(), format!("x{token}")] {
        assert_refused(&app.anonymous().with_token(&wrong)).await;
    }
    let twice =
        ada.get("/graphql?query={me{id}}").header("Authorization", format!("Bearer {token}"));
    let answer: Value = twice.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "two headers");
    let basic = app.anonymous().get("/graphql?query={me{id}}");
    let basic = basic.header("Authorization", format!("Basic {token}"));
    let answer: Value = basic.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let in_query =
        app.anonymous().get(&format!("/graphql?query={{me{{id}}}}&access_token={token}"));
    let answer: Value = in_query.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["message"], "Not authenticated");
}

async fn upload(caller: &Client, board: &str) -> reqwest::Response {
    let form = upload_form(board, "image", png(8, 8));
    caller.post("/api/uploads/artifact").multipart(form).send().await.expect("an answer")
}

fn challenge(response: &reqwest::Response) -> String {
    response.headers()["www-authenticate"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn rest_takes_and_refuses_them() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let writer = make(&ada, &["generations:write"], json!({})).await;
    let reader = make(&ada, &["boards:read"], json!({})).await;
    assert_eq!(upload(&writer.client(&ada), &board).await.status(), StatusCode::OK);
    let lacking = upload(&reader.client(&ada), &board).await;
    assert_eq!(lacking.status(), StatusCode::FORBIDDEN);
    let expected = "Bearer error=\"insufficient_scope\", scope=\"generations:write\"";
    assert_eq!(challenge(&lacking), expected);
    revoke(&ada, &writer.id).await;
    let refused = upload(&writer.client(&ada), &board).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let metadata = app.url("/.well-known/oauth-protected-resource");
    let expected = format!("Bearer error=\"invalid_token\", resource_metadata=\"{metadata}\"");
    assert_eq!(challenge(&refused), expected);
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body, json!({ "error": "UNAUTHENTICATED", "detail": "Invalid or expired token" }));
    let anonymous = upload(&app.anonymous(), &board).await;
    assert_eq!(challenge(&anonymous), format!("Bearer resource_metadata=\"{metadata}\""));
    assert_eq!(ada.graphql(ME, json!({})).await.status, StatusCode::OK);
}
