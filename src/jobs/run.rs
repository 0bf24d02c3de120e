//! One run of one job, from asking the policy again to the stored artifact.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts::{Artifacts, Place},
    domain::{ArtifactType, GenerationId, GenerationStatus, JsonObject, Permission},
    error::{Error, Result},
    generators::{
        Content, Entry, ExternalJob, Failure, InputArtifact, Made, Progress, Registry, Run,
    },
    store::{ClaimedJob, FinishedArtifact, Generation, Scope, Store, WorkerId},
};

/// Starts of one job after which it is given up: it may be what kills the process.
const MAX_ATTEMPTS: i32 = 3;
/// Bytes of all artifacts that one run reads.
const MAX_INPUT_BYTES: u64 = 512 * 1024 * 1024;
/// How long a job that the server could not run waits before it is tried again.
pub(super) const RETRY_PAUSE: chrono::Duration = chrono::Duration::seconds(5);
/// How often the end of a run is written when the database does not answer.
const END_ATTEMPTS: u32 = 5;
/// How often progress is written at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Runs jobs for one worker.
pub(super) struct Runner {
    worker: WorkerId,
    store: Store,
    registry: Arc<Registry>,
    artifacts: Artifacts,
}

/// How a run ended without an artifact.
enum Stop {
    /// With a message for the user.
    Failed(String),
    /// Somebody cancelled it, or another worker has the job.
    Cancelled,
    /// The server could not; the job goes back to the queue.
    Broken(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Internal(_) | Error::Timeout | Error::Overloaded => Self::Broken(error),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl Runner {
    pub(super) fn new(
        worker: WorkerId,
        store: Store,
        registry: Arc<Registry>,
        artifacts: Artifacts,
    ) -> Self {
        Self { worker, store, registry, artifacts }
    }

    pub(super) async fn run(&self, job: ClaimedJob, cancel: CancellationToken) {
        let generation = job.generation;
        let outcome = if job.attempts > MAX_ATTEMPTS {
            Err(Stop::Failed("The server stopped each time this was running".to_owned()))
        } else {
            tokio::select! {
                outcome = self.make(&generation, cancel.clone()) => outcome,
                () = cancel.cancelled() => Err(Stop::Cancelled),
            }
        };
        for attempt in 1..=END_ATTEMPTS {
            let Err(error) = self.end(&generation, &outcome).await else { return };
            let id = generation.id;
            tracing::error!(?error, generation = %id, attempt, "the end of a run was not written");
            tokio::time::sleep(Duration::from_millis(200) * attempt).await;
        }
    }

    async fn end(
        &self,
        generation: &Generation,
        outcome: &Result<FinishedArtifact, Stop>,
    ) -> Result<()> {
        let worker = self.store.worker();
        let ended = match outcome {
            Ok(artifact) => worker.complete(self.worker, generation, artifact.clone()).await?,
            Err(Stop::Failed(message)) => worker.fail(self.worker, generation, message).await?,
            Err(Stop::Cancelled) => false,
            Err(Stop::Broken(error)) => {
                tracing::error!(?error, generation = %generation.id, "a run broke off");
                worker.release(self.worker, generation.id, RETRY_PAUSE).await?;
                true
            }
        };
        // Cancelled or deleted meanwhile: its files must not stay. In any other state another
        // worker has the job, and its files are the same ones.
        let gone = !ended
            && matches!(worker.status(generation).await?, None | Some(GenerationStatus::Cancelled));
        if gone {
            self.artifacts.delete_generation(place_of(generation)).await;
        }
        Ok(())
    }

    async fn make(
        &self,
        generation: &Generation,
        cancel: CancellationToken,
    ) -> Result<FinishedArtifact, Stop> {
        // However this ends, the generator must not go on.
        let _stop = cancel.clone().drop_guard();
        let scope = self.store.worker().scope_of_creator(generation).await?;
        self.require_permission(&scope, generation).await?;
        let entry = self.registry.get(&generation.generator_name).ok_or_else(|| {
            Stop::Failed(format!("There is no generator \"{}\"", generation.generator_name))
        })?;
        let params =
            entry.schema.check(&generation.input_params.value()).map_err(Error::violations)?;
        let artifacts = self.read_inputs(entry, &params, &scope).await?;
        let (report, reports) = watch::channel(0.0);
        let progress = Progress::new(move |done, _phase| {
            report.send_if_modified(|most| {
                let more = done > *most;
                if more {
                    *most = done;
                }
                more
            });
        });
        let run = Run {
            generation: generation.id,
            job: ExternalJob::untracked(),
            key: None,
            params,
            artifacts,
            progress,
            cancel: cancel.clone(),
        };
        let made = self.watch(generation, reports, spawn(entry, run)).await?;
        if cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        Ok(self.keep(generation, entry.generator.artifact_type(), made).await?)
    }

    /// A role may have been lost since the job was queued.
    async fn require_permission(&self, scope: &Scope, generation: &Generation) -> Result<(), Stop> {
        match scope.authorize_board(generation.board, Permission::Create).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The artifacts that the parameters name, as far as the creator may still see them.
    async fn read_inputs(
        &self,
        entry: &Entry,
        params: &JsonObject,
        scope: &Scope,
    ) -> Result<HashMap<GenerationId, InputArtifact>, Stop> {
        let references = entry.schema.artifacts(params);
        if references.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<GenerationId> = references.iter().map(|entry| entry.generation).collect();
        let found = scope.generations_by_id(&ids).await?;
        let mut left = MAX_INPUT_BYTES;
        let mut inputs = HashMap::new();
        for id in ids {
            if inputs.contains_key(&id) {
                continue;
            }
            let source = found.iter().find(|source| source.id == id);
            let Some((source, stored)) =
                source.and_then(|source| Some((source, source.storage_url.as_deref()?)))
            else {
                return Err(Stop::Failed(format!("The artifact {id} is no longer available")));
            };
            let bytes = self.artifacts.read(stored, left).await?;
            left = left.saturating_sub(bytes.len() as u64);
            let metadata = source.output_metadata.value();
            let content_type = metadata.get("content_type").and_then(Value::as_str);
            let input = InputArtifact {
                artifact_type: source.artifact_type,
                content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
                bytes,
            };
            inputs.insert(id, input);
        }
        Ok(inputs)
    }

    /// Waits for the generator and writes its progress meanwhile, not more often than needed.
    async fn watch(
        &self,
        generation: &Generation,
        mut reports: watch::Receiver<f64>,
        mut run: tokio::task::JoinHandle<Result<Made, Failure>>,
    ) -> Result<Made, Stop> {
        let mut written = Instant::now();
        loop {
            let report = async {
                tokio::time::sleep_until((written + PROGRESS_INTERVAL).into()).await;
                if reports.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = &mut run => return match ended {
                    Ok(Ok(output)) => Ok(output),
                    Ok(Err(Failure::Message(message) | Failure::Passing { message, .. })) => {
                        Err(Stop::Failed(message))
                    }
                    Ok(Err(Failure::Cancelled)) => Err(Stop::Cancelled),
                    Err(error) => {
                        tracing::error!(%error, generator = %generation.generator_name, "a generator broke off");
                        Err(Stop::Failed("The generator failed unexpectedly".to_owned()))
                    }
                },
                () = report => {
                    let done = *reports.borrow_and_update();
                    self.store.worker().progress(self.worker, generation, done).await?;
                    written = Instant::now();
                }
            }
        }
    }

    async fn keep(
        &self,
        generation: &Generation,
        artifact_type: ArtifactType,
        made: Made,
    ) -> Result<FinishedArtifact> {
        let output = made.artifacts.into_iter().next();
        let output = output.ok_or_else(|| Error::internal("the generator made nothing"))?;
        let Content::Bytes(bytes) = output.content else {
            return Err(Error::internal("not yet fetched"));
        };
        let stored = self.artifacts.keep_output(place_of(generation), artifact_type, bytes).await?;
        let mut output_metadata =
            generation.output_metadata.value().as_object().cloned().unwrap_or_default();
        output_metadata.extend(stored.facts);
        output_metadata.extend(output.metadata);
        Ok(FinishedArtifact {
            storage_url: stored.storage_url,
            thumbnail_url: stored.thumbnail_url,
            output_metadata,
        })
    }
}

fn place_of(generation: &Generation) -> Place {
    Place { tenant: generation.tenant, board: generation.board, generation: generation.id }
}

/// In a task of its own, so that a panic ends the run and not the worker.
fn spawn(entry: &Entry, run: Run) -> tokio::task::JoinHandle<Result<Made, Failure>> {
    let generator = Arc::clone(&entry.generator);
    tokio::spawn(async move { generator.run(run).await })
}
