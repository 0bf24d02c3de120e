//! The rule of who may view a board is written twice: as SQL for what finds many rows, and as the
//! policy. Here the two are held together.

use std::{sync::Arc, time::Duration};

use boards::{
    access::policy,
    audit::AuditLog,
    auth::{
        Authenticator, Credentials, ScopePolicy, Tenancy,
        providers::{JwtAlgorithm, JwtKey, JwtSettings, JwtVerifier},
    },
    domain::{
        BoardId, BoardQueryRole, GenerationId, ListWindow, MemberRole, Page, Permission, SortOrder,
        UserId, Validator,
    },
    store::{BoardParts, GenerationFilter, GenerationParts, Placed, Scope, Slice, UserBoards},
};
use uuid::Uuid;

use super::world::{Actor, Place, World};
use crate::support::SECRET;

/// How each caller stands to the boards of a place: owner, role, and whether there is a user.
const RELATIONS: [(Actor, bool, Option<MemberRole>); 8] = [
    (Actor::Owner, true, None),
    (Actor::Admin, false, Some(MemberRole::Admin)),
    (Actor::Editor, false, Some(MemberRole::Editor)),
    (Actor::Viewer, false, Some(MemberRole::Viewer)),
    (Actor::Demoted, false, Some(MemberRole::Viewer)),
    (Actor::Outsider, false, None),
    (Actor::Removed, false, None),
    (Actor::Anonymous, false, None),
];

#[tokio::test]
async fn sql_and_policy_agree() {
    let world = World::start().await;
    for public in [false, true] {
        let place = world.place(public).await;
        for (actor, is_owner, role) in RELATIONS {
            let relation = policy::relation(is_owner, role, public);
            let may = policy::allows(relation, Permission::View);
            let scope = scope(&world, actor).await;
            let part = is_owner || role.is_some();
            for (way, found) in ways(&scope, &world, actor, &place).await {
                let expected = match way {
                    "my_boards" => may && part,
                    "public_board_list" => may && public,
                    _ => may,
                };
                assert_eq!(found, expected, "{way} for {actor:?}, public: {public}");
            }
        }
        // In another tenant nobody stands in any relation to it.
        for actor in [Actor::Foreigner, Actor::Twin] {
            let scope = scope(&world, actor).await;
            for (way, found) in ways(&scope, &world, actor, &place).await {
                assert!(!found, "{way} for {actor:?}, public: {public}");
            }
        }
    }
}

/// Every way in which the store finds boards and generations, and whether it finds the place's.
async fn ways(
    scope: &Scope,
    world: &World,
    actor: Actor,
    place: &Place,
) -> Vec<(&'static str, bool)> {
    let id = BoardId(uuid(&place.board));
    let generation = GenerationId(uuid(place.made_by_owner()));
    let (owner, editor) =
        (UserId(uuid(world.id(Actor::Owner))), UserId(uuid(world.id(Actor::Editor))));
    let page = Page::new(100, 0, &mut Validator::new());
    let sort = SortOrder::UpdatedDesc;
    let boards = |list: Vec<boards::store::Board>| list.iter().any(|board| board.id == id);
    let of_user =
        |list: Vec<boards::store::BoardsOfUser>| list.iter().any(|one| one.board.id == id);
    let generations =
        |list: Vec<boards::store::Generation>| list.iter().any(|found| found.id == generation);
    let lookup = scope.board(id, BoardParts::ROW).await;
    let by_id = scope.generation(generation).await;
    let filter = GenerationFilter::default();
    let public = scope.public_board_list(sort, page, BoardParts::ROW).await;
    let recent = scope.recent_generations(&filter, page, GenerationParts::ROW).await;
    let mut ways = vec![
        ("board", matches!(lookup, Ok(Some(_)))),
        ("boards_by_id", boards(scope.boards_by_id(&[id]).await.expect("boards"))),
        ("public_board_list", boards(public.expect("boards"))),
        ("search_boards", boards(scope.search_boards("needle", page).await.expect("boards"))),
        (
            "boards_of owner",
            of_user(scope.boards_of(&[owner], UserBoards::Owned).await.expect("boards")),
        ),
        (
            "boards_of member",
            of_user(scope.boards_of(&[editor], UserBoards::Member).await.expect("boards")),
        ),
        ("generation", matches!(by_id, Ok(Some(_)))),
        (
            "generations_by_id",
            generations(scope.generations_by_id(&[generation]).await.expect("generations")),
        ),
        ("recent_generations", generations(recent.expect("generations"))),
    ];
    if actor != Actor::Anonymous {
        let mine = scope.my_boards(BoardQueryRole::Any, sort, page, BoardParts::ROW);
        let mine = mine.await.expect("boards");
        ways.push(("my_boards", boards(mine)));
    }
    ways.extend(windows(scope, actor, (id, generation)).await);
    ways
}

/// The same by position. What is counted is what is found.
async fn windows(
    scope: &Scope,
    actor: Actor,
    (board, generation): (BoardId, GenerationId),
) -> Vec<(&'static str, bool)> {
    let (window, sort) = (ListWindow::longest(None), SortOrder::UpdatedDesc);
    let boards = |slice: Slice<Placed<boards::store::Board>>, count: u64| {
        assert_eq!(slice.rows.len() as u64, count, "{actor:?}");
        slice.rows.iter().any(|placed| placed.row.id == board)
    };
    let public = scope.public_board_window(sort, window).await.expect("boards");
    let found = scope.found_board_window("needle", window).await.expect("boards");
    let filter = GenerationFilter::default();
    let recent = scope.recent_generation_window(&filter, window).await.expect("generations");
    let recent_count = scope.recent_generation_count(&filter).await.expect("a count");
    assert_eq!(recent.rows.len() as u64, recent_count, "{actor:?}");
    let mut ways = vec![
        ("public_board_list", boards(public, scope.public_board_count().await.expect("a count"))),
        ("search", boards(found, scope.found_board_count("needle").await.expect("a count"))),
        ("recent", recent.rows.iter().any(|placed| placed.row.id == generation)),
    ];
    if actor != Actor::Anonymous {
        let role = BoardQueryRole::Any;
        let mine = scope.my_board_window(role, sort, window).await.expect("boards");
        let count = scope.my_board_count(role).await.expect("a count");
        ways.push(("my_boards", boards(mine, count)));
    }
    ways
}

/// The scope that a request of the actor's is answered with.
async fn scope(world: &World, actor: Actor) -> Scope {
    let settings = JwtSettings {
        algorithm: JwtAlgorithm::Hs256,
        key: JwtKey::Secret(SECRET.into()),
        issuer: None,
        audiences: Vec::new(),
        leeway: Duration::from_secs(30),
        tenant_claim: None,
    };
    let verifier = JwtVerifier::new(settings).expect("good settings");
    let store = world.app.store().clone();
    let authenticator = Authenticator::new(
        store,
        Arc::new(verifier),
        Tenancy::multi("default"),
        ScopePolicy::Optional,
        AuditLog::default(),
    );
    let client = world.client(actor);
    let credentials = Credentials {
        authorization: client.token.iter().map(|token| format!("Bearer {token}")).collect(),
        tenant: client.tenant.iter().cloned().collect(),
        ..Credentials::default()
    };
    authenticator.authenticate(&credentials).await.expect("a caller").scope().clone()
}

fn uuid(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}
