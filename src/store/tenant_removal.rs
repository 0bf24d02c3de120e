//! Taking the rows of a closed tenant away, in batches that each take a short transaction. All of it
//! can be done again from the beginning, and by several processes at once.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Statement,
    sea_query::{Alias, Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement},
};
use uuid::Uuid;

use super::{
    Store, System, TenantStatus, Transaction,
    ending::lock_boards_of,
    entity::{
        generations::{self, Column},
        jobs, tenants,
    },
    queue::cancel_at_providers,
};
use crate::{
    domain::{BoardId, GenerationId, TenantId},
    error::Result,
};

/// Rows that one transaction takes away at most, apart from the few that hang on them.
pub const BATCH: u64 = 500;

/// Every table with rows of tenants, and the column by which batches of it are taken. In an order in
/// which nothing points at a row that goes, so that no deletion runs on into other tables. A test
/// compares it with what the databases know.
pub const TENANT_TABLES: [(&str, &str); 18] = [
    ("jobs", "generation_id"),
    ("generation_attempts", "generation_id"),
    ("generation_tags", "id"),
    ("generation_inputs", "generation_id"),
    ("credit_transactions", "id"),
    ("credit_reservations", "generation_id"),
    ("credit_balances", "user_id"),
    ("lora_models", "id"),
    ("generations", "id"),
    ("board_members", "id"),
    ("tags", "id"),
    ("boards", "id"),
    ("access_tokens", "id"),
    ("invitations", "id"),
    ("provider_keys", "id"),
    ("users", "id"),
    ("audit_events", "id"),
    ("provider_cancellations", "generation_id"),
];

/// How an attempt to take away the tenant itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The tenant is gone, by this attempt or by another's.
    Gone,
    /// Requests that had begun before the tenant was closed have written meanwhile: there are rows
    /// to be taken away first.
    RowsRemain,
}

/// A tenant that is being deleted. The only way to take its rows away.
pub struct ClosedTenant {
    store: Store,
    id: TenantId,
    slug: String,
}

impl System<'_> {
    /// The tenants that are being deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn closed_tenants(&self) -> Result<Vec<ClosedTenant>> {
        let rows: Vec<(Uuid, String)> = tenants::Entity::find()
            .select_only()
            .columns([tenants::Column::Id, tenants::Column::Slug])
            .filter(tenants::Column::Status.eq(TenantStatus::Deleting.as_str()))
            .into_tuple()
            .all(self.store().read())
            .await?;
        let closed = |(id, slug): (Uuid, String)| ClosedTenant {
            store: self.store().clone(),
            id: id.into(),
            slug,
        };
        Ok(rows.into_iter().map(closed).collect())
    }
}

impl ClosedTenant {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TenantId {
        self.id
    }

    /// Its slug.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Takes a batch of queued and running jobs away and has the runs of this process stopped; those
    /// of other processes notice by themselves. Says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_jobs(&self) -> Result<u64> {
        let transaction = self.store.begin().await?;
        let batch = self.batch("jobs", "generation_id");
        cancel_at_providers(&transaction, batch.clone()).await?;
        let removed = jobs::Entity::delete_many()
            .filter(jobs::Column::GenerationId.in_subquery(batch))
            .exec_with_returning(&transaction)
            .await?;
        transaction.commit().await?;
        for job in &removed {
            self.store.events().cancel(job.generation_id.into());
        }
        Ok(removed.len() as u64)
    }

    /// A batch of generations, whose files must go before they do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn generations(&self) -> Result<Vec<(BoardId, GenerationId)>> {
        let rows: Vec<(Uuid, Uuid)> = generations::Entity::find()
            .select_only()
            .columns([Column::BoardId, Column::Id])
            .filter(Column::TenantId.eq(self.id.0))
            .limit(BATCH)
            .into_tuple()
            .all(self.store.write())
            .await?;
        Ok(rows.into_iter().map(|(board, id)| (board.into(), id.into())).collect())
    }

    /// Takes those of these generations away that no other process is at, and says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_generations(&self, ids: &[GenerationId]) -> Result<u64> {
        let mut batch = generations::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::TenantId.eq(self.id.0))
            .filter(Column::Id.is_in(ids.iter().map(|id| id.0)))
            .into_query();
        batch.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let transaction = self.store.begin().await?;
        lock_boards_of(&transaction, self.id, ids).await?;
        let removed = generations::Entity::delete_many()
            .filter(Column::Id.in_subquery(batch))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(removed.rows_affected)
    }

    /// Takes a batch of rows of one of [`TENANT_TABLES`] away and says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_rows(&self, table: &'static str, key: &'static str) -> Result<u64> {
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(table))
            .and_where(Expr::col(Alias::new("tenant_id")).eq(self.id.0))
            .and_where(Expr::col(Alias::new(key)).in_subquery(self.batch(table, key)));
        let transaction = self.store.begin().await?;
        let removed = transaction.execute(&delete).await?;
        transaction.commit().await?;
        Ok(removed.rows_affected())
    }

    /// Takes away a batch of the tenant's rows that could not stay when an older server's database
    /// was taken over, and says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_quarantined(&self) -> Result<u64> {
        if !self.store.is_postgres() {
            return Ok(0);
        }
        let sql = "DELETE FROM adoption_quarantine WHERE ctid IN (\
             SELECT ctid FROM adoption_quarantine WHERE row_data ->> 'tenant_id' = $1 LIMIT $2)";
        let values = [self.id.to_string().into(), BATCH.into()];
        let statement = Statement::from_sql_and_values(self.store.backend(), sql, values);
        Ok(self.store.write().execute_raw(statement).await?.rows_affected())
    }

    /// Takes the tenant itself away if nothing of it is left. While this looks, nobody can write
    /// into the tenant: a row that points at it needs a lock on it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove(&self) -> Result<Removal> {
        let transaction = self.store.begin().await?;
        let tenant = tenants::Entity::find_by_id(self.id.0);
        if tenant.lock_exclusive().one(&transaction).await?.is_none() {
            return Ok(Removal::Gone);
        }
        for (table, _) in TENANT_TABLES {
            if self.has_rows(&transaction, table).await? {
                return Ok(Removal::RowsRemain);
            }
        }
        tenants::Entity::delete_by_id(self.id.0).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(Removal::Gone)
    }

    async fn has_rows(&self, transaction: &Transaction, table: &'static str) -> Result<bool> {
        let one = Query::select()
            .expr(Expr::value(1))
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new("tenant_id")).eq(self.id.0))
            .limit(1)
            .to_owned();
        Ok(transaction.query_one(&one).await?.is_some())
    }

    /// The keys of some rows. Processes that do the same work take different ones, so that they
    /// never wait for each other in a circle.
    fn batch(&self, table: &'static str, key: &'static str) -> SelectStatement {
        Query::select()
            .column(Alias::new(key))
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new("tenant_id")).eq(self.id.0))
            .limit(BATCH)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .to_owned()
    }
}
