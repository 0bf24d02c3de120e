//! Lists: their windows, their order, and what a search finds.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, on_postgres, sql, text};

const SORTS: [&str; 4] = ["CREATED_ASC", "CREATED_DESC", "UPDATED_ASC", "UPDATED_DESC"];
const SEARCH: &str = "query($q: String!, $l: Int, $o: Int) {
    searchBoards(query: $q, limit: $l, offset: $o) { title } }";

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds, 0).expect("a time")
}

/// Gives every row of a table one of three moments, so that most rows tie with others.
async fn make_ties(app: &TestApp, table: &str, ids: &[String]) {
    for (index, row) in (0..).zip(ids) {
        let statement =
            format!("UPDATE {table} SET created_at = $1, updated_at = $2 WHERE id = $3");
        let values = [moment(index % 3).into(), moment(-index % 3).into(), sql::id(row)];
        assert_eq!(sql::execute(app, &statement, values).await, 1);
    }
}

/// The ids of a list in its order, read in pages of `limit`.
async fn pages(client: &Client, field: &str, arguments: &str, limit: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let offset = ids.len();
        let query = format!("{{ {field}({arguments} limit: {limit}, offset: {offset}) {{ id }} }}");
        let page = client.data(&query, json!({})).await[field].clone();
        let page = page.as_array().expect("a list");
        ids.extend(page.iter().map(|row| text(&row["id"])));
        if page.len() < limit {
            return ids;
        }
    }
}

/// Pages of any length together give the whole list, each row once.
async fn is_total(
    client: &Client,
    field: &str,
    arguments: &str,
    expected: &[String],
) -> Vec<String> {
    let whole = pages(client, field, arguments, 100).await;
    let expected: HashSet<&String> = expected.iter().collect();
    assert_eq!(whole.iter().collect::<HashSet<_>>(), expected, "{field}({arguments})");
    assert_eq!(whole.len(), expected.len(), "{field}({arguments})");
    for limit in [1, 4, 7] {
        let paged = pages(client, field, arguments, limit).await;
        assert_eq!(paged, whole, "{field}({arguments}) by {limit}");
    }
    whole
}

#[tokio::test]
async fn windows_are_0_to_100_rows_from_0() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let nested = format!("board(id: \"{board}\") {{ generations");
    for (list, more, end) in [
        ("myBoards", "", ""),
        ("publicBoards", "", ""),
        ("searchBoards", "query: \"t\",", ""),
        ("recentGenerations", "", ""),
        ("tags", "", ""),
        (nested.as_str(), "", "}"),
    ] {
        let query = |window: &str| format!("{{ {list}({more} {window}) {{ id }} {end} }}");
        for window in
            ["limit: 0", "limit: 100", "limit: 1, offset: 2147483647", "limit: null, offset: null"]
        {
            ada.data(&query(window), json!({})).await;
        }
        for (window, paths) in [
            ("limit: -1", ["limit"].as_slice()),
            ("limit: 101", &["limit"]),
            ("offset: -1", &["offset"]),
            ("limit: 2147483647, offset: -2147483648", &["limit", "offset"]),
        ] {
            let query = if window.starts_with("offset") {
                window.to_owned() + ", limit: 5"
            } else {
                window.to_owned()
            };
            ada.refused_input(
                &format!("{{ {list}({more} {query}) {{ id }} {end} }}"),
                json!({}),
                paths,
            )
            .await;
        }
    }
    let none = ada.data("{ myBoards(limit: 0) { id } }", json!({})).await;
    assert_eq!(none["myBoards"], json!([]));
    let default = ada.data("{ myBoards(limit: null) { id } }", json!({})).await;
    assert_eq!(default["myBoards"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn boards_of_the_same_moment_neither_repeat_nor_skip() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (mut owned, mut shared, mut public) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..9 {
        let is_public = number % 2 == 0;
        let board = ada.board("tie", is_public).await;
        if is_public {
            public.push(board.clone());
        }
        owned.push(board);
        let board = bob.board("tie", false).await;
        bob.add_member(&board, &ada, "VIEWER").await;
        shared.push(board);
    }
    let all = [owned.clone(), shared.clone()].concat();
    make_ties(&app, "boards", &all).await;
    for (role, expected) in [("ANY", &all), ("OWNER", &owned), ("MEMBER", &shared)] {
        let mut orders = Vec::new();
        for sort in SORTS {
            let arguments = format!("role: {role}, sort: {sort},");
            orders.push(is_total(&ada, "myBoards", &arguments, expected).await);
        }
        let mut reversed = orders.clone();
        for order in &mut reversed {
            order.reverse();
        }
        assert_eq!((&orders[0], &orders[2]), (&reversed[1], &reversed[3]), "{role}");
        assert_ne!(orders[0], orders[2], "the two sort keys differ");
    }
    for sort in SORTS {
        is_total(&app.anonymous(), "publicBoards", &format!("sort: {sort},"), &public).await;
    }
    is_total(&ada, "searchBoards", "query: \"tie\",", &all).await;
}

#[tokio::test]
async fn generations_of_the_same_moment_neither_repeat_nor_skip() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let mut made = Vec::new();
    for seed in 0..13 {
        made.push(ada.generate(&board, "pattern-image", json!({ "seed": seed })).await);
    }
    make_ties(&app, "generations", &made).await;
    let recent = is_total(&ada, "recentGenerations", "", &made).await;
    let on_board = format!("boardId: \"{board}\", status: PENDING, artifactType: IMAGE,");
    assert_eq!(is_total(&ada, "recentGenerations", &on_board, &made).await, recent);
    let query = "query($b: UUID!, $l: Int, $o: Int) {
        board(id: $b) { generations(limit: $l, offset: $o) { id createdAt } } }";
    let mut nested = Vec::new();
    for offset in (0..15).step_by(5) {
        let window = json!({ "b": board, "l": 5, "o": offset });
        let page = ada.data(query, window).await["board"]["generations"].clone();
        nested.extend(page.as_array().expect("a list").iter().map(|row| text(&row["id"])));
    }
    assert_eq!(nested, recent);
}

