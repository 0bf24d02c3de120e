//! What a token was granted bounds what it is good for, on every field and transport.

use boards::{
    config::Scopes,
    domain::{TokenScope, TokenScopes},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    schema::{RootField, answer, least_call, root_fields},
    support::{Client, TestApp, png, text, upload_form},
};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The scope that a field shows in the SDL.
fn scope_of(field: &RootField) -> Option<TokenScope> {
    let shown = field.access("scopes").expect("every root field says its scopes");
    let name = shown.trim_matches(['[', ']', '"']);
    (!name.is_empty()).then(|| name.parse().expect("a scope of this server"))
}

fn names(scopes: impl Iterator<Item = TokenScope>) -> String {
    scopes.map(TokenScope::as_str).collect::<Vec<_>>().join(" ")
}

fn required_scopes(answer: &Value) -> Option<&Value> {
    answer.pointer("/errors/0/extensions/requiredScopes")
}

#[test]
fn only_me_needs_no_scope() {
    let without: Vec<String> = root_fields()
        .iter()
        .filter(|field| scope_of(field).is_none())
        .map(|field| field.name.clone())
        .collect();
    assert_eq!(without, ["me"]);
}

/// With every scope but the one that the SDL names, a field is refused; with that one alone it is
/// not refused for want of a scope.
#[tokio::test]
async fn each_field_needs_the_scope_that_the_sdl_shows() {
    let app = TestApp::start().await;
    app.user("ada").id().await;
    let granted = async |scopes: TokenScopes| app.user_with_scope("ada", &names(scopes.iter()));
    walk_the_fields(granted).await;
}

/// The same for the server's own tokens.
#[tokio::test]
async fn access_tokens_are_bound_by_their_scopes() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let create = "mutation($scopes: [String!]!) {
        createAccessToken(name: \"narrow\", scopes: $scopes) { token } }";
    walk_the_fields(async |scopes| {
        let scopes: Vec<&str> = scopes.iter().map(TokenScope::as_str).collect();
        let made = ada.data(create, json!({ "scopes": scopes })).await;
        app.anonymous().with_token(&text(&made["createAccessToken"]["token"]))
    })
    .await;
}

/// Calls each root field with tokens that `granted` makes.
async fn walk_the_fields(granted: impl AsyncFn(TokenScopes) -> Client) {
    for scope in TokenScopes::full_rights().iter() {
        let without = granted(TokenScopes::full_rights().without(scope)).await;
        let with = granted(TokenScopes::from_iter([scope])).await;
        for field in root_fields().iter().filter(|field| scope_of(field) == Some(scope)) {
            let operation = least_call(field, NOBODY);
            let refused = answer(&without, field.operation, &operation).await;
            assert_eq!(refused.pointer("/errors/0/extensions/code"), Some(&json!("FORBIDDEN")));
            assert_eq!(required_scopes(&refused), Some(&json!([scope.as_str()])), "{refused}");
            let answered = answer(&with, field.operation, &operation).await;
            assert_eq!(required_scopes(&answered), None, "{}: {answered}", field.name);
        }
    }
}

/// Whom a token lets see a board it does not let see what is on it.
#[tokio::test]
async fn nested_fields_need_their_own_scope() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let generation = ada.upload_png(&board).await;
    let cases = [
        ("boards:read", "board", &board, "generations { id }", "generations:read"),
        ("boards:read", "board", &board, "generationCount", "generations:read"),
        (
            "boards:read",
            "board",
            &board,
            "generationsConnection { totalCount }",
            "generations:read",
        ),
        ("generations:read", "generation", &generation, "board { id }", "boards:read"),
        ("generations:read", "generation", &generation, "user { boards { id } }", "boards:read"),
        (
            "generations:read",
            "generation",
            &generation,
            "user { memberBoards { id } }",
            "boards:read",
        ),
    ];
    for (granted, root, id, selection, lacking) in cases {
        let narrow = app.user_with_scope("ada", granted);
        let query = format!("query($id: UUID!) {{ {root}(id: $id) {{ {selection} }} }}");
        let refused = narrow.graphql(&query, json!({ "id": id })).await;
        assert_eq!(required_scopes(&refused.body), Some(&json!([lacking])), "{query}");
        let both = app.user_with_scope("ada", &format!("{granted} {lacking}"));
        both.data(&query, json!({ "id": id })).await;
    }
    let plain = app.user_with_scope("ada", "boards:read");
    let title =
        plain.data("query($id: UUID!) { board(id: $id) { title } }", json!({ "id": board }));
    assert_eq!(title.await["board"]["title"], "Hers");
}

/// A claim that names no scope of ours grants nothing; a scope never widens what a user may do.
#[tokio::test]
async fn scopes_narrow_and_never_widen() {
    let app = TestApp::start().await;
    let board = app.user("ada").board("Hers", false).await;
    let query = "query($id: UUID!) { board(id: $id) { title } }";
    for granted in ["openid profile", "boards:*", "Boards:Read", "boards:read:all"] {
        let other = app.user_with_scope("ada", granted);
        assert_eq!(other.code(query, json!({ "id": board })).await, "FORBIDDEN", "{granted}");
        other.data("{ me { id } }", json!({})).await;
    }
    let stranger = app.user_with_scope("bob", "boards:read boards:write platform:admin");
    assert_eq!(stranger.code(query, json!({ "id": board })).await, "FORBIDDEN");
    let refused = stranger.graphql(query, json!({ "id": board })).await;
    assert_eq!(required_scopes(&refused.body), None, "not for want of a scope");
}

