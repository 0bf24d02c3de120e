//! Walks over lists that nobody changes.

use super::{List, Page, Place};
use crate::support::{Client, TestApp, sql};

/// Reads a list from its beginning; each page says truly what is before and behind it.
async fn forwards(list: &List, client: &Client, size: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut window = format!("first: {size}");
    loop {
        let page = list.page(client, &window).await;
        assert_eq!(page.has_previous, window.contains("after"), "{list:?} {window}");
        assert!(page.ids.len() == size || !page.has_next, "{list:?} {window}");
        ids.extend(page.ids.iter().cloned());
        if !page.has_next {
            return ids;
        }
        window = format!("first: {size}, after: \"{}\"", page.end());
    }
}

async fn backwards(list: &List, client: &Client, size: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut window = format!("last: {size}");
    loop {
        let page = list.page(client, &window).await;
        assert_eq!(page.has_next, window.contains("before"), "{list:?} {window}");
        assert!(page.ids.len() == size || !page.has_previous, "{list:?} {window}");
        ids.splice(0..0, page.ids.iter().cloned());
        if !page.has_previous {
            return ids;
        }
        window = format!("last: {size}, before: \"{}\"", page.start());
    }
}

#[tokio::test]
async fn pages_of_any_size_are_the_list_both_ways() {
    let place = Place::new().await;
    let mut walked = 0;
    for list in place.lists().await {
        let whole = list.whole(&place.ada).await;
        walked += usize::from(whole.len() > 4);
        for size in [1, 3, 4, 100] {
            assert_eq!(forwards(&list, &place.ada, size).await, whole, "{list:?} by {size}");
            assert_eq!(backwards(&list, &place.ada, size).await, whole, "{list:?} by {size}");
        }
        assert_eq!(list.total(&place.ada).await, whole.len() as u64, "{list:?}");
    }
    assert!(walked >= 30, "only {walked} lists have pages");
}

#[tokio::test]
async fn windows_between_two_cursors() {
    let place = Place::new().await;
    for list in [
        List::of("myBoards", ""),
        List::of("searchBoards", "query: \"desk\","),
        List::of("recentGenerations", ""),
        List::below(&place.board, "members"),
    ] {
        let Page { ids, cursors, .. } = list.page(&place.ada, "first: 100").await;
        let (after, before) = (&cursors[1], &cursors[5]);
        let between = format!("after: \"{after}\", before: \"{before}\"");
        let cases = [
            (between.clone(), 2..5, false, true),
            (format!("first: 2, {between}"), 2..4, true, true),
            (format!("first: 3, {between}"), 2..5, false, true),
            (format!("last: 2, {between}"), 3..5, true, true),
            (format!("last: 3, {between}"), 2..5, true, false),
            (format!("first: 2, before: \"{before}\""), 0..2, true, false),
            (format!("last: 1, after: \"{after}\""), ids.len() - 1..ids.len(), false, true),
            (format!("first: 0, after: \"{after}\""), 0..0, true, true),
            (format!("last: 0, before: \"{before}\""), 0..0, true, true),
            (format!("after: \"{before}\", before: \"{after}\""), 0..0, false, true),
            (format!("after: \"{}\"", cursors[ids.len() - 1]), 0..0, false, true),
        ];
        for (window, rows, has_next, has_previous) in cases {
            let page = list.page(&place.ada, &window).await;
            assert_eq!(page.ids, ids[rows], "{list:?} {window}");
            assert_eq!(
                (page.has_next, page.has_previous),
                (has_next, has_previous),
                "{list:?} {window}"
            );
        }
    }
}

/// 50 rows where nothing is said; null says nothing.
#[tokio::test]
async fn a_page_has_fifty_rows_unless_more_or_fewer_are_asked_for() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Many", true).await;
    let copy = "INSERT INTO boards (id, tenant_id, owner_id, title, is_public, created_at, updated_at)
        SELECT $1, tenant_id, owner_id, title, is_public, created_at, updated_at FROM boards WHERE id = $2";
    for _ in 0..60 {
        let values = [uuid::Uuid::now_v7().into(), sql::id(&board)];
        assert_eq!(sql::execute(&app, copy, values).await, 1);
    }
    for (window, rows) in [
        ("first: null, after: null, last: null, before: null", 50),
        ("first: null, last: 60", 60),
        ("last: null, first: 55", 55),
        ("first: 100", 61),
    ] {
        for field in ["myBoards", "publicBoards"] {
            let list = List::of(field, "");
            let page = list.page(&ada, window).await;
            assert_eq!(page.ids.len(), rows, "{field} {window}");
        }
    }
}

/// What others may not see is on no page and in no count.
#[tokio::test]
async fn each_caller_walks_their_own_list() {
    let place = Place::new().await;
    let stranger = place.app.user("stranger");
    for caller in [&place.ada, &place.bob, &stranger] {
        for list in place.lists().await.into_iter().filter(|list| list.board.is_none()) {
            if list.arguments.contains("boardId") {
                continue;
            }
            let whole = list.whole(caller).await;
            assert_eq!(forwards(&list, caller, 3).await, whole, "{list:?}");
            assert_eq!(backwards(&list, caller, 3).await, whole, "{list:?}");
            assert_eq!(list.total(caller).await, whole.len() as u64, "{list:?}");
        }
    }
    let recent = List::of("recentGenerations", "");
    let seen = [recent.total(&place.ada).await, recent.total(&stranger).await];
    assert!(0 < seen[1] && seen[1] < seen[0], "{seen:?}");
}

/// The few that a caller may see lie behind many that they may not.
#[tokio::test]
async fn what_is_far_down_in_the_tenant_is_found() {
    let place = Place::new().await;
    let hidden = place.bob.board("Hidden", false).await;
    for number in 0..45 {
        place.bob.generate(&hidden, "pattern-image", serde_json::json!({ "seed": number })).await;
    }
    let mut filters = place.filters().await;
    filters.extend(["", "status: PENDING,"].map(str::to_owned));
    for arguments in filters {
        let list = List::of("recentGenerations", &arguments);
        let whole = list.whole(&place.ada).await;
        for size in [1, 2, 5] {
            assert_eq!(forwards(&list, &place.ada, size).await, whole, "{arguments} by {size}");
            assert_eq!(backwards(&list, &place.ada, size).await, whole, "{arguments} by {size}");
        }
    }
}
