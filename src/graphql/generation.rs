//! Generations: the type, the queries and the mutations.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Json, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use super::{
    access::{Anyone, BoardPermission, Caller, SignedIn, access, granted, may},
    arguments::{ArtifactType, GenerationStatus, cost, list_cost, object, page},
    asked,
    attempt::GenerationAttempt,
    auditing::Trail,
    board::{BoardFields, BoardObject},
    connection::{CountedConnection, Total, Walk, page_cost},
    generation_filter::FilterArguments,
    lean::{Fields, Lean, LeanList, Place, Resolved, one_each, shown, stored},
    lineage::{AncestryNode, ArtifactLineage, DescendantNode, depth},
    loader::{AttemptsAt, BoardById, LineageOf, TagsOf, load, load_each, load_list},
    session::Session,
    tag::TagObject,
    user::{UserFields, UserObject},
};
use crate::{
    artifacts::Artifacts,
    domain::{self, CursorList, PageRequest, Permission, TokenScope, Validator},
    error::Error,
    generators::Registry,
    jobs,
    store::{AuthorizedGeneration, Direction, Generation, NewGeneration, Scope},
};

/// A generation of media.
#[derive(Clone)]
pub(super) struct GenerationFields(Arc<Generation>);

/// A generation as a field shows it.
pub(super) type GenerationObject = Lean<GenerationFields>;

impl From<Arc<Generation>> for GenerationObject {
    fn from(generation: Arc<Generation>) -> Self {
        Self(GenerationFields(generation))
    }
}

impl From<Generation> for GenerationObject {
    fn from(generation: Generation) -> Self {
        Arc::new(generation).into()
    }
}

/// A file beside the artifact.
#[derive(SimpleObject)]
pub(super) struct AdditionalFile {
    /// Where the file is.
    url: String,
    /// What the file is, for example `mask`.
    #[graphql(name = "type")]
    kind: String,
    /// Facts about the file.
    metadata: Json<serde_json::Value>,
}

/// One artifact that was generated or uploaded, or is being made.
#[Object(name = "Generation")]
impl GenerationFields {
    /// Id of the generation.
    async fn id(&self) -> Uuid {
        self.0.id.into()
    }

    /// Tenant that the generation belongs to.
    async fn tenant_id(&self) -> Uuid {
        self.0.tenant.into()
    }

    /// Board that the generation is on.
    async fn board_id(&self) -> Uuid {
        self.0.board.into()
    }

    /// User who asked for the generation.
    async fn user_id(&self) -> Uuid {
        self.0.user.into()
    }

    /// Name of the generator; `user-upload-…` for an uploaded artifact.
    async fn generator_name(&self) -> &str {
        &self.0.generator_name
    }

    /// Kind of the artifact.
    async fn artifact_type(&self) -> ArtifactType {
        self.0.artifact_type.into()
    }

    /// Link to the artifact, which expires; null until there is one.
    async fn storage_url(&self, context: &Context<'_>) -> Result<Option<String>> {
        link(context, self.0.storage_url.as_deref())
    }

    /// Link to a small picture of the artifact, which expires; null where there is none.
    async fn thumbnail_url(&self, context: &Context<'_>) -> Result<Option<String>> {
        link(context, self.0.thumbnail_url.as_deref())
    }

    /// Files beside the artifact.
    async fn additional_files(&self, context: &Context<'_>) -> Result<Vec<AdditionalFile>> {
        let links = context.data::<Artifacts>()?.links();
        let text =
            |file: &serde_json::Value, name: &str| file.get(name)?.as_str().map(str::to_owned);
        let file = |file: &serde_json::Value| {
            Some(AdditionalFile {
                url: links.link(&text(file, "url")?),
                kind: text(file, "type").unwrap_or_else(|| "file".to_owned()),
                metadata: Json(file.get("metadata").cloned().unwrap_or_else(|| json!({}))),
            })
        };
        let files = self.0.additional_files.value();
        let files = files.as_array();
        Ok(files.map(|files| files.iter().filter_map(file).collect()).unwrap_or_default())
    }

    /// Parameters as they were sent.
    async fn input_params(&self) -> Json<serde_json::Value> {
        Json(self.0.input_params.value())
    }

    /// Facts about the artifact: width, height, duration, content type, …
    async fn output_metadata(&self) -> Json<serde_json::Value> {
        Json(self.0.output_metadata.value())
    }

    /// Id of the job at the provider.
    async fn external_job_id(&self) -> Option<&str> {
        self.0.external_job_id.as_deref()
    }

    /// Where the generation stands.
    async fn status(&self) -> GenerationStatus {
        self.0.status.into()
    }

    /// Part done, 0.0 to 1.0.
    async fn progress(&self) -> f64 {
        self.0.progress
    }

