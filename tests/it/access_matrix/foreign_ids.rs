//! Ids inside arguments: each is checked as if the caller had asked to see it, and one of another
//! tenant cannot be told from one that does not exist.

use serde_json::{Value, json};

use super::world::{Actor, Place, World};
use crate::support::Client;

/// What a caller sends, with the id in question as `$id` and their own board, generation and a
/// picture's address at hand; and what the answer is when the id does not exist.
const OPERATIONS: [(&str, &str, Expected); 21] = [
    ("user", "query($id: UUID!) { user(id: $id) { id } }", Expected::Null),
    ("tag", "query($id: UUID!) { tag(id: $id) { id } }", Expected::Null),
    ("board", "query($id: UUID!) { board(id: $id) { id } }", Expected::Null),
    ("generation", "query($id: UUID!) { generation(id: $id) { id } }", Expected::Null),
    ("board", "query($id: UUID!) { recentGenerations(boardId: $id) { id } }", Expected::Empty),
    (
        "board",
        "query($id: UUID!) { recentGenerationsConnection(boardId: $id) {
            totalCount edges { cursor } pageInfo { endCursor } } }",
        Expected::NoPage,
    ),
    ("tag", "query($id: UUID!) { recentGenerations(tagIds: [$id]) { id } }", Expected::Empty),
    ("user", "query($id: UUID!) { recentGenerations(userId: $id) { id } }", Expected::Empty),
    (
        "tag",
        "query($id: UUID!) { recentGenerationsConnection(tagIds: [$id]) {
            totalCount edges { cursor } pageInfo { endCursor } } }",
        Expected::NoPage,
    ),
    (
        "user",
        "query($id: UUID!) { recentGenerationsConnection(userId: $id) {
            totalCount edges { cursor } pageInfo { endCursor } } }",
        Expected::NoPage,
    ),
    (
        "upload",
        "mutation($id: JSON!, $b: UUID!) { createGeneration(input: { boardId: $b,
            generatorName: \"image-edit\", artifactType: IMAGE, inputParams: { image: $id } }) { id } }",
        Expected::Missing("Generation not found"),
    ),
    (
        "upload",
        "mutation($id: JSON!, $b: UUID!, $own: JSON) { createGeneration(input: { boardId: $b,
            generatorName: \"image-collage\", artifactType: IMAGE,
            inputParams: { images: [$own, $id] } }) { id } }",
        Expected::Missing("Generation not found"),
    ),
    (
        "upload",
        "mutation($id: UUID!, $b: UUID!, $url: String) { uploadArtifact(input: { boardId: $b,
            artifactType: IMAGE, fileUrl: $url, parentGenerationId: $id }) { id } }",
        Expected::Missing("Generation not found"),
    ),
    (
        "user",
        "mutation($id: UUID!, $b: UUID!) { addBoardMember(input: { boardId: $b, userId: $id }) { id } }",
        Expected::Missing("User not found"),
    ),
    (
        "user",
        "mutation($id: UUID!, $b: UUID!) { removeBoardMember(boardId: $b, userId: $id) { id } }",
        Expected::Missing("Member not found"),
    ),
    (
        "user",
        "mutation($id: UUID!, $b: UUID!) {
            updateBoardMemberRole(boardId: $b, userId: $id, role: ADMIN) { id } }",
        Expected::Missing("Member not found"),
    ),
    (
        "tag",
        "mutation($id: UUID!, $g: UUID!) { addTagToGeneration(generationId: $g, tagId: $id) { id } }",
        Expected::Missing("Tag not found"),
    ),
    (
        "tag",
        "mutation($id: UUID!, $g: UUID!) { removeTagFromGeneration(generationId: $g, tagId: $id) }",
        Expected::Missing("Tag not found"),
    ),
    ("board", "mutation($id: UUID!) { deleteBoard(id: $id) }", Expected::Missing("Board not found")),
    ("generation", "mutation($id: UUID!) { regenerate(id: $id) { id } }", Expected::Missing("Generation not found")),
    ("tag", "mutation($id: UUID!) { deleteTag(id: $id) }", Expected::Missing("Tag not found")),
];

#[derive(Clone, Copy)]
enum Expected {
    Null,
    Empty,
    /// An empty page of a connection.
    NoPage,
    /// `NOT_FOUND` with this message.
    Missing(&'static str),
}

/// A caller's own board and what is on it.
struct Desk {
    board: String,
    upload: String,
}

impl Desk {
    async fn of(client: &Client) -> Self {
        let board = client.board("My own", false).await;
        let upload = client.upload_png(&board).await;
        Self { board, upload }
    }

