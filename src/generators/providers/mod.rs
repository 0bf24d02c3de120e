//! The services that run generators elsewhere. An adapter speaks one provider's protocol; which
//! generators there are and what they send is data, see the catalogue.

mod fal;
mod file_name;
mod file_url;
mod http;
mod job_id;
mod kie;
mod openai;
mod patience;
mod replicate;
mod set;

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::InputArtifact;

pub use patience::Patience;
pub use set::{PROVIDER_NAMES, Providers};

/// A key to a provider. It never prints.
pub type ApiKey = SecretString;

/// One provider's protocol.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in generator files: `fal`, `replicate`, `openai`, `kie`.
    fn name(&self) -> &'static str;

    /// The usual name of its key: `FAL_KEY`.
    fn key_name(&self) -> &'static str;

    /// Whether it can be used without a key: a server of one's own.
    fn works_without_key(&self) -> bool {
        false
    }

    /// What to do when it is not known whether a submission with this key reached the provider.
    fn resubmission(&self, _key: Option<&ApiKey>) -> Resubmission {
        Resubmission::Never
    }

    /// Whether the `endpoint` of a generator file is one that this adapter can use.
    ///
    /// # Errors
    /// What is wrong with it, for the file's author.
    fn check_endpoint(&self, endpoint: &Value) -> Result<(), String>;

    /// Hands an input artifact to the provider and gives the URL under which requests name it.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn upload(
        &self,
        key: Option<&ApiKey>,
        file: &InputArtifact,
    ) -> Result<String, ProviderError>;

    /// Sends a request, once; it is never repeated in here. `idempotency_key` is the same for every
    /// attempt at one generation.
    ///
    /// # Errors
    /// [`ProviderError`], which says whether the provider may have begun the job.
    async fn submit(
        &self,
        key: Option<&ApiKey>,
        request: &ProviderRequest,
        idempotency_key: Uuid,
    ) -> Result<Submitted, ProviderError>;

    /// Asks once how a job stands.
    ///
    /// # Errors
    /// [`ProviderError`]; [`ProviderError::NoSuchJob`] when the provider does not know it any more.
    async fn state(
        &self,
        key: Option<&ApiKey>,
        endpoint: &Value,
        job: &str,
    ) -> Result<JobState, ProviderError>;

    /// Tells the provider to stop a job. Well if it has ended.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn cancel(
        &self,
        key: Option<&ApiKey>,
        endpoint: &Value,
        job: &str,
    ) -> Result<(), ProviderError>;

    /// How long to wait before a job is asked about for the `polls`th time, from 0.
    fn poll_interval(&self, endpoint: &Value, polls: u32) -> Duration;

    /// The origin of its API where an operator has configured another than the provider's own.
    fn trusted_origin(&self) -> Option<url::Origin> {
        None
    }
}

/// What may be done when nobody knows whether a job was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resubmission {
    /// Submit it again: the provider knows it by its idempotency key, or nobody pays.
    Safe,
    /// Never: it might be paid for twice.
    Never,
}

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub struct ProviderRequest {
    /// Where it goes, as the generator's file says.
    pub endpoint: Value,
    /// The model or application, where parameters choose it; else it stands in the endpoint.
    pub model: Option<String>,
    /// The whole JSON body; of a multipart request, its text fields.
    pub body: Value,
    /// The files of a multipart request.
    pub files: Vec<RequestFile>,
}

/// A file in a multipart request.
#[derive(Clone, Debug)]
pub struct RequestFile {
    /// The name of its field.
    pub field: String,
    /// It.
    pub file: InputArtifact,
}

/// What came of a submission.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// A job was begun under this id, at most 255 bytes.
    Job(String),
    /// The provider answered at once.
    Answer(Value),
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum JobState {
    /// It waits.
    Queued {
        /// How many are before it.
        position: Option<u32>,
    },
    /// It runs.
    Running {
        /// The part done, 0 to 1.
        done: Option<f64>,
    },
    /// It has ended well, with this answer.
    Succeeded(Value),
    /// It has failed; the message is the provider's, shortened, for the user.
    Failed(String),
    /// It was cancelled at the provider.
    Cancelled,
}

/// Why a provider did not do what it was asked for. The messages are for the user: no key, no header, no
/// address of the operator's network is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It may pass: no connection, a timeout, 429, 5xx, an answer that makes no sense.
    #[error("{message}")]
    Passing {
        /// What happened.
        message: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
        /// Whether the provider may have acted on the request all the same: false where nothing was
        /// sent, or where it answered that it did not.
        may_have_acted: bool,
    },
    /// It will not pass: the provider refused what it was sent.
    #[error("{0}")]
    Refused(String),
    /// The key is missing, wrong, or has no credit left.
    #[error("{0}")]
    Credentials(String),
    /// The provider does not know the job.
    #[error("The provider does not know this job any more")]
    NoSuchJob,
}
