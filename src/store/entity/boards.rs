//! Rows of `boards`.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "boards")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) owner_id: Uuid,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) is_public: bool,
    pub(crate) settings: Json,
    pub(crate) metadata: Json,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) title_folded: Option<String>,
    pub(crate) description_folded: Option<String>,
    /// Kept by triggers; never written here.
    pub(crate) generation_count: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
