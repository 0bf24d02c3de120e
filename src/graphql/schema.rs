//! The schema: its roots, its bounds, and its SDL.

use std::sync::Arc;

use async_graphql::{MergedObject, SDLExportOptions, Schema, SchemaBuilder};

use super::{
    Limits,
    board::{BoardMutations, BoardQueries},
    completion::Shapes,
    generation::{GenerationMutations, GenerationQueries},
    generator::GeneratorQueries,
    masking::Masking,
    subscription::Subscriptions,
    tag::{TagMutations, TagQueries},
    upload::UploadMutations,
    user::UserQueries,
};
use crate::{artifacts::Artifacts, generators::Registry};

/// Reading: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub struct Query(UserQueries, BoardQueries, GenerationQueries, GeneratorQueries, TagQueries);

/// Changing: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct Mutation(BoardMutations, GenerationMutations, UploadMutations, TagMutations);

/// The executable schema.
pub type BoardsSchema = Schema<Query, Mutation, Subscriptions>;

/// What resolvers use besides the scope of their caller.
pub struct Services {
    /// Where artifacts are kept.
    pub artifacts: Artifacts,
    /// The generators that one can ask for.
    pub registry: Arc<Registry>,
}

/// The schema over its services.
#[must_use]
pub fn build(services: Services, limits: Limits, introspection: bool) -> BoardsSchema {
    let shapes = Arc::new(Shapes::of(&sdl()));
    let builder = builder()
        .data(services.artifacts)
        .data(services.registry)
        .limit_depth(limits.depth)
        .limit_complexity(limits.complexity)
        .extension(Masking { limits, shapes });
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
