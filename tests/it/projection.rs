//! An operation reads only the columns that it shows, and resolves the fields of a list together. What
//! it shows must not depend on that: each field alone, beside all others, and by the library's own way,
//! which a fragment takes.

use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const USER: [&str; 9] = [
    "id",
    "tenantId",
    "authProvider",
    "authSubject",
    "email",
    "displayName",
    "avatarUrl",
    "tenantRole",
    "createdAt",
];
const BOARD: [&str; 14] = [
    "id",
    "tenantId",
    "ownerId",
    "title",
    "description",
    "isPublic",
    "settings",
    "metadata",
    "createdAt",
    "updatedAt",
    "generationCount",
    "__typename",
    "owner { USER }",
    "members { id boardId userId role invitedBy joinedAt user { USER } inviter { USER } }",
];
const GENERATION: [&str; 23] = [
    "id",
    "tenantId",
    "boardId",
    "userId",
    "generatorName",
    "artifactType",
    "storageUrl",
    "thumbnailUrl",
    "inputParams",
    "outputMetadata",
    "externalJobId",
    "status",
    "progress",
    "errorMessage",
    "startedAt",
    "completedAt",
    "createdAt",
    "updatedAt",
    "user { USER }",
    "board { id title settings owner { USER } }",
    "ancestry { generation { id inputParams outputMetadata user { USER } } }",
    "descendants { generation { id outputMetadata user { USER } } }",
    "inputArtifacts { generationId role artifactType }",
];

/// The root fields, where in the answer their objects are, and the fields of those.
fn lists(board: &str) -> Vec<(String, Vec<&'static str>)> {
    let boards = BOARD.to_vec();
    let generations = GENERATION.to_vec();
    vec![
        (format!("board(id: \"{board}\") {{ FIELDS }}"), boards.clone()),
        ("myBoards(limit: 5) { FIELDS }".to_owned(), boards.clone()),
        (
            "myBoards(limit: 5, role: MEMBER, sort: CREATED_ASC) { FIELDS }".to_owned(),
            boards.clone(),
        ),
        (
            "myBoards(limit: 5, role: OWNER, sort: CREATED_DESC) { FIELDS }".to_owned(),
            boards.clone(),
        ),
        ("publicBoards(limit: 5) { FIELDS }".to_owned(), boards.clone()),
        ("searchBoards(limit: 5, query: \"board\") { FIELDS }".to_owned(), boards.clone()),
        ("myBoardsConnection(first: 5) { nodes { FIELDS } }".to_owned(), boards.clone()),
        ("publicBoardsConnection(first: 5) { edges { node { FIELDS } } }".to_owned(), boards),
        ("recentGenerations(limit: 5) { FIELDS }".to_owned(), generations.clone()),
        (
            format!("recentGenerations(limit: 5, boardId: \"{board}\") {{ FIELDS }}"),
            generations.clone(),
        ),
        (
            format!("board(id: \"{board}\") {{ generations(limit: 5) {{ FIELDS }} }}"),
            generations.clone(),
        ),
        ("recentGenerationsConnection(first: 5) { nodes { FIELDS } }".to_owned(), generations),
    ]
}

fn fields(selected: &str) -> String {
    selected.replace("USER", &USER.join(" "))
}

async fn shown(caller: &Client, root: &str, selected: &str) -> Value {
    let query = format!("{{ {} }}", root.replace("FIELDS", &fields(selected)));
    caller.data(&query, json!({})).await
}

/// The objects of an answer, wherever they are.
fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects(item, found)),
        Value::Object(members)
            if members.len() == 1
                && members.values().all(|one| one.is_object() || one.is_array()) =>
        {
            members.values().for_each(|inner| objects(inner, found));
        }
        other => found.push(other),
    }
}

#[tokio::test]
async fn what_a_field_shows_does_not_depend_on_what_is_beside_it() {
    let app = TestApp::start().await;
    let (owner, member) = (app.user("owner"), app.user("member"));
    let board = owner.board("A board", true).await;
    owner.board("A private board", false).await;
    let others = member.board("A member's board", true).await;
    owner.add_member(&board, &member, "EDITOR").await;
    member.add_member(&others, &owner, "VIEWER").await;
    let update = "mutation($id: UUID!) { updateBoard(input: { id: $id, description: \"Text\", settings: { a: [1] } }) { id } }";
    owner.data(update, json!({ "id": board })).await;
    for seed in 0..2 {
        owner.generate(&board, "pattern-image", json!({ "seed": seed })).await;
        member.generate(&others, "pattern-image", json!({ "seed": seed })).await;
    }
    for caller in [&owner, &member] {
        for (root, all) in lists(&board) {
            let whole = shown(caller, &root, &all.join(" ")).await;
            // What is asked for twice is joined, which is left to the library.
            let by_the_library = shown(caller, &root, &format!("{0} {0}", all.join(" "))).await;
            assert_eq!(whole, by_the_library, "{root}");
            let in_a_fragment = shown(caller, &root, &format!("... {{ {} }}", all.join(" "))).await;
            assert_eq!(whole, in_a_fragment, "{root}");
            let mut whole_objects = Vec::new();
            objects(&whole, &mut whole_objects);
            assert!(!whole_objects.is_empty(), "{root}");
            let mut pairs: Vec<(&str, &str)> = all.iter().map(|field| ("id", *field)).collect();
            if all.contains(&"generatorName") {
                // A little of a user beside must not be all that is known of them elsewhere.
                let others = all.iter().filter(|field| !field.starts_with("user "));
                pairs.extend(others.map(|field| ("user { id }", *field)));
            }
            for (beside, field) in pairs {
                let few = shown(caller, &root, &format!("{beside} {field}")).await;
                let (mut found, key) = (Vec::new(), field.split(' ').next().unwrap_or_default());
                objects(&few, &mut found);
                let values = |objects: &[&Value]| -> Vec<Value> {
                    objects.iter().map(|object| object[key].clone()).collect()
                };
                let (few, whole) = (values(&found), values(&whole_objects));
                assert_eq!(few, whole, "{field} beside {beside} of {root}");
            }
        }
    }
}

fn ids_of(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

/// The order of somebody's boards is kept beside their memberships.
#[tokio::test]
async fn boards_of_a_member_stand_in_the_order_of_their_last_changes() {
    let app = TestApp::start().await;
    let (owner, member) = (app.user("owner"), app.user("member"));
    let mut boards = Vec::new();
    for number in 0..4 {
        let board = owner.board(&format!("Board {number}"), false).await;
        owner.add_member(&board, &member, "VIEWER").await;
        boards.push(board);
    }
    boards.push(member.board("Their own", false).await);
    let rename =
        "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"Changed\" }) { id } }";
    owner.data(rename, json!({ "id": boards[1] })).await;
    let expected = [&boards[1], &boards[4], &boards[3], &boards[2], &boards[0]];
    for (role, own) in [("ANY", true), ("MEMBER", false)] {
        let expected: Vec<&str> =
            expected.iter().filter(|id| own || **id != &boards[4]).map(|id| id.as_str()).collect();
        let list = format!("{{ myBoards(role: {role}) {{ id }} }}");
        let list = member.data(&list, json!({})).await["myBoards"].clone();
        let ids = ids_of(&list);
        assert_eq!(ids, expected, "{role}");
        let page = format!("{{ myBoards(role: {role}, limit: 2, offset: 1) {{ id }} }}");
        let page = member.data(&page, json!({})).await["myBoards"].clone();
        let ids = ids_of(&page);
        assert_eq!(ids, expected[1..3], "{role}");
    }
}
