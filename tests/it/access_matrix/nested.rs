//! What an object shows of others: profiles, boards of a user, and lineage hide what the caller may
//! not see, and never turn that into an error.

use serde_json::{Value, json};

use super::world::{Actor, Place, World};
use crate::support::{Client, text};

#[tokio::test]
async fn profiles() {
    let world = World::start().await;
    world.place(false).await;
    let public = world.place(true).await;
    let profile = "query($id: UUID!) { user(id: $id) { id email authProvider authSubject } }";
    // Whom each caller shares a board with: Removed and Outsider see a public board of the owner's,
    // which is not sharing one.
    let table = [
        (Actor::Owner, true),
        (Actor::Admin, true),
        (Actor::Editor, true),
        (Actor::Viewer, true),
        (Actor::Demoted, true),
        (Actor::Outsider, false),
        (Actor::Removed, false),
    ];
    for (actor, shares) in table {
        // Of the owner, and, between members, of a member.
        for whose in [Actor::Owner, Actor::Editor] {
            let variables = json!({ "id": world.id(whose) });
            let found = world.client(actor).data(profile, variables).await["user"].clone();
            let address = format!("{whose:?}@example.com").to_lowercase();
            let email = if shares { json!(address) } else { Value::Null };
            assert_eq!(found["email"], email, "{whose:?} for {actor:?}");
            for only_own in ["authSubject", "authProvider"] {
                assert_eq!(found[only_own].is_string(), actor == whose, "{whose:?} for {actor:?}");
            }
        }
    }
    // The same through a public board, without a token.
    let through = "query($id: UUID!) { board(id: $id) {
        owner { id email authProvider authSubject boards { id } }
        members { user { email authSubject } inviter { email authSubject } } } }";
    let anonymous = world.client(Actor::Anonymous);
    let board = anonymous.data(through, json!({ "id": public.board })).await["board"].clone();
    assert_eq!(board["owner"]["id"], world.id(Actor::Owner));
    for member in ["email", "authProvider", "authSubject"] {
        assert_eq!(board["owner"][member], Value::Null, "{member}");
    }
    assert_eq!(board["owner"]["boards"], json!([{ "id": public.board }]));
    let nobody = json!({ "email": null, "authSubject": null });
    for member in board["members"].as_array().expect("members") {
        assert_eq!(member, &json!({ "user": nobody, "inviter": nobody }));
    }
}

#[tokio::test]
async fn the_boards_of_a_user() {
    let world = World::start().await;
    let (private, public) = (world.place(false).await, world.place(true).await);
    let query = "query($o: UUID!, $e: UUID!) {
        owner: user(id: $o) { boards { id } memberBoards { id } }
        editor: user(id: $e) { boards { id } memberBoards { id } } }";
    let variables = json!({ "o": world.id(Actor::Owner), "e": world.id(Actor::Editor) });
    let everything = json!([{ "id": public.board }, { "id": private.board }]);
    let only_public = json!([{ "id": public.board }]);
    for actor in Actor::ALL {
        let expected = match actor {
            Actor::Anonymous | Actor::Foreigner | Actor::Twin => continue,
            Actor::Outsider | Actor::Removed => &only_public,
            _ => &everything,
        };
        let found = world.client(actor).data(query, variables.clone()).await;
        assert_eq!(&found["owner"]["boards"], expected, "{actor:?}");
        assert_eq!(found["owner"]["memberBoards"], json!([]), "{actor:?}");
        assert_eq!(found["editor"]["boards"], json!([]), "{actor:?}");
        assert_eq!(&found["editor"]["memberBoards"], expected, "{actor:?}");
    }
}

