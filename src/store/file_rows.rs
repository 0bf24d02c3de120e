//! Which files the rows name, for whoever compares them with the files there are. Asked by operators
//! alone, for a tenant at a time, without a viewer.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, prelude::Json,
};
use uuid::Uuid;

use super::{
    Store,
    entity::{
        generations::{Column, Entity},
        tenants,
    },
};
use crate::{
    domain::{GenerationId, GenerationStatus, TenantId},
    error::Result,
};

/// See the module.
pub struct FileRows<'a> {
    store: &'a Store,
}

/// What a generation's row says about files.
#[derive(Clone, Debug)]
pub struct FileRow {
    /// The generation.
    pub generation: GenerationId,
    /// Whether it may still get files, which its row does not name yet.
    pub is_unfinished: bool,
    /// Where its files are, as the row says: the artifact, the thumbnail and those beside them.
    pub files: Vec<String>,
}

type Columns = (Uuid, String, Option<String>, Option<String>, Json);

impl<'a> FileRows<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// At most `limit` tenants whatever their status, by id, from the first behind `after` on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants(&self, after: Option<TenantId>, limit: u64) -> Result<Vec<TenantId>> {
        let mut page = tenants::Entity::find()
            .select_only()
            .column(tenants::Column::Id)
            .order_by_asc(tenants::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            page = page.filter(tenants::Column::Id.gt(after.0));
        }
        let ids: Vec<Uuid> = page.into_tuple().all(self.store.read()).await?;
        Ok(ids.into_iter().map(TenantId::from).collect())
    }

    /// At most `limit` generations of a tenant, by id, from the first behind `after` on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page(
        &self,
        tenant: TenantId,
        after: Option<GenerationId>,
        limit: u64,
    ) -> Result<Vec<FileRow>> {
        let mut page = of_tenant(tenant).order_by_asc(Column::Id).limit(limit);
        if let Some(after) = after {
            page = page.filter(Column::Id.gt(after.0));
        }
        self.read(page).await
    }

    /// Those of these generations that there are in a tenant, as they are now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of(&self, tenant: TenantId, ids: &[GenerationId]) -> Result<Vec<FileRow>> {
        self.read(of_tenant(tenant).filter(Column::Id.is_in(ids.iter().map(|id| id.0)))).await
    }

    async fn read(&self, rows: Select<Entity>) -> Result<Vec<FileRow>> {
        let rows: Vec<Columns> = rows
            .select_only()
            .columns([
                Column::Id,
                Column::Status,
                Column::StorageUrl,
                Column::ThumbnailUrl,
                Column::AdditionalFiles,
            ])
            .into_tuple()
            .all(self.store.read())
            .await?;
        Ok(rows.into_iter().map(FileRow::from).collect())
    }
}

fn of_tenant(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tenant.0))
}

impl From<Columns> for FileRow {
    fn from((id, status, storage_url, thumbnail_url, additional): Columns) -> Self {
        let beside = additional.as_array().into_iter().flatten();
        let beside = beside.filter_map(|file| file.get("url")?.as_str().map(str::to_owned));
        Self {
            generation: id.into(),
            // A status that this build does not know is none to delete files by.
            is_unfinished: !status.parse().is_ok_and(GenerationStatus::is_final),
            files: storage_url.into_iter().chain(thumbnail_url).chain(beside).collect(),
        }
    }
}
