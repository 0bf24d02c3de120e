//! Tags of a tenant: made, changed, listed, put on generations and taken off.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, text};

const CREATE: &str = "mutation($i: CreateTagInput!) { createTag(input: $i) {
    id name slug description metadata } }";
const UPDATE: &str = "mutation($i: UpdateTagInput!) { updateTag(input: $i) {
    id name slug description metadata } }";
const DELETE: &str = "mutation($id: UUID!) { deleteTag(id: $id) }";
const TAG: &str = "query($id: UUID!) { tag(id: $id) { id name slug description metadata } }";
const BY_SLUG: &str = "query($s: String!) { tagBySlug(slug: $s) { id } }";
const PUT: &str = "mutation($g: UUID!, $t: UUID!) {
    addTagToGeneration(generationId: $g, tagId: $t) { id name } }";
const TAKE: &str = "mutation($g: UUID!, $t: UUID!) {
    removeTagFromGeneration(generationId: $g, tagId: $t) }";
const TAGS_OF: &str = "query($g: UUID!) { generation(id: $g) { tags { name } } }";

async fn create(client: &Client, name: &str, slug: Option<&str>) -> Value {
    let mut input = json!({ "name": name });
    if let Some(slug) = slug {
        input["slug"] = json!(slug);
    }
    client.data(CREATE, json!({ "i": input })).await["createTag"].clone()
}

#[tokio::test]
async fn a_tag_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let input = json!({ "name": "  Sea side ", "description": " d ", "metadata": { "a": 1 } });
    let made = ada.data(CREATE, json!({ "i": input })).await["createTag"].clone();
    let id = text(&made["id"]);
    let mut expected = json!({
        "id": id, "name": "Sea side", "slug": "sea-side", "description": "d", "metadata": { "a": 1 },
    });
    assert_eq!(made, expected);
    // Every user of the tenant reads and changes it.
    assert_eq!(bob.data(TAG, json!({ "id": id })).await["tag"], expected);
    assert_eq!(bob.data(BY_SLUG, json!({ "s": "sea-side" })).await["tagBySlug"]["id"], json!(id));

    // A new name leaves the slug, because addresses point to it.
    expected["name"] = json!("Mountains");
    let changed = bob.data(UPDATE, json!({ "i": { "id": id, "name": " Mountains" } })).await;
    assert_eq!(changed["updateTag"], expected);
    expected["slug"] = json!("mountains-2");
    let changed = ada.data(UPDATE, json!({ "i": { "id": id, "slug": "mountains-2" } })).await;
    assert_eq!(changed["updateTag"], expected);
    assert_eq!(ada.data(UPDATE, json!({ "i": { "id": id } })).await["updateTag"], expected);
    for (cleared, value) in [("description", Value::Null), ("metadata", json!({}))] {
        expected[cleared] = value;
        let changed = ada.data(UPDATE, json!({ "i": { "id": id, cleared: null } })).await;
        assert_eq!(changed["updateTag"], expected);
    }
    assert_eq!(ada.data(TAG, json!({ "id": id })).await["tag"], expected);

    assert_eq!(bob.data(DELETE, json!({ "id": id })).await["deleteTag"], true);
    assert_eq!(ada.data(TAG, json!({ "id": id })).await["tag"], Value::Null);
    assert_eq!(ada.data(BY_SLUG, json!({ "s": "mountains-2" })).await["tagBySlug"], Value::Null);
    assert_eq!(ada.code(DELETE, json!({ "id": id })).await, "NOT_FOUND");
    assert_eq!(ada.code(UPDATE, json!({ "i": { "id": id, "name": "n" } })).await, "NOT_FOUND");
}

#[tokio::test]
async fn slugs_are_made_from_names_of_any_script() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let long = "x".repeat(100);
    for (name, slug) in [
        ("Straße & Café", "strasse-cafe"),
        ("北京", "bei-jing"),
        ("Привет, мир!", "privet-mir"),
        ("  --A  b--  ", "a-b"),
        ("🎉", "tada"),
        (&long, &long),
    ] {
        assert_eq!(create(&ada, name, None).await["slug"], slug, "{name}");
    }
    // Transliteration may lengthen; the slug stays within its column.
    let slug = text(&create(&ada, &"北".repeat(100), None).await["slug"]);
    assert!(slug.len() <= 100 && !slug.ends_with('-'), "{slug}");
    for name in ["---", "!?"] {
        ada.refused_input(CREATE, json!({ "i": { "name": name } }), &["input.name"]).await;
        assert_eq!(create(&ada, name, Some(&format!("own{}", name.len()))).await["name"], name);
    }
}

