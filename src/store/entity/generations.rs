//! Rows of `generations`.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "generations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) board_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) generator_name: String,
    pub(crate) artifact_type: String,
    pub(crate) input_params: Json,
    pub(crate) status: String,
    pub(crate) storage_url: Option<String>,
    pub(crate) thumbnail_url: Option<String>,
    pub(crate) additional_files: Json,
    pub(crate) output_metadata: Json,
    pub(crate) input_artifacts: Json,
    pub(crate) external_job_id: Option<String>,
    #[sea_orm(column_type = "Decimal(Some((5, 2)))")]
    pub(crate) progress: Decimal,
    pub(crate) error_message: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// What search looks at; null in rows of older servers.
    pub(crate) prompt_folded: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
