//! Lineage: what a generation was made from, what was made from it, and the bounds of both walks.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, TestApp, sql, text};

const INPUTS: &str = "query($id: UUID!) { generation(id: $id) {
    inputArtifacts { generationId role artifactType generation { id } } } }";
const ANCESTRY: &str = "query($id: UUID!, $m: Int) { generation(id: $id) { ancestry(maxDepth: $m) {
    ...N parents { ...N parents { ...N parents { ...N parents { ...N } } } } } } }
    fragment N on AncestryNode { depth role generation { id } }";
const DESCENDANTS: &str = "query($id: UUID!, $m: Int) { generation(id: $id) {
    descendants(maxDepth: $m) {
    ...N children { ...N children { ...N children { ...N children { ...N } } } } } } }
    fragment N on DescendantNode { depth role generation { id } }";
const LEAVE: &str =
    "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }";

/// A tree as `id(below, below)`, with the names that `names` gives to ids; checks the depths.
fn drawn(node: &Value, below: &str, names: &[(&str, &String)], depth: usize) -> String {
    assert_eq!(node["depth"], depth, "{node}");
    let id = text(&node["generation"]["id"]);
    let name = names.iter().find(|(_, known)| **known == id).map_or("?", |(name, _)| name);
    let nodes: Vec<String> = node[below]
        .as_array()
        .map(|nodes| nodes.iter().map(|node| drawn(node, below, names, depth + 1)).collect())
        .unwrap_or_default();
    if nodes.is_empty() { name.to_owned() } else { format!("{name}({})", nodes.join(", ")) }
}

async fn ancestry(client: &Client, id: &str, most: i32, names: &[(&str, &String)]) -> String {
    let found = client.data(ANCESTRY, json!({ "id": id, "m": most })).await;
    drawn(&found["generation"]["ancestry"], "parents", names, 0)
}

async fn descendants(client: &Client, id: &str, most: i32, names: &[(&str, &String)]) -> String {
    let found = client.data(DESCENDANTS, json!({ "id": id, "m": most })).await;
    drawn(&found["generation"]["descendants"], "children", names, 0)
}

async fn add_edge(app: &TestApp, from: &str, position: i32, to: &str) {
    let insert =
        "INSERT INTO generation_inputs (tenant_id, generation_id, position, input_id, role)
        SELECT tenant_id, id, $1, $2, 'drawn' FROM generations WHERE id = $3";
    let values = [position.into(), sql::id(to), sql::id(from)];
    assert_eq!(sql::execute(app, insert, values).await, 1);
}

#[tokio::test]
async fn both_walks_show_the_tree_with_roles_and_depths() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let (root, other) = (ada.upload_png(&board).await, ada.upload_png(&board).await);
    let images = json!({ "images": [other, root] });
    let collage = ada.generate(&board, "image-collage", images).await;
    let child = ada.upload_child(&board, &collage).await;
    let grandchild = ada.upload_child(&board, &child).await;
    let edit = ada.generate(&board, "image-edit", json!({ "image": root })).await;
    let names = [
        ("root", &root),
        ("other", &other),
        ("collage", &collage),
        ("child", &child),
        ("grandchild", &grandchild),
        ("edit", &edit),
    ];
    let whole = "grandchild(child(collage(other, root)))";
    for (most, expected) in [
        (25, whole),
        (50, whole),
        (3, whole),
        (2, "grandchild(child(collage))"),
        (1, "grandchild(child)"),
    ] {
        assert_eq!(ancestry(&ada, &grandchild, most, &names).await, expected);
    }
    for (most, expected) in [
        (50, "root(collage(child(grandchild)), edit)"),
        (2, "root(collage(child), edit)"),
        (1, "root(collage, edit)"),
    ] {
        assert_eq!(descendants(&ada, &root, most, &names).await, expected);
    }
    assert_eq!(ancestry(&ada, &root, 25, &names).await, "root");
    assert_eq!(descendants(&ada, &grandchild, 25, &names).await, "grandchild");

    let found = ada.data(ANCESTRY, json!({ "id": child })).await["generation"]["ancestry"].clone();
    assert_eq!(found["role"], Value::Null);
    assert_eq!(found["parents"][0]["role"], "parent");
    assert_eq!(found["parents"][0]["parents"][1]["role"], "images");
    let found = ada.data(DESCENDANTS, json!({ "id": root })).await;
    let children = &found["generation"]["descendants"]["children"];
    assert_eq!((&children[0]["role"], &children[1]["role"]), (&json!("images"), &json!("image")));
}

#[tokio::test]
async fn input_artifacts_stay_known_when_they_are_gone() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let (first, second) = (ada.upload_png(&board).await, ada.upload_png(&board).await);
    let images = json!({ "images": [first, second, first] });
    let collage = ada.generate(&board, "image-collage", images).await;
    let delete = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
    ada.data(delete, json!({ "id": second })).await;
    let entry = |id: &String, found: Value| json!({ "generationId": id, "role": "images", "artifactType": "IMAGE", "generation": found });
    let here = entry(&first, json!({ "id": first }));
    let found = ada.data(INPUTS, json!({ "id": collage })).await;
    let expected = json!([here, entry(&second, Value::Null), here]);
    assert_eq!(found["generation"]["inputArtifacts"], expected);
    let names = [("first", &first), ("collage", &collage)];
    assert_eq!(ancestry(&ada, &collage, 25, &names).await, "collage(first)");
}

