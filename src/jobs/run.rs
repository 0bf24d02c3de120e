//! One run of one job, from asking the policy again to the stored artifact.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    inputs::{self, Inputs},
    keep::{self, Kept, place_of},
    keys::Keys,
    ledger::StoreLedger,
};
use crate::{
    artifacts::Artifacts,
    domain::{GenerationStatus, Permission, Submission},
    error::{Error, Result},
    generators::{Entry, ExternalJob, Failure, Made, Progress, Registry, Run},
    store::{ClaimedJob, Generation, Scope, Store, WorkerId},
};

/// How often the end of a run is written when the database does not answer, once a second.
const END_ATTEMPTS: u32 = 60;
/// How often it is tried to store what was made.
const KEEP_ATTEMPTS: u32 = 4;
/// How often progress is written at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// What the user reads of a failure that is the server's own.
const BROKEN: &str = "The server could not do it at that time";

/// How runs are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunPolicy {
    /// Starts of one job at most.
    pub(super) attempts: u32,
    /// How long a generation may take from its first start.
    pub(super) time: Duration,
}

/// Runs jobs for one worker.
#[derive(Clone)]
pub(super) struct Runner {
    /// As whom it holds the job that it runs.
    pub(super) worker: WorkerId,
    pub(super) store: Store,
    pub(super) registry: Arc<Registry>,
    pub(super) artifacts: Artifacts,
    pub(super) keys: Keys,
    pub(super) policy: RunPolicy,
}

/// How a run ended without an artifact.
pub(super) enum Stop {
    /// With a message for the user.
    Failed(String),
    /// It may be better another time.
    Passing {
        /// For the user, should there be no other time.
        message: String,
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Somebody cancelled it, or another worker has the job.
    Cancelled,
    /// The server could not; the job goes back to the queue.
    Broken(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        if error.is_servers_own() { Self::Broken(error) } else { Self::Failed(error.to_string()) }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Message(message) => Self::Failed(message),
            Failure::Passing { message, retry_after } => Self::Passing { message, retry_after },
            Failure::Cancelled => Self::Cancelled,
        }
    }
}

impl Runner {
    pub(super) async fn run(&self, job: ClaimedJob, cancel: CancellationToken) {
        let ClaimedJob { generation, attempts, submission } = job;
        let attempts = u32::try_from(attempts).unwrap_or(1);
        let outcome = if attempts > self.policy.attempts {
            Err(Stop::Failed("The server stopped each time this was running".to_owned()))
        } else {
            tokio::select! {
                outcome = self.make(&generation, submission, cancel.clone()) => outcome,
                () = cancel.cancelled() => Err(Stop::Cancelled),
            }
        };
        let outcome = outcome.map_err(|stop| self.or_last(stop, attempts));
        for attempt in 1..=END_ATTEMPTS {
            let Err(error) = self.end(&generation, attempts, &outcome).await else { return };
            let id = generation.id;
            tracing::error!(?error, generation = %id, attempt, "the end of a run was not written");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What might pass is a failure when there is no other attempt.
    fn or_last(&self, stop: Stop, attempts: u32) -> Stop {
        match stop {
            Stop::Passing { message, .. } if attempts >= self.policy.attempts => {
                Stop::Failed(message)
            }
            stop => stop,
        }
    }

    async fn end(
        &self,
        generation: &Generation,
        attempts: u32,
        outcome: &Result<Kept, Stop>,
    ) -> Result<()> {
        let worker = self.store.worker();
        let mut siblings: &[_] = &[];
        let ended = match outcome {
            Ok(Kept { artifact, siblings: made }) => {
                siblings = made;
                worker.complete(self.worker, generation, artifact.clone(), made).await?
            }
            Err(Stop::Failed(message)) => {
                let failed = worker.fail(self.worker, generation, message).await?;
                // The first files of a batch may be there. Nobody runs it again, so that they are its own.
                if failed {
                    self.artifacts.delete_generation(place_of(generation)).await;
                }
                failed
            }
            Err(Stop::Cancelled) => false,
            Err(Stop::Passing { message, retry_after }) => {
                let pause = backoff::pause(attempts, *retry_after);
                self.release(generation, pause, message).await?;
                true
            }
            Err(Stop::Broken(error)) => {
                tracing::error!(?error, generation = %generation.id, "a run broke off");
                self.release(generation, backoff::pause(attempts + 1, None), BROKEN).await?;
                true
            }
        };
        // Cancelled or deleted meanwhile: its files must not stay. In any other state another
        // worker has the job, and its files are the same ones.
        let gone = !ended
            && matches!(worker.status(generation).await?, None | Some(GenerationStatus::Cancelled));
        if gone {
            self.artifacts.delete_generation(place_of(generation)).await;
            keep::forget(&self.artifacts, generation, siblings).await;
        }
        Ok(())
    }

    /// Gives the job back, and has somebody look for it when its pause is over.
    async fn release(&self, generation: &Generation, pause: Duration, message: &str) -> Result<()> {
        let wait = chrono::Duration::from_std(pause).map_err(Error::internal)?;
        self.store.worker().release(self.worker, generation.id, wait, message).await?;
        let events = self.store.events().clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            events.job_queued();
        });
        Ok(())
    }

