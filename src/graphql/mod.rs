//! The GraphQL surface: one file a noun, thin resolvers over the store.

#![expect(clippy::unused_async, reason = "the library takes async resolvers only")]

mod access;
mod access_token;
mod arguments;
mod audit;
mod auditing;
mod board;
mod board_connections;
mod charging;
mod completion;
mod connection;
mod document;
mod error;
mod generation;
mod generator;
mod invitation;
mod limits;
mod lineage;
mod loader;
mod masking;
mod member;
mod omission;
mod people;
mod schema;
mod selection;
mod session;
mod subscription;
mod tag;
mod upload;
mod user;

pub(crate) use auditing::WHOLE_OPERATION;
pub(crate) use document::admit;
pub(crate) use error::{describe, request_error};
pub use limits::Limits;
pub use masking::RequestLabel;
pub use schema::{BoardsSchema, Mutation, Query, Services, build, sdl};
pub use session::Session;
pub use subscription::Subscriptions;
