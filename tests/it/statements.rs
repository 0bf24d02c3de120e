//! How many SQL statements an operation costs. The numbers do not grow with the rows shown; they
//! stand in ARCHITECTURE.md too. BEGIN and COMMIT are not counted.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, TestApp};

const BOARD: &str = include_str!("../../load/queries/board.json");
const MY_BOARDS: &str = include_str!("../../load/queries/my_boards.json");
const PUBLIC_BOARDS: &str = include_str!("../../load/queries/public_boards.json");
const RECENT: &str = include_str!("../../load/queries/recent.json");
const SEARCH: &str = include_str!("../../load/queries/search.json");
const CREATE_BOARD: &str = include_str!("../../load/queries/create_board.json");
const LIST: &str = "{ accessTokens { id name scopes lastUsedAt } }";
const ME: &str = include_str!("../../load/queries/me.json");

fn query(body: &str) -> String {
    let body: Value = serde_json::from_str(body).expect("JSON");
    body["query"].as_str().expect("a query").to_owned()
}

/// The statements of an operation that must succeed, and its data. The least of three runs: on a
/// busy machine a batch of a loader may be split.
async fn cost(app: &TestApp, caller: &Client, query: &str, variables: Value) -> (u64, Value) {
    let mut least = (u64::MAX, Value::Null);
    for _ in 0..3 {
        let before = app.store().statement_count();
        let data = caller.data(query, variables.clone()).await;
        let cost = app.store().statement_count() - before;
        if cost < least.0 {
            least = (cost, data);
        }
    }
    least
}

fn length(list: &Value) -> usize {
    list.as_array().expect("a list").len()
}

async fn people(app: &TestApp, count: usize) -> Vec<Client> {
    let people: Vec<Client> = (0..count).map(|n| app.user(&format!("user-{n}"))).collect();
    join_all(people.iter().map(Client::id)).await;
    people
}

async fn fill(owner: &Client, board: &str, members: &[Client], generations: usize) {
    for member in members {
        owner.add_member(board, member, "EDITOR").await;
    }
    for number in 0..generations {
        let makers: Vec<&Client> = members.iter().chain([owner]).collect();
        let maker = makers[number % makers.len()];
        maker.generate(board, "pattern-image", json!({ "seed": number })).await;
    }
}

#[tokio::test]
async fn a_board_costs_the_same_with_one_and_with_fifty_members_and_generations() {
    let app = TestApp::start().await;
    let owner = app.user("owner");
    let members = people(&app, 50).await;
    let (small, large) = (owner.board("Small", false).await, owner.board("Large", false).await);
    fill(&owner, &small, &members[..1], 1).await;
    fill(&owner, &large, &members, 50).await;
    for caller in [&owner, &members[0]] {
        for (board, members, generations) in [(&small, 1, 1), (&large, 50, 50)] {
            let variables = json!({ "id": board });
            let (cost, data) = cost(&app, caller, &query(BOARD), variables).await;
            assert_eq!(length(&data["board"]["members"]), members);
            assert_eq!(length(&data["board"]["generations"]), generations.min(20));
            assert_eq!(data["board"]["generationCount"], generations);
            assert_eq!(cost, 2, "{members} members");
        }
    }
}