    /// Why it failed.
    async fn error_message(&self) -> Option<&str> {
        self.0.error_message.as_deref()
    }

    /// When a worker took it.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.0.started_at
    }

    /// When it ended.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Board that the generation is on.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead))
    )]
    async fn board(&self, context: &Context<'_>) -> Result<BoardObject> {
        let board = load(context, BoardById(self.0.board)).await?;
        // Whoever could see the generation a moment ago may have lost the board since.
        Ok(board.ok_or_else(|| Error::forbidden("view this board"))?.into())
    }

    /// User who asked for the generation.
    async fn user(&self, context: &Context<'_>) -> Result<UserObject> {
        match &self.0.user_profile {
            Some(user) => Ok(Arc::clone(user).into()),
            None => UserObject::load(context, self.0.user).await,
        }
    }

    /// Artifacts that it was made from.
    async fn input_artifacts(&self) -> Vec<ArtifactLineage> {
        self.0.input_artifacts.iter().cloned().map(ArtifactLineage::from).collect()
    }

    /// What it was made from, and what that was made from. What the caller may not see is left
    /// out, with what lies behind it.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "cost(10, child_complexity)"
    )]
    async fn ancestry(
        &self,
        context: &Context<'_>,
        #[graphql(default = 25, desc = "Steps at most, 1 to 50.")] max_depth: Option<i32>,
    ) -> Result<AncestryNode> {
        let max_depth = depth(max_depth)?;
        let key = LineageOf { start: self.0.id, direction: Direction::Ancestry, max_depth };
        let graph = load(context, key).await?.unwrap_or_default();
        Ok(AncestryNode::root(graph, Arc::clone(&self.0), max_depth))
    }

    /// What was made from it, and what was made from that. What the caller may not see is left
    /// out, with what lies behind it.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "cost(10, child_complexity)"
    )]
    async fn descendants(
        &self,
        context: &Context<'_>,
        #[graphql(default = 25, desc = "Steps at most, 1 to 50.")] max_depth: Option<i32>,
    ) -> Result<DescendantNode> {
        let max_depth = depth(max_depth)?;
        let key = LineageOf { start: self.0.id, direction: Direction::Descendants, max_depth };
        let graph = load(context, key).await?.unwrap_or_default();
        Ok(DescendantNode::root(graph, Arc::clone(&self.0), max_depth))
    }

    /// Every time that a worker took it, in their order.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "cost(5, child_complexity)"
    )]
    async fn attempts(&self, context: &Context<'_>) -> Result<Vec<GenerationAttempt>> {
        let attempts = load_list(context, AttemptsAt(self.0.id)).await?;
        Ok(attempts.iter().cloned().map(GenerationAttempt::from).collect())
    }

    /// Tags on the generation, by name; none for a caller without a token.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "cost(5, child_complexity)"
    )]
    async fn tags(&self, context: &Context<'_>) -> Result<Vec<TagObject>> {
        // Tags are for signed-in users, on public boards too.
        if Session::scope_of(context)?.user().is_err() {
            return Ok(Vec::new());
        }
        let tags = load_list(context, TagsOf(self.0.id)).await?;
        Ok(tags.iter().cloned().map(TagObject::from).collect())
    }
}

impl Fields for GenerationFields {
    fn at_hand(&self, context: &Context<'_>, text: &mut Vec<u8>) -> bool {
        match context.item.node.name.node.as_str() {
            "id" => shown(self.id(context), text),
            "tenantId" => shown(self.tenant_id(context), text),
            "boardId" => shown(self.board_id(context), text),
            "userId" => shown(self.user_id(context), text),
            "generatorName" => shown(self.generator_name(context), text),
            "artifactType" => shown(self.artifact_type(context), text),
            "storageUrl" => shown(self.storage_url(context), text),
            "thumbnailUrl" => shown(self.thumbnail_url(context), text),
            "inputParams" => stored(&self.0.input_params, text),
            "outputMetadata" => stored(&self.0.output_metadata, text),
            "externalJobId" => shown(self.external_job_id(context), text),
            "status" => shown(self.status(context), text),
            "progress" => shown(self.progress(context), text),
            "errorMessage" => shown(self.error_message(context), text),
            "startedAt" => shown(self.started_at(context), text),
            "completedAt" => shown(self.completed_at(context), text),
            "createdAt" => shown(self.created_at(context), text),
            "updatedAt" => shown(self.updated_at(context), text),
            _ => false,
        }
    }

