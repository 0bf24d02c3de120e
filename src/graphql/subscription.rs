//! Live updates. Access is asked again for every item; a stream ends when access ends.

use async_graphql::{Context, Result, Subscription};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

use super::{
    access::{Anyone, BoardPermission, Caller, access, granted},
    board::BoardObject,
    generation::GenerationObject,
    session::Session,
};
use crate::domain::TokenScope;

/// Live updates.
#[derive(Default)]
pub struct Subscriptions;

/// Live updates over WebSocket (graphql-transport-ws) or multipart/mixed.
#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// The generation now and at each change, until it has ended or is deleted.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(
            Caller::Anyone,
            Some(BoardPermission::View),
            granted(TokenScope::GenerationsRead),
        )
    )]
    async fn generation_updated(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] id: Uuid,
    ) -> Result<impl Stream<Item = Result<GenerationObject>> + use<>> {
        let caller = Session::of(context)?;
        let updates = caller.scope().watch_generation(id.into(), caller.expires_at());
        Ok(updates.map(|update| Ok(update?.into())))
    }

    /// The board now and at each change of it, its members or its generations, until it is deleted.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(
            Caller::Anyone,
            Some(BoardPermission::View),
            granted(TokenScope::BoardsRead),
        )
    )]
    async fn board_updated(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the board.")] board_id: Uuid,
    ) -> Result<impl Stream<Item = Result<BoardObject>> + use<>> {
        let caller = Session::of(context)?;
        let updates = caller.scope().watch_board(board_id.into(), caller.expires_at());
        Ok(updates.map(|update| Ok(update?.into())))
    }
}
