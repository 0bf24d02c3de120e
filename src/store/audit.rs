//! The audit log: appending, pages for the tenant's admins, the export, and the end of old rows.
//! There is no method that changes a row, and the database would refuse it.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Scope, Slice, Store, corrupt,
    entity::audit_events::{ActiveModel, Column, Entity, Model},
};
use crate::{
    domain::{AccessTokenId, Decision, ListPosition, ListWindow, TenantId, UserId},
    error::{Error, Result},
};

/// One row of the audit log. Holds no secret, no input beyond ids, and no address for mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its id.
    pub id: Uuid,
    /// When it happened; of several equal refusals, when the first did.
    pub occurred_at: DateTime<Utc>,
    /// In which tenant; none for acts of the platform and for callers whose tenant is not known.
    pub tenant: Option<TenantId>,
    /// Who acted; none for callers who are not signed in, and for the platform.
    pub actor: Option<UserId>,
    /// With which access token of this server's own.
    pub access_token: Option<AccessTokenId>,
    /// Which identity provider knows the actor.
    pub provider: Option<String>,
    /// As whom, where no user of a tenant acted: an operator of the platform.
    pub subject: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// What was asked for: `createBoard`, `signIn.newUser`, `platform.tenant.create`.
    pub action: String,
    /// What kind of thing it was done to: `board`, `tenant`.
    pub object_type: Option<String>,
    /// Which one.
    pub object_id: Option<String>,
    /// How it ended.
    pub decision: Decision,
    /// Why, where it was not allowed: the code of the error, or a fixed word.
    pub reason: Option<String>,
    /// How often: more than 1 for equal refusals in a row.
    pub count: u64,
    /// In which request.
    pub request_id: Option<String>,
}

impl AuditRecord {
    /// Where it stands in the log.
    #[must_use]
    pub fn position(&self) -> ListPosition {
        ListPosition::new(self.occurred_at, self.id)
    }
}

/// Which rows are meant; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this user.
    pub actor: Option<UserId>,
    /// This action.
    pub action: Option<String>,
    /// On things of this kind.
    pub object_type: Option<String>,
    /// On this thing.
    pub object_id: Option<String>,
    /// That ended so.
    pub decision: Option<Decision>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

impl AuditFilter {
    fn apply(&self, mut rows: Select<Entity>) -> Select<Entity> {
        if let Some(actor) = self.actor {
            rows = rows.filter(Column::ActorId.eq(actor.0));
        }
        if let Some(action) = &self.action {
            rows = rows.filter(Column::Action.eq(action.as_str()));
        }
        if let Some(object_type) = &self.object_type {
            rows = rows.filter(Column::ObjectType.eq(object_type.as_str()));
        }
        if let Some(object_id) = &self.object_id {
            rows = rows.filter(Column::ObjectId.eq(object_id.as_str()));
        }
        if let Some(decision) = self.decision {
            rows = rows.filter(Column::Decision.eq(decision.as_str()));
        }
        if let Some(from) = self.from {
            rows = rows.filter(Column::OccurredAt.gte(from));
        }
        if let Some(to) = self.to {
            rows = rows.filter(Column::OccurredAt.lt(to));
        }
        rows
    }
}

impl Scope {
    /// Events of the scope's tenant, newest first, behind a position. Whoever calls this has asked
    /// whether the viewer may read the log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_events(
        &self,
        filter: &AuditFilter,
        window: ListWindow,
    ) -> Result<Slice<AuditRecord>> {
        let mut rows = filter.apply(self.find::<Entity>());
        if let Some(after) = window.after() {
            rows = rows.filter(place().lt(place_of(after)));
        }
        let rows = rows
            .order_by_desc(Column::OccurredAt)
            .order_by_desc(Column::Id)
            .limit(window.rows() as u64 + 1)
            .all(self.read())
            .await?;
        let rows = rows.into_iter().map(AuditRecord::try_from).collect::<Result<_>>()?;
        Ok(Slice::new(rows, window))
    }
}

/// What has no viewer: writing the log, exporting it, and ending it.
pub struct AuditStore<'a> {
    store: &'a Store,
}

