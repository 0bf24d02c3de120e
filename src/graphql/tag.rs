//! Tags: the type, the queries and the mutations.

use async_graphql::{Context, InputObject, Json, MaybeUndefined, Object, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    access::{BoardPermission, Caller, SignedIn, access, granted},
    arguments::{list_cost, object, object_edit, page, required_edit, text_edit},
    auditing::Trail,
    session::Session,
};
use crate::{
    domain::{Permission, TokenScope, Validator, slug_from},
    error::Error,
    store::{NewTag, Tag, TagChanges},
};

const NAME_MAX: usize = 100;
const SLUG_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 10_000;

/// A tag of the tenant.
pub(super) struct TagObject(Tag);

impl From<Tag> for TagObject {
    fn from(tag: Tag) -> Self {
        Self(tag)
    }
}

/// A tag of the tenant, which can be put on generations.
#[Object(name = "Tag")]
impl TagObject {
    /// Id of the tag.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// Tenant that the tag belongs to.
    async fn tenant_id(&self) -> Uuid {
        self.0.tenant.into()
    }

    /// Name, 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Name for addresses, unique in the tenant.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// What the tag is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Data of integrations, a JSON object.
    async fn metadata(&self) -> Json<&Value> {
        Json(&self.0.metadata)
    }

    /// When the tag was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the tag was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

#[derive(Default)]
pub(super) struct TagQueries;

#[Object]
impl TagQueries {
    /// Tags of the tenant, by name.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::GenerationsRead)),
        complexity = "list_cost(limit, 100, child_complexity)"
    )]
    async fn tags(
        &self,
        context: &Context<'_>,
        #[graphql(default = 100, desc = "Tags at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Tags to pass over.")] offset: Option<i32>,
    ) -> Result<Vec<TagObject>> {
        let page = page(limit, offset, 100)?;
        let tags = Session::scope_of(context)?.tags(page).await?;
        Ok(tags.into_iter().map(TagObject::from).collect())
    }

    /// The tag with that id; null when there is none in the tenant.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::GenerationsRead))
    )]
    async fn tag(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the tag.")] id: Uuid,
    ) -> Result<Option<TagObject>> {
        Ok(Session::scope_of(context)?.tag(id.into()).await?.map(TagObject::from))
    }

    /// The tag with that slug; null when there is none in the tenant.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::GenerationsRead))
    )]
    async fn tag_by_slug(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Slug of the tag.")] slug: String,
    ) -> Result<Option<TagObject>> {
        if slug.contains('\0') {
            return Ok(None);
        }
        Ok(Session::scope_of(context)?.tag_by_slug(&slug).await?.map(TagObject::from))
    }
}

/// A tag to be created.
#[derive(InputObject)]
struct CreateTagInput {
    /// Name, 1 to 100 characters after trimming.
    name: String,
    /// Name for addresses: lower-case letters, digits and hyphens. Made from the name if omitted.
    slug: Option<String>,
    /// What the tag is for.
    description: Option<String>,
    /// Data of integrations, a JSON object of at most 64 KiB.
    metadata: Option<Json<Value>>,
}

impl CreateTagInput {
    fn check(self) -> Result<NewTag, Error> {
        let mut validator = Validator::new();
        let name = validator.text("input.name", &self.name, NAME_MAX);
        let slug = match self.slug {
            Some(slug) => checked_slug(&slug, &mut validator),
            None => made_slug(&name, &mut validator),
        };
        let new = NewTag {
            name,
            slug,
            description: self.description.and_then(|text| {
                validator.optional_text("input.description", &text, DESCRIPTION_MAX)
            }),
            metadata: object("input.metadata", self.metadata.as_ref(), &mut validator),
        };
        validator.finish()?;
        Ok(new)
    }
}

/// A slug that a client chose must be one already, so that what is stored is what was asked for.
fn checked_slug(slug: &str, validator: &mut Validator) -> String {
    let slug = slug.trim();
    let path = "input.slug";
    validator.check(slug.chars().count() <= SLUG_MAX, path, || {
        format!("slug must be at most {SLUG_MAX} characters long")
    });
    validator.check(!slug.is_empty() && slug_from(slug) == slug, path, || {
        "slug must consist of lower-case letters, digits and single hyphens between them".to_owned()
    });
    slug.to_owned()
}

