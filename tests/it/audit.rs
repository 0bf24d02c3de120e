//! The audit log: what is on record, who may read it, and that writing it holds nobody up.

mod reading;
mod refusals;
mod writing;

use std::collections::BTreeSet;

use boards::{
    domain::Decision,
    store::{AuditFilter, AuditRecord, Store},
};
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::{
    schema::{least_call, root_fields},
    support::{Client, FileServer, TestApp, eventually, png, text, upload_form},
};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Every row, oldest first.
async fn rows(store: &Store) -> Vec<AuditRecord> {
    let every = AuditFilter::default();
    store.audit().export(None, &every, None, 100_000).await.expect("the log can be read")
}

/// The rows of an action, as soon as they stand for `count` acts.
async fn recorded(app: &TestApp, action: &str, count: u64) -> Vec<AuditRecord> {
    eventually(&format!("{action} is on record {count} times"), async || {
        let mut rows = rows(app.store()).await;
        rows.retain(|row| row.action == action);
        (sum(&rows) >= count).then_some(rows)
    })
    .await
}

fn sum(rows: &[AuditRecord]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

fn told(row: &AuditRecord) -> (Decision, Option<&str>, Option<&str>, Option<&str>) {
    (row.decision, row.reason.as_deref(), row.object_type.as_deref(), row.object_id.as_deref())
}

#[tokio::test]
async fn every_mutation_of_the_served_schema_leaves_an_event() {
    let app = TestApp::start().await;
    let (ada, anonymous) = (app.user("ada"), app.anonymous());
    let id = ada.id().await;
    let mutations = root_fields().into_iter().filter(|field| field.operation == "mutation");
    let names: BTreeSet<String> = mutations.map(|field| field.name).collect();
    assert!(names.len() >= 16, "{names:?}");
    for field in root_fields().iter().filter(|field| names.contains(&field.name)) {
        let call = least_call(field, NOBODY);
        let code = ada.graphql(&call, json!({})).await.code().map(str::to_owned);
        let refused = anonymous.code(&call, json!({})).await;
        let rows = recorded(&app, &field.name, 2).await;
        assert_eq!(sum(&rows), 2, "{rows:?}");
        let (own, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.actor.is_some());
        assert_eq!((own.len(), others.len()), (1, 1), "{}", field.name);
        assert_eq!(own[0].actor.map(|id| id.to_string()).as_ref(), Some(&id));
        assert_eq!(own[0].reason, code, "{}", field.name);
        assert_eq!(own[0].decision == Decision::Allowed, code.is_none(), "{}", field.name);
        assert_eq!(others[0].decision, Decision::Denied);
        assert_eq!(others[0].reason.as_deref(), Some(refused.as_str()));
        for row in [&own[0], &others[0]] {
            assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
            assert!(row.request_id.is_some() && row.tenant.is_some());
        }
    }
}

/// One step of a story: a mutation, its variables, and the kind of thing that it is about.
struct Step {
    field: &'static str,
    text: &'static str,
    variables: Value,
    object: (&'static str, String),
}

#[tokio::test]
async fn a_mutation_names_what_it_was_about() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("A board", false).await;
    let generation = ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    let tag = ada.data("mutation { createTag(input: { name: \"a\" }) { id } }", json!({})).await;
    let tag = text(&tag["createTag"]["id"]);
    let (b, g, t, u) = (board.clone(), generation.clone(), tag.clone(), bob.id().await);
    let step = |field, text, object: (&'static str, &String)| {
        let all = json!({ "b": b, "g": g, "t": t, "u": u });
        let sent = |name: &String| text_has(text, name);
        let variables = all.as_object().expect("variables").clone();
        let variables = variables.into_iter().filter(|(name, _)| sent(name)).collect();
        Step { field, text, variables, object: (object.0, object.1.clone()) }
    };
    let steps = [
        step(
            "updateBoard",
            "mutation($b: UUID!) { updateBoard(input: { id: $b, title: \"B\" }) { id } }",
            ("board", &board),
        ),
        step(
            "addBoardMember",
            "mutation($b: UUID!, $u: UUID!) { addBoardMember(input: { boardId: $b, userId: $u }) { id } }",
            ("board", &board),
        ),
        step(
            "updateBoardMemberRole",
            "mutation($b: UUID!, $u: UUID!) { updateBoardMemberRole(boardId: $b, userId: $u, role: ADMIN) { id } }",
            ("board", &board),
        ),
        step(
            "removeBoardMember",
            "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }",
            ("board", &board),
        ),
        step(
            "addTagToGeneration",
            "mutation($g: UUID!, $t: UUID!) { addTagToGeneration(generationId: $g, tagId: $t) { id } }",
            ("generation", &generation),
        ),
        step(
            "removeTagFromGeneration",
            "mutation($g: UUID!, $t: UUID!) { removeTagFromGeneration(generationId: $g, tagId: $t) }",
            ("generation", &generation),
        ),
        step(
            "updateTag",
            "mutation($t: UUID!) { updateTag(input: { id: $t, name: \"b\" }) { id } }",
            ("tag", &tag),
        ),
        step("deleteTag", "mutation($t: UUID!) { deleteTag(id: $t) }", ("tag", &tag)),
        step(
            "cancelGeneration",
            "mutation($g: UUID!) { cancelGeneration(id: $g) { id } }",
            ("generation", &generation),
        ),
        step(
            "deleteGeneration",
            "mutation($g: UUID!) { deleteGeneration(id: $g) }",
            ("generation", &generation),
        ),
        step("deleteBoard", "mutation($b: UUID!) { deleteBoard(id: $b) }", ("board", &board)),
    ];
    for Step { field, text, variables, object: (kind, id) } in steps {
        ada.data(text, variables).await;
        let rows = recorded(&app, field, 1).await;
        let expected = (Decision::Allowed, None, Some(kind), Some(id.as_str()));
        assert_eq!(told(&rows[0]), expected, "{field}");
    }
    for (field, kind, id) in [
        ("createBoard", "board", &board),
        ("createGeneration", "generation", &generation),
        ("createTag", "tag", &tag),
    ] {
        let rows = recorded(&app, field, 1).await;
        assert_eq!(told(&rows[0]), (Decision::Allowed, None, Some(kind), Some(id.as_str())));
    }
}

fn text_has(text: &str, variable: &str) -> bool {
    text.contains(&format!("${variable}"))
}

#[tokio::test]
async fn what_is_made_again_or_from_elsewhere_is_named_too() {
    let files = FileServer::start().await;
    let app = TestApp::builder().fetch_from(files.address).start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    let first = ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    let again = "mutation($g: UUID!) { made: regenerate(id: $g) { id } }";
    let made = text(&ada.data(again, json!({ "g": first })).await["made"]["id"]);
    let regenerated = recorded(&app, "regenerate", 1).await;
    assert_eq!(regenerated[0].object_id.as_ref(), Some(&made));
    let cancel = "mutation($g: UUID!) { cancelGeneration(id: $g) { id } }";
    ada.data(cancel, json!({ "g": first })).await;
    let retry = "mutation($g: UUID!) { retryGeneration(id: $g) { id } }";
    let made = text(&ada.data(retry, json!({ "g": first })).await["retryGeneration"]["id"]);
    assert_eq!(recorded(&app, "retryGeneration", 1).await[0].object_id.as_ref(), Some(&made));

    let fetch = "mutation($b: UUID!, $u: String) {
        uploadArtifact(input: { boardId: $b, artifactType: IMAGE, fileUrl: $u }) { id } }";
    let url = format!("http://{}/dot.png", files.address);
    let fetched = ada.data(fetch, json!({ "b": board, "u": url })).await;
    let fetched = text(&fetched["uploadArtifact"]["id"]);
    let sent = ada.upload_png(&board).await;
    let rows = recorded(&app, "uploadArtifact", 2).await;
    let ids: Vec<_> = rows.iter().map(told).collect();
    for id in [&fetched, &sent] {
        let expected = (Decision::Allowed, None, Some("generation"), Some(id.as_str()));
        assert!(ids.contains(&expected), "{ids:?}");
    }
}

