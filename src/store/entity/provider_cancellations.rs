//! Rows of `provider_cancellations`.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "provider_cancellations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) generation_id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) generator_name: String,
    pub(crate) external_job_id: String,
    pub(crate) attempts: i32,
    /// When it is tried next: also while somebody is at it.
    pub(crate) not_before: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
