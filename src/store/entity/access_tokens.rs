//! Rows of `access_tokens`.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use super::{tenants, users};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) parent_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) secret_hash: String,
    pub(crate) scopes: Json,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl Related<users::Entity> for Entity {
    fn to() -> RelationDef {
        Self::belongs_to(users::Entity)
            .from((Column::TenantId, Column::UserId))
            .to((users::Column::TenantId, users::Column::Id))
            .into()
    }
}

impl Related<tenants::Entity> for Entity {
    fn to() -> RelationDef {
        Self::belongs_to(tenants::Entity).from(Column::TenantId).to(tenants::Column::Id).into()
    }
}

impl ActiveModelBehavior for ActiveModel {}
