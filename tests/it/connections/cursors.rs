//! A cursor is good for the one list that it was given for.

use serde_json::json;

use super::{List, Page, Place};
use crate::support::TestApp;

#[tokio::test]
async fn a_cursor_of_any_other_list_is_refused() {
    let place = Place::new().await;
    let second = place.ada.board("Second", false).await;
    place.ada.add_member(&second, &place.bob, "VIEWER").await;
    place.ada.generate(&second, "pattern-image", json!({ "seed": 1 })).await;
    let mut lists = place.lists().await;
    lists.retain(|list| !list.arguments.contains("FAILED"));
    lists.extend([List::below(&second, "generations"), List::below(&second, "members")]);
    let mut cursors = Vec::new();
    for list in &lists {
        cursors.push(list.page(&place.ada, "first: 1").await.end().to_owned());
    }
    for (place_of, list) in lists.iter().enumerate() {
        for (from, cursor) in cursors.iter().enumerate() {
            let name = if (place_of + from) % 2 == 0 { "after" } else { "before" };
            let query = list.query(&format!("{name}: \"{cursor}\""), "edges { cursor }");
            if from == place_of {
                place.ada.data(&query, json!({})).await;
            } else {
                place.ada.refused_input(&query, json!({}), &[name]).await;
            }
        }
    }
}

/// A list without a caller is one for all; the others are each caller's own.
#[tokio::test]
async fn a_cursor_of_another_caller_or_tenant_is_refused() {
    let app = TestApp::two_tenants().await;
    let callers = [app.user_of("one", "ada"), app.user_of("one", "bob"), app.user_of("two", "ada")];
    for caller in &callers {
        let board = caller.board("Same", true).await;
        caller.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    }
    for (list, shared) in [
        (List::of("myBoards", ""), false),
        (List::of("publicBoards", ""), true),
        (List::of("searchBoards", "query: \"same\","), false),
        (List::of("recentGenerations", ""), false),
    ] {
        let cursor = list.page(&callers[0], "first: 1").await.end().to_owned();
        let query = list.query(&format!("after: \"{cursor}\""), "edges { cursor }");
        callers[0].data(&query, json!({})).await;
        if shared {
            callers[1].data(&query, json!({})).await;
        } else {
            callers[1].refused_input(&query, json!({}), &["after"]).await;
        }
        callers[2].refused_input(&query, json!({}), &["after"]).await;
    }
}

/// Whatever is done to a cursor, it is none any more.
#[tokio::test]
async fn a_cursor_that_was_tampered_with_is_refused() {
    let place = Place::new().await;
    let list = List::of("searchBoards", "query: \"lamp\",");
    let Page { cursors, .. } = list.page(&place.ada, "first: 2").await;
    let good = cursors[0].as_str();
    let mut bad = vec![
        String::new(),
        "nonsense".to_owned(),
        "no base64!".to_owned(),
        "💡".to_owned(),
        format!("{good}="),
        format!("{good}A"),
        good[1..].to_owned(),
        good[..good.len() - 1].to_owned(),
        "x".repeat(10_000),
        // The place of one row with the seal of the other.
        format!("{}{}", &good[..32], &cursors[1][32..]),
    ];
    for index in 0..good.len() - 1 {
        let other = if good.as_bytes()[index] == b'A' { "B" } else { "A" };
        bad.push(format!("{}{other}{}", &good[..index], &good[index + 1..]));
    }
    for cursor in bad {
        let query = "query($c: String) {
            searchBoardsConnection(query: \"lamp\", after: $c) { edges { cursor } } }";
        place.ada.refused_input(query, json!({ "c": cursor }), &["after"]).await;
    }
    // The answer names nothing of the cursor.
    let query = list.query("after: \"secret\"", "edges { cursor }");
    let refused = place.ada.graphql(&query, json!({})).await;
    let message = "after must be a cursor of this list, asked for with the same arguments";
    assert_eq!(refused.message(), Some(message), "{}", refused.body);
}

/// A cursor is of the list that its filters make.
#[tokio::test]
async fn a_cursor_is_good_for_its_own_filters_alone() {
    let place = Place::new().await;
    let filters = place.filters().await;
    for one in &filters {
        let cursor = List::of("recentGenerations", one).page(&place.ada, "first: 1").await;
        for other in &filters {
            let after = format!("after: \"{}\"", cursor.end());
            let query = List::of("recentGenerations", other).query(&after, "edges { cursor }");
            if one == other {
                place.ada.data(&query, json!({})).await;
            } else {
                place.ada.refused_input(&query, json!({}), &["after"]).await;
            }
        }
    }
}

#[tokio::test]
async fn windows_are_0_to_100_rows_from_one_end() {
    let place = Place::new().await;
    let cases: [(&str, &[&str]); 8] = [
        ("first: -1", &["first"]),
        ("first: 101", &["first"]),
        ("first: 2147483647", &["first"]),
        ("last: -1", &["last"]),
        ("last: 101", &["last"]),
        ("first: 1, last: 1", &["last"]),
        ("first: 0, last: 0", &["last"]),
        (
            "first: -1, last: 101, after: \"\", before: \"\"",
            &["last", "first", "last", "after", "before"],
        ),
    ];
    for list in place.lists().await {
        for (window, paths) in cases {
            let query = list.query(window, "edges { cursor }");
            place.ada.refused_input(&query, json!({}), paths).await;
        }
    }
    // A list is worth as many points as its window has rows.
    let nested = "{ myBoardsConnection(first: 100) { edges { node {
        generationsConnection(last: 100) { edges { node { id status createdAt updatedAt } } } } } } }";
    assert_eq!(place.ada.code(nested, json!({})).await, "QUERY_TOO_COMPLEX");
    let small = nested.replace("100", "10");
    place.ada.data(&small, json!({})).await;
}
