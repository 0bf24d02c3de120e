//! Every time that a worker took a generation, and what came of it.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    domain::GenerationId,
    error::Result,
    store::{
        Scope, Transaction, corrupt,
        entity::generation_attempts::{Column, Entity, Model},
        now,
    },
};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It made what was asked for.
    Completed,
    /// It failed for good.
    Failed,
    /// It failed, and is tried again.
    Retried,
    /// Its worker was stopped and gave it back.
    Released,
    /// Its worker was not heard of any more.
    Lost,
    /// Somebody cancelled it.
    Cancelled,
}

impl Outcome {
    const ALL: [Self; 6] =
        [Self::Completed, Self::Failed, Self::Retried, Self::Released, Self::Lost, Self::Cancelled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// One attempt at a generation.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The generation.
    pub generation: GenerationId,
    /// From 1.
    pub number: i32,
    /// When a worker took the generation.
    pub started_at: DateTime<Utc>,
    /// When that ended; none while it runs.
    pub ended_at: Option<DateTime<Utc>>,
    /// What came of it; none while it runs.
    pub outcome: Option<Outcome>,
    /// Why it failed, for the user.
    pub message: Option<String>,
    /// The id of the job at the provider that it began.
    pub external_job_id: Option<String>,
}

impl TryFrom<Model> for Attempt {
    type Error = crate::error::Error;

    fn try_from(row: Model) -> Result<Self> {
        let outcome = row.outcome.map(|text| Outcome::parse(&text).ok_or(text));
        let outcome = outcome.transpose().map_err(|_| corrupt("generation_attempts", "outcome"))?;
        Ok(Self {
            generation: row.generation_id.into(),
            number: row.number,
            started_at: row.started_at,
            ended_at: row.ended_at,
            outcome,
            message: row.message,
            external_job_id: row.external_job_id,
        })
    }
}

impl Scope {
    /// The attempts at generations that the viewer was shown, in their order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts_at(&self, generations: &[GenerationId]) -> Result<Vec<Attempt>> {
        let rows = self
            .find::<Entity>()
            .filter(Column::GenerationId.is_in(generations.iter().map(|id| id.0)))
            .order_by_asc(Column::GenerationId)
            .order_by_asc(Column::Number)
            .all(self.store().read())
            .await?;
        rows.into_iter().map(Attempt::try_from).collect()
    }
}

/// Begins an attempt at each of `generations`.
pub(super) async fn begin(
    transaction: &Transaction,
    generations: &[Uuid],
    now: DateTime<Utc>,
) -> Result<()> {
    if generations.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (2..2 + generations.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO generation_attempts (generation_id, number, tenant_id, started_at) \
         SELECT g.id, (SELECT coalesce(max(a.number), 0) + 1 FROM generation_attempts a \
                        WHERE a.generation_id = g.id), g.tenant_id, $1 \
           FROM generations g WHERE g.id IN ({})",
        places.join(", ")
    );
    let values = std::iter::once(now.into()).chain(generations.iter().map(|id| (*id).into()));
    let backend = transaction.get_database_backend();
    transaction.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
    Ok(())
}

/// Ends the attempts at `generations` that have not ended.
pub(in crate::store) async fn end(
    transaction: &Transaction,
    generations: &[Uuid],
    outcome: Outcome,
    message: Option<&str>,
) -> Result<()> {
    if generations.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now()))
        .col_expr(Column::Outcome, Expr::value(outcome.as_str()))
        .col_expr(Column::Message, Expr::value(message))
        .filter(Column::GenerationId.is_in(generations.iter().copied()))
        .filter(Column::EndedAt.is_null())
        .exec(transaction)
        .await?;
    Ok(())
}
