//! The GraphQL surface: one file a noun, thin resolvers over the store.

#![expect(clippy::unused_async, reason = "the library takes async resolvers only")]

mod access;
mod access_token;
mod admission;
mod arguments;
mod asked;
mod attempt;
mod audit;
mod auditing;
mod batching;
mod board;
mod board_connections;
mod completion;
mod connection;
mod credit;
mod document;
mod engine;
mod error;
mod gate;
mod generation;
mod generation_filter;
mod generator;
mod invitation;
mod json;
mod label;
mod lean;
mod limits;
mod lineage;
mod loader;
mod member;
mod omission;
mod people;
mod persisted;
mod provider_key;
mod schema;
mod selection;
mod session;
mod shapes;
mod subscription;
mod tag;
mod upload;
mod user;
mod validation;

pub(crate) use auditing::WHOLE_OPERATION;
pub use engine::{Circumstances, Engine, Operation};
pub(crate) use error::{describe, request_error};
pub use json::{AnswerForm, body as answer_body};
pub use label::RequestLabel;
pub use limits::Limits;
pub(crate) use persisted::PERSISTED_QUERY;
pub use schema::{Services, build, sdl};
pub use session::Session;
pub use subscription::Subscriptions;
