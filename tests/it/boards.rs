//! Boards: made, changed, shared, left and deleted.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, text};

const CREATE: &str = "mutation($i: CreateBoardInput!) { createBoard(input: $i) {
    id title description isPublic settings metadata ownerId createdAt updatedAt } }";
const UPDATE: &str = "mutation($i: UpdateBoardInput!) { updateBoard(input: $i) {
    id title description isPublic settings metadata } }";
const BOARD: &str = "query($id: UUID!) { board(id: $id) {
    title description isPublic settings metadata } }";
const DELETE: &str = "mutation($id: UUID!) { deleteBoard(id: $id) }";
const ADD: &str = "mutation($b: UUID!, $u: UUID!, $r: BoardRole) {
    addBoardMember(input: { boardId: $b, userId: $u, role: $r }) {
        members { userId role invitedBy user { id } inviter { id } } } }";
const REMOVE: &str = "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) {
    id members { userId } generations { id } generationCount owner { id email } } }";
const CHANGE_ROLE: &str = "mutation($b: UUID!, $u: UUID!, $r: BoardRole!) {
    updateBoardMemberRole(boardId: $b, userId: $u, role: $r) { members { userId role } } }";

async fn update(client: &Client, board: &str, mut changes: Value) -> Value {
    changes["id"] = json!(board);
    client.data(UPDATE, json!({ "i": changes })).await["updateBoard"].clone()
}

async fn read(client: &Client, board: &str) -> Value {
    client.data(BOARD, json!({ "id": board })).await["board"].clone()
}

/// A JSON object whose compact form has that many bytes, in one member.
fn object_of(member: &str, bytes: usize) -> Value {
    let empty = json!({ member: "" }).to_string().len();
    json!({ member: "x".repeat(bytes - empty) })
}

#[tokio::test]
async fn a_board_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let input = json!({
        "title": "  Summer 北京  ", "description": " all of it ", "isPublic": true,
        "settings": { "view": "grid" }, "metadata": { "source": { "id": 7 } },
    });
    let made = ada.data(CREATE, json!({ "i": input })).await["createBoard"].clone();
    assert_eq!(made["title"], "Summer 北京");
    assert_eq!(made["description"], "all of it");
    assert_eq!(made["isPublic"], true);
    assert_eq!(made["settings"], json!({ "view": "grid" }));
    assert_eq!(made["metadata"], json!({ "source": { "id": 7 } }));
    assert_eq!(made["ownerId"], ada.id().await);
    assert_eq!(made["createdAt"], made["updatedAt"]);

    let board = text(&made["id"]);
    let changed = update(&ada, &board, json!({ "title": " Winter ", "isPublic": false })).await;
    assert_eq!(changed["title"], "Winter");
    assert_eq!(changed["description"], "all of it");
    let mut expected = changed.clone();
    expected.as_object_mut().expect("an object").remove("id");
    assert_eq!(read(&ada, &board).await, expected);

    assert_eq!(ada.data(DELETE, json!({ "id": board })).await["deleteBoard"], true);
    assert_eq!(read(&ada, &board).await, Value::Null);
    assert_eq!(ada.code(DELETE, json!({ "id": board })).await, "NOT_FOUND");
    assert_eq!(ada.code(UPDATE, json!({ "i": { "id": board } })).await, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_omitted_at_first_is_private_and_empty() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for input in [
        json!({ "title": "t" }),
        json!({ "title": "t", "description": null, "isPublic": null, "settings": null, "metadata": null }),
        json!({ "title": "t", "description": "  " }),
    ] {
        let made = ada.data(CREATE, json!({ "i": input })).await["createBoard"].clone();
        assert_eq!(made["description"], Value::Null, "{input}");
        assert_eq!(made["isPublic"], false, "{input}");
        assert_eq!(made["settings"], json!({}), "{input}");
        assert_eq!(made["metadata"], json!({}), "{input}");
    }
}