    async fn make(
        &self,
        generation: &Generation,
        submission: Submission,
        cancel: CancellationToken,
    ) -> Result<Kept, Stop> {
        // However this ends, the generator must not go on.
        let _stop = cancel.clone().drop_guard();
        let scope = self.store.worker().scope_of_creator(generation).await?;
        self.require_permission(&scope, generation).await?;
        let entry = self.registry.get(&generation.generator_name).ok_or_else(|| {
            Stop::Failed(format!("There is no generator \"{}\"", generation.generator_name))
        })?;
        let params =
            entry.schema.check(&generation.input_params.value()).map_err(Error::violations)?;
        let Inputs { artifacts, facts } =
            inputs::read(&self.artifacts, entry, &params, &scope).await?;
        let key = self.keys.of(&self.store, generation.tenant, entry.generator.provider()).await?;
        let ledger = StoreLedger::new(self.worker, self.store.clone(), generation.clone());
        let submission = ledger.known(submission).await?;
        let (progress, reports) = progress();
        let run = Run {
            generation: generation.id,
            job: ExternalJob::new(submission, Arc::new(ledger)),
            key,
            params,
            facts,
            artifacts,
            progress,
            cancel: cancel.clone(),
        };
        let making = async {
            let made = self.watch(generation, reports, spawn(entry, run)).await?;
            if cancel.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            self.keep(generation, entry, made).await
        };
        tokio::time::timeout(self.time_left(generation), making)
            .await
            .unwrap_or_else(|_| Err(Stop::Failed("It took longer than it may".to_owned())))
    }

    /// What was made may have been paid for and may be nowhere else: to store it is tried again at once.
    async fn keep(&self, generation: &Generation, entry: &Entry, made: Made) -> Result<Kept, Stop> {
        let artifact_type = entry.generator.artifact_type();
        for attempt in 1..KEEP_ATTEMPTS {
            let kept = keep::keep(&self.artifacts, generation, artifact_type, made.clone()).await;
            if !matches!(kept, Err(Stop::Passing { .. } | Stop::Broken(_))) {
                return kept;
            }
            tokio::time::sleep(backoff::pause(attempt, None)).await;
        }
        keep::keep(&self.artifacts, generation, artifact_type, made).await
    }

    fn time_left(&self, generation: &Generation) -> Duration {
        let running = generation.started_at.map(|started| Utc::now() - started);
        let running = running.and_then(|running| running.to_std().ok()).unwrap_or_default();
        self.policy.time.saturating_sub(running)
    }

    /// A role may have been lost since the job was queued.
    async fn require_permission(&self, scope: &Scope, generation: &Generation) -> Result<(), Stop> {
        match scope.authorize_board(generation.board, Permission::Create).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
                    Ok(made) => Ok(made?),
                    Err(error) => {
                        tracing::error!(%error, generator = %generation.generator_name, "a generator broke off");
                        Err(Stop::Failed("The generator failed unexpectedly".to_owned()))
                    }
                },
                () = report => {
                    let done = *reports.borrow_and_update();
                    // One that is not written is followed by another, and by the end.
                    if let Err(error) = self.store.worker().progress(self.worker, generation, done).await {
                        tracing::debug!(?error, "progress was not written");
                    }
                    written = Instant::now();
                }
            }
        }
    }
}

/// Reports that only ever grow, of which the last counts.
fn progress() -> (Progress, watch::Receiver<f64>) {
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
    (progress, reports)
}

/// In a task of its own, so that a panic ends the run and not the worker.
fn spawn(entry: &Entry, run: Run) -> tokio::task::JoinHandle<Result<Made, Failure>> {
    let generator = Arc::clone(&entry.generator);
    tokio::spawn(async move { generator.run(run).await })
}
