//! Rows of `audit_events`.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) access_token_id: Option<Uuid>,
    pub(crate) provider: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) action: String,
    pub(crate) object_type: Option<String>,
    pub(crate) object_id: Option<String>,
    pub(crate) decision: String,
    pub(crate) reason: Option<String>,
    pub(crate) count: i64,
    pub(crate) request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