    fn together<'a>(places: &'a [Place<'a, Self>]) -> Option<BoxFuture<'a, Vec<Resolved>>> {
        let context = &places.first()?.context;
        let generations = places.iter().map(|place| &place.object.0);
        match context.item.node.name.node.as_str() {
            "board" if may(context, TokenScope::BoardsRead) => {
                let boards = generations.map(|generation| BoardById(generation.board)).collect();
                one_each(places, boards_of(context, boards))
            }
            "user" => {
                let named = |one: &Arc<Generation>| (one.user, one.user_profile.clone());
                one_each(places, UserFields::load_each(context, generations.map(named).collect()))
            }
            _ => None,
        }
    }
}

async fn boards_of(
    context: &Context<'_>,
    boards: Vec<BoardById>,
) -> Vec<Result<BoardFields, Error>> {
    let board = |board: Result<Option<_>, Error>| {
        // Whoever could see the generation a moment ago may have lost the board since.
        board?.map(BoardFields::from).ok_or_else(|| Error::forbidden("view this board"))
    };
    load_each(context, boards).await.into_iter().map(board).collect()
}

fn link(context: &Context<'_>, stored: Option<&str>) -> Result<Option<String>> {
    let links = context.data::<Artifacts>()?.links();
    Ok(stored.map(|stored| links.link(stored)))
}

#[derive(Default)]
pub(super) struct GenerationQueries;

#[Object]
impl GenerationQueries {
    /// The generation with that id; null when there is none in the tenant.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(
            Caller::Anyone,
            Some(BoardPermission::View),
            granted(TokenScope::GenerationsRead),
        )
    )]
    async fn generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] id: Uuid,
    ) -> Result<Option<GenerationObject>> {
        let generation = Session::scope_of(context)?.generation(id.into()).await?;
        Ok(generation.map(GenerationObject::from))
    }

    /// Newest generations on all boards that the caller may see, or on one of them.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::View),
            granted(TokenScope::GenerationsRead),
        ),
        complexity = "list_cost(limit, 50, child_complexity)"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn recent_generations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only on this board.")] board_id: Option<Uuid>,
        #[graphql(desc = "Only those that stand so.")] status: Option<GenerationStatus>,
        #[graphql(desc = "Only artifacts of this kind.")] artifact_type: Option<ArtifactType>,
        #[graphql(desc = "Only those with all of these tags, at most 10.")] tag_ids: Option<
            Vec<Uuid>,
        >,
        #[graphql(desc = "Only those of the generator with this name.")] generator_name: Option<
            String,
        >,
        #[graphql(desc = "Only those that this user asked for or uploaded.")] user_id: Option<Uuid>,
        #[graphql(
            desc = "Only those with this text in their prompts, whatever the case; of an upload, in \
                what is said of it. 1 to 255 characters; % and _ are letters."
        )]
        query: Option<String>,
        #[graphql(default = 50, desc = "Generations at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Generations to pass over.")] offset: Option<i32>,
    ) -> Result<LeanList<GenerationFields>> {
        let scope = Session::scope_of(context)?;
        let asked = FilterArguments {
            board_id,
            status,
            artifact_type,
            tag_ids,
            generator_name,
            user_id,
            query,
        };
        if !asked.find_their_board(scope).await? {
            return Ok(LeanList::default());
        }
        let filter = asked.check()?;
        let page = page(limit, offset, 50)?;
        let parts = asked::of_generations(context);
        let generations = scope.recent_generations(&filter, page, parts).await?;
        Ok(generations.into_iter().map(GenerationObject::from).collect())
    }

    /// Newest generations on all boards that the caller may see, or on one of them, by cursor.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsRead)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::View),
            granted(TokenScope::GenerationsRead),
        ),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn recent_generations_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Generations at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the generation behind which the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Generations at most, 0 to 100, from the end; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Cursor of the generation before which the page ends.")] before: Option<
            String,
        >,
        #[graphql(desc = "Only on this board.")] board_id: Option<Uuid>,
        #[graphql(desc = "Only those that stand so.")] status: Option<GenerationStatus>,
        #[graphql(desc = "Only artifacts of this kind.")] artifact_type: Option<ArtifactType>,
        #[graphql(desc = "Only those with all of these tags, at most 10.")] tag_ids: Option<
            Vec<Uuid>,
        >,
        #[graphql(desc = "Only those of the generator with this name.")] generator_name: Option<
            String,
        >,
        #[graphql(desc = "Only those that this user asked for or uploaded.")] user_id: Option<Uuid>,
        #[graphql(
            desc = "Only those with this text in their prompts, whatever the case; of an upload, in \
                what is said of it. 1 to 255 characters; % and _ are letters."
        )]
        query: Option<String>,
    ) -> Result<CountedConnection<GenerationObject>> {
        let scope = Session::scope_of(context)?;
        let asked = FilterArguments {
            board_id,
            status,
            artifact_type,
            tag_ids,
            generator_name,
            user_id,
            query,
        };
        let is_there = asked.find_their_board(scope).await?;
        let filter = asked.check()?;
        let arguments = format!("{} {filter:?}", scope.user()?);
        let recent = (CursorList::RecentGenerations, scope.tenant());
        let walk = Walk::new(context, recent, &arguments)?;
        let (after, before) = (after.as_deref(), before.as_deref());
        let window = walk.window(PageRequest { first, after, last, before })?;
        if !is_there {
            return Ok(walk.empty_page(window));
        }
        let generations = scope.recent_generation_window(&filter, window).await?;
        let total = Total::RecentGenerations(filter);
        Ok(walk.counted_page(generations, window, total, GenerationObject::from))
    }
}