async fn found(client: &Client, query: &str) -> Vec<String> {
    let found = client.data(SEARCH, json!({ "q": query })).await["searchBoards"].clone();
    found.as_array().expect("a list").iter().map(|board| text(&board["title"])).collect()
}

#[tokio::test]
async fn a_search_ignores_case_and_takes_wildcards_as_letters() {
    // Private boards are found by their members, public ones of others by an index.
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    finds_in_any_case(&ada, &ada, false).await;
    finds_in_any_case(&bob, &app.user("cy"), true).await;
}

/// `viewer` is the one who searches; nothing else that they may see would be found.
async fn finds_in_any_case(owner: &Client, viewer: &Client, is_public: bool) {
    for title in [
        "Grüne ÄPFEL",
        "Lange Straße",
        "Привет МИР",
        "ＦＵＬＬ width",
        "50% off",
        "500 off",
        "snake_case",
        "snakeXcase",
        r"back\slash",
        "backslash",
        "'quoted' \"twice\"",
        "ΣΊΣΥΦΟΣ",
    ] {
        owner.board(title, is_public).await;
    }
    for (query, title) in [
        ("äpfel", "Grüne ÄPFEL"),
        ("GRÜNE", "Grüne ÄPFEL"),
        ("a\u{308}pf", "Grüne ÄPFEL"),
        ("straße", "Lange Straße"),
        ("STRASSE", "Lange Straße"),
        ("STRAẞE", "Lange Straße"),
        ("привет мир", "Привет МИР"),
        ("full WIDTH", "ＦＵＬＬ width"),
        ("ｗｉｄｔｈ", "ＦＵＬＬ width"),
        ("0%", "50% off"),
        ("%", "50% off"),
        ("e_c", "snake_case"),
        ("_", "snake_case"),
        (r"\", r"back\slash"),
        (r"k\s", r"back\slash"),
        ("'quoted' \"", "'quoted' \"twice\""),
        ("σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("  slash  ", "backslash"),
    ] {
        let titles = found(viewer, query).await;
        assert!(titles.contains(&title.to_owned()), "{query} must find {title}: {titles:?}");
        if query.trim() != "slash" {
            assert_eq!(titles.len(), 1, "{query}: {titles:?}");
        }
    }
    for query in ["%%", "__", "50_", "o%f", "\\\\", "apfel2"] {
        assert!(found(viewer, query).await.is_empty(), "{query}");
    }
    for query in ["", "   ", &"x".repeat(256), "a\0"] {
        viewer.refused_input(SEARCH, json!({ "q": query }), &["query"]).await;
    }
    found(viewer, &"ﷺ".repeat(255)).await;
}

#[tokio::test]
async fn a_search_finds_what_is_changed_and_puts_title_hits_first() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let create = "mutation($t: String!, $d: String) {
        createBoard(input: { title: $t, description: $d }) { id } }";
    let mut ids = Vec::new();
    for (title, description) in [
        ("First Lamp", None),
        ("second", Some("a LAMP")),
        ("third lamp", Some("lamp")),
        ("fourth", Some("lamps")),
        ("fifth", None),
    ] {
        let made = ada.data(create, json!({ "t": title, "d": description })).await;
        ids.push(text(&made["createBoard"]["id"]));
    }
    assert_eq!(found(&ada, "lamp").await, ["third lamp", "First Lamp", "fourth", "second"]);
    let window = json!({ "q": "lamp", "l": 2, "o": 1 });
    let page = ada.data(SEARCH, window).await["searchBoards"].clone();
    assert_eq!(page, json!([{ "title": "First Lamp" }, { "title": "fourth" }]));
    let update = "mutation($i: UpdateBoardInput!) { updateBoard(input: $i) { id } }";
    for change in [
        json!({ "id": ids[0], "title": "First" }),
        json!({ "id": ids[3], "description": null }),
        json!({ "id": ids[4], "title": "Fifth LAMP" }),
    ] {
        ada.data(update, json!({ "i": change })).await;
    }
    assert_eq!(found(&ada, "lamp").await, ["Fifth LAMP", "third lamp", "second"]);
}

