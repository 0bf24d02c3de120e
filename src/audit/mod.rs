//! The audit log: who did what, or was refused, where and when. Recording puts an event into memory
//! and returns; one task writes what has gathered several times a second.

mod act;
mod event;
mod log;
mod queue;
mod retention;
mod writer;

pub use act::Act;
pub use event::{Actor, AuditEvent, decision};
pub use log::{AuditLog, record_at_once};
pub use writer::AuditWriter;
