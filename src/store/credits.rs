//! Credits of users: granted by those who run the tenant, reserved when a generation is queued, and spent or
//! given back when it ends.
//!
//! A reservation is a row that is deleted in the transaction that ends its generation, and whoever deletes
//! it settles it: so each is settled once, however many try. Reservations lie behind the generations in the
//! order of locks, balances behind them in the order of users. A settlement writes a transaction, which
//! points at its user, and a suspension holds that user and waits for jobs: so whoever ends generations
//! holds their users before their jobs ([`hold_users`]).

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value, prelude::Decimal, sea_query::LockType,
};
use uuid::Uuid;

use super::{
    People, Scope, Store, System, Transaction, entity::users, now, people::require_member,
};
use crate::{
    domain::{BoardId, Credits, GenerationId, TenantId, UserId},
    error::{Error, Result},
};

/// Reservations that one transaction of the sweep settles at most.
const SWEEP: i64 = 500;

/// A change of a balance, as `credit_transactions` has it.
struct Entry<'a> {
    kind: &'static str,
    tenant: Uuid,
    user: Uuid,
    amount: Decimal,
    balance: i64,
    generation: Option<Uuid>,
    description: Option<&'a str>,
}

/// Which generations end.
#[derive(Clone, Copy)]
pub(super) enum Ending<'a> {
    /// These.
    Generations(&'a [GenerationId]),
    /// All on this board.
    Board(BoardId),
    /// Those that are gone.
    Gone,
}

impl Ending<'_> {
    /// As a condition on reservations, whose parameters begin behind `$1`, the tenant.
    fn condition(self) -> (String, Vec<Value>) {
        match self {
            Self::Generations(ids) => {
                let places: Vec<_> = (2..ids.len() + 2).map(|place| format!("${place}")).collect();
                let list = if places.is_empty() { "NULL".to_owned() } else { places.join(", ") };
                (format!("generation_id IN ({list})"), ids.iter().map(|id| id.0.into()).collect())
            }
            Self::Board(board) => (
                "generation_id IN (SELECT id FROM generations WHERE tenant_id = $1 AND board_id = $2)"
                    .to_owned(),
                vec![board.0.into()],
            ),
            Self::Gone => (
                "NOT EXISTS (SELECT 1 FROM generations WHERE id = credit_reservations.generation_id)"
                    .to_owned(),
                Vec::new(),
            ),
        }
    }
}

/// Sets aside what a generation is expected to cost, in the transaction that queues it.
///
/// # Errors
/// [`Error::InsufficientCredits`] when its user has less.
pub(super) async fn reserve(
    store: &Store,
    transaction: &Transaction,
    (tenant, user, generation): (TenantId, UserId, GenerationId),
    usd: Option<Decimal>,
) -> Result<()> {
    let Some(rules) = store.credits() else { return Ok(()) };
    let price = rules.price(usd);
    if price == Credits::NONE {
        return Ok(());
    }
    // Whoever waits here for another's change compares with what that leaves.
    let take = "UPDATE credit_balances SET balance = balance - $1, updated_at = $2 \
         WHERE tenant_id = $3 AND user_id = $4 AND balance >= $1 RETURNING balance";
    let values = [price.units().into(), now().into(), tenant.0.into(), user.0.into()];
    let Some(left) = one(transaction, take, values).await? else {
        return Err(Error::InsufficientCredits { price: price.to_string() });
    };
    let reservation = "INSERT INTO credit_reservations \
         (generation_id, tenant_id, user_id, amount, created_at) VALUES ($1, $2, $3, $4, $5)";
    let values: [Value; 5] =
        [generation.0.into(), tenant.0.into(), user.0.into(), price.units().into(), now().into()];
    execute(transaction, reservation, values).await?;
    let entry = Entry {
        kind: "reserve",
        tenant: tenant.0,
        user: user.0,
        amount: -price.decimal(),
        balance: left.try_get_by_index(0)?,
        generation: Some(generation.0),
        description: None,
    };
    enter(transaction, entry).await
}

/// Holds the users whose reservations these generations have, before anything else of what ends them: see
/// the module.
pub(super) async fn hold_users(
    store: &Store,
    transaction: &Transaction,
    tenant: TenantId,
    which: Ending<'_>,
) -> Result<()> {
    if store.credits().is_none() || !store.is_postgres() {
        return Ok(()); // On SQLite the transaction is the only one that writes.
    }
    let (condition, values) = which.condition();
    let hold = format!(
        "SELECT id FROM users WHERE tenant_id = $1 AND id IN \
           (SELECT user_id FROM credit_reservations WHERE tenant_id = $1 AND {condition}) \
         ORDER BY id FOR KEY SHARE"
    );
    execute(transaction, &hold, [tenant.0.into()].into_iter().chain(values)).await
}

