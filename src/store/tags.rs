//! Tags of a tenant, and tags on generations.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel,
    JoinType, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    AuthorizedGeneration, Scope,
    entity::{
        generation_tags,
        tags::{self, Column, Entity},
    },
    is_foreign_key_violation, is_unique_violation, now,
};
use crate::{
    domain::{Edit, GenerationId, JsonObject, Page, TagId, TenantId},
    error::{Error, Result},
};

/// A tag, as its row says.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its id.
    pub id: TagId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// Its address, unique in the tenant.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// Data of integrations, a JSON object.
    pub metadata: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<tags::Model> for Tag {
    fn from(row: tags::Model) -> Self {
        Self {
            id: row.id.into(),
            tenant: row.tenant_id.into(),
            name: row.name,
            slug: row.slug,
            description: row.description,
            metadata: row.metadata,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A tag that is to be made; its fields are checked.
#[derive(Clone, Debug)]
pub struct NewTag {
    /// 1 to 100 characters.
    pub name: String,
    /// 1 to 100 characters.
    pub slug: String,
    /// What it is for.
    pub description: Option<String>,
    /// Data of integrations.
    pub metadata: JsonObject,
}

/// Changes to a tag; its fields are checked.
#[derive(Clone, Debug, Default)]
pub struct TagChanges {
    /// A new name.
    pub name: Option<String>,
    /// A new slug.
    pub slug: Option<String>,
    /// A new description, or none.
    pub description: Edit<String>,
    /// New metadata in place of the old; cleared means `{}`.
    pub metadata: Edit<JsonObject>,
}

#[derive(FromQueryResult)]
struct TagOfGeneration {
    #[sea_orm(nested)]
    tag: tags::Model,
    generation_id: Uuid,
}

impl Scope {
    /// The tenant's tags by name.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn tags(&self, page: Page) -> Result<Vec<Tag>> {
        self.user()?;
        let rows = self
            .find::<Entity>()
            .order_by_asc(Column::Name)
            .order_by_asc(Column::Id)
            .limit(page.limit())
            .offset(page.offset())
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(Tag::from).collect())
    }

    /// The tag with that id.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn tag(&self, id: TagId) -> Result<Option<Tag>> {
        self.user()?;
        let row = self.find::<Entity>().filter(Column::Id.eq(id.0)).one(self.read()).await?;
        Ok(row.map(Tag::from))
    }

    /// The tag with that slug.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] for an anonymous viewer.
    pub async fn tag_by_slug(&self, slug: &str) -> Result<Option<Tag>> {
        self.user()?;
        let row = self.find::<Entity>().filter(Column::Slug.eq(slug)).one(self.read()).await?;
        Ok(row.map(Tag::from))
    }

    /// The tags on generations which the viewer has been found to see, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tags_of(&self, generations: &[GenerationId]) -> Result<Vec<(GenerationId, Tag)>> {
        let to_tag = generation_tags::Entity::belongs_to(Entity)
            .from((generation_tags::Column::TenantId, generation_tags::Column::TagId))
            .to((Column::TenantId, Column::Id))
            .into();
        let rows = self
            .find::<Entity>()
            .join_rev(JoinType::InnerJoin, to_tag)
            .column(generation_tags::Column::GenerationId)
            .filter(generation_tags::Column::GenerationId.is_in(generations.iter().map(|id| id.0)))
            .order_by_asc(Column::Name)
            .order_by_asc(Column::Id)
            .into_model::<TagOfGeneration>()
            .all(self.read())
            .await?;
        Ok(rows.into_iter().map(|row| (row.generation_id.into(), row.tag.into())).collect())
    }

    /// Makes a tag.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the slug is taken.
    pub async fn create_tag(&self, new: NewTag) -> Result<Tag> {
        self.user()?;
        let now = now();
        let slug = new.slug.clone();
        let row = tags::ActiveModel {
            id: Set(TagId::new().0),
            tenant_id: Set(self.tenant().0),
            name: Set(new.name),
            slug: Set(new.slug),
            description: Set(new.description),
            metadata: Set(Value::Object(new.metadata)),
            created_at: Set(now),
            updated_at: Set(now),
        };
        match Entity::insert(row).exec_with_returning(self.store().write()).await {
            Ok(row) => Ok(row.into()),
            Err(error) if is_unique_violation(&error) => Err(slug_taken(&slug)),
            Err(error) => Err(error.into()),
        }
    }

    /// The tag, for a change.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] or [`Error::NotFound`].
    pub async fn require_tag(&self, id: TagId) -> Result<Tag> {
        self.tag(id).await?.ok_or(Error::NotFound("Tag"))
    }

    /// Changes a tag.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Conflict`] when the new slug is taken.
    pub async fn update_tag(&self, id: TagId, changes: TagChanges) -> Result<Tag> {
        let row = self
            .find::<Entity>()
            .filter(Column::Id.eq(id.0))
            .one(self.read())
            .await?
            .ok_or(Error::NotFound("Tag"))?;
        let slug = changes.slug.clone().unwrap_or_default();
        match apply(row, changes).update(self.store().write()).await {
            Ok(row) => Ok(row.into()),
            Err(sea_orm::DbErr::RecordNotUpdated) => Err(Error::NotFound("Tag")),
            Err(error) if is_unique_violation(&error) => Err(slug_taken(&slug)),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a tag, off all generations too.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] or [`Error::NotFound`].
    pub async fn delete_tag(&self, id: TagId) -> Result<()> {
        self.user()?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant().0))
            .filter(Column::Id.eq(id.0))
            .exec(self.store().write())
            .await?;
        if deleted.rows_affected == 0 { Err(Error::NotFound("Tag")) } else { Ok(()) }
    }
}

