//! Tenants as a whole, for those who run the platform: making, listing, changing, registering and
//! closing them. What closing leads to is in `tenant_removal`.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde_json::Value;

use super::{
    JoinPolicy, NewInvitation, Profile, SessionChange, System, Tenant, TenantReference,
    TenantStatus, Transaction,
    entity::{
        tenants::{self, ActiveModel, Column, Entity},
        users,
    },
    invitations,
    joining::new_row,
    now,
    system::{new_tenant, or_taken},
};
use crate::{
    domain::{TenantId, TenantRole},
    error::{Error, Result},
};

/// A tenant with what only those who run the platform see of it.
#[derive(Clone, Debug)]
pub struct TenantRecord {
    /// The tenant.
    pub tenant: Tenant,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Provider and subject of whoever registered it; none for one that an operator made.
    pub registered_by: Option<(String, String)>,
}

impl TryFrom<tenants::Model> for TenantRecord {
    type Error = Error;

    fn try_from(row: tenants::Model) -> Result<Self> {
        Ok(Self {
            created_at: row.created_at,
            updated_at: row.updated_at,
            registered_by: row
                .registered_by_provider
                .clone()
                .zip(row.registered_by_subject.clone()),
            tenant: row.try_into()?,
        })
    }
}

/// A tenant that is to be made; its fields are checked.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its slug.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Who may enter.
    pub join_policy: JoinPolicy,
    /// The email domains of [`JoinPolicy::Domain`], lower-case.
    pub join_domains: Vec<String>,
}

impl NewTenant {
    fn row(&self) -> ActiveModel {
        new_tenant(&self.slug, &self.name, self.join_policy, &self.join_domains)
    }
}

/// Changes to a tenant; its fields are checked by themselves.
#[derive(Clone, Debug, Default)]
pub struct TenantChanges {
    /// A new name.
    pub name: Option<String>,
    /// A new slug.
    pub slug: Option<String>,
    /// Another policy.
    pub join_policy: Option<JoinPolicy>,
    /// Other domains, lower-case.
    pub join_domains: Option<Vec<String>>,
    /// Opens a tenant that is pending.
    pub approve: bool,
}

/// Which tenants a list holds.
#[derive(Clone, Debug, Default)]
pub struct TenantFilter {
    /// Those of this status.
    pub status: Option<TenantStatus>,
    /// Those whose slug begins with this, which holds letters, digits and hyphens alone.
    pub slug_prefix: Option<String>,
}

/// How many tenants there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCounts {
    /// In use.
    pub active: u64,
    /// Waiting for approval.
    pub pending: u64,
    /// On their way out.
    pub deleting: u64,
}

