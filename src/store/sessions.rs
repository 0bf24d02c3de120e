//! What ends sessions, as the rows say: read by every process, so that each hears what the others
//! did.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    SessionChange, System, TenantStatus,
    entity::{access_tokens, tenants, users},
};
use crate::error::Result;

/// Changes that one look reads at most, the newest; sessions are judged by the clock as well.
const MAX_CHANGES: u64 = 10_000;
/// How a tenant stands that nobody may be in. Named, so that an index over the few that are finds them.
const CLOSED: [TenantStatus; 2] = [TenantStatus::Pending, TenantStatus::Deleting];

impl System<'_> {
    /// Users who were suspended, access tokens that were revoked and tenants that were closed since
    /// `since`, with the time of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_changes_since(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<(SessionChange, DateTime<Utc>)>> {
        let suspended: Vec<(Uuid, DateTime<Utc>)> = users::Entity::find()
            .select_only()
            .columns([users::Column::Id, users::Column::DisabledAt])
            .filter(users::Column::DisabledAt.gte(since))
            .order_by_desc(users::Column::DisabledAt)
            .limit(MAX_CHANGES)
            .into_tuple()
            .all(self.store().read())
            .await?;
        let closed: Vec<(Uuid, DateTime<Utc>)> = tenants::Entity::find()
            .select_only()
            .columns([tenants::Column::Id, tenants::Column::UpdatedAt])
            .filter(tenants::Column::Status.is_in(CLOSED.map(TenantStatus::as_str)))
            .filter(tenants::Column::UpdatedAt.gte(since))
            .order_by_desc(tenants::Column::UpdatedAt)
            .limit(MAX_CHANGES)
            .into_tuple()
            .all(self.store().read())
            .await?;
        let revoked: Vec<(Uuid, DateTime<Utc>)> = access_tokens::Entity::find()
            .select_only()
            .columns([access_tokens::Column::Id, access_tokens::Column::RevokedAt])
            .filter(access_tokens::Column::RevokedAt.gte(since))
            .order_by_desc(access_tokens::Column::RevokedAt)
            .limit(MAX_CHANGES)
            .into_tuple()
            .all(self.store().read())
            .await?;
        let tokens =
            revoked.into_iter().map(|(id, at)| (SessionChange::AccessToken(id.into()), at));
        let users = suspended.into_iter().map(|(id, at)| (SessionChange::User(id.into()), at));
        let tenants = closed.into_iter().map(|(id, at)| (SessionChange::Tenant(id.into()), at));
        Ok(users.chain(tokens).chain(tenants).collect())
    }
}