#[tokio::test]
async fn names_and_given_slugs_are_checked() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let id = text(&create(&ada, "n", None).await["id"]);
    for slug in ["a", "0", "a-1", &"s".repeat(100)] {
        assert_eq!(create(&ada, "given", Some(slug)).await["slug"], slug);
    }
    for slug in
        ["", " ", "Bad", "a_b", "-a", "a-", "a--b", "ä", "a b", "a/b", "a\0", &"s".repeat(101)]
    {
        let (new, change) =
            (json!({ "name": "n", "slug": slug }), json!({ "id": id, "slug": slug }));
        for (query, input) in [(CREATE, new), (UPDATE, change)] {
            let answer = ada.graphql(query, json!({ "i": input })).await;
            assert_eq!(answer.code(), Some("BAD_USER_INPUT"), "{slug}: {}", answer.body);
            assert!(answer.violation_paths().iter().all(|path| *path == "input.slug"), "{slug}");
        }
    }
    for name in ["", "  ", &"n".repeat(101), "a\0b"] {
        ada.refused_input(UPDATE, json!({ "i": { "id": id, "name": name } }), &["input.name"])
            .await;
    }
    let wrong = json!({ "id": id, "name": null, "slug": null, "metadata": [] });
    let paths = ["input.name", "input.slug", "input.metadata"];
    ada.refused_input(UPDATE, json!({ "i": wrong }), &paths).await;
    let wrong = json!({ "name": " ", "slug": "A", "description": "d\0", "metadata": 1 });
    let paths = ["input.name", "input.slug", "input.description", "input.metadata"];
    ada.refused_input(CREATE, json!({ "i": wrong }), &paths).await;
}

#[tokio::test]
async fn a_slug_is_taken_once_in_a_tenant() {
    let app = TestApp::two_tenants().await;
    let (ada, other) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    create(&ada, "Sea", None).await;
    create(&other, "Sea", None).await;
    for input in [json!({ "name": "sea!" }), json!({ "name": "x", "slug": "sea" })] {
        assert_eq!(ada.code(CREATE, json!({ "i": input })).await, "CONFLICT");
    }
    let id = text(&create(&ada, "Lake", None).await["id"]);
    let change = json!({ "i": { "id": id, "slug": "sea" } });
    assert_eq!(ada.code(UPDATE, change).await, "CONFLICT");
    let same = json!({ "i": { "id": id, "slug": "lake" } });
    assert_eq!(ada.data(UPDATE, same).await["updateTag"]["slug"], "lake");
}

#[tokio::test]
async fn tags_of_the_same_name_neither_repeat_nor_skip() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    for number in 0..7 {
        create(&ada, "same", Some(&format!("same-{number}"))).await;
    }
    create(&ada, "another", None).await;
    let window = "query($l: Int, $o: Int) { tags(limit: $l, offset: $o) { id name } }";
    let whole = ada.data("{ tags { id name } }", json!({})).await["tags"].clone();
    let whole = whole.as_array().expect("a list");
    assert_eq!((whole.len(), &whole[0]["name"]), (8, &json!("another")));
    let mut paged = Vec::new();
    for offset in (0..9).step_by(3) {
        let page = ada.data(window, json!({ "l": 3, "o": offset })).await["tags"].clone();
        paged.extend(page.as_array().expect("a list").iter().cloned());
    }
    assert_eq!(&paged, whole);
}

#[tokio::test]
async fn tags_are_put_on_generations_and_taken_off() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let generation = ada.upload_text(&board, "a text").await;
    let (sea, air) = (create(&ada, "sea", None).await, create(&ada, "air", None).await);
    let on = |tag: &Value| json!({ "g": generation, "t": tag["id"] });
    let names = async || {
        let found = ada.data(TAGS_OF, json!({ "g": generation })).await;
        let tags = found["generation"]["tags"].as_array().expect("a list").clone();
        tags.iter().map(|tag| text(&tag["name"])).collect::<Vec<_>>()
    };
    for tag in [&sea, &air, &sea] {
        assert_eq!(ada.data(PUT, on(tag)).await["addTagToGeneration"]["id"], tag["id"]);
    }
    assert_eq!(names().await, ["air", "sea"]);
    assert_eq!(ada.data(TAKE, on(&sea)).await["removeTagFromGeneration"], true);
    assert_eq!(ada.data(TAKE, on(&sea)).await["removeTagFromGeneration"], false);
    assert_eq!(names().await, ["air"]);

    let nothing = json!(Uuid::now_v7());
    for query in [PUT, TAKE] {
        let unknown_tag = json!({ "g": generation, "t": nothing });
        assert_eq!(ada.code(query, unknown_tag).await, "NOT_FOUND");
        let unknown_generation = json!({ "g": nothing, "t": air["id"] });
        assert_eq!(ada.code(query, unknown_generation).await, "NOT_FOUND");
    }
    ada.data(DELETE, json!({ "id": air["id"] })).await;
    assert!(names().await.is_empty());
}