#[tokio::test]
async fn titles_have_1_to_255_characters_after_trimming() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    for title in
        ["a", " a ", &"ä".repeat(255), &"🎉".repeat(255), &format!(" {} ", "x".repeat(255))]
    {
        let made = ada.data(CREATE, json!({ "i": { "title": title } })).await;
        assert_eq!(made["createBoard"]["title"], title.trim());
        assert_eq!(update(&ada, &board, json!({ "title": title })).await["title"], title.trim());
    }
    let before = read(&ada, &board).await;
    for title in ["", "   ", "\u{2003}", &"x".repeat(256), &"🎉".repeat(256), "a\0b", "a\u{7}b"] {
        let input = json!({ "i": { "title": title } });
        ada.refused_input(CREATE, input, &["input.title"]).await;
        let input = json!({ "i": { "id": board, "title": title } });
        ada.refused_input(UPDATE, input, &["input.title"]).await;
    }
    assert_eq!(read(&ada, &board).await, before);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let wrong = json!({
        "title": " ", "description": "x".repeat(10_001), "settings": [], "metadata": "text",
    });
    let paths = ["input.title", "input.description", "input.settings", "input.metadata"];
    ada.refused_input(CREATE, json!({ "i": wrong }), &paths).await;
    let mut wrong = wrong;
    wrong["id"] = json!(board);
    wrong["isPublic"] = Value::Null;
    let paths =
        ["input.title", "input.description", "input.isPublic", "input.settings", "input.metadata"];
    ada.refused_input(UPDATE, json!({ "i": wrong }), &paths).await;
    let nul = json!({ "title": "t", "settings": { "a\0": 1 }, "metadata": { "a": ["\0"] } });
    ada.refused_input(CREATE, json!({ "i": nul }), &["input.settings", "input.metadata"]).await;
}

#[tokio::test]
async fn settings_and_metadata_have_at_most_64_kib() {
    const MOST: usize = 64 * 1024;
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let (fits, too_long) = (object_of("a", MOST), object_of("a", MOST + 1));
    let input = json!({ "i": { "title": "t", "settings": fits, "metadata": fits } });
    let board = text(&ada.data(CREATE, input).await["createBoard"]["id"]);
    for member in ["settings", "metadata"] {
        let path = format!("input.{member}");
        let input = json!({ "i": { "title": "t", member: too_long } });
        ada.refused_input(CREATE, input, &[&path]).await;
        let input = json!({ "i": { "id": board, member: too_long } });
        ada.refused_input(UPDATE, input, &[&path]).await;
    }
}

#[tokio::test]
async fn merging_does_not_grow_settings_beyond_the_limit() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let half = |member: &str| object_of(member, 40 * 1024);
    update(&ada, &board, json!({ "settings": half("a") })).await;
    let input = json!({ "i": { "id": board, "title": "new", "settings": half("b") } });
    ada.refused_input(UPDATE, input, &["input.settings"]).await;
    let after = read(&ada, &board).await;
    assert_eq!((&after["title"], &after["settings"]), (&json!("t"), &half("a")));
    let mut replacing = half("b");
    replacing["a"] = Value::Null;
    assert_eq!(update(&ada, &board, json!({ "settings": replacing })).await["settings"], half("b"));
}