#[tokio::test]
async fn walks_take_1_to_50_steps() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let id = ada.upload_text(&board, "a text").await;
    for query in [ANCESTRY, DESCENDANTS] {
        for most in [0, -1, 51, i32::MAX, i32::MIN] {
            ada.refused_input(query, json!({ "id": id, "m": most }), &["maxDepth"]).await;
        }
        for most in [json!(1), json!(50), Value::Null] {
            ada.data(query, json!({ "id": id, "m": most })).await;
        }
    }
}

#[tokio::test]
async fn a_cycle_ends_where_it_began() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let a = ada.upload_text(&board, "a").await;
    let b = ada.upload_child(&board, &a).await;
    let c = ada.upload_child(&board, &b).await;
    add_edge(&app, &a, 0, &c).await;
    add_edge(&app, &b, 1, &b).await;
    let names = [("a", &a), ("b", &b), ("c", &c)];
    assert_eq!(ancestry(&ada, &a, 50, &names).await, "a(c(b))");
    assert_eq!(ancestry(&ada, &b, 50, &names).await, "b(a(c))");
    assert_eq!(descendants(&ada, &a, 50, &names).await, "a(b(c))");
}

#[tokio::test]
async fn what_the_caller_may_not_see_is_left_out_with_what_is_behind_it() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (ada_id, bob_id) = (ada.id().await, bob.id().await);
    let (of_ada, of_bob) = (ada.board("a", false).await, bob.board("b", false).await);
    ada.add_member(&of_ada, &bob, "EDITOR").await;
    bob.add_member(&of_bob, &ada, "EDITOR").await;
    let first = ada.upload_text(&of_ada, "1").await;
    let between = bob.upload_child(&of_bob, &first).await;
    let last = ada.upload_child(&of_ada, &between).await;
    let names = [("first", &first), ("between", &between), ("last", &last)];
    for caller in [&ada, &bob] {
        assert_eq!(ancestry(caller, &last, 25, &names).await, "last(between(first))");
        assert_eq!(descendants(caller, &first, 25, &names).await, "first(between(last))");
    }
    ada.data(LEAVE, json!({ "b": of_bob, "u": ada_id })).await;
    assert_eq!(ancestry(&ada, &last, 25, &names).await, "last");
    assert_eq!(descendants(&ada, &first, 25, &names).await, "first");
    let inputs = ada.data(INPUTS, json!({ "id": last })).await;
    assert_eq!(inputs["generation"]["inputArtifacts"][0]["generation"], Value::Null);
    bob.data(LEAVE, json!({ "b": of_ada, "u": bob_id })).await;
    assert_eq!(ancestry(&bob, &between, 25, &names).await, "between");
    assert_eq!(descendants(&bob, &between, 25, &names).await, "between");

    // A reader without a token sees the public part.
    let publish = "mutation($i: UpdateBoardInput!) { updateBoard(input: $i) { id } }";
    ada.data(publish, json!({ "i": { "id": of_ada, "isPublic": true } })).await;
    let reader = app.anonymous();
    assert_eq!(ancestry(&reader, &last, 25, &names).await, "last");
    assert_eq!(reader.code(ANCESTRY, json!({ "id": between })).await, "UNAUTHENTICATED");
    assert_eq!(reader.code(ANCESTRY, json!({ "id": Uuid::now_v7() })).await, "UNAUTHENTICATED");
}

/// Ten artifacts in each layer, each made from all ten of the layer before: a thousand paths.
#[tokio::test]
async fn a_small_graph_cannot_make_a_huge_tree() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let mut layers: Vec<Vec<String>> = Vec::new();
    for _ in 0..4 {
        let mut layer = Vec::new();
        for _ in 0..10 {
            layer.push(ada.upload_text(&board, "a text").await);
        }
        layers.push(layer);
    }
    // All edges in one statement: text artifacts of one board, from each layer to the next.
    let connect = "INSERT INTO generation_inputs (tenant_id, generation_id, position, input_id, role)
        SELECT made.tenant_id, made.id, source.row - 1, source.id, 'drawn'
          FROM (SELECT g.*, row_number() OVER (ORDER BY created_at, id) AS row FROM generations g) made
          JOIN (SELECT g.*, row_number() OVER (ORDER BY created_at, id) AS row FROM generations g) source
            ON (made.row - 1) / 10 = (source.row - 1) / 10 + 1";
    assert_eq!(sql::execute(&app, connect, []).await, 300);
    let last = &layers[3][0];
    let told = |most: i32| json!({ "id": last, "m": most });
    ada.refused_input(ANCESTRY, told(25), &["maxDepth"]).await;
    let found = ada.data(ANCESTRY, told(2)).await["generation"]["ancestry"].clone();
    let parents = found["parents"].as_array().expect("parents");
    assert_eq!(parents.len(), 10);
    assert!(parents.iter().all(|parent| parent["parents"].as_array().map(Vec::len) == Some(10)));
    ada.refused_input(DESCENDANTS, json!({ "id": layers[0][0] }), &["maxDepth"]).await;
}

#[tokio::test]
async fn a_walk_over_very_many_edges_is_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let source = ada.upload_text(&board, "a text").await;
    let made = ada.upload_text(&board, "a text").await;
    let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5001)
        INSERT INTO generation_inputs (tenant_id, generation_id, position, input_id, role)
        SELECT g.tenant_id, g.id, n.i, $1, 'drawn' FROM n, generations g WHERE g.id = $2";
    assert_eq!(sql::execute(&app, insert, [sql::id(&source), sql::id(&made)]).await, 5001);
    ada.refused_input(ANCESTRY, json!({ "id": made }), &["maxDepth"]).await;
}
