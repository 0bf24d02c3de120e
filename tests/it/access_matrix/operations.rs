//! What each row of the table asks for.

use serde_json::{Value, json};

use super::world::{Actor, Place, World};

/// An operation with one root field.
pub(super) struct Operation {
    pub(super) text: &'static str,
    pub(super) variables: Value,
    /// The id that the answer must have, or that the list is searched for.
    pub(super) thing: Option<String>,
}

/// What an operation does to the place when it is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// It can be done again and again.
    Adds,
    /// Each caller can do it once, to something of their own.
    ConsumesOwn,
    /// It can be done once.
    Consumes,
    /// It can be done once, and needs no more than a tag.
    ConsumesTag,
}

impl Effect {
    pub(super) fn of(key: &str) -> Self {
        match key {
            "createBoard" | "updateBoard" | "createGeneration" | "regenerate"
            | "retryGeneration" | "uploadArtifact" | "createTag" | "updateTag"
            | "addTagToGeneration" | "createAccessToken" | "inviteUser" | "inviteUser/again"
            | "setProviderKey" => Self::Adds,
            "removeBoardMember/self" | "cancelGeneration/own" | "deleteGeneration/own" => {
                Self::ConsumesOwn
            }
            "deleteBoard"
            | "addBoardMember"
            | "removeBoardMember"
            | "updateBoardMemberRole"
            | "updateBoardMemberRole/self"
            | "cancelGeneration/other"
            | "deleteGeneration/other"
            | "removeTagFromGeneration"
            | "revokeAccessToken"
            | "revokeInvitation" => Self::Consumes,
            "deleteTag" => Self::ConsumesTag,
            _ => Self::Reads,
        }
    }
}

/// The operation of a row, as an actor sends it for a place.
pub(super) fn operation(key: &str, world: &World, actor: Actor, place: &Place) -> Operation {
    let asked = match key.split('/').next().unwrap_or(key) {
        "me" | "user" | "generators" | "auditEvents" => of_people(key, world, actor),
        "tags" | "tag" | "tagBySlug" | "createTag" | "updateTag" | "deleteTag" => {
            of_tags(key, world, place)
        }
        "accessTokens" | "createAccessToken" | "revokeAccessToken" => of_access_tokens(key, place),
        "tenantMembers" | "setTenantRole" | "suspendUser" | "reinstateUser" => {
            of_tenant_members(key, world, actor)
        }
        "tenantInvitations" | "inviteUser" | "revokeInvitation" => {
            of_invitations(key, world, place)
        }
        "estimateCost" => Some(ask(
            "{ estimateCost(generatorName: \"qr-code\", inputParams: { text: \"a\" }) { usd } }",
            json!({}),
        )),
        "grantCredits" => Some(ask(
            "mutation($u: UUID!) { grantCredits(userId: $u, amount: 1) }",
            json!({ "u": world.bystander }),
        )),
        "providerKeys" | "setProviderKey" => of_provider_keys(key),
        "deleteProviderKey" => {
            Some(ask("mutation { deleteProviderKey(provider: \"kie\") }", json!({})))
        }
        "addBoardMember" | "removeBoardMember" | "updateBoardMemberRole" => {
            of_members(key, world, actor, place)
        }
        name if name.contains("eneration") || matches!(name, "regenerate" | "uploadArtifact") => {
            of_generations(key, world, actor, place)
        }
        _ => of_boards(key, world, place),
    };
    asked.unwrap_or_else(|| panic!("the row {key} has no operation"))
}

fn ask(text: &'static str, variables: Value) -> Operation {
    Operation { text, variables, thing: None }
}

fn ask_for(thing: &str, text: &'static str, variables: Value) -> Operation {
    Operation { text, variables, thing: Some(thing.to_owned()) }
}

fn of_people(key: &str, world: &World, actor: Actor) -> Option<Operation> {
    let owner = world.id(Actor::Owner);
    Some(match key {
        "me" => ask_for(world.id(actor), "{ me { id } }", json!({})),
        "user" => {
            ask_for(owner, "query($id: UUID!) { user(id: $id) { id } }", json!({ "id": owner }))
        }
        "generators" => ask("{ generators { name } }", json!({})),
        "auditEvents" => ask("{ auditEvents { edges { node { id } } } }", json!({})),
        _ => return None,
    })
}

fn of_tenant_members(key: &str, world: &World, actor: Actor) -> Option<Operation> {
    let id = json!({ "id": world.bystander });
    Some(match key {
        "tenantMembers" => {
            ask_for(&world.bystander, "{ tenantMembers { nodes { user { id } } } }", json!({}))
        }
        "setTenantRole" | "setTenantRole/last" => ask(
            "mutation($id: UUID!) { setTenantRole(userId: $id, role: MEMBER) { role } }",
            if key == "setTenantRole" { id } else { json!({ "id": world.id(actor) }) },
        ),
        "suspendUser" | "suspendUser/self" => ask(
            "mutation($id: UUID!) { suspendUser(userId: $id) { role } }",
            if key == "suspendUser" { id } else { json!({ "id": world.id(actor) }) },
        ),
        "reinstateUser" => ask("mutation($id: UUID!) { reinstateUser(userId: $id) { role } }", id),
        _ => return None,
    })
}

