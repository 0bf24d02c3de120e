//! The access matrix: every root field × every kind of caller × a private and a public board, as
//! access.md has it. A root field without a row fails.

mod foreign_ids;
mod loss;
mod nested;
mod operations;
mod rest;
mod visibility;
mod world;

use std::collections::BTreeSet;

use serde_json::Value;

use self::{
    operations::{Effect, Operation, operation},
    world::{Actor, Place, World},
};
use crate::support::Socket;

/// What each caller gets: `d` data (of a list: the thing is in it), `o` a list without the thing,
/// `-` null without an error, `U` UNAUTHENTICATED, `F` FORBIDDEN, `N` `NOT_FOUND`,
/// `B` `BAD_USER_INPUT`, `C` CONFLICT.
///
/// Columns: Owner, Admin, Editor, Viewer, outsider (X), no token (0), user of Another tenant, the
/// owner's Subject in another tenant, Removed member, Demoted creator. The outsider and the owner's
/// subject in another tenant are admins of their tenants, which gives them nothing on boards. What follows the slash tells
/// the rows of one field apart; `operations.rs` says what each asks for.
const TABLE: &str = "
                              private board        | public board
                              O A E V X 0 A S R D  | O A E V X 0 A S R D
me                            d d d d d U d d d d  | d d d d d U d d d d
user                          d d d d d U - - d d  | d d d d d U - - d d
board                         d d d d F U - - F d  | d d d d d d - - d d
myBoards                      d d d d o U o o o d  | d d d d o U o o o d
myBoards/owner                d o o o o U o o o o  | d o o o o U o o o o
myBoards/member               o d d d o U o o o d  | o d d d o U o o o d
myBoardsConnection            d d d d o U o o o d  | d d d d o U o o o d
myBoardsConnection/owner      d o o o o U o o o o  | d o o o o U o o o o
myBoardsConnection/member     o d d d o U o o o d  | o d d d o U o o o d
publicBoards                  o o o o o o o o o o  | d d d d d d o o d d
publicBoardsConnection        o o o o o o o o o o  | d d d d d d o o d d
searchBoards                  d d d d o U o o o d  | d d d d d U o o d d
searchBoardsConnection        d d d d o U o o o d  | d d d d d U o o d d
generation                    d d d d F U - - F d  | d d d d d d - - d d
recentGenerations             d d d d o U o o o d  | d d d d d U o o d d
recentGenerations/board       d d d d F U o o F d  | d d d d d U o o d d
recentGenerationsConnection   d d d d o U o o o d  | d d d d d U o o d d
recentGenerationsConnection/board d d d d F U o o F d | d d d d d U o o d d
generators                    d d d d d d d d d d  | d d d d d d d d d d
tags                          d d d d d U o o d d  | d d d d d U o o d d
tag                           d d d d d U - - d d  | d d d d d U - - d d
tagBySlug                     d d d d d U - - d d  | d d d d d U - - d d
accessTokens                  d o o o o U o o o o  | d o o o o U o o o o
auditEvents                   F F F F d U F d F F  | F F F F d U F d F F

createBoard                   d d d d d U d d d d  | d d d d d U d d d d
updateBoard                   d d F F F U N N F F  | d d F F F U N N F F
updateBoard/invalid           B B F F F U N N F F  | B B F F F U N N F F
deleteBoard                   d F F F F U N N F F  | d F F F F U N N F F
addBoardMember                d d F F F U N N F F  | d d F F F U N N F F
addBoardMember/owner          B B F F F U N N F F  | B B F F F U N N F F
addBoardMember/again          C C F F F U N N F F  | C C F F F U N N F F
removeBoardMember             d d F F F U N N F F  | d d F F F U N N F F
removeBoardMember/self        B d d d F U N N F d  | B d d d F U N N F d
removeBoardMember/owner       B B F F F U N N F F  | B B F F F U N N F F
updateBoardMemberRole         d d F F F U N N F F  | d d F F F U N N F F
updateBoardMemberRole/self    B d F F F U N N F F  | B d F F F U N N F F
updateBoardMemberRole/owner   B B F F F U N N F F  | B B F F F U N N F F
createGeneration              d d d F F U N N F F  | d d d F F U N N F F
createGeneration/invalid      B B B F F U N N F F  | B B B F F U N N F F
cancelGeneration/own          d d d F F U N N F F  | d d d F F U N N F F
cancelGeneration/other        d d F F F U N N F F  | d d F F F U N N F F
cancelGeneration/ended        C C F F F U N N F F  | C C F F F U N N F F
deleteGeneration/own          d d d F F U N N F F  | d d d F F U N N F F
deleteGeneration/other        d d F F F U N N F F  | d d F F F U N N F F
regenerate                    d d d F F U N N F F  | d d d F F U N N F F
retryGeneration               d d d F F U N N F F  | d d d F F U N N F F
retryGeneration/running       C C C F F U N N F F  | C C C F F U N N F F
uploadArtifact                d d d F F U N N F F  | d d d F F U N N F F
uploadArtifact/invalid        B B B F F U N N F F  | B B B F F U N N F F
createTag                     d d d d d U d d d d  | d d d d d U d d d d
updateTag                     d d d d d U N N d d  | d d d d d U N N d d
deleteTag                     d d d d d U N N d d  | d d d d d U N N d d
addTagToGeneration            d d d F F U N N F F  | d d d F F U N N F F
removeTagFromGeneration       d d d F F U N N F F  | d d d F F U N N F F
createAccessToken             d d d d d U d d d d  | d d d d d U d d d d
revokeAccessToken             d N N N N U N N N N  | d N N N N U N N N N

