//! Generators of the catalogue, run by their provider. A job is submitted once: what is about to be sent, and
//! the id that the provider gives, are written down before anything else is done.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    AdditionalOutput, Artifact, Content, Cost, Failure, Generator, InputSchema, LedgerError, Made,
    Run,
    catalogue::{ArtifactFacts, Declaration, DeclaredContent, DeclaredOutput, Input},
    providers::{
        ApiKey, JobState, Provider, ProviderError, ProviderRequest, RequestFile, Resubmission,
        Submitted,
    },
};
use crate::domain::{ArtifactType, GenerationId, Submission};

/// Uploads to a provider at once.
const UPLOADS_AT_ONCE: usize = 3;
/// Answers in a row that say nothing of a job, after which the run is given back to the queue.
const SILENCE_MAX: u32 = 6;
/// How long a provider may not know a job that it has just begun.
const OBLIVION: Duration = Duration::from_secs(30);
/// The part of the whole that is behind once the provider has the job, and once it is done with it.
const SUBMITTED: f64 = 0.05;
const ANSWERED: f64 = 0.95;

/// A generator of the catalogue and the adapter of its provider.
pub struct DeclaredGenerator {
    declaration: Arc<Declaration>,
    provider: Arc<dyn Provider>,
}

impl DeclaredGenerator {
    /// A generator that `provider` runs.
    #[must_use]
    pub fn new(declaration: Arc<Declaration>, provider: Arc<dyn Provider>) -> Self {
        Self { declaration, provider }
    }

    /// The provider's answer to a job that is there already, or is begun now.
    async fn answer(&self, run: &Run, input: &Input) -> Result<Value, Failure> {
        match run.job.submission() {
            Submission::Job(id) => self.follow(run, id).await,
            Submission::Unknown
                if self.provider.resubmission(run.key.as_ref()) == Resubmission::Never =>
            {
                Err(self.unknown())
            }
            Submission::NotBegun | Submission::Unknown => match self.submit(run, input).await? {
                Submitted::Answer(answer) => Ok(answer),
                Submitted::Job(id) => self.follow(run, &id).await,
            },
        }
    }

    /// Once this has begun to send, it is not broken off.
    async fn submit(&self, run: &Run, input: &Input) -> Result<Submitted, Failure> {
        let request = self.request(run, input).await?;
        let ledger = run.job.ledger();
        if run.cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        ledger.begin().await.map_err(|LedgerError| not_written())?;
        let submitted = self.provider.submit(run.key.as_ref(), &request, run.generation.0).await;
        match submitted {
            Ok(Submitted::Job(id)) => {
                ledger.begun(&id).await.map_err(|LedgerError| Failure::Cancelled)?;
                run.progress.report(SUBMITTED, "submitted");
                Ok(Submitted::Job(id))
            }
            Ok(answer) => Ok(answer),
            Err(error) => {
                if !may_have_acted(&error) {
                    ledger.not_begun().await.map_err(|LedgerError| not_written())?;
                } else if self.provider.resubmission(run.key.as_ref()) == Resubmission::Never {
                    return Err(self.unknown());
                }
                Err(failure(error))
            }
        }
    }

    /// What to send, with the artifacts handed to the provider.
    async fn request(&self, run: &Run, input: &Input) -> Result<ProviderRequest, Failure> {
        let urls = self.upload(run, self.declaration.uploads(input)).await?;
        let request = self.declaration.request(input, &urls).map_err(Failure::Message)?;
        let file = |named: super::catalogue::DeclaredFile| {
            let file = run.artifacts.get(&named.generation).cloned();
            Some(RequestFile { field: named.field, file: file? })
        };
        let wanted = request.files.len();
        let files: Vec<RequestFile> = request.files.into_iter().filter_map(file).collect();
        if files.len() < wanted {
            return Err(Failure::Message("An artifact is no longer available".to_owned()));
        }
        Ok(ProviderRequest {
            endpoint: self.declaration.endpoint().clone(),
            model: request.model,
            body: request.body,
            files,
        })
    }

    async fn upload(
        &self,
        run: &Run,
        ids: Vec<GenerationId>,
    ) -> Result<HashMap<GenerationId, String>, Failure> {
        let uploads = ids.into_iter().map(|id| async move {
            let file = run.artifacts.get(&id);
            let file = file.ok_or_else(|| {
                Failure::Message(format!("The artifact {id} is no longer available"))
            })?;
            let upload = self.provider.upload(run.key.as_ref(), file);
            let url = tokio::select! {
                () = run.cancel.cancelled() => return Err(Failure::Cancelled),
                url = upload => url.map_err(failure)?,
            };
            Ok((id, url))
        });
        stream::iter(uploads).buffer_unordered(UPLOADS_AT_ONCE).try_collect().await
    }