/// Spends what was reserved for a generation, in the transaction that completes it, when it has all other
/// locks.
pub(super) async fn settle(
    store: &Store,
    transaction: &Transaction,
    tenant: TenantId,
    generation: GenerationId,
) -> Result<()> {
    if store.credits().is_none() {
        return Ok(());
    }
    end_reservations(transaction, tenant, Ending::Generations(&[generation]), true).await
}

/// Gives back what was reserved for generations, in the transaction in which they fail, are cancelled or
/// are deleted, when it has all other locks.
pub(super) async fn refund(
    store: &Store,
    transaction: &Transaction,
    tenant: TenantId,
    which: Ending<'_>,
) -> Result<()> {
    if store.credits().is_none() {
        return Ok(());
    }
    end_reservations(transaction, tenant, which, false).await
}

async fn end_reservations(
    transaction: &Transaction,
    tenant: TenantId,
    which: Ending<'_>,
    is_spent: bool,
) -> Result<()> {
    let (condition, values) = which.condition();
    let sql = format!(
        "DELETE FROM credit_reservations WHERE tenant_id = $1 AND {condition} \
         RETURNING tenant_id, user_id, generation_id, amount"
    );
    let values = [tenant.0.into()].into_iter().chain(values);
    let mut ended = all(transaction, &sql, values).await?;
    ended.sort_by_key(|one| one.user);
    for reservation in ended {
        end_reservation(transaction, &reservation, is_spent).await?;
    }
    Ok(())
}

struct Reservation {
    tenant: Uuid,
    user: Uuid,
    generation: Uuid,
    amount: i64,
}

/// What was reserved is gone from the balance already, so that spending it leaves the balance.
async fn end_reservation(
    transaction: &Transaction,
    reservation: &Reservation,
    is_spent: bool,
) -> Result<()> {
    let &Reservation { tenant, user, generation, amount } = reservation;
    let back = if is_spent { 0 } else { amount };
    // A grant meanwhile may have filled the balance up: nothing that fits in is lost.
    let give = "UPDATE credit_balances SET updated_at = $2, \
         balance = CASE WHEN balance + $1 > $3 THEN $3 ELSE balance + $1 END \
         WHERE tenant_id = $4 AND user_id = $5 RETURNING balance";
    let most = Credits::MOST.units();
    let values = [back.into(), now().into(), most.into(), tenant.into(), user.into()];
    let Some(row) = one(transaction, give, values).await? else { return Ok(()) };
    let entry = Entry {
        kind: if is_spent { "finalize" } else { "refund" },
        tenant,
        user,
        amount: Decimal::new(back, 4),
        balance: row.try_get_by_index(0)?,
        generation: exists(transaction, generation).await?.then_some(generation),
        description: None,
    };
    enter(transaction, entry).await
}

/// A transaction may name only a generation that is there.
async fn exists(transaction: &Transaction, generation: Uuid) -> Result<bool> {
    let sql = "SELECT 1 FROM generations WHERE id = $1";
    Ok(one(transaction, sql, [generation.into()]).await?.is_some())
}

async fn enter(transaction: &Transaction, entry: Entry<'_>) -> Result<()> {
    let sql = "INSERT INTO credit_transactions (id, tenant_id, user_id, transaction_type, amount, \
         balance_after, generation_id, description, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values: [Value; 9] = [
        Uuid::now_v7().into(),
        entry.tenant.into(),
        entry.user.into(),
        entry.kind.into(),
        entry.amount.into(),
        Decimal::new(entry.balance, 4).into(),
        entry.generation.into(),
        entry.description.map(str::to_owned).into(),
        now().into(),
    ];
    execute(transaction, sql, values).await
}

