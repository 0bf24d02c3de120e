//! Walks over lists that change while they are read.

use serde_json::json;

use super::{List, Place};
use crate::support::Client;

/// A list whose rows can be made and unmade.
#[derive(Clone, Copy)]
enum Kind {
    Boards,
    Generations,
    Members,
}

impl Kind {
    fn of(list: &List) -> Self {
        match list.field {
            "members" => Self::Members,
            "generations" | "recentGenerations" => Self::Generations,
            _ => Self::Boards,
        }
    }

    async fn add(self, place: &Place, number: usize) {
        match self {
            Self::Boards => drop(super::described(&place.ada, number * 2, true).await),
            Self::Generations => {
                place.ada.generate(&place.board, "pattern-image", json!({ "seed": number })).await;
            }
            Self::Members => {
                let user = place.app.user(&format!("late-{number}"));
                place.ada.add_member(&place.board, &user, "VIEWER").await;
            }
        }
    }

    async fn remove(self, place: &Place, id: &str) {
        let statement = match self {
            Self::Boards => "DELETE FROM boards WHERE id = $1",
            Self::Generations => "DELETE FROM generations WHERE id = $1",
            Self::Members => "DELETE FROM board_members WHERE id = $1",
        };
        let gone =
            crate::support::sql::execute(&place.app, statement, [crate::support::sql::id(id)]);
        assert_eq!(gone.await, 1);
    }
}

async fn update(client: &Client, board: &str) {
    let update =
        "mutation($id: UUID!) { updateBoard(input: { id: $id, settings: { a: 1 } }) { id } }";
    client.data(update, json!({ "id": board })).await;
}

/// Between two pages the row at the cursor goes, one before it goes, and others come. Of what was
/// there all the time nothing is missed and nothing is seen twice.
#[tokio::test]
async fn rows_that_come_and_go_move_nothing() {
    let place = Place::new().await;
    let lists = [
        List::of("publicBoards", "sort: UPDATED_DESC,"),
        List::of("publicBoards", "sort: CREATED_ASC,"),
        List::of("myBoards", ""),
        List::of("searchBoards", "query: \"lamp\","),
        List::of("recentGenerations", ""),
        List::below(&place.board, "generations"),
        List::below(&place.board, "members"),
    ];
    let mut number = 0;
    for list in lists {
        let kind = Kind::of(&list);
        for forwards in [true, false] {
            // What the walks before this one took away.
            for _ in 0..4 {
                number += 1;
                kind.add(&place, number).await;
            }
            let before = list.whole(&place.ada).await;
            let (mut seen, mut gone) = (Vec::new(), Vec::new());
            let mut window = if forwards { "first: 2".to_owned() } else { "last: 2".to_owned() };
            for step in 0.. {
                let page = list.page(&place.ada, &window).await;
                let (edge, cursor) = if forwards {
                    (page.ids.last(), page.cursors.last())
                } else {
                    (page.ids.first(), page.cursors.first())
                };
                let (Some(edge), Some(cursor)) = (edge, cursor) else { break };
                // The board with the generations and members stays.
                if step < 2 && *edge != place.board {
                    kind.remove(&place, edge).await;
                    gone.push(edge.clone());
                    number += 1;
                    kind.add(&place, number).await;
                }
                window = if forwards {
                    format!("first: 2, after: \"{cursor}\"")
                } else {
                    format!("last: 2, before: \"{cursor}\"")
                };
                if forwards {
                    seen.extend(page.ids);
                } else {
                    seen.splice(0..0, page.ids).for_each(drop);
                }
            }
            let stayed = list.whole(&place.ada).await;
            let expected: Vec<&String> = before.iter().filter(|id| stayed.contains(id)).collect();
            let found: Vec<&String> = seen.iter().filter(|id| expected.contains(id)).collect();
            assert_eq!(found, expected, "{list:?} forwards: {forwards}");
            for id in &gone {
                assert_eq!(seen.iter().filter(|seen| *seen == id).count(), 1, "{list:?}");
            }
        }
    }
}

/// A board that changes goes to another place of a list that is sorted by that; the others stay
/// where they are.
#[tokio::test]
async fn a_row_that_moves_moves_no_other() {
    let place = Place::new().await;
    for (arguments, forwards) in [
        ("sort: UPDATED_DESC, role: OWNER,", true),
        ("sort: UPDATED_DESC, role: OWNER,", false),
        ("sort: UPDATED_ASC, role: OWNER,", true),
        ("sort: CREATED_ASC, role: OWNER,", true),
        ("sort: CREATED_DESC, role: OWNER,", false),
    ] {
        let list = List::of("myBoards", arguments);
        let whole = list.whole(&place.ada).await;
        let (end, go_on) = if forwards { ("first: 3", "after") } else { ("last: 3", "before") };
        let first = list.page(&place.ada, end).await;
        let cursor = if forwards { first.end() } else { first.start() };
        // One that was shown, the one at the cursor, and one that was not shown yet.
        let at = first.cursors.iter().position(|known| known == cursor).expect("its own");
        let unseen = whole.iter().find(|id| !first.ids.contains(id)).expect("another");
        let moved = [&first.ids[1], &first.ids[at], unseen];
        for board in moved {
            update(&place.ada, board).await;
        }
        let size = if forwards { "first: 100" } else { "last: 100" };
        let rest = list.page(&place.ada, &format!("{size}, {go_on}: \"{cursor}\"")).await;
        let still = |id: &&String| arguments.contains("CREATED") || !moved.contains(id);
        let expected: Vec<&String> =
            whole.iter().filter(|id| !first.ids.contains(id)).filter(still).collect();
        let found: Vec<&String> = rest.ids.iter().filter(still).collect();
        assert_eq!(found, expected, "{arguments} forwards: {forwards}");
    }
}