tenantMembers                 F F F F d U F o F F  | F F F F d U F o F F
tenantInvitations             F F F F d U F o F F  | F F F F d U F o F F
inviteUser                    F F F F d U F d F F  | F F F F d U F d F F
inviteUser/invalid            F F F F B U F B F F  | F F F F B U F B F F
inviteUser/again              F F F F C U F d F F  | F F F F C U F d F F
revokeInvitation              F F F F d U F N F F  | F F F F d U F N F F
setTenantRole                 F F F F d U F N F F  | F F F F d U F N F F
setTenantRole/last            F F F F C U F C F F  | F F F F C U F C F F
suspendUser                   F F F F d U F N F F  | F F F F d U F N F F
suspendUser/self              F F F F B U F B F F  | F F F F B U F B F F
reinstateUser                 F F F F d U F N F F  | F F F F d U F N F F
estimateCost                  d d d d d U d d d d  | d d d d d U d d d d
grantCredits                  F F F F C U F C F F  | F F F F C U F C F F
providerKeys                  F F F F o U F o F F  | F F F F o U F o F F
setProviderKey                F F F F d U F d F F  | F F F F d U F d F F
setProviderKey/invalid        F F F F B U F B F F  | F F F F B U F B F F
deleteProviderKey             F F F F N U F N F F  | F F F F N U F N F F

generationUpdated             d d d d F U N N F d  | d d d d d d N N d d
boardUpdated                  d d d d F U N N F d  | d d d d d d N N d d
";

/// One line of the table.
struct Row {
    key: &'static str,
    private: Vec<char>,
    public: Vec<char>,
}

impl Row {
    fn field(&self) -> &'static str {
        self.key.split('/').next().unwrap_or(self.key)
    }

    fn expected(&self, public: bool) -> impl Iterator<Item = (Actor, char)> {
        let cells = if public { &self.public } else { &self.private };
        Actor::ALL.into_iter().zip(cells.iter().copied())
    }
}

fn rows() -> Vec<Row> {
    let cells = |text: &str| -> Vec<char> {
        text.split_whitespace().filter_map(|cell| cell.chars().next()).collect()
    };
    TABLE
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(|line| {
            let (left, public) = line.split_once('|').expect("two halves");
            let (key, private) = left.split_once(' ').expect("a key and its cells");
            let row = Row { key, private: cells(private), public: cells(public) };
            assert_eq!((row.private.len(), row.public.len()), (10, 10), "{line}");
            row
        })
        .collect()
}

#[test]
fn every_root_field_of_the_served_schema_has_a_row() {
    let served: BTreeSet<String> =
        crate::schema::root_fields().into_iter().map(|field| field.name).collect();
    let rows: BTreeSet<String> = rows().iter().map(|row| row.field().to_owned()).collect();
    assert_eq!(rows, served);
}

/// The permission that a field shows in the SDL is the one that it asks for: on a private board
/// exactly those succeed whom access.md gives it to.
#[test]
fn the_permissions_in_the_sdl_are_those_of_the_table() {
    for field in crate::schema::root_fields() {
        let Some(permission) = field.access("permission") else { continue };
        let rows = rows();
        let row = rows.iter().find(|row| row.field() == field.name).expect("a row");
        let may: Vec<Actor> =
            row.expected(false).filter(|(_, cell)| *cell == 'd').map(|(actor, _)| actor).collect();
        let expected = match permission.as_str() {
            "VIEW" => {
                vec![Actor::Owner, Actor::Admin, Actor::Editor, Actor::Viewer, Actor::Demoted]
            }
            "CREATE" | "TAG" | "MANAGE_GENERATION" => {
                vec![Actor::Owner, Actor::Admin, Actor::Editor]
            }
            "MANAGE_MEMBERS" | "UPDATE" => vec![Actor::Owner, Actor::Admin],
            "DELETE" => vec![Actor::Owner],
            other => panic!("{}: {other} is not in access.md", field.name),
        };
        assert_eq!(may, expected, "{} with {permission}", row.key);
    }
}

