//! What a page costs: the same whatever its rows, and at most one statement more with its count.

use serde_json::json;

use super::{List, Place};
use crate::support::{Client, TestApp};

/// The statements of an operation. The least of three runs: on a busy machine a batch of a loader
/// may be split.
async fn cost(app: &TestApp, caller: &Client, query: &str) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..3 {
        let before = app.store().statement_count();
        caller.data(query, json!({})).await;
        least = least.min(app.store().statement_count() - before);
    }
    least
}

#[tokio::test]
async fn a_list_is_counted_when_its_length_is_asked_for() {
    let place = Place::new().await;
    let page = "edges { cursor } pageInfo { hasNextPage hasPreviousPage }";
    for list in place.lists().await {
        let cursor = list.page(&place.ada, "first: 1").await.cursors;
        for window in ["first: 5", "last: 5", "first: 2, after:"] {
            let Some(cursor) = cursor.first() else { continue };
            let window = window.replace("after:", &format!("after: \"{cursor}\""));
            let plain = list.query(&window, page);
            let counted = list.query(&window, &format!("{page} totalCount again: totalCount"));
            let skipped = list.query(&window, &format!("{page} totalCount @skip(if: true)"));
            let plain = cost(&place.app, &place.ada, &plain).await;
            let around = 1 + u64::from(list.board.is_some() || list.arguments.contains("boardId"));
            assert_eq!(plain, around + 1, "{list:?} {window}");
            assert_eq!(
                cost(&place.app, &place.ada, &counted).await,
                plain + u64::from(list.field != "generations"),
                "{list:?} {window}"
            );
            assert_eq!(cost(&place.app, &place.ada, &skipped).await, plain, "{list:?} {window}");
        }
    }
}

#[tokio::test]
async fn nested_pages_cost_the_same_whatever_the_boards() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let query = "{ myBoardsConnection(first: 20) { totalCount edges { node { id
        start: generationsConnection(first: 1) { totalCount edges { cursor } }
        end: generationsConnection(last: 2) { totalCount edges { node { id } } }
        membersConnection(first: 2) { totalCount edges { node { role user { displayName } } } } } } } }";
    let mut costs = Vec::new();
    for count in [1_usize, 12] {
        for number in costs.len()..count {
            let board = ada.board(&format!("Board {number}"), false).await;
            for seed in 0..3 {
                ada.generate(&board, "pattern-image", json!({ "seed": seed })).await;
                ada.add_member(&board, &app.user(&format!("member-{seed}")), "VIEWER").await;
            }
        }
        costs.push(cost(&app, &ada, query).await);
    }
    // The caller, the boards and their number, both windows of generations in one statement, the
    // members and their number. Boards know how many generations they have.
    assert_eq!(costs, [6, 6]);
    let shown = ada.data(query, json!({})).await;
    let boards = shown["myBoardsConnection"]["edges"].as_array().expect("edges").clone();
    assert_eq!(boards.len(), 12);
    for board in boards {
        let node = &board["node"];
        let lengths = ["start", "end", "membersConnection"].map(|list| {
            assert_eq!(node[list]["totalCount"], 3, "{node}");
            node[list]["edges"].as_array().expect("edges").len()
        });
        assert_eq!(lengths, [1, 2, 2], "{node}");
    }
}

/// Each board goes on from a place of its own.
#[tokio::test]
async fn windows_of_several_boards_are_kept_apart() {
    let place = Place::new().await;
    let other = place.ada.board("Other", false).await;
    for seed in 0..4 {
        place.ada.generate(&other, "pattern-image", json!({ "seed": seed })).await;
    }
    let (one, two) = (List::below(&place.board, "generations"), List::below(&other, "generations"));
    let whole = [one.whole(&place.ada).await, two.whole(&place.ada).await];
    let cursors = [one.page(&place.ada, "first: 3").await, two.page(&place.ada, "first: 1").await];
    let page = |alias: &str, board: &str, cursor: &str| {
        format!(
            "{alias}: board(id: \"{board}\") {{ next: generationsConnection(first: 2, after: \"{cursor}\") {{
               nodes {{ id }} }} all: generationsConnection {{ nodes {{ id }} }} }}"
        )
    };
    let query = format!(
        "{{ {} {} }}",
        page("one", &place.board, cursors[0].end()),
        page("two", &other, cursors[1].end())
    );
    // The caller, each board, and all four windows together.
    assert_eq!(cost(&place.app, &place.ada, &query).await, 4);
    let data = place.ada.data(&query, json!({})).await;
    for (alias, whole, from) in [("one", &whole[0], 3), ("two", &whole[1], 1)] {
        let ids = |list: &str| -> Vec<String> {
            let nodes = data[alias][list]["nodes"].as_array().expect("nodes");
            nodes.iter().map(|node| crate::support::text(&node["id"])).collect()
        };
        assert_eq!(ids("all"), **whole, "{alias}");
        assert_eq!(ids("next"), whole[from..from + 2], "{alias}");
    }
}