    /// Asks for a job until it has ended.
    async fn follow(&self, run: &Run, job: &str) -> Result<Value, Failure> {
        let (begun, mut silence) = (Instant::now(), 0);
        for polls in 0.. {
            let pause = self.provider.poll_interval(self.declaration.endpoint(), polls);
            let state = tokio::select! {
                () = run.cancel.cancelled() => return Err(Failure::Cancelled),
                state = self.state_after(pause, run.key.as_ref(), job) => state,
            };
            let error = match state {
                Ok(JobState::Succeeded(answer)) => return Ok(answer),
                Ok(JobState::Failed(message)) => return Err(Failure::Message(message)),
                Ok(JobState::Cancelled) => {
                    return Err(Failure::Message("It was cancelled at the provider".to_owned()));
                }
                Ok(JobState::Queued { .. }) => {
                    run.progress.report(SUBMITTED, "queued");
                    silence = 0;
                    continue;
                }
                Ok(JobState::Running { done }) => {
                    let part = SUBMITTED + (ANSWERED - SUBMITTED) * done.unwrap_or_default();
                    run.progress.report(part, "running");
                    silence = 0;
                    continue;
                }
                Err(error) => error,
            };
            silence += 1;
            let may_come = match &error {
                ProviderError::NoSuchJob => begun.elapsed() < OBLIVION,
                ProviderError::Passing { .. } => silence < SILENCE_MAX,
                ProviderError::Refused(_) | ProviderError::Credentials(_) => false,
            };
            if !may_come {
                return Err(lost_sight(error));
            }
            tokio::select! {
                () = run.cancel.cancelled() => return Err(Failure::Cancelled),
                () = tokio::time::sleep(patience(&error, silence)) => {}
            }
        }
        Err(not_written())
    }

    async fn state_after(
        &self,
        pause: Duration,
        key: Option<&ApiKey>,
        job: &str,
    ) -> Result<JobState, ProviderError> {
        tokio::time::sleep(pause).await;
        self.provider.state(key, self.declaration.endpoint(), job).await
    }

    fn made(&self, outputs: Vec<DeclaredOutput>) -> Made {
        let content = |content| match content {
            DeclaredContent::Url(url) => {
                Content::Url { url, trusted: self.provider.trusted_origin() }
            }
            DeclaredContent::Text(text) => Content::Bytes(Bytes::from(text)),
            DeclaredContent::Bytes(bytes) => Content::Bytes(bytes),
        };
        let artifact = |output: DeclaredOutput| Artifact {
            position: output.position,
            content: content(output.content),
            metadata: output.facts,
            additional: output
                .additional
                .into_iter()
                .map(|file| AdditionalOutput {
                    kind: file.kind,
                    content: content(file.content),
                    metadata: Map::new(),
                })
                .collect(),
        };
        Made { artifacts: outputs.into_iter().map(artifact).collect() }
    }

    fn unknown(&self) -> Failure {
        Failure::Message(format!(
            "The connection to {} broke off while this was submitted. It may run there and be paid for, so it \
             was not submitted again",
            self.provider.name()
        ))
    }
}

#[async_trait]
impl Generator for DeclaredGenerator {
    fn name(&self) -> &str {
        self.declaration.name()
    }

    fn description(&self) -> &str {
        self.declaration.description()
    }

    fn artifact_type(&self) -> ArtifactType {
        self.declaration.artifact_type()
    }

    fn input_schema(&self) -> Value {
        self.declaration.schema().document().clone()
    }

    fn compiled_schema(&self) -> Result<Arc<InputSchema>, String> {
        Ok(Arc::clone(self.declaration.schema()))
    }

    fn provider(&self) -> Option<&str> {
        Some(self.provider.name())
    }

    fn works_without_key(&self) -> bool {
        self.provider.works_without_key()
    }

    fn cost(&self, params: &Map<String, Value>, facts: &ArtifactFacts) -> Option<Cost> {
        self.declaration.cost(&self.declaration.input(params, facts))
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        if run.key.is_none() && !self.provider.works_without_key() {
            let (provider, key) = (self.provider.name(), self.provider.key_name());
            return Err(Failure::Message(format!("There is no key to {provider} ({key})")));
        }
        let input = self.declaration.input(&run.params, &run.facts);
        let answer = self.answer(&run, &input).await?;
        run.progress.report(ANSWERED, "fetching");
        let outputs = self.declaration.outputs(&input, &answer).map_err(Failure::Message)?;
        Ok(self.made(outputs))
    }

    async fn cancel(&self, key: Option<ApiKey>, job: &str) -> Result<(), Failure> {
        match self.provider.cancel(key.as_ref(), self.declaration.endpoint(), job).await {
            Ok(()) | Err(ProviderError::NoSuchJob) => Ok(()),
            Err(error) => Err(failure(error)),
        }
    }
}

/// Whether the provider may have begun the job although it did not say so.
fn may_have_acted(error: &ProviderError) -> bool {
    matches!(error, ProviderError::Passing { may_have_acted: true, .. })
}

fn failure(error: ProviderError) -> Failure {
    match error {
        ProviderError::Passing { message, retry_after, .. } => {
            Failure::Passing { message, retry_after }
        }
        error => Failure::Message(error.to_string()),
    }
}

/// Of a job that was begun, and may be paid for. Another attempt asks for the same job again, with the key
/// that counts by then.
fn lost_sight(error: ProviderError) -> Failure {
    match error {
        ProviderError::Credentials(message) => Failure::Passing { message, retry_after: None },
        error => failure(error),
    }
}

fn patience(error: &ProviderError, silence: u32) -> Duration {
    let wanted = match error {
        ProviderError::Passing { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    wanted.max(Duration::from_millis(250) * 2_u32.pow(silence.min(5)))
}

fn not_written() -> Failure {
    Failure::Passing {
        message: "The server could not write down what it was about to do".to_owned(),
        retry_after: None,
    }
}
