//! Arguments as the contract names them, and reading them.

use async_graphql::{Enum, Json, MaybeUndefined};
use serde_json::Value;

use crate::{
    domain::{self, Edit, JsonObject, Page, Validator, json_object},
    error::Result,
};

/// Role of a member on a board.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::MemberRole")]
pub(super) enum BoardRole {
    /// May see the board.
    Viewer,
    /// May also create, upload and tag, and manage their own generations.
    Editor,
    /// May also manage the board, its members and all its generations.
    Admin,
}

/// Which of the caller's boards are meant.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::BoardQueryRole")]
pub(super) enum BoardQueryRole {
    /// Owned by the caller or shared with the caller.
    Any,
    /// Owned by the caller.
    Owner,
    /// Shared with the caller.
    Member,
}

/// Order of a list of boards; ties are broken by id.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::SortOrder")]
pub(super) enum SortOrder {
    /// Oldest first.
    CreatedAsc,
    /// Newest first.
    CreatedDesc,
    /// Least recently changed first.
    UpdatedAsc,
    /// Most recently changed first.
    UpdatedDesc,
}

/// Kind of media.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::ArtifactType")]
pub(super) enum ArtifactType {
    /// A still picture.
    Image,
    /// A moving picture.
    Video,
    /// Sound.
    Audio,
    /// Text.
    Text,
    /// Low-rank adaptation weights.
    Lora,
    /// Model weights.
    Model,
}

/// Where a generation stands. The last three are final.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::GenerationStatus")]
pub(super) enum GenerationStatus {
    /// Queued.
    Pending,
    /// Being made.
    Processing,
    /// Made; the artifact is stored.
    Completed,
    /// Not made; `errorMessage` says why.
    Failed,
    /// Stopped by a user.
    Cancelled,
}

/// The window of a list. An argument that is null counts as omitted.
pub(super) fn page(limit: Option<i32>, offset: Option<i32>, default_limit: i32) -> Result<Page> {
    let mut validator = Validator::new();
    let page =
        Page::new(limit.unwrap_or(default_limit), offset.unwrap_or_default(), &mut validator);
    validator.finish()?;
    Ok(page)
}

/// Points beyond which it does not matter how many; small enough that adding does not overflow.
const COST_MAX: usize = 1 << 40;

/// Points that a list costs: its longest possible page times what is selected of each row.
pub(super) fn list_cost(limit: Option<i32>, default_limit: i32, child: usize) -> usize {
    let rows = limit.unwrap_or(default_limit).clamp(1, Page::MAX_LIMIT);
    cost(usize::try_from(rows).unwrap_or(1), child)
}

/// Points of `rows` rows, with what is selected of each.
pub(super) fn cost(rows: usize, child: usize) -> usize {
    rows.saturating_mul(child).saturating_add(1).min(COST_MAX)
}

/// A JSON object that may be omitted or null, both of which mean `{}`.
pub(super) fn object(
    path: &str,
    value: Option<&Json<Value>>,
    validator: &mut Validator,
) -> JsonObject {
    value.map(|Json(value)| json_object(path, value, validator)).unwrap_or_default()
}

/// A change to a JSON object.
pub(super) fn object_edit(
    path: &str,
    value: MaybeUndefined<Json<Value>>,
    validator: &mut Validator,
) -> Edit<JsonObject> {
    match value {
        MaybeUndefined::Undefined => Edit::Keep,
        MaybeUndefined::Null | MaybeUndefined::Value(Json(Value::Null)) => Edit::Clear,
        MaybeUndefined::Value(Json(value)) => Edit::Set(json_object(path, &value, validator)),
    }
}

/// A change to a text that may be none.
pub(super) fn text_edit(
    path: &str,
    value: MaybeUndefined<String>,
    max: usize,
    validator: &mut Validator,
) -> Edit<String> {
    match value {
        MaybeUndefined::Undefined => Edit::Keep,
        MaybeUndefined::Null => Edit::Clear,
        MaybeUndefined::Value(text) => {
            validator.optional_text(path, &text, max).map_or(Edit::Clear, Edit::Set)
        }
    }
}

/// A new value for what may not be null.
pub(super) fn required_edit<T>(
    path: &str,
    value: MaybeUndefined<T>,
    validator: &mut Validator,
) -> Option<T> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => {
            validator.report(path, format!("{path} must not be null"));
            None
        }
        MaybeUndefined::Value(value) => Some(value),
    }
}