#[tokio::test]
async fn a_search_shows_only_what_the_caller_may_see() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    bob.board("needle private", false).await;
    bob.board("needle public", true).await;
    let shared = bob.board("needle shared", false).await;
    bob.add_member(&shared, &ada, "VIEWER").await;
    ada.board("needle own", false).await;
    assert_eq!(found(&ada, "needle").await, ["needle own", "needle shared", "needle public"]);
    assert_eq!(app.anonymous().code(SEARCH, json!({ "q": "needle" })).await, "UNAUTHENTICATED");
}

/// An older server on the same database writes rows without the folded copies.
#[tokio::test]
async fn a_search_finds_what_an_older_server_wrote() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let create = "mutation($t: String!, $d: String) {
        createBoard(input: { title: $t, description: $d }) { id } }";
    ada.data(create, json!({ "t": "Old APPLES", "d": "50% of a straße" })).await;
    let unfold = "UPDATE boards SET title_folded = NULL, description_folded = NULL";
    assert_eq!(sql::execute(&app, unfold, []).await, 1);
    for query in ["old apples", "APPLES", "0%", "Straße"] {
        assert_eq!(found(&ada, query).await, ["Old APPLES"], "{query}");
    }
    assert!(found(&ada, "50_").await.is_empty());
    let open =
        format!("UPDATE boards SET is_public = {}", if on_postgres() { "true" } else { "1" });
    assert_eq!(sql::execute(&app, &open, []).await, 1);
    let bob = app.user("bob");
    for query in ["old apples", "APPLES", "0%", "Straße"] {
        assert_eq!(found(&bob, query).await, ["Old APPLES"], "{query}");
    }
    let rename = "UPDATE boards SET title = 'Newer PEARS'";
    assert_eq!(sql::execute(&app, rename, []).await, 1);
    assert!(found(&bob, "apples").await.is_empty());
    assert_eq!(found(&bob, "pears").await, ["Newer PEARS"]);
}

/// Boards of others come into the index when they become public, and leave it when they no longer are.
#[tokio::test]
async fn a_search_follows_boards_that_open_change_and_close() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let ids = [ada.board("needle one", false).await, ada.board("needle two", true).await];
    let update = "mutation($i: UpdateBoardInput!) { updateBoard(input: $i) { id } }";
    let change = async |change: Value| {
        ada.data(update, json!({ "i": change })).await;
    };
    assert_eq!(found(&bob, "needle").await, ["needle two"]);
    change(json!({ "id": ids[0], "isPublic": true })).await;
    assert_eq!(found(&bob, "needle").await, ["needle one", "needle two"]);
    change(json!({ "id": ids[1], "title": "hay", "description": "NEEDLE \"here\" too" })).await;
    assert_eq!(found(&bob, "needle").await, ["needle one", "hay"], "title hits first");
    assert_eq!(found(&bob, "\"HERE\" t").await, ["hay"]);
    if !on_postgres() {
        sql::execute(&app, "VACUUM", []).await;
        assert_eq!(found(&bob, "needle").await, ["needle one", "hay"]);
    }
    change(json!({ "id": ids[0], "isPublic": false })).await;
    assert_eq!(found(&bob, "needle").await, ["hay"]);
    ada.data("mutation($id: UUID!) { deleteBoard(id: $id) }", json!({ "id": ids[1] })).await;
    assert_eq!(found(&bob, "needle").await, Vec::<String>::new());
    assert_eq!(found(&ada, "needle").await, ["needle one"]);
}

