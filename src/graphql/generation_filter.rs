//! The arguments by which lists of generations are filtered.

use uuid::Uuid;

use super::{
    arguments::{ArtifactType, GenerationStatus},
    board::QUERY_MAX,
};
use crate::{
    domain::{BoardId, TagId, UserId, Validator},
    error::Result,
    store::{BoardParts, GenerationFilter, Scope},
};

const GENERATOR_NAME_MAX: usize = 100;
/// Each tag is looked up for each generation that has the others.
const TAGS_MAX: usize = 10;

/// The arguments as they were sent.
#[derive(Default)]
pub(super) struct FilterArguments {
    pub(super) board_id: Option<Uuid>,
    pub(super) status: Option<GenerationStatus>,
    pub(super) artifact_type: Option<ArtifactType>,
    pub(super) tag_ids: Option<Vec<Uuid>>,
    pub(super) generator_name: Option<String>,
    pub(super) user_id: Option<Uuid>,
    pub(super) query: Option<String>,
}

impl FilterArguments {
    /// Whether the board that is named exists in the tenant, if one is named.
    ///
    /// # Errors
    /// [`crate::error::Error::Forbidden`] for one that the viewer may not see.
    pub(super) async fn find_their_board(&self, scope: &Scope) -> Result<bool> {
        match self.board_id {
            Some(board) => Ok(scope.board(board.into(), BoardParts::ROW).await?.is_some()),
            None => Ok(true),
        }
    }

    /// The filter. Tags and users need no look of their own: nothing in the tenant has those of another.
    ///
    /// # Errors
    /// [`crate::error::Error::BadUserInput`] for texts that are empty or too long, and too many tags.
    pub(super) fn check(self) -> Result<GenerationFilter> {
        let mut validator = Validator::new();
        let mut text =
            |path, value: Option<String>, max| value.map(|value| validator.text(path, &value, max));
        let generator = text("generatorName", self.generator_name, GENERATOR_NAME_MAX);
        let prompt = text("query", self.query, QUERY_MAX);
        let mut tags: Vec<TagId> =
            self.tag_ids.unwrap_or_default().into_iter().map(TagId).collect();
        // A cursor is of the list, however its arguments were written.
        tags.sort_unstable();
        tags.dedup();
        validator.check(tags.len() <= TAGS_MAX, "tagIds", || {
            format!("tagIds must name at most {TAGS_MAX} tags")
        });
        validator.finish()?;
        Ok(GenerationFilter {
            board: self.board_id.map(BoardId),
            status: self.status.map(Into::into),
            artifact_type: self.artifact_type.map(Into::into),
            tags,
            generator,
            creator: self.user_id.map(UserId),
            prompt,
        })
    }
}
