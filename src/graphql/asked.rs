//! How much of rows an operation asks for, by the fields that it selects in them, in fragments too.

use async_graphql::{Context, Lookahead, SelectionField};

use crate::store::{BoardParts, GenerationParts, UserParts};

/// Of the boards that the field shows.
pub(super) fn of_boards(context: &Context<'_>) -> BoardParts {
    let boards = context.look_ahead();
    let details = names(boards.selection_fields()).any(|name| {
        !matches!(
            name,
            "__typename"
                | "id"
                | "tenantId"
                | "ownerId"
                | "title"
                | "isPublic"
                | "createdAt"
                | "updatedAt"
                | "owner"
                | "members"
                | "generations"
                | "membersConnection"
                | "generationsConnection"
                | "generationCount"
        )
    });
    BoardParts { details, owner: of_user(&boards.field("owner")) }
}

/// Of the generations that the field shows.
pub(super) fn of_generations(context: &Context<'_>) -> GenerationParts {
    let generations = context.look_ahead();
    let fields = generations.selection_fields();
    let details = names(fields.clone()).any(|name| {
        !matches!(
            name,
            "__typename"
                | "id"
                | "tenantId"
                | "boardId"
                | "userId"
                | "generatorName"
                | "artifactType"
                | "inputParams"
                | "status"
                | "storageUrl"
                | "thumbnailUrl"
                | "progress"
                | "createdAt"
                | "updatedAt"
                | "board"
                | "user"
                | "tags"
        )
    });
    // What it was made from, or what was made from it, shows the generation again, and all of it.
    let again = names(fields.clone()).any(|name| matches!(name, "ancestry" | "descendants"));
    let params = again || names(fields).any(|name| name == "inputParams");
    let user = of_user(&generations.field("user"));
    let user = if again { user.map(|_| UserParts::Profile) } else { user };
    GenerationParts { params, details, user }
}

/// Of the users that a field shows; none where it is not selected.
pub(super) fn of_user(users: &Lookahead<'_>) -> Option<UserParts> {
    let is_face =
        |name| matches!(name, "__typename" | "id" | "tenantId" | "displayName" | "avatarUrl");
    let faces = names(users.selection_fields()).all(is_face);
    users.exists().then_some(if faces { UserParts::Face } else { UserParts::Profile })
}

fn names(fields: Vec<SelectionField<'_>>) -> impl Iterator<Item = &str> {
    fields.into_iter().flat_map(selected)
}

fn selected(field: SelectionField<'_>) -> Vec<&str> {
    field.selection_set().map(|inner| inner.name()).collect()
}