/// A member who leaves a private board gets the board as an answer, but nothing that is on it.
#[tokio::test]
async fn the_last_look_of_one_who_leaves() {
    let world = World::start().await;
    let leave = "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) {
        id members { userId } generations { id } generationCount owner { email }
        membersConnection { totalCount edges { node { userId } } }
        generationsConnection { totalCount edges { node { id } } } } }";
    for (public, shown) in [(false, false), (true, true)] {
        let place = world.place(public).await;
        let variables = json!({ "b": place.board, "u": world.id(Actor::Viewer) });
        let left = world.client(Actor::Viewer).data(leave, variables).await;
        let left = &left["removeBoardMember"];
        assert_eq!(left["id"], place.board);
        for list in ["members", "generations"] {
            let entries = left[list].as_array().expect("a list");
            assert_eq!(!entries.is_empty(), shown, "{list}, public: {public}");
        }
        for list in ["membersConnection", "generationsConnection"] {
            let edges = left[list]["edges"].as_array().expect("a list").len();
            assert_eq!(left[list]["totalCount"], edges, "{list}, public: {public}");
            assert_eq!(edges > 0, shown, "{list}, public: {public}");
        }
        assert_eq!(left["generationCount"] != 0, shown, "public: {public}");
        // There is no board left that the two share.
        assert_eq!(left["owner"]["email"], Value::Null);
    }
}

/// first (public) → hidden (private) → last (public), each made from the one before.
struct Chain {
    first: String,
    hidden: String,
    last: String,
}

impl Chain {
    async fn make(world: &World, private: &Place, public: &Place) -> Self {
        let owner = world.client(Actor::Owner);
        let first = upload_from(owner, &public.board, None).await;
        let hidden = upload_from(owner, &private.board, Some(&first)).await;
        let last = upload_from(owner, &public.board, Some(&hidden)).await;
        Self { first, hidden, last }
    }
}

#[tokio::test]
async fn lineage_leaves_out_what_the_caller_may_not_see() {
    let world = World::start().await;
    let (private, public) = (world.place(false).await, world.place(true).await);
    let chain = Chain::make(&world, &private, &public).await;
    let query = "query($first: UUID!, $last: UUID!) {
        last: generation(id: $last) {
            inputArtifacts { generationId role generation { id } }
            ancestry { generation { id } parents { generation { id } parents { generation { id } } } } }
        first: generation(id: $first) {
            descendants { generation { id } children { generation { id } children { generation { id } } } } } }";
    let variables = json!({ "first": chain.first, "last": chain.last });
    let node = |id: &str| json!({ "id": id });
    let sees_all = json!({
        "last": {
            "inputArtifacts": [
                { "generationId": chain.hidden, "role": "parent", "generation": node(&chain.hidden) },
            ],
            "ancestry": { "generation": node(&chain.last), "parents": [
                { "generation": node(&chain.hidden), "parents": [{ "generation": node(&chain.first) }] },
            ] },
        },
        "first": { "descendants": { "generation": node(&chain.first), "children": [
            { "generation": node(&chain.hidden), "children": [{ "generation": node(&chain.last) }] },
        ] } },
    });
    let sees_public = json!({
        "last": {
            "inputArtifacts": [
                { "generationId": chain.hidden, "role": "parent", "generation": null },
            ],
            "ancestry": { "generation": node(&chain.last), "parents": [] },
        },
        "first": { "descendants": { "generation": node(&chain.first), "children": [] } },
    });
    for actor in Actor::ALL {
        let expected = match actor {
            Actor::Foreigner | Actor::Twin => continue,
            Actor::Outsider | Actor::Removed | Actor::Anonymous => &sees_public,
            _ => &sees_all,
        };
        let found = world.client(actor).data(query, variables.clone()).await;
        assert_eq!(&found, expected, "{actor:?}");
    }
}

/// Uploads a picture as made from another; the new generation's id.
async fn upload_from(client: &Client, board: &str, parent: Option<&str>) -> String {
    let png = reqwest::multipart::Part::bytes(crate::support::png(8, 8)).file_name("dot.png");
    let mut form = reqwest::multipart::Form::new()
        .text("board_id", board.to_owned())
        .text("artifact_type", "image");
    if let Some(parent) = parent {
        form = form.text("parent_generation_id", parent.to_owned());
    }
    let request = client.post("/api/uploads/artifact").multipart(form.part("file", png));
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    text(&answer["id"])
}
