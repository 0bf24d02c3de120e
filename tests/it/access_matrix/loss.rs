//! A role is read fresh every time: what was lost is lost at the next request, and for what is
//! already being watched.

use serde_json::{Value, json};

use super::world::{Actor, Place, World};
use crate::support::Socket;

#[tokio::test]
async fn a_watcher_who_is_removed_is_told_so_once() {
    let world = World::start().await;
    let place = world.place(false).await;
    let mut socket = watch(&world, &place).await;
    let remove =
        "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }";
    let variables = json!({ "b": place.board, "u": world.id(Actor::Viewer) });
    world.client(Actor::Owner).data(remove, variables).await;
    assert_eq!(both_end(&mut socket).await, ["FORBIDDEN", "FORBIDDEN"]);
    // The connection lives, and asks the policy again for what comes next.
    let query = "query($id: UUID!) { board(id: $id) { id } }";
    socket.start("query", query, json!({ "id": place.board })).await;
    let message = socket.next().await.expect("an answer");
    let error = message.pointer("/payload/errors/0").or(message.pointer("/payload/0"));
    assert_eq!(error.expect("an error")["extensions"]["code"], "FORBIDDEN", "{message}");
}

/// A public board that becomes private is lost to everyone who only read it.
#[tokio::test]
async fn a_reader_of_a_board_that_becomes_private() {
    let world = World::start().await;
    let place = world.place(true).await;
    let cases = [(Actor::Outsider, "FORBIDDEN"), (Actor::Anonymous, "UNAUTHENTICATED")];
    let mut sockets = Vec::new();
    for (actor, code) in cases {
        sockets.push((watch_as(&world, &place, actor).await, code));
    }
    let hide = "mutation($id: UUID!) { updateBoard(input: { id: $id, isPublic: false }) { id } }";
    world.client(Actor::Owner).data(hide, json!({ "id": place.board })).await;
    for (mut socket, code) in sockets {
        assert_eq!(both_end(&mut socket).await, [code, code]);
    }
}

async fn watch(world: &World, place: &Place) -> Socket {
    watch_as(world, place, Actor::Viewer).await
}

/// A connection that watches the board and a generation on it, after the first item of each.
async fn watch_as(world: &World, place: &Place, actor: Actor) -> Socket {
    let mut socket = Socket::open(world.client(actor)).await;
    let board = "subscription($id: UUID!) { boardUpdated(boardId: $id) { id } }";
    socket.start("board", board, json!({ "id": place.board })).await;
    let generation = "subscription($id: UUID!) { generationUpdated(id: $id) { id } }";
    socket.start("generation", generation, json!({ "id": place.made_by_owner() })).await;
    for _ in 0..2 {
        let message = socket.next().await.expect("the present state");
        assert!(message.pointer("/payload/errors").is_none(), "{message}");
        assert_eq!(message["type"], "next", "{message}");
    }
    socket
}

/// The codes with which both end, before their `complete`.
async fn both_end(socket: &mut Socket) -> Vec<String> {
    let mut codes = Vec::new();
    let mut completed = 0;
    while completed < 2 {
        let message = socket.next().await.expect("a message");
        match message["type"].as_str() {
            Some("complete") => completed += 1,
            Some("next") => {
                assert!(message["payload"]["data"].is_null(), "{message}");
                let code = message.pointer("/payload/errors/0/extensions/code");
                codes.push(code.and_then(Value::as_str).unwrap_or("none").to_owned());
            }
            _ => panic!("neither an item nor the end: {message}"),
        }
    }
    codes
}