impl<'a> AuditStore<'a> {
    /// Most rows of one [`AuditStore::append`]: each has 15 values, and SQLite takes 32,766 in a
    /// statement.
    pub const MAX_ROWS: usize = 500;

    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// Adds rows in one statement. Rows that are there already stay as they are, so that it may be
    /// tried again when it is not known whether it went well.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn append(&self, records: &[AuditRecord]) -> Result<()> {
        for rows in records.chunks(Self::MAX_ROWS) {
            if self.store.is_postgres() {
                self.append_as_one_value(rows).await?;
                continue;
            }
            Entity::insert_many(rows.iter().map(ActiveModel::from))
                .on_conflict(OnConflict::column(Column::Id).do_nothing().to_owned())
                .exec_without_returning(self.store.behind())
                .await?;
        }
        Ok(())
    }

    /// The same text for any number of rows: one with a parameter for each value would be parsed and
    /// planned anew nearly every time, which costs more than the rows.
    async fn append_as_one_value(&self, records: &[AuditRecord]) -> Result<()> {
        let rows: Vec<_> = records.iter().map(Appended::from).collect();
        let values = [serde_json::to_string(&rows).map_err(Error::internal)?.into()];
        let backend = self.store.backend();
        let statement = Statement::from_sql_and_values(backend, APPEND, values);
        self.store.behind().execute_raw(statement).await?;
        Ok(())
    }

    /// Events of one tenant, or of everyone, oldest first, behind a position.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn export(
        &self,
        tenant: Option<TenantId>,
        filter: &AuditFilter,
        after: Option<ListPosition>,
        limit: u64,
    ) -> Result<Vec<AuditRecord>> {
        let mut rows = filter.apply(Entity::find());
        if let Some(tenant) = tenant {
            rows = rows.filter(Column::TenantId.eq(tenant.0));
        }
        if let Some(after) = after {
            rows = rows.filter(place().gt(place_of(after)));
        }
        let rows = rows
            .order_by_asc(Column::OccurredAt)
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(self.store.read())
            .await?;
        rows.into_iter().map(AuditRecord::try_from).collect()
    }

    /// Deletes at most `limit` events from before a time, the oldest first; how many it were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_before(&self, time: DateTime<Utc>, limit: u64) -> Result<u64> {
        self.delete(Column::OccurredAt.lt(time), limit).await
    }

    /// Deletes at most `limit` events of a tenant; how many it were. What the platform did with the
    /// tenant belongs to no tenant and stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_of_tenant(&self, tenant: TenantId, limit: u64) -> Result<u64> {
        self.delete(Column::TenantId.eq(tenant.0), limit).await
    }

    async fn delete(&self, which: Expr, limit: u64) -> Result<u64> {
        let mut ids = Query::select();
        ids.column(Column::Id).from(Entity).and_where(which);
        ids.order_by(Column::OccurredAt, sea_orm::Order::Asc).limit(limit);
        if self.store.is_postgres() {
            // Another process may be deleting the same rows: what it holds is as good as gone.
            ids.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        let deleted = Entity::delete_many()
            .filter(Column::Id.in_subquery(ids))
            .exec(self.store.behind())
            .await?;
        Ok(deleted.rows_affected)
    }
}

const APPEND: &str = "INSERT INTO audit_events (id, occurred_at, tenant_id, actor_id, access_token_id, \
     provider, subject, address, action, object_type, object_id, decision, reason, count, request_id) \
     SELECT id, occurred_at, tenant_id, actor_id, access_token_id, \
     provider, subject, address, action, object_type, object_id, decision, reason, count, request_id \
     FROM json_to_recordset(CAST($1 AS json)) AS added (id uuid, occurred_at timestamptz, tenant_id uuid, \
     actor_id uuid, access_token_id uuid, provider text, subject text, address text, action text, \
     object_type text, object_id text, decision text, reason text, count bigint, request_id text) \
     ON CONFLICT (id) DO NOTHING";

/// A row as [`APPEND`] takes it.
#[derive(Serialize)]
struct Appended<'a> {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    tenant_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    access_token_id: Option<Uuid>,
    provider: Option<&'a str>,
    subject: Option<&'a str>,
    address: Option<&'a str>,
    action: &'a str,
    object_type: Option<&'a str>,
    object_id: Option<&'a str>,
    decision: &'a str,
    reason: Option<&'a str>,
    count: i64,
    request_id: Option<&'a str>,
}

impl<'a> From<&'a AuditRecord> for Appended<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        Self {
            id: record.id,
            occurred_at: record.occurred_at,
            tenant_id: record.tenant.map(Uuid::from),
            actor_id: record.actor.map(Uuid::from),
            access_token_id: record.access_token.map(Uuid::from),
            provider: record.provider.as_deref(),
            subject: record.subject.as_deref(),
            address: record.address.as_deref(),
            action: &record.action,
            object_type: record.object_type.as_deref(),
            object_id: record.object_id.as_deref(),
            decision: record.decision.as_str(),
            reason: record.reason.as_deref(),
            count: i64::try_from(record.count).unwrap_or(i64::MAX),
            request_id: record.request_id.as_deref(),
        }
    }
}

fn place() -> Expr {
    Expr::tuple([Column::OccurredAt.into_expr(), Column::Id.into_expr()])
}

fn place_of(position: ListPosition) -> Expr {
    Expr::tuple([Expr::val(position.at), Expr::val(position.id)])
}

impl From<&AuditRecord> for ActiveModel {
    fn from(record: &AuditRecord) -> Self {
        Self {
            id: Set(record.id),
            occurred_at: Set(record.occurred_at),
            tenant_id: Set(record.tenant.map(Uuid::from)),
            actor_id: Set(record.actor.map(Uuid::from)),
            access_token_id: Set(record.access_token.map(Uuid::from)),
            provider: Set(record.provider.clone()),
            subject: Set(record.subject.clone()),
            address: Set(record.address.clone()),
            action: Set(record.action.clone()),
            object_type: Set(record.object_type.clone()),
            object_id: Set(record.object_id.clone()),
            decision: Set(record.decision.as_str().to_owned()),
            reason: Set(record.reason.clone()),
            count: Set(i64::try_from(record.count).unwrap_or(i64::MAX)),
            request_id: Set(record.request_id.clone()),
        }
    }
}

impl TryFrom<Model> for AuditRecord {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let unreadable = |column| corrupt("audit_events", column);
        Ok(Self {
            id: row.id,
            occurred_at: row.occurred_at,
            tenant: row.tenant_id.map(TenantId),
            actor: row.actor_id.map(UserId),
            access_token: row.access_token_id.map(AccessTokenId),
            provider: row.provider,
            subject: row.subject,
            address: row.address,
            action: row.action,
            object_type: row.object_type,
            object_id: row.object_id,
            decision: row.decision.parse().map_err(|()| unreadable("decision"))?,
            reason: row.reason,
            count: u64::try_from(row.count).map_err(|_| unreadable("count"))?,
            request_id: row.request_id,
        })
    }
}
