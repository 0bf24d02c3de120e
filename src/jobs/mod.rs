//! Generations on their way: checking a request, and the worker that runs what was queued.

mod backoff;
mod deletion;
mod inputs;
mod keep;
mod keys;
mod ledger;
mod request;
mod run;
mod stopping;
mod upload;
mod worker;

pub use deletion::{delete_board, delete_generation};
pub use keys::{Keys, Reach};
pub use request::GenerationRequest;
pub use upload::{CheckedUpload, UploadDetails, store_upload, upload_answer};
pub use worker::{Worker, WorkerHandle, WorkerSettings};
