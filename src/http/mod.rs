//! Everything that speaks HTTP: GraphQL over POST, GET and WebSocket, uploads, artifacts, progress.

mod accept;
mod credentials;
mod error;
mod graphql;
mod health;
mod local;
mod playground;
mod request_log;
mod router;
mod sse;
mod state;
mod storage;
mod uploads;
mod websocket;

pub use router::router;
pub use state::{HttpSettings, HttpState};
