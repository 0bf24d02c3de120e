//! How much of rows an operation asks for, by the fields that it selects in them, in fragments too.

use async_graphql::{Context, Lookahead, Name, SelectionField, Value};

use super::{access::may, arguments::page};
use crate::{
    domain::{Page, TokenScope},
    store::{BoardParts, ContentsAsked, GenerationParts, UserParts},
};

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

/// What is on the board that the field shows. What is asked for twice, or may not be read, is left to the
/// fields that show it.
pub(super) fn on_board(context: &Context<'_>) -> ContentsAsked {
    let board = context.look_ahead();
    let only = |name: &str| {
        let mut fields = board.selection_fields();
        let [field] = fields.as_mut_slice() else { return None };
        let mut found = field.selection_set().filter(|inner| inner.name() == name);
        found.next().filter(|_| found.next().is_none())
    };
    let members = only("members").is_some()
        && may(context, TokenScope::BoardsRead)
        && of_user(&board.field("members").field("user")) != Some(UserParts::Profile);
    let generations = only("generations").filter(|_| may(context, TokenScope::GenerationsRead));
    let generations = generations.and_then(|field| {
        let page = page_of(&field.arguments().ok()?)?;
        Some((page, of_generation_fields(&board.field("generations"))))
    });
    ContentsAsked { members, generations }
}

/// The page that arguments of `Board.generations` mean; none where they are not good.
fn page_of(arguments: &[(Name, Value)]) -> Option<Page> {
    let number = |name: &str| {
        let value = arguments.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        match value {
            None => Some(None),
            Some(Value::Number(number)) => Some(Some(i32::try_from(number.as_i64()?).ok()?)),
            Some(_) => None,
        }
    };
    page(Some(number("limit")?.unwrap_or(50)), Some(number("offset")?.unwrap_or(0)), 50).ok()
}

/// Of the generations that the field shows.
pub(super) fn of_generations(context: &Context<'_>) -> GenerationParts {
    of_generation_fields(&context.look_ahead())
}

fn of_generation_fields(generations: &Lookahead<'_>) -> GenerationParts {
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