/// A generation to be made.
#[derive(InputObject)]
struct CreateGenerationInput {
    /// Id of the board that it is for.
    board_id: Uuid,
    /// Name of the generator, one of `generators`.
    generator_name: String,
    /// Kind of artifact that the generator makes.
    artifact_type: ArtifactType,
    /// Parameters that satisfy the generator's inputSchema.
    input_params: Json<serde_json::Value>,
    /// Data of the client, a JSON object of at most 64 KiB, kept in outputMetadata as `metadata`.
    metadata: Option<Json<serde_json::Value>>,
}

#[derive(Default)]
pub(super) struct GenerationMutations;

#[Object]
impl GenerationMutations {
    /// Queues a generation. The answer comes at once, with the status PENDING.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Create),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn create_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The generation.")] input: CreateGenerationInput,
    ) -> Result<GenerationObject> {
        let scope = Session::scope_of(context)?;
        let board = scope.authorize_board(input.board_id.into(), Permission::Create).await?;
        let mut validator = Validator::new();
        let metadata = object("input.metadata", input.metadata.as_ref(), &mut validator);
        validator.finish()?;
        let request = jobs::GenerationRequest {
            generator_name: input.generator_name,
            artifact_type: Some(input.artifact_type.into()),
            input_params: input.input_params.0,
            metadata,
        };
        let new = request.check(registry(context)?, scope).await?;
        let made = board.queue_generation(new).await?;
        Trail::made(context, "generation", made.id);
        Ok(made.into())
    }

    /// Stops a generation that has not ended.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::ManageGeneration),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn cancel_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] id: Uuid,
    ) -> Result<GenerationObject> {
        let generation = Session::scope_of(context)?.authorize_managing(id.into()).await?;
        Ok(generation.cancel().await?.into())
    }

    /// Deletes a generation and its files. One that runs is stopped.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::ManageGeneration),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn delete_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation.")] id: Uuid,
    ) -> Result<bool> {
        let generation = Session::scope_of(context)?.authorize_managing(id.into()).await?;
        jobs::delete_generation(context.data::<Artifacts>()?, generation).await?;
        Ok(true)
    }

    /// Queues a new generation with the same generator and parameters.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Create),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn regenerate(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation to make again.")] id: Uuid,
    ) -> Result<GenerationObject> {
        let scope = Session::scope_of(context)?;
        let source = scope.authorize_generation(id.into(), |_, _| Permission::Create).await?;
        queue_again(context, scope, &source).await
    }

    /// Queues a generation that FAILED or was CANCELLED again, as a new one.
    #[graphql(
        guard = "SignedIn(TokenScope::GenerationsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Create),
            granted(TokenScope::GenerationsWrite),
        )
    )]
    async fn retry_generation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the generation to try again.")] id: Uuid,
    ) -> Result<GenerationObject> {
        let scope = Session::scope_of(context)?;
        let source = scope.authorize_generation(id.into(), |_, _| Permission::Create).await?;
        let status = source.generation().status;
        if !matches!(status, domain::GenerationStatus::Failed | domain::GenerationStatus::Cancelled)
        {
            let message = format!(
                "Only a failed or cancelled generation can be retried; this one is already {status}"
            );
            return Err(Error::Conflict(message).into());
        }
        queue_again(context, scope, &source).await
    }
}

async fn queue_again(
    context: &Context<'_>,
    scope: &Scope,
    source: &AuthorizedGeneration,
) -> Result<GenerationObject> {
    let source = source.generation();
    let request = jobs::GenerationRequest {
        generator_name: source.generator_name.clone(),
        artifact_type: None,
        input_params: source.input_params.value(),
        metadata: source
            .output_metadata
            .value()
            .get("metadata")
            .and_then(serde_json::Value::as_object)
            .cloned()
            .unwrap_or_default(),
    };
    let new: NewGeneration = request.check(registry(context)?, scope).await?;
    let board = scope.authorize_board(source.board, Permission::Create).await?;
    let made = board.queue_generation(new).await?;
    Trail::made(context, "generation", made.id);
    Ok(made.into())
}

fn registry<'a>(context: &Context<'a>) -> Result<&'a Registry> {
    Ok(context.data::<Arc<Registry>>()?.as_ref())
}
