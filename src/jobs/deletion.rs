//! Deleting rows and then their files. Once begun this goes on to its end, even when the caller has
//! gone away: files without a row could no longer be found.

use crate::{
    artifacts::{Artifacts, Place},
    error::{Error, Result},
    store::{AuthorizedBoard, AuthorizedGeneration},
};

/// Deletes a board, everything on it, and the files.
///
/// # Errors
/// [`Error::NotFound`] when someone else deleted it meanwhile.
pub async fn delete_board(artifacts: &Artifacts, board: AuthorizedBoard) -> Result<()> {
    let artifacts = artifacts.clone();
    let deletion = tokio::spawn(async move {
        let board = board.delete().await?;
        artifacts.delete_board(board.tenant, board.id).await;
        Ok(())
    });
    deletion.await.map_err(Error::internal)?
}

/// Deletes a generation and its files.
///
/// # Errors
/// [`Error::NotFound`] when someone else deleted it meanwhile.
pub async fn delete_generation(
    artifacts: &Artifacts,
    generation: AuthorizedGeneration,
) -> Result<()> {
    let artifacts = artifacts.clone();
    let deletion = tokio::spawn(async move {
        let generation = generation.delete().await?;
        let place =
            Place { tenant: generation.tenant, board: generation.board, generation: generation.id };
        artifacts.delete_generation(place).await;
        Ok(())
    });
    deletion.await.map_err(Error::internal)?
}