impl People {
    /// Gives a member credits; what they have then.
    ///
    /// # Errors
    /// [`Error::Conflict`] where credits are off or the balance cannot hold so many, [`Error::NotFound`].
    pub async fn grant_credits(
        &self,
        user: UserId,
        amount: Credits,
        description: Option<&str>,
    ) -> Result<Credits> {
        if self.store.credits().is_none() {
            return Err(Error::Conflict("Credits are not used on this server".to_owned()));
        }
        let transaction = self.begin_change().await?;
        // Held as a transaction's pointer to it holds it, and before the balance.
        require_member(&transaction, self.tenant, user, LockType::KeyShare).await?;
        let give = "INSERT INTO credit_balances (tenant_id, user_id, balance, updated_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, user_id) DO UPDATE \
             SET balance = credit_balances.balance + excluded.balance, updated_at = excluded.updated_at \
             WHERE credit_balances.balance + excluded.balance <= $5 RETURNING balance";
        let most = Credits::MOST.units();
        let values =
            [self.tenant.0.into(), user.0.into(), amount.units().into(), now().into(), most.into()];
        let Some(row) = one(&transaction, give, values).await? else {
            let message = format!("The user already has too many credits to get {amount} more");
            return Err(Error::Conflict(message));
        };
        let balance = row.try_get_by_index(0)?;
        let entry = Entry {
            kind: "grant",
            tenant: self.tenant.0,
            user: user.0,
            amount: amount.decimal(),
            balance,
            generation: None,
            description,
        };
        enter(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(Credits::from_units(balance).unwrap_or_default())
    }
}

impl Scope {
    /// What the viewer has; none where credits are off.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn credit_balance(&self) -> Result<Option<Credits>> {
        let user = self.user()?;
        if self.store().credits().is_none() {
            return Ok(None);
        }
        let sql = "SELECT balance FROM credit_balances WHERE tenant_id = $1 AND user_id = $2";
        let row = one(self.read(), sql, [self.tenant().0.into(), user.0.into()]).await?;
        let units: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(Some(units.and_then(Credits::from_units).unwrap_or_default()))
    }
}

impl System<'_> {
    /// Settles reservations whose generation has ended or is gone without having settled them: an older
    /// server ended it, or credits were off meanwhile. Says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settle_forgotten_credits(&self) -> Result<u64> {
        let mut settled = 0;
        loop {
            let found = self.settle_some_forgotten().await?;
            settled += found;
            if found < SWEEP.unsigned_abs() {
                return Ok(settled);
            }
        }
    }

    async fn settle_some_forgotten(&self) -> Result<u64> {
        let transaction = self.store().begin().await?;
        let is_postgres = self.store().is_postgres();
        let skip_locked = if is_postgres { "FOR UPDATE OF r SKIP LOCKED" } else { "" };
        // One that is ending now is held by nobody else until then: its generation has not ended for us.
        let forgotten = format!(
            "SELECT r.tenant_id, r.user_id, r.generation_id, r.amount, \
                    CASE WHEN g.status = 'completed' THEN 1 ELSE 0 END \
               FROM credit_reservations r LEFT JOIN generations g ON g.id = r.generation_id \
              WHERE g.id IS NULL OR g.status NOT IN ('pending', 'processing') \
              ORDER BY r.user_id, r.generation_id LIMIT $1 {skip_locked}"
        );
        let rows = query(&transaction, &forgotten, [SWEEP.into()]).await?;
        if is_postgres {
            let ids = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
            hold_each(&transaction, ids.iter().map(|one| one.user)).await?;
        }
        for row in &rows {
            let is_spent: i32 = row.try_get_by_index(4)?;
            let reservation = read(row)?;
            let sql = "DELETE FROM credit_reservations WHERE generation_id = $1";
            execute(&transaction, sql, [reservation.generation.into()]).await?;
            end_reservation(&transaction, &reservation, is_spent == 1).await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }
}

async fn hold_each(transaction: &Transaction, users: impl Iterator<Item = Uuid>) -> Result<()> {
    users::Entity::find()
        .select_only()
        .column(users::Column::Id)
        .filter(users::Column::Id.is_in(users))
        .order_by_asc(users::Column::Id)
        .lock(LockType::KeyShare)
        .into_tuple::<Uuid>()
        .all(transaction)
        .await?;
    Ok(())
}

fn read(row: &sea_orm::QueryResult) -> Result<Reservation> {
    Ok(Reservation {
        tenant: row.try_get_by_index(0)?,
        user: row.try_get_by_index(1)?,
        generation: row.try_get_by_index(2)?,
        amount: row.try_get_by_index(3)?,
    })
}

async fn all(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Reservation>> {
    query(connection, sql, values).await?.iter().map(read).collect()
}

async fn query(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<sea_orm::QueryResult>> {
    Ok(connection.query_all_raw(statement(connection.get_database_backend(), sql, values)).await?)
}

async fn one(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<sea_orm::QueryResult>> {
    Ok(connection.query_one_raw(statement(connection.get_database_backend(), sql, values)).await?)
}

async fn execute(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<()> {
    connection.execute_raw(statement(connection.get_database_backend(), sql, values)).await?;
    Ok(())
}

fn statement(backend: DbBackend, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(backend, sql, values)
}
