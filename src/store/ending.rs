//! Ending generations by a user's hand: cancelled, or deleted; and all of a user who is shut out.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{Expr, LockType, Query},
};
use uuid::Uuid;

use super::{
    AuthorizedGeneration, Generation, Outcome, Store, Transaction,
    credits::{self, Ending},
    entity::{
        boards,
        generations::{Column, Entity},
        jobs,
    },
    now,
    queue::{cancel_at_providers, end_attempts},
};
use crate::{
    domain::{BoardId, GenerationId, GenerationStatus, TenantId, UserId},
    error::{Error, Result},
};

/// How a generation stands that can still be stopped.
pub(super) const UNFINISHED: [GenerationStatus; 2] =
    [GenerationStatus::Pending, GenerationStatus::Processing];

/// Ids that one statement names at most: databases bound its parameters.
const PARAMETERS: usize = 1_000;

impl AuthorizedGeneration {
    /// The generation's row.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Stops a generation that has not ended, and tells the worker.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it has ended.
    pub async fn cancel(self) -> Result<Generation> {
        let (id, board) = (self.generation.id, self.generation.board);
        let now = now();
        let transaction = self.scope.store().begin().await?;
        self.hold_its_user(&transaction).await?;
        let is_sent = self.delete_job(&transaction).await?;
        let cancelled = Entity::update_many()
            .col_expr(Column::Status, Expr::value(GenerationStatus::Cancelled.as_str()))
            .col_expr(Column::CompletedAt, Expr::value(now))
            .col_expr(Column::UpdatedAt, Expr::value(now))
            .filter(Column::TenantId.eq(self.scope.tenant().0))
            .filter(Column::Id.eq(id.0))
            .filter(Column::Status.is_in(UNFINISHED.map(GenerationStatus::as_str)))
            .exec_with_returning(&transaction)
            .await?;
        let Some(row) = cancelled.into_iter().next() else {
            return Err(Error::Conflict("This generation has already ended".to_owned()));
        };
        end_attempts(&transaction, &[id.0], Outcome::Cancelled, None).await?;
        self.end_credits(&transaction, is_sent).await?;
        transaction.commit().await?;
        self.scope.store().events().cancel(id);
        self.scope.publish_generation(board, id);
        row.try_into()
    }

    /// The job first, as the worker does: two who take locks in one order cannot deadlock. What a provider
    /// has begun of it is stopped there.
    /// Says whether something was sent to a provider, who may want to be paid.
    async fn delete_job(&self, transaction: &Transaction) -> Result<bool> {
        let this = Query::select().expr(Expr::value(self.generation.id.0)).to_owned();
        cancel_at_providers(transaction, this).await?;
        let deleted = jobs::Entity::delete_many()
            .filter(jobs::Column::TenantId.eq(self.scope.tenant().0))
            .filter(jobs::Column::GenerationId.eq(self.generation.id.0))
            .exec_with_returning(transaction)
            .await?;
        Ok(deleted.iter().any(|job| !job.submission.is_empty()))
    }

    async fn hold_its_user(&self, transaction: &Transaction) -> Result<()> {
        let which = Ending::Generations(&[self.generation.id]);
        credits::hold_users(self.scope.store(), transaction, self.scope.tenant(), which).await
    }

    /// What was sent to a provider is spent: whoever cancels could else have it made for nothing.
    async fn end_credits(&self, transaction: &Transaction, is_sent: bool) -> Result<()> {
        let (store, tenant) = (self.scope.store(), self.scope.tenant());
        if is_sent {
            return credits::settle(store, transaction, tenant, self.generation.id).await;
        }
        let which = Ending::Generations(&[self.generation.id]);
        credits::refund(self.scope.store(), transaction, self.scope.tenant(), which).await
    }