impl AuthorizedGeneration {
    /// Puts a tag on the generation; one that is there already stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a tag of no or another tenant.
    pub async fn add_tag(self, tag: TagId) -> Result<Tag> {
        let tag = self.scope.require_tag(tag).await?;
        let row = generation_tags::ActiveModel {
            id: Set(Uuid::now_v7()),
            tenant_id: Set(self.scope.tenant().0),
            generation_id: Set(self.generation.id.0),
            tag_id: Set(tag.id.0),
            created_at: Set(now()),
        };
        let unique = OnConflict::columns([
            generation_tags::Column::GenerationId,
            generation_tags::Column::TagId,
        ])
        .do_nothing()
        .to_owned();
        let inserted = generation_tags::Entity::insert(row)
            .on_conflict(unique)
            .exec_without_returning(self.scope.store().write())
            .await;
        match inserted {
            Ok(_) => {}
            Err(error) if is_foreign_key_violation(&error) => {
                return Err(Error::NotFound("Generation"));
            }
            Err(error) => return Err(error.into()),
        }
        self.scope.publish_generation(self.generation.board, self.generation.id);
        Ok(tag)
    }

    /// Takes a tag off the generation. False when it was not on it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a tag of no or another tenant.
    pub async fn remove_tag(self, tag: TagId) -> Result<bool> {
        let tag = self.scope.require_tag(tag).await?;
        let removed = generation_tags::Entity::delete_many()
            .filter(generation_tags::Column::TenantId.eq(self.scope.tenant().0))
            .filter(generation_tags::Column::GenerationId.eq(self.generation.id.0))
            .filter(generation_tags::Column::TagId.eq(tag.id.0))
            .exec(self.scope.store().write())
            .await?;
        self.scope.publish_generation(self.generation.board, self.generation.id);
        Ok(removed.rows_affected > 0)
    }
}

fn apply(row: tags::Model, changes: TagChanges) -> tags::ActiveModel {
    let mut tag = row.into_active_model();
    if let Some(name) = changes.name {
        tag.name = Set(name);
    }
    if let Some(slug) = changes.slug {
        tag.slug = Set(slug);
    }
    match changes.description {
        Edit::Keep => {}
        Edit::Clear => tag.description = Set(None),
        Edit::Set(description) => tag.description = Set(Some(description)),
    }
    match changes.metadata {
        Edit::Keep => {}
        Edit::Clear => tag.metadata = Set(Value::Object(JsonObject::new())),
        Edit::Set(metadata) => tag.metadata = Set(Value::Object(metadata)),
    }
    tag.updated_at = Set(now());
    tag
}

fn slug_taken(slug: &str) -> Error {
    Error::Conflict(format!("A tag with the slug \"{slug}\" already exists"))
}
