//! SeaORM entities, one a table. Private to the store: outside there are only plain records.

pub(super) mod access_tokens;
pub(super) mod audit_events;
pub(super) mod board_members;
pub(super) mod boards;
pub(super) mod generation_attempts;
pub(super) mod generation_inputs;
pub(super) mod generation_tags;
pub(super) mod generations;
pub(super) mod invitations;
pub(super) mod jobs;
pub(super) mod provider_cancellations;
pub(super) mod provider_keys;
pub(super) mod tags;
pub(super) mod tenants;
pub(super) mod users;

use sea_orm::EntityTrait;

/// An entity whose rows belong to a tenant.
pub(super) trait TenantScoped: EntityTrait {
    /// The column that says which.
    const TENANT: Self::Column;
}

macro_rules! tenant_scoped {
    ($($module:ident),+) => {$(
        impl TenantScoped for $module::Entity {
            const TENANT: Self::Column = $module::Column::TenantId;
        }
    )+};
}

tenant_scoped!(
    audit_events,
    users,
    boards,
    board_members,
    generations,
    generation_attempts,
    generation_inputs,
    tags,
    generation_tags,
    invitations,
    jobs,
    provider_cancellations,
    provider_keys,
    access_tokens
);