/// Nobody has a key at kie: to delete it tells an admin from others all the same.
fn of_provider_keys(key: &str) -> Option<Operation> {
    let set = |key: &str| {
        ask(
            "mutation($k: String!) { setProviderKey(provider: \"fal\", key: $k) { provider } }",
            json!({ "k": key }),
        )
    };
    Some(match key {
        "providerKeys" => ask_for("kie", "{ providerKeys { provider } }", json!({})),
        "setProviderKey" => set("a-key"),
        "setProviderKey/invalid" => set("not a key"),
        _ => return None,
    })
}

fn of_invitations(key: &str, world: &World, place: &Place) -> Option<Operation> {
    let invite = |email: &str| {
        ask(
            "mutation($e: String!) { inviteUser(input: { email: $e }) { id } }",
            json!({ "e": email }),
        )
    };
    Some(match key {
        "tenantInvitations" => ask_for(
            &place.invitation,
            "{ tenantInvitations(first: 100) { nodes { id } } }",
            json!({}),
        ),
        "inviteUser" => invite(&format!("{}@x.example", world.unique("guest"))),
        "inviteUser/invalid" => invite("nobody"),
        "inviteUser/again" => invite(&place.invited),
        "revokeInvitation" => ask(
            "mutation($id: UUID!) { revokeInvitation(id: $id) }",
            json!({ "id": place.invitation }),
        ),
        _ => return None,
    })
}

fn of_boards(key: &str, world: &World, place: &Place) -> Option<Operation> {
    let board = place.board.as_str();
    let id = json!({ "id": board });
    Some(match key {
        "board" => ask_for(board, "query($id: UUID!) { board(id: $id) { id } }", id),
        "myBoards" => ask_for(board, "{ myBoards(limit: 100) { id } }", json!({})),
        "myBoards/owner" => {
            ask_for(board, "{ myBoards(limit: 100, role: OWNER) { id } }", json!({}))
        }
        "myBoards/member" => {
            ask_for(board, "{ myBoards(limit: 100, role: MEMBER) { id } }", json!({}))
        }
        "publicBoards" => ask_for(board, "{ publicBoards(limit: 100) { id } }", json!({})),
        "searchBoards" => {
            ask_for(board, "{ searchBoards(query: \"nEEdle\", limit: 100) { id } }", json!({}))
        }
        "myBoardsConnection" => {
            ask_for(board, "{ myBoardsConnection(first: 100) { nodes { id } } }", json!({}))
        }
        "myBoardsConnection/owner" => ask_for(
            board,
            "{ myBoardsConnection(last: 100, role: OWNER) { nodes { id } } }",
            json!({}),
        ),
        "myBoardsConnection/member" => ask_for(
            board,
            "{ myBoardsConnection(last: 100, role: MEMBER) { nodes { id } } }",
            json!({}),
        ),
        "publicBoardsConnection" => {
            ask_for(board, "{ publicBoardsConnection(first: 100) { nodes { id } } }", json!({}))
        }
        "searchBoardsConnection" => ask_for(
            board,
            "{ searchBoardsConnection(query: \"nEEdle\", first: 100) { nodes { id } } }",
            json!({}),
        ),
        "boardUpdated" => {
            ask_for(board, "subscription($id: UUID!) { boardUpdated(boardId: $id) { id } }", id)
        }
        "createBoard" => {
            ask("mutation { createBoard(input: { title: \"New\" }) { id } }", json!({}))
        }
        "updateBoard" => ask_for(
            board,
            "mutation($id: UUID!, $t: String) { updateBoard(input: { id: $id, title: $t }) { id } }",
            json!({ "id": board, "t": world.unique("Needle") }),
        ),
        "updateBoard/invalid" => {
            ask("mutation($id: UUID!) { updateBoard(input: { id: $id, title: \" \" }) { id } }", id)
        }
        "deleteBoard" => ask("mutation($id: UUID!) { deleteBoard(id: $id) }", id),
        _ => return None,
    })
}

fn of_members(key: &str, world: &World, actor: Actor, place: &Place) -> Option<Operation> {
    let (field, variant) = key.split_once('/').unwrap_or((key, ""));
    let user = match (field, variant) {
        ("addBoardMember", "") => &world.newcomer,
        (_, "" | "again") => &world.bystander,
        (_, "self") => world.id(actor),
        (_, "owner") => world.id(Actor::Owner),
        _ => return None,
    };
    let text = match field {
        "addBoardMember" => {
            "mutation($b: UUID!, $u: UUID!) { addBoardMember(input: { boardId: $b, userId: $u }) { id } }"
        }
        "removeBoardMember" => {
            "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }"
        }
        "updateBoardMemberRole" => {
            "mutation($b: UUID!, $u: UUID!) {
                updateBoardMemberRole(boardId: $b, userId: $u, role: ADMIN) { id } }"
        }
        _ => return None,
    };
    Some(ask_for(&place.board, text, json!({ "b": place.board, "u": user })))
}