    async fn ask(&self, client: &Client, world: &World, text: &str, id: &str) -> Value {
        let all = json!({
            "id": id, "b": self.board, "g": self.upload, "own": self.upload,
            "url": world.picture_url,
        });
        // A variable that the operation does not declare would be refused.
        let declared = |name: &str| text.contains(&format!("${name}:"));
        let variables: Value = all
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| declared(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        client.graphql(text, variables).await.body
    }
}

#[tokio::test]
async fn an_id_of_another_tenant_is_as_one_that_does_not_exist() {
    let world = World::start().await;
    // Public: what everyone in tenant one may see is nothing in tenant two all the same.
    let place = world.place(true).await;
    let upload = world.client(Actor::Owner).upload_png(&place.board).await;
    for actor in [Actor::Foreigner, Actor::Twin] {
        let client = world.client(actor);
        let desk = Desk::of(client).await;
        for (kind, text, expected) in OPERATIONS {
            let foreign = id_of(kind, &world, &place, &upload);
            let nobody = uuid::Uuid::new_v4().to_string();
            let missing = desk.ask(client, &world, text, &nobody).await;
            let answer = desk.ask(client, &world, text, foreign).await;
            assert_eq!(answer, missing, "{text}");
            match expected {
                Expected::Null => assert!(is_data(&answer, &Value::Null), "{text}: {answer}"),
                Expected::Empty => assert!(is_data(&answer, &json!([])), "{text}: {answer}"),
                Expected::NoPage => {
                    let page =
                        json!({ "totalCount": 0, "edges": [], "pageInfo": { "endCursor": null } });
                    assert!(is_data(&answer, &page), "{text}: {answer}");
                }
                Expected::Missing(message) => {
                    assert_eq!(code_of(&answer), "NOT_FOUND", "{text}: {answer}");
                    assert_eq!(answer["errors"][0]["message"], message, "{text}");
                }
            }
        }
    }
}

/// In one's own tenant the id exists, but one may not see what it names.
#[tokio::test]
async fn an_artifact_that_one_may_not_see_cannot_be_used() {
    let world = World::start().await;
    let place = world.place(false).await;
    let upload = world.client(Actor::Owner).upload_png(&place.board).await;
    let uses = OPERATIONS.iter().filter(|(kind, ..)| *kind == "upload");
    for actor in [Actor::Outsider, Actor::Removed] {
        let client = world.client(actor);
        let desk = Desk::of(client).await;
        for (_, text, _) in uses.clone() {
            let answer = desk.ask(client, &world, text, &upload).await;
            assert_eq!(code_of(&answer), "FORBIDDEN", "{actor:?} {text}: {answer}");
        }
    }
    // A viewer may look, and so may use what there is on a board of their own.
    let viewer = world.client(Actor::Viewer);
    let desk = Desk::of(viewer).await;
    for (_, text, _) in uses {
        let answer = desk.ask(viewer, &world, text, &upload).await;
        assert!(answer.get("errors").is_none(), "{text}: {answer}");
    }
}

/// The REST upload's parent is such an id too.
#[tokio::test]
async fn the_parent_of_an_upload() {
    let world = World::start().await;
    let place = world.place(false).await;
    let parent = world.client(Actor::Owner).upload_png(&place.board).await;
    let cases = [(Actor::Outsider, 403), (Actor::Foreigner, 404), (Actor::Viewer, 200)];
    for (actor, expected) in cases {
        let client = world.client(actor);
        let board = client.board("My own", false).await;
        let png = reqwest::multipart::Part::bytes(crate::support::png(8, 8)).file_name("dot.png");
        let form = reqwest::multipart::Form::new()
            .text("board_id", board)
            .text("artifact_type", "image")
            .text("parent_generation_id", parent.clone())
            .part("file", png);
        let answer = client.post("/api/uploads/artifact").multipart(form).send().await;
        assert_eq!(answer.expect("an answer").status(), expected, "{actor:?}");
    }
}

/// Without a token, what is private and what does not exist look the same; so does what is public
/// in another tenant.
#[tokio::test]
async fn anonymous_callers_cannot_tell_private_from_missing() {
    let world = World::start().await;
    let (private, public) = (world.place(false).await, world.place(true).await);
    let anonymous = world.client(Actor::Anonymous);
    let elsewhere = world.app.anonymous().with_tenant("two");
    for (kind, text, _) in &OPERATIONS[2..4] {
        let nobody = json!({ "id": uuid::Uuid::new_v4() });
        let missing = anonymous.graphql(text, nobody).await.body;
        assert_eq!(missing["errors"][0]["message"], "Not authenticated");
        let hidden = json!({ "id": id_of(kind, &world, &private, "") });
        assert_eq!(anonymous.graphql(text, hidden).await.body, missing);
        let open = json!({ "id": id_of(kind, &world, &public, "") });
        assert_eq!(elsewhere.graphql(text, open.clone()).await.body, missing);
        assert!(anonymous.graphql(text, open).await.body.get("errors").is_none());
    }
}

fn id_of<'a>(kind: &str, world: &'a World, place: &'a Place, upload: &'a str) -> &'a str {
    match kind {
        "user" => world.id(Actor::Viewer),
        "tag" => &place.tag,
        "board" => &place.board,
        "generation" => place.made_by_owner(),
        _ => upload,
    }
}

fn is_data(answer: &Value, expected: &Value) -> bool {
    let data = answer["data"].as_object();
    answer.get("errors").is_none() && data.is_some_and(|data| data.values().eq([expected]))
}

fn code_of(answer: &Value) -> &str {
    answer.pointer("/errors/0/extensions/code").and_then(Value::as_str).unwrap_or("no error")
}