#[tokio::test]
async fn settings_are_merged_as_rfc_7396_says() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for (before, patch, after) in [
        (json!({}), json!({ "a": 1 }), json!({ "a": 1 })),
        (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
        (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
        (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
        (json!({ "a": [1, 2] }), json!({ "a": [3] }), json!({ "a": [3] })),
        (
            json!({ "a": { "b": "c", "x": 1 } }),
            json!({ "a": { "b": "d", "c": null } }),
            json!({ "a": { "b": "d", "x": 1 } }),
        ),
        (
            json!({ "a": 1 }),
            json!({ "b": { "c": { "d": null } } }),
            json!({ "a": 1, "b": { "c": {} } }),
        ),
        (json!({ "a": 1 }), json!({}), json!({ "a": 1 })),
    ] {
        let input = json!({ "i": { "title": "t", "settings": before } });
        let board = text(&ada.data(CREATE, input).await["createBoard"]["id"]);
        let changed = update(&ada, &board, json!({ "settings": patch })).await;
        assert_eq!(changed["settings"], after, "{before} and {patch}");
        assert_eq!(read(&ada, &board).await["settings"], after);
    }
}

#[tokio::test]
async fn omitted_and_null_are_told_apart() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let full = json!({
        "title": "t", "description": "d", "isPublic": true,
        "settings": { "s": 1 }, "metadata": { "m": 1 },
    });
    let made = ada.data(CREATE, json!({ "i": full })).await;
    let board = text(&made["createBoard"]["id"]);
    let kept = update(&ada, &board, json!({})).await;
    assert_eq!(read(&ada, &board).await, full, "{kept}");
    for required in ["title", "isPublic"] {
        let input = json!({ "i": { "id": board, required: null } });
        ada.refused_input(UPDATE, input, &[&format!("input.{required}")]).await;
    }
    assert_eq!(read(&ada, &board).await, full);
    for (cleared, value) in
        [("description", Value::Null), ("settings", json!({})), ("metadata", json!({}))]
    {
        let mut expected = read(&ada, &board).await;
        expected[cleared] = value;
        update(&ada, &board, json!({ cleared: null })).await;
        assert_eq!(read(&ada, &board).await, expected, "{cleared}");
    }
}

/// GraphQL, section 6.4.1: a field whose variable was not provided counts as omitted.
#[tokio::test]
async fn a_variable_that_was_not_sent_changes_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let full = json!({
        "title": "t", "description": "d", "isPublic": true,
        "settings": { "s": 1 }, "metadata": { "m": 1 },
    });
    let made = ada.data(CREATE, json!({ "i": full })).await;
    let board = text(&made["createBoard"]["id"]);
    let each = "mutation($id: UUID!, $t: String, $d: String, $p: Boolean, $s: JSON, $m: JSON) {
        updateBoard(input: { id: $id, title: $t, description: $d, isPublic: $p, settings: $s,
            metadata: $m }) { id } }";
    ada.data(each, json!({ "id": board })).await;
    assert_eq!(read(&ada, &board).await, full);
    ada.data(each, json!({ "id": board, "d": null })).await;
    assert_eq!(read(&ada, &board).await["description"], Value::Null);
    let literal = "mutation($id: UUID!) {
        updateBoard(input: { id: $id, settings: null, metadata: { a: { b: null } } }) { id } }";
    ada.data(literal, json!({ "id": board })).await;
    let after = read(&ada, &board).await;
    assert_eq!(after["settings"], json!({}));
    assert_eq!(after["metadata"], json!({ "a": { "b": null } }));
}

#[tokio::test]
async fn concurrent_updates_of_settings_lose_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let changes = (0..16).map(|number| {
        let (ada, board) = (ada.clone(), board.clone());
        async move {
            update(&ada, &board, json!({ "settings": { format!("k{number}"): number } })).await
        }
    });
    futures_util::future::join_all(changes).await;
    let settings = read(&ada, &board).await["settings"].clone();
    let expected: Value = (0..16)
        .map(|number| (format!("k{number}"), json!(number)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(settings, expected);
}

#[tokio::test]
async fn members_come_change_and_go() {
    let app = TestApp::start().await;
    let (ada, bob, eve) = (app.user("ada"), app.user("bob"), app.user("eve"));
    let (ada_id, bob_id, eve_id) = (ada.id().await, bob.id().await, eve.id().await);
    let board = ada.board("t", false).await;
    let member = |user: &str| json!({ "b": board, "u": user });

    let added = ada.data(ADD, member(&bob_id)).await;
    assert_eq!(
        added["addBoardMember"]["members"],
        json!([{ "userId": bob_id, "role": "VIEWER", "invitedBy": ada_id,
            "user": { "id": bob_id }, "inviter": { "id": ada_id } }])
    );
    let changed = ada.data(CHANGE_ROLE, json!({ "b": board, "u": bob_id, "r": "ADMIN" })).await;
    let bob_is_admin = json!({ "userId": bob_id, "role": "ADMIN" });
    assert_eq!(changed["updateBoardMemberRole"]["members"], json!([bob_is_admin]));

    // An admin adds people too; the list is in the order of joining.
    let input = json!({ "b": board, "u": eve_id, "r": "EDITOR" });
    let added = bob.data(ADD, input).await;
    let names = added["addBoardMember"]["members"].as_array().expect("members");
    let names: Vec<&Value> = names.iter().map(|member| &member["userId"]).collect();
    assert_eq!(names, [&json!(bob_id), &json!(eve_id)]);
    assert_eq!(added["addBoardMember"]["members"][1]["invitedBy"], json!(bob_id));

    assert_eq!(ada.code(ADD, member(&bob_id)).await, "CONFLICT");
    let nobody = Uuid::now_v7().to_string();
    assert_eq!(ada.code(ADD, member(&nobody)).await, "NOT_FOUND");
    let removed = ada.data(REMOVE, member(&eve_id)).await;
    assert_eq!(removed["removeBoardMember"]["members"], json!([{ "userId": bob_id }]));
    assert_eq!(ada.code(REMOVE, member(&eve_id)).await, "NOT_FOUND");
    let role = json!({ "b": board, "u": eve_id, "r": "ADMIN" });
    assert_eq!(ada.code(CHANGE_ROLE, role).await, "NOT_FOUND");
    assert_eq!(eve.code(BOARD, json!({ "id": board })).await, "FORBIDDEN");
}

#[tokio::test]
async fn the_owner_is_never_a_member() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let owner = ada.id().await;
    let board = ada.board("t", false).await;
    ada.add_member(&board, &bob, "ADMIN").await;
    for caller in [&ada, &bob] {
        let member = json!({ "b": board, "u": owner });
        caller.refused_input(ADD, member.clone(), &["input.userId"]).await;
        caller.refused_input(REMOVE, member, &["userId"]).await;
        let role = json!({ "b": board, "u": owner, "r": "VIEWER" });
        caller.refused_input(CHANGE_ROLE, role, &["userId"]).await;
    }
}

