//! The integration tests: over HTTP, against the real server on a database of each test's own.
//!
//! SQLite is always tested; with `BOARDS_TEST_DATABASE_URL` set to a PostgreSQL server, every test
//! runs there instead (run the suite twice for both).

mod access_matrix;
mod access_tokens;
mod answers;
mod audit;
mod boards;
mod catalogue;
mod chaos;
mod cli;
mod connections;
mod counts;
mod credits;
mod generations;
mod generators_command;
mod hostile;
mod http;
mod isolation;
mod lineage;
mod links;
mod lists;
mod live;
mod masking;
mod migrations;
mod nodes;
mod object_stores;
mod people;
mod persisted;
mod plans;
mod platform;
mod previews;
mod projection;
mod provider_adapters;
mod provider_keys;
mod providers;
mod queue;
mod rate_limits;
mod readme;
mod resilience;
mod schema;
mod scopes;
mod sessions;
mod start;
mod statements;
mod storage_gc;
mod subdomain;
mod tags;
mod takeover;
mod tenants;
mod tokens;
mod uploads;
mod well_known;
mod worker;

mod support;