/// Without its index a text of three characters is not found: it is not looked for elsewhere.
#[tokio::test]
async fn on_sqlite_public_boards_are_searched_by_their_trigrams() {
    if on_postgres() {
        return; // The plans are looked at in plans.rs.
    }
    let app = TestApp::start().await;
    app.user("ada").board("needle", true).await;
    let bob = app.user("bob");
    assert_eq!(found(&bob, "eed").await, ["needle"]);
    assert_eq!(sql::execute(&app, "DELETE FROM board_texts", []).await, 1);
    assert!(found(&bob, "eed").await.is_empty());
    assert_eq!(found(&bob, "ee").await, ["needle"], "two characters have no trigram");
}

#[tokio::test]
async fn recent_generations_are_filtered_by_board_status_and_kind() {
    const RECENT: &str = "query($b: UUID, $s: GenerationStatus, $t: ArtifactType) {
        recentGenerations(boardId: $b, status: $s, artifactType: $t) { id } }";
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (first, second) = (ada.board("1", false).await, ada.board("2", false).await);
    let (hidden, open) = (bob.board("3", false).await, bob.board("4", true).await);
    let picture = ada.generate(&first, "pattern-image", json!({ "seed": 1 })).await;
    let sound = ada.generate_as(&second, "tone-audio", "AUDIO", json!({ "frequency": 440 })).await;
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
    ada.data(cancel, json!({ "id": sound })).await;
    let upload = ada.upload_text(&second, "a text").await;
    bob.upload_text(&hidden, "a secret").await;
    let of_bob = bob.upload_text(&open, "for all").await;
    let nobody = Uuid::now_v7().to_string();
    for (variables, expected) in [
        (json!({}), vec![&of_bob, &upload, &sound, &picture]),
        (json!({ "b": null, "s": null, "t": null }), vec![&of_bob, &upload, &sound, &picture]),
        (json!({ "b": first }), vec![&picture]),
        (json!({ "b": second }), vec![&upload, &sound]),
        (json!({ "b": open }), vec![&of_bob]),
        (json!({ "b": nobody }), vec![]),
        (json!({ "s": "PENDING" }), vec![&picture]),
        (json!({ "s": "CANCELLED" }), vec![&sound]),
        (json!({ "s": "COMPLETED" }), vec![&of_bob, &upload]),
        (json!({ "s": "FAILED" }), vec![]),
        (json!({ "t": "TEXT" }), vec![&of_bob, &upload]),
        (json!({ "b": second, "s": "COMPLETED", "t": "TEXT" }), vec![&upload]),
        (json!({ "b": second, "s": "COMPLETED", "t": "AUDIO" }), vec![]),
    ] {
        let found = ada.data(RECENT, variables.clone()).await["recentGenerations"].clone();
        let expected: Vec<Value> = expected.iter().map(|id| json!({ "id": id })).collect();
        assert_eq!(found, json!(expected), "{variables}");
    }
    assert_eq!(ada.code(RECENT, json!({ "b": hidden })).await, "FORBIDDEN");
}

const FILTERED: &str = "query($t: [UUID!], $g: String, $u: UUID, $q: String, $b: UUID) {
    recentGenerations(tagIds: $t, generatorName: $g, userId: $u, query: $q, boardId: $b) { id } }";