#[tokio::test]
async fn who_leaves_a_private_board_sees_nothing_more_of_it() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (board, other) = (ada.board("t", false).await, ada.board("u", true).await);
    ada.upload_png(&board).await;
    ada.upload_png(&other).await;
    let bob_id = bob.id().await;
    for role in ["VIEWER", "EDITOR", "ADMIN"] {
        ada.add_member(&board, &bob, role).await;
        let left = bob.data(REMOVE, json!({ "b": board, "u": bob_id })).await;
        let expected = json!({
            "id": board, "members": [], "generations": [], "generationCount": 0,
            "owner": { "id": ada.id().await, "email": null },
        });
        assert_eq!(left["removeBoardMember"], expected, "{role}");
        assert_eq!(bob.code(BOARD, json!({ "id": board })).await, "FORBIDDEN");
        assert_eq!(bob.code(REMOVE, json!({ "b": board, "u": bob_id })).await, "FORBIDDEN");
    }
    // A public board stays open.
    ada.add_member(&other, &bob, "VIEWER").await;
    let left = bob.data(REMOVE, json!({ "b": other, "u": bob_id })).await;
    assert_eq!(left["removeBoardMember"]["generationCount"], 1);
    assert_eq!(read(&bob, &other).await["title"], "u");
}

#[tokio::test]
async fn a_profile_lists_boards_as_far_as_the_caller_may_see_them() {
    const USER: &str =
        "query($id: UUID!) { user(id: $id) { boards { title } memberBoards { title } } }";
    let app = TestApp::start().await;
    let (ada, bob, eve) = (app.user("ada"), app.user("bob"), app.user("eve"));
    let bob_id = bob.id().await;
    bob.board("hidden", false).await;
    bob.board("open", true).await;
    let shared = bob.board("shared", false).await;
    bob.add_member(&shared, &ada, "VIEWER").await;
    let ours = ada.board("ours", false).await;
    ada.add_member(&ours, &bob, "EDITOR").await;
    let theirs = eve.board("theirs", false).await;
    eve.add_member(&theirs, &bob, "EDITOR").await;
    for (caller, owned, member) in [
        (&bob, vec!["shared", "open", "hidden"], vec!["theirs", "ours"]),
        (&ada, vec!["shared", "open"], vec!["ours"]),
        (&eve, vec!["open"], vec!["theirs"]),
    ] {
        let user = caller.data(USER, json!({ "id": bob_id })).await["user"].clone();
        let titles = |list: &Value| {
            let list = list.as_array().expect("a list").iter();
            list.map(|board| text(&board["title"])).collect::<Vec<_>>()
        };
        assert_eq!(titles(&user["boards"]), owned);
        assert_eq!(titles(&user["memberBoards"]), member);
    }
}
