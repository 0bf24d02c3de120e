//! Telling providers to stop what nobody waits for any more.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{backoff, keys::Keys};
use crate::{
    error::Result,
    generators::{Failure, Registry},
    store::{ProviderCancellation, Store},
};

/// How many are taken at once.
const BATCH: u64 = 16;
/// How often somebody looks for those that nobody announced, or that are to be tried again.
const POLL: Duration = Duration::from_secs(15);

/// Stops jobs at their providers, until the worker stops.
pub(super) struct Stopper {
    pub(super) store: Store,
    pub(super) registry: Arc<Registry>,
    pub(super) keys: Keys,
}

impl Stopper {
    pub(super) async fn work(self, stop: CancellationToken) {
        let events = self.store.events().clone();
        let mut poll = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = events.provider_cancellation_was_requested() => {}
                _ = poll.tick() => {}
            }
            if let Err(error) = self.stop_all().await {
                tracing::warn!(?error, "jobs cannot be stopped at their providers");
            }
        }
    }

    async fn stop_all(&self) -> Result<()> {
        loop {
            let taken = self.store.worker().claim_cancellations(BATCH).await?;
            if taken.is_empty() {
                return Ok(());
            }
            let told = taken.iter().map(|cancellation| self.stop(cancellation));
            for outcome in futures_util::future::join_all(told).await {
                outcome?;
            }
        }
    }

    async fn stop(&self, cancellation: &ProviderCancellation) -> Result<()> {
        let worker = self.store.worker();
        let Some(entry) = self.registry.get(&cancellation.generator_name) else {
            return worker.forget_cancellation(cancellation).await;
        };
        let key =
            self.keys.of(&self.store, cancellation.tenant, entry.generator.provider()).await?;
        match entry.generator.cancel(key, &cancellation.external_job_id).await {
            Ok(()) => worker.forget_cancellation(cancellation).await,
            Err(Failure::Passing { retry_after, .. }) => {
                let attempts = u32::try_from(cancellation.attempts).unwrap_or(1);
                let pause = backoff::pause(attempts + 1, retry_after);
                let pause =
                    chrono::Duration::from_std(pause).map_err(crate::error::Error::internal)?;
                if !worker.retry_cancellation(cancellation, pause).await? {
                    let generation = cancellation.generation;
                    tracing::warn!(%generation, "a provider could not be told to stop a job");
                }
                Ok(())
            }
            Err(error) => {
                let generation = cancellation.generation;
                tracing::warn!(%error, %generation, "a provider did not stop a job");
                worker.forget_cancellation(cancellation).await
            }
        }
    }
}