fn made_slug(name: &str, validator: &mut Validator) -> String {
    let slug = slug_from(name);
    validator.check(!slug.is_empty() || name.is_empty(), "input.name", || {
        "no slug can be made from this name; send one as slug".to_owned()
    });
    slug
}

/// Changes to a tag. What is omitted stays; null clears what may be empty.
#[derive(InputObject)]
struct UpdateTagInput {
    /// Id of the tag.
    id: Uuid,
    /// New name; the slug stays.
    name: MaybeUndefined<String>,
    /// New slug.
    slug: MaybeUndefined<String>,
    /// New description; null removes it.
    description: MaybeUndefined<String>,
    /// Replaces the present metadata; null empties it.
    metadata: MaybeUndefined<Json<Value>>,
}

impl UpdateTagInput {
    fn check(self) -> Result<TagChanges, Error> {
        let mut validator = Validator::new();
        let name = required_edit("input.name", self.name, &mut validator)
            .map(|name| validator.text("input.name", &name, NAME_MAX));
        let slug = required_edit("input.slug", self.slug, &mut validator)
            .map(|slug| checked_slug(&slug, &mut validator));
        let changes = TagChanges {
            name,
            slug,
            description: text_edit(
                "input.description",
                self.description,
                DESCRIPTION_MAX,
                &mut validator,
            ),
            metadata: object_edit("input.metadata", self.metadata, &mut validator),
        };
        validator.finish()?;
        Ok(changes)
    }
}

#[derive(Default)]
pub(super) struct TagMutations;

#[Object]
impl TagMutations {
    /// Creates a tag.
    #[graphql(
        guard = "SignedIn(TokenScope::TagsWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TagsWrite))
    )]
    async fn create_tag(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The tag.")] input: CreateTagInput,
    ) -> Result<TagObject> {
        let made = Session::scope_of(context)?.create_tag(input.check()?).await?;
        Trail::made(context, "tag", made.id);
        Ok(made.into())
    }

    /// Changes a tag.
    #[graphql(
        guard = "SignedIn(TokenScope::TagsWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TagsWrite))
    )]
    async fn update_tag(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateTagInput,
    ) -> Result<TagObject> {
        let scope = Session::scope_of(context)?;
        let tag = scope.require_tag(input.id.into()).await?;
        Ok(scope.update_tag(tag.id, input.check()?).await?.into())
    }

    /// Deletes a tag, off all generations too.
    #[graphql(
        guard = "SignedIn(TokenScope::TagsWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::TagsWrite))
    )]
    async fn delete_tag(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the tag.")] id: Uuid,
    ) -> Result<bool> {
        Session::scope_of(context)?.delete_tag(id.into()).await?;
        Ok(true)
    }

    /// Puts a tag on a generation. One that is on it already stays.
    #[graphql(
        guard = "SignedIn(TokenScope::TagsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Tag),
            granted(TokenScope::TagsWrite),
        )
    )]
    async fn add_tag_to_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] generation_id: Uuid,
        #[graphql(desc = "Id of the tag.")] tag_id: Uuid,
    ) -> Result<TagObject> {
        let generation = Session::scope_of(context)?
            .authorize_generation(generation_id.into(), |_, _| Permission::Tag)
            .await?;
        Ok(generation.add_tag(tag_id.into()).await?.into())
    }

    /// Takes a tag off a generation. False when it was not on it.
    #[graphql(
        guard = "SignedIn(TokenScope::TagsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Tag),
            granted(TokenScope::TagsWrite),
        )
    )]
    async fn remove_tag_from_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] generation_id: Uuid,
        #[graphql(desc = "Id of the tag.")] tag_id: Uuid,
    ) -> Result<bool> {
        let generation = Session::scope_of(context)?
            .authorize_generation(generation_id.into(), |_, _| Permission::Tag)
            .await?;
        Ok(generation.remove_tag(tag_id.into()).await?)
    }
}