fn of_generations(key: &str, world: &World, actor: Actor, place: &Place) -> Option<Operation> {
    let board = json!({ "b": place.board });
    let by_id = |text, generation: &str| ask(text, json!({ "id": generation }));
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
    let delete = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
    let retry = "mutation($id: UUID!) { retryGeneration(id: $id) { id } }";
    let (own, first) = (place.own(actor), place.made_by_owner());
    Some(match key {
        "generation" => {
            ask_for(own, "query($id: UUID!) { generation(id: $id) { id } }", json!({ "id": own }))
        }
        "generationUpdated" => ask_for(
            own,
            "subscription($id: UUID!) { generationUpdated(id: $id) { id } }",
            json!({ "id": own }),
        ),
        "recentGenerations" => ask_for(own, "{ recentGenerations(limit: 100) { id } }", json!({})),
        "recentGenerations/board" => ask_for(
            own,
            "query($b: UUID) { recentGenerations(boardId: $b, limit: 100) { id } }",
            board,
        ),
        "recentGenerationsConnection" => {
            ask_for(own, "{ recentGenerationsConnection(first: 100) { nodes { id } } }", json!({}))
        }
        "recentGenerationsConnection/board" => ask_for(
            own,
            "query($b: UUID) { recentGenerationsConnection(boardId: $b, last: 100) { nodes { id } } }",
            board,
        ),
        "createGeneration" => ask(
            "mutation($b: UUID!) { createGeneration(input: { boardId: $b, artifactType: IMAGE,
                generatorName: \"pattern-image\", inputParams: { prompt: \"a wood\" } }) { id } }",
            board,
        ),
        "createGeneration/invalid" => ask(
            "mutation($b: UUID!) { createGeneration(input: { boardId: $b, artifactType: IMAGE,
                generatorName: \"qr-code\", inputParams: { size: \"large\" } }) { id } }",
            board,
        ),
        "cancelGeneration/own" => by_id(cancel, own),
        "cancelGeneration/other" => by_id(cancel, place.not_own(actor)),
        "cancelGeneration/ended" => by_id(cancel, &place.cancelled),
        "deleteGeneration/own" => by_id(delete, own),
        "deleteGeneration/other" => by_id(delete, place.not_own(actor)),
        "regenerate" => by_id("mutation($id: UUID!) { regenerate(id: $id) { id } }", first),
        "retryGeneration" => by_id(retry, &place.cancelled),
        "retryGeneration/running" => by_id(retry, first),
        "uploadArtifact" => ask(
            "mutation($b: UUID!, $u: String) { uploadArtifact(input: {
                boardId: $b, artifactType: IMAGE, fileUrl: $u }) { id } }",
            json!({ "b": place.board, "u": world.picture_url }),
        ),
        "uploadArtifact/invalid" => ask(
            "mutation($b: UUID!) { uploadArtifact(input: {
                boardId: $b, artifactType: IMAGE, fileUrl: \"file:///etc/passwd\" }) { id } }",
            board,
        ),
        "addTagToGeneration" => ask_for(
            &place.tag,
            "mutation($g: UUID!, $t: UUID!) { addTagToGeneration(generationId: $g, tagId: $t) { id } }",
            json!({ "g": first, "t": place.tag }),
        ),
        "removeTagFromGeneration" => ask(
            "mutation($g: UUID!, $t: UUID!) { removeTagFromGeneration(generationId: $g, tagId: $t) }",
            json!({ "g": first, "t": place.tag }),
        ),
        _ => return None,
    })
}

fn of_access_tokens(key: &str, place: &Place) -> Option<Operation> {
    let token = place.access_token.as_str();
    Some(match key {
        "accessTokens" => ask_for(token, "{ accessTokens { id } }", json!({})),
        "createAccessToken" => ask(
            "mutation { createAccessToken(name: \"n\", scopes: [\"boards:read\"]) { token } }",
            json!({}),
        ),
        "revokeAccessToken" => {
            ask("mutation($id: UUID!) { revokeAccessToken(id: $id) }", json!({ "id": token }))
        }
        _ => return None,
    })
}

fn of_tags(key: &str, world: &World, place: &Place) -> Option<Operation> {
    let tag = place.tag.as_str();
    let id = json!({ "id": tag });
    Some(match key {
        "tags" => ask_for(tag, "{ tags { id } }", json!({})),
        "tag" => ask_for(tag, "query($id: UUID!) { tag(id: $id) { id } }", id),
        "tagBySlug" => ask_for(
            tag,
            "query($s: String!) { tagBySlug(slug: $s) { id } }",
            json!({ "s": place.tag_slug }),
        ),
        "createTag" => ask(
            "mutation($n: String!) { createTag(input: { name: $n }) { id } }",
            json!({ "n": world.unique("new") }),
        ),
        "updateTag" => ask_for(
            tag,
            "mutation($id: UUID!) { updateTag(input: { id: $id, description: \"d\" }) { id } }",
            id,
        ),
        "deleteTag" => ask("mutation($id: UUID!) { deleteTag(id: $id) }", id),
        _ => return None,
    })
}