    /// Deletes the generation. The artifact's files are the caller's to delete.
    ///
    /// # Errors
    /// [`Error::NotFound`] when someone else deleted it meanwhile.
    pub async fn delete(self) -> Result<Generation> {
        let transaction = self.scope.store().begin().await?;
        self.hold_its_user(&transaction).await?;
        let is_sent = self.delete_job(&transaction).await?;
        lock_boards_of(&transaction, self.scope.tenant(), &[self.generation.id]).await?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.scope.tenant().0))
            .filter(Column::Id.eq(self.generation.id.0))
            .exec(&transaction)
            .await?;
        if deleted.rows_affected == 0 {
            return Err(Error::NotFound("Generation"));
        }
        self.end_credits(&transaction, is_sent).await?;
        transaction.commit().await?;

        self.scope.store().events().cancel(self.generation.id);
        self.scope.publish_generation(self.generation.board, self.generation.id);
        Ok(self.generation)
    }
}

/// Locks the boards that generations are on, before these are deleted. A deletion counts them off their
/// board, and that of a board takes the board first: two who take locks in one order cannot deadlock.
pub(super) async fn lock_boards_of(
    transaction: &Transaction,
    tenant: TenantId,
    generations: &[GenerationId],
) -> Result<()> {
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(()); // The transaction is the only one that writes.
    }
    let of_generations = Entity::find()
        .select_only()
        .column(Column::BoardId)
        .filter(Column::TenantId.eq(tenant.0))
        .filter(Column::Id.is_in(generations.iter().map(|id| id.0)))
        .into_query();
    boards::Entity::find()
        .select_only()
        .column(boards::Column::Id)
        .filter(boards::Column::TenantId.eq(tenant.0))
        .filter(boards::Column::Id.in_subquery(of_generations))
        .order_by_asc(boards::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple::<Uuid>()
        .all(transaction)
        .await?;
    Ok(())
}

/// Cancels all that a user has queued or running, and says what and on which board. The caller holds
/// the user's row FOR UPDATE, so that nothing of theirs is queued meanwhile.
pub(super) async fn cancel_all_of(
    store: &Store,
    transaction: &Transaction,
    tenant: TenantId,
    user: UserId,
) -> Result<Vec<(GenerationId, BoardId)>> {
    let unfinished: Select<Entity> = Entity::find()
        .filter(Column::TenantId.eq(tenant.0))
        .filter(Column::UserId.eq(user.0))
        .filter(Column::Status.is_in(UNFINISHED.map(GenerationStatus::as_str)));
    let ids = unfinished.select_only().column(Column::Id).into_query();
    cancel_at_providers(transaction, ids.clone()).await?;
    // Once these are gone nobody else ends the generations. In the order of ids, so that two who do
    // this cannot deadlock.
    let mut locked = jobs::Entity::find()
        .select_only()
        .column(jobs::Column::GenerationId)
        .filter(jobs::Column::GenerationId.in_subquery(ids))
        .order_by_asc(jobs::Column::GenerationId)
        .into_query();
    locked.lock(LockType::Update);
    jobs::Entity::delete_many()
        .filter(jobs::Column::GenerationId.in_subquery(locked))
        .exec(transaction)
        .await?;
    let now = now();
    let cancel = Query::update()
        .table(Entity)
        .value(Column::Status, GenerationStatus::Cancelled.as_str())
        .value(Column::CompletedAt, now)
        .value(Column::UpdatedAt, now)
        .and_where(Column::TenantId.eq(tenant.0))
        .and_where(Column::UserId.eq(user.0))
        .and_where(Column::Status.is_in(UNFINISHED.map(GenerationStatus::as_str)))
        .returning(Query::returning().columns([Column::Id, Column::BoardId]))
        .to_owned();
    let rows = transaction.query_all(&cancel).await?;
    let cancelled: Vec<(GenerationId, BoardId)> = rows
        .iter()
        .map(|row| {
            let id: Uuid = row.try_get("", "id")?;
            let board: Uuid = row.try_get("", "board_id")?;
            Ok((id.into(), board.into()))
        })
        .collect::<Result<_>>()?;
    let ids: Vec<GenerationId> = cancelled.iter().map(|(id, _)| *id).collect();
    for some in ids.chunks(PARAMETERS) {
        let raw: Vec<Uuid> = some.iter().map(|id| id.0).collect();
        end_attempts(transaction, &raw, Outcome::Cancelled, None).await?;
        credits::refund(store, transaction, tenant, Ending::Generations(some)).await?;
    }
    Ok(cancelled)
}
