//! The worker: claims jobs, runs a few at a time, keeps its leases, and stops what was cancelled.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::broadcast::error::RecvError,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    keys::Keys,
    run::{RunPolicy, Runner},
    stopping::Stopper,
};
use crate::{
    artifacts::Artifacts,
    domain::GenerationId,
    error::Result,
    generators::Registry,
    store::{ClaimedJob, ConcurrencyLimits, Store, WorkerId},
};

/// How long a worker may be silent before its jobs are given to another.
const LEASE: chrono::Duration = chrono::Duration::seconds(15);
/// How often leases are renewed, and cancellations that were not heard of noticed.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How often a worker looks for jobs that nobody announced, such as those of a dead worker.
const POLL: Duration = Duration::from_secs(5);
/// How long a job waits whose run broke off for no reason that is known.
const RETRY_PAUSE: chrono::Duration = chrono::Duration::seconds(5);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Runs at once.
    pub concurrency: usize,
    /// Whether no other process can be using the database, so that every lease found at the start
    /// is that of a dead worker.
    pub only_process: bool,
    /// How many runs there may be over all workers.
    pub limits: ConcurrencyLimits,
    /// Starts of one job at most.
    pub attempts: u32,
    /// How long one generation may take from its first start.
    pub time: Duration,
}

/// Runs queued generations in this process.
pub struct Worker {
    store: Store,
    runner: Runner,
    settings: WorkerSettings,
    stop: CancellationToken,
    running: HashMap<GenerationId, Running>,
    runs: JoinSet<()>,
}

/// One run: as whom it holds its job, how to stop it, and the task that it is.
struct Running {
    holder: WorkerId,
    cancel: CancellationToken,
    task: tokio::task::Id,
}

/// A started worker.
pub struct WorkerHandle {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl WorkerHandle {
    /// Stops claiming, lets the runs finish for at most `grace`, and hands back what is left.
    pub async fn shut_down(self, grace: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(grace + HEARTBEAT, self.task).await.is_err() {
            tracing::warn!("the worker did not stop in time");
        }
    }
}

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn start(
        store: Store,
        registry: Arc<Registry>,
        artifacts: Artifacts,
        keys: Keys,
        settings: WorkerSettings,
        grace: Duration,
    ) -> Result<WorkerHandle> {
        if settings.only_process {
            store.worker().take_over_all().await?;
        }
        store.worker().queue_orphans(&registry.providers()).await?;
        let stop = CancellationToken::new();
        let stopper =
            Stopper { store: store.clone(), registry: Arc::clone(&registry), keys: keys.clone() };
        tokio::spawn(stopper.work(stop.clone()));
        let policy = RunPolicy { attempts: settings.attempts, time: settings.time };
        let worker = WorkerId::new();
        let runner = Runner { worker, store: store.clone(), registry, artifacts, keys, policy };
        let worker = Self {
            runner,
            store,
            settings,
            stop: stop.clone(),
            running: HashMap::new(),
            runs: JoinSet::new(),
        };
        let task = tokio::spawn(worker.work(grace));
        Ok(WorkerHandle { stop, task })
    }

    async fn work(mut self, grace: Duration) {
        let events = self.store.events().clone();
        let mut cancellations = events.cancellations();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut poll = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                cancelled = cancellations.recv() => self.on_cancellation(&cancelled),
                Some(ended) = self.runs.join_next_with_id() => {
                    self.on_end(ended).await;
                    self.claim().await;
                }
                () = events.job_was_queued() => self.claim().await,
                _ = poll.tick() => self.claim().await,
                _ = heartbeat.tick() => self.renew().await,
            }
        }
        self.wind_down(grace).await;
    }

    async fn claim(&mut self) {
        let free = self.settings.concurrency.saturating_sub(self.running.len());
        if free == 0 {
            return;
        }
        let store = self.store.worker();
        // Another each time: should this worker have lost a job that it still runs, and take it again, the
        // run from before holds nothing any more.
        let holder = WorkerId::new();
        let claimed = match store.has_waiting().await {
            Ok(false) => return,
            Ok(true) => store.claim(holder, free, LEASE, &self.settings.limits).await,
            Err(error) => Err(error),
        };
        match claimed {
            Ok(jobs) => jobs.into_iter().for_each(|job| self.spawn(holder, job)),
            Err(error) => tracing::error!(?error, "jobs cannot be claimed"),
        }
    }

    fn spawn(&mut self, holder: WorkerId, job: ClaimedJob) {
        let id = job.generation.id;
        let cancel = CancellationToken::new();
        let (runner, stop) = (Runner { worker: holder, ..self.runner.clone() }, cancel.clone());
        let run = self.runs.spawn(async move { runner.run(job, stop).await });
        let running = Running { holder, cancel, task: run.id() };
        if let Some(before) = self.running.insert(id, running) {
            before.cancel.cancel();
        }
    }

    async fn on_end(&mut self, ended: Result<(tokio::task::Id, ()), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, ())| *task);
        let its = self.running.iter().find(|(_, run)| run.task == task).map(|(id, _)| *id);
        let its = its.and_then(|id| self.running.remove_entry(&id));
        let Err(error) = ended else { return };
        // The generator runs in a task of its own, whose panic is caught: this is the server's own.
        tracing::error!(%error, "a run broke off");
        if let Some((id, run)) = its {
            let message = "The run broke off";
            let released = self.store.worker().release(run.holder, id, RETRY_PAUSE, message).await;
            if let Err(error) = released {
                tracing::error!(?error, "a job cannot be given back");
            }
        }
    }

    fn on_cancellation(&self, cancelled: &Result<GenerationId, RecvError>) {
        // One that was missed is noticed by the next heartbeat: its job is gone.
        if let Ok(id) = cancelled
            && let Some(run) = self.running.get(id)
        {
            run.cancel.cancel();
        }
    }

    async fn renew(&self) {
        if self.running.is_empty() {
            return;
        }
        let running: Vec<GenerationId> = self.running.keys().copied().collect();
        match self.store.worker().renew(&self.holders(), &running, LEASE).await {
            Ok(held) => {
                let lost = self.running.iter().filter(|(id, _)| !held.contains(id));
                lost.for_each(|(_, run)| run.cancel.cancel());
            }
            Err(error) => tracing::error!(?error, "leases cannot be renewed"),
        }
    }

    /// As whom this worker holds jobs.
    fn holders(&self) -> Vec<WorkerId> {
        let holders: HashSet<WorkerId> = self.running.values().map(|run| run.holder).collect();
        holders.into_iter().collect()
    }

    async fn wind_down(mut self, grace: Duration) {
        let finish = async {
            let mut heartbeat = tokio::time::interval(HEARTBEAT);
            while !self.runs.is_empty() {
                tokio::select! {
                    Some(ended) = self.runs.join_next_with_id() => self.on_end(ended).await,
                    _ = heartbeat.tick() => self.renew().await,
                }
            }
        };
        if tokio::time::timeout(grace, finish).await.is_err() {
            tracing::info!("generations that were running are handed back to the queue");
        }
        if let Err(error) = self.store.worker().hand_back(&self.holders()).await {
            tracing::error!(?error, "jobs cannot be handed back; their leases will run out");
        }
        self.runs.abort_all();
    }
}
