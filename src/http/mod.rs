//! Everything that speaks HTTP: GraphQL over POST, GET and WebSocket, uploads, artifacts, progress,
//! tenants as a whole.

mod accept;
mod audit;
mod client_address;
mod credentials;
mod error;
mod graphql;
mod health;
mod host;
mod liveness;
mod local;
mod origins;
mod playground;
mod request_log;
mod router;
mod server;
mod sse;
mod state;
mod storage;
mod tenants;
mod uploads;
mod websocket;
mod well_known;

pub use router::router;
pub use server::{ConnectionLimits, listen, raise_file_limit, serve};
pub use state::{HttpServices, HttpSettings, HttpState};
pub use well_known::ProtectedResource;
