//! The schema: its roots, its bounds, and its SDL.

use std::sync::Arc;

use async_graphql::{MergedObject, SDLExportOptions, Schema, SchemaBuilder, ValidationMode};

use super::{
    Limits,
    access_token::{AccessTokenMutations, AccessTokenQueries},
    audit::AuditQueries,
    board::{BoardMutations, BoardQueries},
    board_connections::BoardConnectionQueries,
    credit::{CreditMutations, CreditQueries},
    engine::Engine,
    gate::Gated,
    generation::{GenerationMutations, GenerationQueries},
    generator::GeneratorQueries,
    invitation::{InvitationMutations, InvitationQueries},
    people::{PeopleMutations, PeopleQueries},
    provider_key::{ProviderKeyMutations, ProviderKeyQueries},
    shapes::Shapes,
    subscription::Subscriptions,
    tag::{TagMutations, TagQueries},
    upload::UploadMutations,
    user::UserQueries,
    validation::{StopAfterValidation, Validator},
};
use crate::{
    artifacts::Artifacts, audit::AuditLog, domain::CursorKey, generators::Registry, jobs::Keys,
};

/// Reading: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Query")]
pub(super) struct Query(
    UserQueries,
    BoardQueries,
    BoardConnectionQueries,
    GenerationQueries,
    GeneratorQueries,
    TagQueries,
    PeopleQueries,
    InvitationQueries,
    ProviderKeyQueries,
    CreditQueries,
    AccessTokenQueries,
    AuditQueries,
);

/// Changing: every field says by `@access` who may call it.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub(super) struct Mutation(
    BoardMutations,
    GenerationMutations,
    UploadMutations,
    TagMutations,
    PeopleMutations,
    InvitationMutations,
    ProviderKeyMutations,
    CreditMutations,
    AccessTokenMutations,
);

/// The schema, its root fields behind the gate.
pub(super) type BoardsSchema = Schema<Gated<Query>, Gated<Mutation>, Subscriptions>;

/// What resolvers use besides the scope of their caller.
pub struct Services {
    /// Where artifacts are kept.
    pub artifacts: Artifacts,
    /// The generators that one can ask for.
    pub registry: Arc<Registry>,
    /// Which providers can be reached.
    pub keys: Keys,
    /// Where changes and refusals are recorded.
    pub audit: AuditLog,
    /// What the cursors of lists are sealed with.
    pub cursors: CursorKey,
}

/// What runs operations over these services.
#[must_use]
pub fn build(services: Services, limits: Limits, introspection: bool) -> Engine {
    let shapes = Arc::new(Shapes::of(&sdl()));
    let introspectable = |builder: Builder| {
        if introspection { builder.finish() } else { builder.disable_introspection().finish() }
    };
    let judging = builder()
        .limit_depth(limits.depth)
        .limit_complexity(limits.complexity)
        .extension(StopAfterValidation);
    // What it is given was validated. Without extensions the library resolves fields directly.
    let running = builder()
        .validation_mode(ValidationMode::Fast)
        .data(services.artifacts)
        .data(services.registry)
        .data(services.keys)
        .data(services.cursors);
    let validator = Validator::new(introspectable(judging));
    Engine::new(introspectable(running), validator, shapes, limits, services.audit)
}

/// The SDL that clients build against, as schema.graphql holds it.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items();
    builder().finish().sdl_with_options(options)
}

type Builder = SchemaBuilder<Gated<Query>, Gated<Mutation>, Subscriptions>;

fn builder() -> Builder {
    Schema::build(Gated::default(), Gated::default(), Subscriptions)
}
