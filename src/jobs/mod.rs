//! Generations on their way: checking a request, and the worker that runs what was queued.

mod deletion;
mod request;
mod run;
mod upload;
mod worker;

pub use deletion::{delete_board, delete_generation};
pub use request::GenerationRequest;
pub use upload::{CheckedUpload, UploadDetails, store_upload, upload_answer};
pub use worker::{Worker, WorkerHandle, WorkerSettings};