#[tokio::test]
async fn private_boards() {
    Box::pin(hold_to_the_table(false)).await;
}

#[tokio::test]
async fn public_boards() {
    Box::pin(hold_to_the_table(true)).await;
}

/// Asks every cell and reports all that differ at once. What is refused must also change nothing.
async fn hold_to_the_table(public: bool) {
    let world = World::start().await;
    let place = world.place(public).await;
    // What may be done without spoiling it for the next caller is done here, not on `place`.
    let busy = world.place(public).await;
    let mut sockets = Vec::new();
    for actor in Actor::ALL {
        sockets.push(Socket::open(world.client(actor)).await);
    }
    let before = world.snapshot(&place).await;
    let mut differences = Vec::new();
    for row in rows() {
        let effect = Effect::of(row.key);
        let mut fresh: Option<Place> = None;
        for ((actor, expected), socket) in row.expected(public).zip(&mut sockets) {
            if effect != Effect::ConsumesOwn {
                fresh = None;
            }
            let target = match (effect, expected) {
                (Effect::Adds, 'd') => &busy,
                (Effect::ConsumesTag, 'd') => fresh.insert(world.only_a_tag().await),
                (Effect::Consumes | Effect::ConsumesOwn, 'd') => match &mut fresh {
                    Some(place) => place,
                    none => none.insert(world.place(public).await),
                },
                _ => &place,
            };
            let asked = operation(row.key, &world, actor, target);
            let found = if asked.text.starts_with("subscription") {
                outcome(row.field(), &asked, &first_item(socket, row.key, &asked).await)
            } else {
                let answer = world.client(actor).graphql(asked.text, asked.variables.clone()).await;
                outcome(row.field(), &asked, &answer.body)
            };
            if found != Ok(expected) {
                differences.push(format!("{} by {actor:?}: {expected}, not {found:?}", row.key));
            }
        }
    }
    assert!(differences.is_empty(), "public: {public}\n{}", differences.join("\n"));
    assert_eq!(world.snapshot(&place).await, before, "something that was refused was done");
}

/// The first answer to a subscription, in the form of the answer to a query.
async fn first_item(socket: &mut Socket, id: &str, asked: &Operation) -> Value {
    socket.start(id, asked.text, asked.variables.clone()).await;
    loop {
        let message = socket.next().await.expect("an answer");
        if message["id"] != id {
            continue;
        }
        match message["type"].as_str() {
            Some("next") => {
                socket.send(serde_json::json!({ "type": "complete", "id": id })).await;
                return message["payload"].clone();
            }
            Some("error") => return serde_json::json!({ "errors": message["payload"] }),
            _ => panic!("neither an item nor an error: {message}"),
        }
    }
}

/// The letter of the table for an answer. Whatever has no letter is told in full.
fn outcome(field: &str, asked: &Operation, body: &Value) -> Result<char, String> {
    let told = || Err(body.to_string());
    let data = &body["data"][field];
    let rows = data.get("nodes").unwrap_or(data);
    if let Some(error) = body.pointer("/errors/0") {
        if !data.is_null() || error.pointer("/path/0").is_none_or(|path| path != field) {
            return told();
        }
        return match error["extensions"]["code"].as_str() {
            Some("UNAUTHENTICATED") if error["message"] == "Not authenticated" => Ok('U'),
            Some("FORBIDDEN") => Ok('F'),
            Some("NOT_FOUND") => Ok('N'),
            Some("BAD_USER_INPUT") => Ok('B'),
            Some("CONFLICT") => Ok('C'),
            _ => told(),
        };
    }
    let is = |one: &Value, thing: &str| one["id"] == *thing || one["user"]["id"] == *thing;
    match (rows, &asked.thing) {
        (Value::Null, _) => Ok('-'),
        (Value::Array(list), Some(thing)) => {
            Ok(if list.iter().any(|one| is(one, thing)) { 'd' } else { 'o' })
        }
        (Value::Array(list), None) if !list.is_empty() => Ok('d'),
        (Value::Object(object), Some(thing)) if object["id"] == **thing => Ok('d'),
        (Value::Bool(true) | Value::Object(_), None) => Ok('d'),
        _ => told(),
    }
}
