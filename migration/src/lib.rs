//! Database migrations of Boards, one change each, for SQLite and PostgreSQL.
//!
//! Statements are written once; `sql::run` fills in what the two databases call differently.
//! An existing Boards database (PostgreSQL) is taken over by the same migrations: tables that are
//! there already are adopted by `m20261122_000002_adopt_existing_deployment`.

mod m20261122_000001_create_core_tables;
mod m20261122_000002_adopt_existing_deployment;
mod m20261122_000003_create_generation_inputs;
mod m20261122_000004_create_jobs;
mod m20261122_000005_add_search_columns;
mod m20261122_000006_create_list_indexes;
mod m20261122_000007_add_tenant_roles;
mod m20261122_000008_create_access_tokens;
mod m20261122_000009_create_invitations;
mod m20261122_000010_create_audit_events;
mod m20261122_000011_index_tenants;
mod m20261122_000012_keep_generation_counts;
mod m20261122_000013_index_connections;
mod m20261122_000014_index_search;
mod m20261122_000015_cover_lists;
mod m20261122_000016_index_members_of_boards;
mod m20261122_000017_order_memberships;
mod m20261122_000018_share_the_queue;
mod m20261122_000020_index_filters_of_generations;
mod m20261122_000021_create_provider_keys;
mod m20261122_000022_create_credits;
mod sql;

use sea_orm_migration::prelude::{MigrationTrait, async_trait};
pub use sea_orm_migration::prelude::{MigratorTrait, SchemaManager};

/// Every migration, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_create_core_tables::Migration),
            Box::new(m20261122_000002_adopt_existing_deployment::Migration),
            Box::new(m20261122_000003_create_generation_inputs::Migration),
            Box::new(m20261122_000004_create_jobs::Migration),
            Box::new(m20261122_000005_add_search_columns::Migration),
            Box::new(m20261122_000006_create_list_indexes::Migration),
            Box::new(m20261122_000007_add_tenant_roles::Migration),
            Box::new(m20261122_000008_create_access_tokens::Migration),
            Box::new(m20261122_000009_create_invitations::Migration),
            Box::new(m20261122_000010_create_audit_events::Migration),
            Box::new(m20261122_000011_index_tenants::Migration),
            Box::new(m20261122_000012_keep_generation_counts::Migration),
            Box::new(m20261122_000013_index_connections::Migration),
            Box::new(m20261122_000014_index_search::Migration),
            Box::new(m20261122_000015_cover_lists::Migration),
            Box::new(m20261122_000016_index_members_of_boards::Migration),
            Box::new(m20261122_000017_order_memberships::Migration),
            Box::new(m20261122_000018_share_the_queue::Migration),
            Box::new(m20261122_000020_index_filters_of_generations::Migration),
            Box::new(m20261122_000021_create_provider_keys::Migration),
            Box::new(m20261122_000022_create_credits::Migration),
        ]
    }
}
