//! The schema: its roots, its bounds, and its SDL.

use std::sync::Arc;

use async_graphql::{MergedObject, SDLExportOptions, Schema, SchemaBuilder};

use super::{
    Limits,
    access_token::{AccessTokenMutations, AccessTokenQueries},
    audit::AuditQueries,
    board::{BoardMutations, BoardQueries},
    board_connections::BoardConnectionQueries,
    charging::Charging,
    completion::Shapes,
    generation::{GenerationMutations, GenerationQueries},
    generator::GeneratorQueries,
    invitation::{InvitationMutations, InvitationQueries},
    masking::Masking,
    people::{PeopleMutations, PeopleQueries},
    subscription::Subscriptions,
    tag::{TagMutations, TagQueries},
    upload::UploadMutations,
    user::UserQueries,
};
use crate::{artifacts::Artifacts, audit::AuditLog, domain::CursorKey, generators::Registry};

/// Reading: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Query(
    UserQueries,
    BoardQueries,
    BoardConnectionQueries,
    GenerationQueries,
    GeneratorQueries,
    TagQueries,
    PeopleQueries,
    InvitationQueries,
    AccessTokenQueries,
    AuditQueries,
);

/// Changing: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutation(
    BoardMutations,
    GenerationMutations,
    UploadMutations,
    TagMutations,
    PeopleMutations,
    InvitationMutations,
    AccessTokenMutations,
);

/// The executable schema.
pub type BoardsSchema = Schema<Query, Mutation, Subscriptions>;

/// What resolvers use besides the scope of their caller.
pub struct Services {
    /// Where artifacts are kept.
    pub artifacts: Artifacts,
    /// The generators that one can ask for.
    pub registry: Arc<Registry>,
    /// Where changes and refusals are recorded.
    pub audit: AuditLog,
    /// What the cursors of lists are sealed with.
    pub cursors: CursorKey,
}

/// The schema over its services.
#[must_use]
pub fn build(services: Services, limits: Limits, introspection: bool) -> BoardsSchema {
    let shapes = Arc::new(Shapes::of(&sdl()));
    let builder = builder()
        .data(services.artifacts)
        .data(services.registry)
        .data(services.cursors)
        .limit_depth(limits.depth)
        .limit_complexity(limits.complexity)
        .extension(Masking { limits, shapes, audit: services.audit })
        .extension(Charging);
    if introspection { builder.finish() } else { builder.disable_introspection().finish() }
}

/// The SDL that clients build against, as schema.graphql holds it.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    builder().finish().sdl_with_options(options)
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscriptions> {
    Schema::build(Query::default(), Mutation::default(), Subscriptions)
}
