//! Boards: a GraphQL API server for shared boards of generated media, for many tenants at once.
//! ARCHITECTURE.md shows the house; each module opens with its job.

pub mod access;
pub mod app;
pub mod artifacts;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod generators;
pub mod graphql;
pub mod http;
pub mod jobs;
pub mod platform;
pub mod rate_limit;
pub mod store;