#[tokio::test]
async fn lists_of_boards_cost_the_same_with_one_and_with_fifty() {
    let app = TestApp::start().await;
    let owners = people(&app, 5).await;
    let caller = app.user("caller");
    let others = people(&app, 2).await;
    let mut costs = Vec::new();
    for count in [1_usize, 50] {
        let present = length(&caller.data("{ myBoards { id } }", json!({})).await["myBoards"]);
        for number in present..count {
            let owner = &owners[number % owners.len()];
            let board = owner.board(&format!("Board 17 {number}"), true).await;
            owner.add_member(&board, &caller, "VIEWER").await;
            let member = &others[number % others.len()];
            if number % owners.len() > 1 {
                owner.add_member(&board, member, "VIEWER").await;
            }
            owner.generate(&board, "pattern-image", json!({ "seed": number })).await;
        }
        let lists = [
            ("myBoards", MY_BOARDS, count),
            ("publicBoards", PUBLIC_BOARDS, count.min(20)),
            ("searchBoards", SEARCH, count.min(20)),
            ("recentGenerations", RECENT, count),
        ];
        let mut round = Vec::new();
        for (field, body, rows) in lists {
            let (cost, data) = cost(&app, &caller, &query(body), json!({})).await;
            assert_eq!(length(&data[field]), rows, "{field}");
            round.push((field, cost));
        }
        costs.push(round);
    }
    let expected =
        [("myBoards", 3), ("publicBoards", 2), ("searchBoards", 2), ("recentGenerations", 3)];
    assert_eq!(costs[0], expected, "with one board");
    assert_eq!(costs[1], expected, "with fifty");
}

#[tokio::test]
async fn nested_fields_cost_the_same_whatever_the_rows() {
    const NESTED: &str = "query($id: UUID!) { board(id: $id) { owner { email boards { id } }
        members { user { email memberBoards { id } } inviter { email } }
        generations(limit: 50) { tags { id } user { id } board { title } } } }";
    let app = TestApp::start().await;
    let owner = app.user("owner");
    let members = people(&app, 12).await;
    let (small, large) = (owner.board("Small", false).await, owner.board("Large", false).await);
    fill(&owner, &small, &members[..2], 3).await;
    fill(&owner, &large, &members, 24).await;
    let (few, _) = cost(&app, &members[0], NESTED, json!({ "id": small })).await;
    let (many, _) = cost(&app, &members[0], NESTED, json!({ "id": large })).await;
    // Fields of different depths share a statement or not, as answers happen to come in.
    assert!(few.abs_diff(many) <= 3, "{few} statements for few rows, {many} for many");
}

#[tokio::test]
async fn small_operations() {
    let app = TestApp::start().await;
    let owner = app.user("owner");
    let board = owner.board("Board", false).await;
    let update = "mutation($id: UUID!) { updateBoard(input: { id: $id, title: \"New\" }) { id } }";
    let generate = "mutation($id: UUID!) { createGeneration(input: { boardId: $id,
        generatorName: \"pattern-image\", artifactType: IMAGE, inputParams: { seed: 1 } }) { id status } }";
    let operations = [
        ("me", query(ME), 1),
        ("searchBoards", query(SEARCH), 2),
        ("createBoard", query(CREATE_BOARD), 2),
        ("updateBoard", update.to_owned(), 4),
        ("createGeneration", generate.to_owned(), 4),
    ];
    for (name, query, expected) in operations {
        // An operation may not be sent variables that it does not know.
        let variables = if query.contains("$id") { json!({ "id": board }) } else { json!({}) };
        let (cost, _) = cost(&app, &owner, &query, variables).await;
        assert_eq!(cost, expected, "{name}");
    }
}

/// With a token of the server's own the caller is found in one statement, as with any other.
#[tokio::test]
async fn access_tokens() {
    let app = TestApp::start().await;
    let owner = app.user("owner");
    let create = "mutation { createAccessToken(name: \"n\", scopes: [\"tokens:write\"]) {
        token accessToken { id } } }";
    let made = owner.data(create, json!({})).await["createAccessToken"].clone();
    let script = app.anonymous().with_token(made["token"].as_str().expect("a token"));
    for (query, expected) in [(query(ME), 1), (LIST.to_owned(), 2), (create.to_owned(), 4)] {
        let (cost, _) = cost(&app, &script, &query, json!({})).await;
        assert_eq!(cost, expected, "{query}");
    }
    let revoke = "mutation($id: UUID!) { revokeAccessToken(id: $id) }";
    let before = app.store().statement_count();
    owner.data(revoke, json!({ "id": made["accessToken"]["id"] })).await;
    assert_eq!(app.store().statement_count() - before, 4);
}