#[tokio::test]
async fn uploads_that_are_refused_or_fail() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("A board", false).await;
    let form = || upload_form(&board, "image", png(8, 8));
    let send = async |caller: &Client, form: Form| {
        let request = caller.post("/api/uploads/artifact").multipart(form);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(send(&bob, form()).await, 403);
    assert_eq!(send(&app.anonymous(), form()).await, 401);
    assert_eq!(send(&ada, Form::new().text("board_id", board.clone())).await, 400);
    let rows = recorded(&app, "uploadArtifact", 3).await;
    let mut ends: Vec<_> = rows.iter().map(told).collect();
    ends.sort_by_key(|(_, reason, ..)| reason.map(str::to_owned));
    let board = Some(board.as_str());
    assert_eq!(
        ends,
        [
            (Decision::Failed, Some("BAD_USER_INPUT"), Some("board"), board),
            (Decision::Denied, Some("FORBIDDEN"), Some("board"), board),
            (Decision::Denied, Some("UNAUTHENTICATED"), None, None),
        ]
    );
}

#[tokio::test]
async fn a_new_user_is_on_record_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let query = "{ me { id } }";
    futures_util::future::join_all((0..5).map(|_| ada.data(query, json!({})))).await;
    let id = ada.id().await;
    // What comes later is written later: nothing more of Ada comes after Bob.
    let bob = app.user("bob").id().await;
    let rows = recorded(&app, "signIn.newUser", 2).await;
    let users: Vec<_> = rows.iter().map(|row| row.object_id.clone().expect("a user")).collect();
    assert_eq!(users, [id, bob]);
    assert_eq!(rows[0].actor.map(|id| id.to_string()), rows[0].object_id);
    assert_eq!(rows[0].provider.as_deref(), Some("jwt"));
}