#[tokio::test]
async fn rest_says_which_scope_is_missing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let generation = ada.upload_png(&board).await;
    let reader = app.user_with_scope("ada", "boards:read");
    let url = ada.data(
        "query($id: UUID!) { generation(id: $id) { storageUrl } }",
        json!({ "id": generation }),
    );
    let url = text(&url.await["generation"]["storageUrl"]);
    let (_, path) = url.split_once("/api/").expect("a storage URL");
    let path = format!("/api/{}", path.split('?').next().expect("a path"));
    let progress = format!("/api/sse/generations/{generation}/progress");
    assert_lacks(reader.get(&path).send().await.expect("answered"), "generations:read").await;
    assert_lacks(reader.get(&progress).send().await.expect("answered"), "generations:read").await;
    let upload =
        reader.post("/api/uploads/artifact").multipart(upload_form(&board, "image", png(8, 8)));
    assert_lacks(upload.send().await.expect("answered"), "generations:write").await;
    let may = app.user_with_scope("ada", "generations:read");
    assert_eq!(may.get(&path).send().await.expect("answered").status(), StatusCode::OK);
}

/// RFC 6750, section 3.1.
async fn assert_lacks(response: reqwest::Response, scope: &str) {
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = response.headers()["www-authenticate"].to_str().expect("text").to_owned();
    assert_eq!(challenge, format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""));
    assert_eq!(response.json::<Value>().await.expect("JSON")["error"], "FORBIDDEN");
}

#[tokio::test]
async fn a_token_without_scopes_is_full_unless_they_are_required() {
    let query = "{ myBoards { id } }";
    let lenient = TestApp::start().await;
    lenient.user("ada").data(query, json!({})).await;
    let strict = TestApp::builder().config(|config| config.scopes = Scopes::Required).start().await;
    let ada: Client = strict.user("ada");
    assert_eq!(ada.code(query, json!({})).await, "FORBIDDEN");
    ada.data("{ me { id } }", json!({})).await;
    strict.user_with_scope("ada", "boards:read").data(query, json!({})).await;
    strict.anonymous().data("{ publicBoards { id } }", json!({})).await;
}

/// The emails of others are a matter of boards: a token that may not read those learns none.
#[tokio::test]
async fn emails_of_others_need_boards() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let bob = app.user("bob");
    let board = ada.board("Shared", false).await;
    ada.add_member(&board, &bob, "EDITOR").await;
    let generation = bob.upload_png(&board).await;
    let query = "query($id: UUID!) { generation(id: $id) { user { email } } me { email } }";
    for (scope, email) in [
        ("generations:read", json!(null)),
        ("generations:read boards:read", json!("bob@example.com")),
    ] {
        let found =
            app.user_with_scope("ada", scope).data(query, json!({ "id": generation })).await;
        assert_eq!(found["generation"]["user"]["email"], email, "{scope}");
        assert_eq!(found["me"]["email"], "ada@example.com");
    }
}

/// Whatever leads to boards or generations from elsewhere asks for the scope of what it leads to.
#[test]
fn fields_that_lead_to_boards_and_generations_say_their_scope() {
    let wanted = [
        ("Board", "boards:read"),
        ("BoardConnection", "boards:read"),
        ("BoardMemberConnection", "boards:read"),
        ("Generation", "generations:read"),
        ("GenerationConnection", "generations:read"),
    ];
    // These hang below a field that has asked for the same.
    let below = [
        "AncestryNode",
        "DescendantNode",
        "BoardConnection",
        "BoardEdge",
        "GenerationConnection",
        "GenerationEdge",
    ];
    for edge in crate::schema::edges() {
        let Some((_, scope)) = wanted.iter().find(|(target, _)| *target == edge.target) else {
            continue;
        };
        if below.contains(&edge.owner.as_str()) {
            continue;
        }
        let shown = edge.scopes.unwrap_or_default();
        assert!(shown.contains(scope), "{}.{} shows {shown:?}", edge.owner, edge.field);
    }
}

/// Who asks in answer for what they may not read is refused before anything is done.
#[tokio::test]
async fn a_mutation_whose_answer_may_not_be_read_is_not_carried_out() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    ada.id().await;
    let writer = app.user_with_scope("ada", "boards:write");
    let plain = "mutation { createBoard(input: { title: \"Ghost\" }) { id members { role } } }";
    let fragment = "mutation { createBoard(input: { title: \"Ghost\" }) { ...F } }
        fragment F on Board { id ... on Board { generations { id } } }";
    let connection = "mutation { createBoard(input: { title: \"Ghost\" }) {
        id membersConnection { totalCount } } }";
    let cases =
        [(plain, "boards:read"), (fragment, "generations:read"), (connection, "boards:read")];
    for (mutation, scope) in cases {
        let refused = writer.graphql(mutation, json!({})).await;
        assert_eq!(refused.code(), Some("FORBIDDEN"), "{}", refused.body);
        assert_eq!(required_scopes(&refused.body), Some(&json!([scope])));
    }
    let boards = ada.data("{ myBoards { id } }", json!({})).await;
    assert_eq!(boards["myBoards"], json!([]), "nothing was made");
}