impl System<'_> {
    /// A tenant, whatever its status.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_record(&self, reference: &TenantReference) -> Result<Option<TenantRecord>> {
        let row = Entity::find().filter(reference.condition()).one(self.store().read()).await?;
        row.map(TenantRecord::try_from).transpose()
    }

    /// At most `limit` tenants, by id, from the first behind `after` on. Ids never change, so that
    /// no page misses a tenant or repeats one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_page(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: u64,
    ) -> Result<Vec<TenantRecord>> {
        let mut page = Entity::find().order_by_asc(Column::Id).limit(limit);
        if let Some(status) = filter.status {
            page = page.filter(Column::Status.eq(status.as_str()));
        }
        if let Some(prefix) = &filter.slug_prefix {
            page = page.filter(Column::Slug.starts_with(prefix));
        }
        if let Some(after) = after {
            page = page.filter(Column::Id.gt(after.0));
        }
        let rows = page.all(self.store().read()).await?;
        rows.into_iter().map(TenantRecord::try_from).collect()
    }

    /// How many tenants there are of each status.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_counts(&self) -> Result<TenantCounts> {
        let rows: Vec<(String, i64)> = Entity::find()
            .select_only()
            .column(Column::Status)
            .column_as(Column::Id.count(), "tenants")
            .group_by(Column::Status)
            .into_tuple()
            .all(self.store().read())
            .await?;
        let of = |status: TenantStatus| {
            let count = rows.iter().find(|(name, _)| name == status.as_str());
            count.and_then(|(_, count)| u64::try_from(*count).ok()).unwrap_or_default()
        };
        Ok(TenantCounts {
            active: of(TenantStatus::Active),
            pending: of(TenantStatus::Pending),
            deleting: of(TenantStatus::Deleting),
        })
    }

    /// Makes a tenant in use, with the invitation of who shall run it: both or neither.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the slug is taken.
    pub async fn add_tenant(
        &self,
        new: &NewTenant,
        admin: Option<NewInvitation>,
    ) -> Result<TenantRecord> {
        let transaction = self.store().begin().await?;
        let inserted = Entity::insert(new.row()).exec_with_returning(&transaction).await;
        let record: TenantRecord =
            inserted.map_err(|error| or_taken(error, &new.slug))?.try_into()?;
        if let Some(invitation) = admin {
            invitations::insert(&transaction, record.tenant.id, invitation, None).await?;
        }
        transaction.commit().await?;
        Ok(record)
    }

    /// Makes a tenant for somebody who becomes its admin, unless they have registered `most`
    /// already. Requests of one person at the same time are counted one after the other.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the slug is taken, [`Error::Forbidden`] when it would be one too
    /// many.
    pub async fn register_tenant(
        &self,
        new: &NewTenant,
        status: TenantStatus,
        by: Profile<'_>,
        most: u64,
    ) -> Result<TenantRecord> {
        let transaction = self.store().begin().await?;
        self.one_at_a_time(&transaction, by).await?;
        let registered = Entity::find()
            .filter(Column::RegisteredByProvider.eq(by.provider))
            .filter(Column::RegisteredBySubject.eq(by.subject))
            .count(&transaction)
            .await?;
        if registered >= most {
            return Err(Error::forbidden(format!("register more than {most} tenants")));
        }
        let row = ActiveModel {
            status: Set(status.as_str().to_owned()),
            registered_by_provider: Set(Some(by.provider.to_owned())),
            registered_by_subject: Set(Some(by.subject.to_owned())),
            ..new.row()
        };
        let inserted = Entity::insert(row).exec_with_returning(&transaction).await;
        let record: TenantRecord =
            inserted.map_err(|error| or_taken(error, &new.slug))?.try_into()?;
        let admin = new_row(record.tenant.id, by, TenantRole::Admin);
        users::Entity::insert(admin).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(record)
    }

    /// Has other transactions that register for the same person wait for this one. On SQLite a
    /// transaction that may write is the only one anyway.
    async fn one_at_a_time(&self, transaction: &Transaction, by: Profile<'_>) -> Result<()> {
        if !self.store().is_postgres() {
            return Ok(());
        }
        let person = format!("tenant registration\n{}\n{}", by.provider, by.subject);
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let lock = Statement::from_sql_and_values(self.store().backend(), sql, [person.into()]);
        transaction.execute_raw(lock).await?;
        Ok(())
    }

    /// Changes a tenant.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when there is none; [`Error::Conflict`] when it is being deleted or
    /// the slug is taken; [`Error::BadUserInput`] for [`JoinPolicy::Domain`] without a domain.
    pub async fn change_tenant(
        &self,
        id: TenantId,
        changes: TenantChanges,
    ) -> Result<TenantRecord> {
        let transaction = self.store().begin().await?;
        let row = locked(&transaction, id).await?;
        let slug = changes.slug.clone().unwrap_or_else(|| row.slug.clone());
        let updated = apply(row, changes)?.update(&transaction).await;
        let record = updated.map_err(|error| or_taken(error, &slug))?;
        transaction.commit().await?;
        record.try_into()
    }

    /// Closes a tenant for good: nobody enters it any more, its sessions end, and its rows and files
    /// begin to go. Closing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when there is none.
    pub async fn close_tenant(&self, id: TenantId) -> Result<TenantRecord> {
        let transaction = self.store().begin().await?;
        let row = locked(&transaction, id).await?;
        let row = if row.status == TenantStatus::Deleting.as_str() {
            row
        } else {
            let mut row = row.into_active_model();
            row.status = Set(TenantStatus::Deleting.as_str().to_owned());
            row.updated_at = Set(now());
            row.update(&transaction).await?
        };
        transaction.commit().await?;
        self.store().events().session_changed(SessionChange::Tenant(id));
        self.store().events().tenant_closed();
        row.try_into()
    }
}

async fn locked(transaction: &Transaction, id: TenantId) -> Result<tenants::Model> {
    let row = Entity::find_by_id(id.0).lock_exclusive().one(transaction).await?;
    row.ok_or(Error::TenantNotFound)
}

fn apply(row: tenants::Model, changes: TenantChanges) -> Result<ActiveModel> {
    let present = Tenant::try_from(row.clone())?;
    if present.status == TenantStatus::Deleting {
        return Err(Error::Conflict("This tenant is being deleted".to_owned()));
    }
    let policy = changes.join_policy.unwrap_or(present.join_policy);
    let domains = changes.join_domains.unwrap_or(present.join_domains);
    if policy == JoinPolicy::Domain && domains.is_empty() {
        let message = "join_domains must hold a domain with the join policy domain";
        return Err(Error::bad_input("join_domains", message));
    }
    let mut row = row.into_active_model();
    if let Some(name) = changes.name {
        row.name = Set(name);
    }
    if let Some(slug) = changes.slug {
        row.slug = Set(slug);
    }
    if changes.approve {
        row.status = Set(TenantStatus::Active.as_str().to_owned());
    }
    row.join_policy = Set(policy.as_str().to_owned());
    row.join_domains = Set(domains.into_iter().map(Value::from).collect());
    row.updated_at = Set(now());
    Ok(row)
}