/// A caller who goes away before the answer leaves a trace all the same.
#[tokio::test]
async fn hanging_up_hides_nothing() {
    let files = FileServer::start().await;
    let app = TestApp::builder().fetch_from(files.address).start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    let fetch = "mutation($b: UUID!, $u: String) {
        uploadArtifact(input: { boardId: $b, artifactType: IMAGE, fileUrl: $u }) { id } }";
    let url = format!("http://{}/slow", files.address);
    let body = json!({ "query": fetch, "variables": { "b": board, "u": url } });
    let sent = ada.post("/graphql").json(&body).send();
    let sending = tokio::spawn(sent);
    eventually("the download begins", async || (files.requests() > 0).then_some(())).await;
    sending.abort();
    let rows = recorded(&app, "uploadArtifact", 1).await;
    let expected = (Decision::Failed, Some("ABORTED"), Some("board"), Some(board.as_str()));
    assert_eq!(told(&rows[0]), expected);
}

/// Neither what people write nor what they prove themselves with is in any column.
#[tokio::test]
async fn no_secret_and_no_text_of_people_is_in_the_log() {
    let app = TestApp::start().await;
    let ada = app.user("needle-ada");
    let board = ada.board("Needle of a title", false).await;
    let tag = "mutation($n: String!) { needleAlias: createTag(input: { name: $n }) { id } }";
    for _ in 0..2 {
        ada.graphql(tag, json!({ "n": "needle-tag" })).await;
    }
    ada.graphql("query NeedleOperation { tagBySlug(slug: \"needle-tag\") { id } }", json!({}))
        .await;
    let bob = app.user("needle-bob");
    bob.code("query($b: UUID!) { needle: board(id: $b) { id } }", json!({ "b": board })).await;
    bob.get("/api/storage/needle/needle?expires=1&signature=needle").send().await.expect("sent");
    app.anonymous().with_token("needle.needle.needle").code("{ me { id } }", json!({})).await;
    let unknown =
        app.anonymous().with_token(&crate::support::unsigned("{}", "{\"sub\":\"needle\"}"));
    unknown.code("{ me { id } }", json!({})).await;
    recorded(&app, "authenticate", 2).await;
    recorded(&app, "createTag", 2).await;
    let rows = rows(app.store()).await;
    let dump = format!("{rows:?}").to_lowercase();
    assert!(rows.len() >= 6 && dump.contains("createtag"), "{dump}");
    let token = ada.token.clone().expect("a token").to_lowercase();
    for secret in ["needle", "@", "example.com", "bearer", "eyj", token.as_str()] {
        assert!(!dump.contains(secret), "{secret} in {dump}");
    }
}