#[tokio::test]
async fn recent_generations_are_filtered_by_tag_generator_creator_and_prompt() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (own, hidden) = (ada.board("1", false).await, bob.board("2", false).await);
    let open = bob.board("3", true).await;
    let params = |prompt: &str| json!({ "prompt": prompt, "seed": 1 });
    let street = ada.generate(&own, "pattern-image", params("Eine lange STRASSE, 50% grau")).await;
    let code = ada.generate(&own, "qr-code", json!({ "text": "straße" })).await;
    let upload = ada.upload_text(&own, "nothing of it").await;
    let of_bob = bob.generate(&open, "pattern-image", params("a street_light")).await;
    let secret = bob.generate(&hidden, "pattern-image", params("Straße, street_light")).await;
    let tag =
        |name: &str| format!("mutation {{ createTag(input: {{ name: \"{name}\" }}) {{ id }} }}");
    let [red, blue] = [
        text(&ada.data(&tag("red"), json!({})).await["createTag"]["id"]),
        text(&ada.data(&tag("blue"), json!({})).await["createTag"]["id"]),
    ];
    for (owner, generation, tag) in [
        (&ada, &street, &red),
        (&ada, &upload, &red),
        (&ada, &upload, &blue),
        (&bob, &secret, &red),
    ] {
        let put = "mutation($g: UUID!, $t: UUID!) { addTagToGeneration(generationId: $g, tagId: $t) { id } }";
        owner.data(put, json!({ "g": generation, "t": tag })).await;
    }
    let (ada_id, bob_id, nobody) = (ada.id().await, bob.id().await, Uuid::now_v7().to_string());
    let cases = [
        (json!({ "t": [red] }), vec![&upload, &street]),
        (json!({ "t": [red, blue] }), vec![&upload]),
        (json!({ "t": [blue, blue] }), vec![&upload]),
        (json!({ "t": [nobody] }), vec![]),
        (
            json!({ "t": [], "g": null, "u": null, "q": null }),
            vec![&of_bob, &upload, &code, &street],
        ),
        (json!({ "g": "pattern-image" }), vec![&of_bob, &street]),
        (json!({ "g": " qr-code " }), vec![&code]),
        (json!({ "g": "pattern" }), vec![]),
        (json!({ "u": ada_id }), vec![&upload, &code, &street]),
        (json!({ "u": bob_id }), vec![&of_bob]),
        (json!({ "u": nobody }), vec![]),
        (json!({ "q": "STRAẞE" }), vec![&code, &street]),
        (json!({ "q": "0%" }), vec![&street]),
        (json!({ "q": "t_l" }), vec![&of_bob]),
        (json!({ "q": "street_light" }), vec![&of_bob]),
        (json!({ "q": "s%e" }), vec![]),
        (json!({ "q": "strasse", "g": "qr-code", "u": ada_id }), vec![&code]),
        (json!({ "q": "strasse", "t": [red] }), vec![&street]),
        (json!({ "q": "strasse", "b": own }), vec![&code, &street]),
        (json!({ "q": "strasse", "u": bob_id }), vec![]),
    ];
    for (variables, expected) in cases {
        let found = ada.data(FILTERED, variables.clone()).await["recentGenerations"].clone();
        let expected: Vec<Value> = expected.iter().map(|id| json!({ "id": id })).collect();
        assert_eq!(found, json!(expected), "{variables}");
    }
    // What is wrong with the filters is for those who may see the board.
    let empty = json!({ "q": " ", "b": hidden });
    assert_eq!(ada.code(FILTERED, empty).await, "FORBIDDEN");
}

#[tokio::test]
async fn filters_of_generations_are_bounded() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let tags: Vec<Uuid> = (0..11).map(|_| Uuid::now_v7()).collect();
    for (variables, path) in [
        (json!({ "t": tags }), "tagIds"),
        (json!({ "g": " " }), "generatorName"),
        (json!({ "g": "x".repeat(101) }), "generatorName"),
        (json!({ "q": "" }), "query"),
        (json!({ "q": "a\0b" }), "query"),
        (json!({ "q": "x".repeat(256) }), "query"),
    ] {
        ada.refused_input(FILTERED, variables, &[path]).await;
    }
    ada.data(FILTERED, json!({ "t": tags[1..], "q": "x".repeat(255) })).await;
}

/// Uploads are found by what is said of them; rows of an older server, which have no folded copy, by what
/// the database makes of their prompts.
#[tokio::test]
async fn prompts_of_uploads_and_of_older_rows_are_found() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("1", false).await;
    let made = ada
        .generate(&board, "pattern-image", json!({ "prompt": "Lamp AND desk", "seed": 1 }))
        .await;
    let found = async |query: &str| {
        let found = ada.data(FILTERED, json!({ "q": query })).await["recentGenerations"].clone();
        found.as_array().expect("a list").iter().map(|row| text(&row["id"])).collect::<Vec<_>>()
    };
    assert_eq!(found("lamp and").await, [made.as_str()]);
    let forget = "UPDATE generations SET prompt_folded = NULL";
    assert_eq!(sql::execute(&app, forget, []).await, 1);
    assert_eq!(found("lamp and").await, [made.as_str()]);
    let describe = "UPDATE generations SET input_params = '{\"user_description\": \"A Kite\"}'";
    assert_eq!(sql::execute(&app, describe, []).await, 1);
    assert_eq!(found("kite").await, [made.as_str()]);
    assert!(found("lamp").await.is_empty());
}
