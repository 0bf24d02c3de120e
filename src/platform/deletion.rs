//! Deleting tenants: what a closed tenant holds goes batch by batch, files before their rows. It can
//! be stopped, or killed, between any two steps and begun anew by any process, or by several.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    artifacts::ArtifactStores,
    domain::GenerationId,
    error::Result,
    store::{BATCH, ClosedTenant, Removal, Store, TENANT_TABLES},
};

/// How often a server looks for tenants that another process closed.
const POLL: Duration = Duration::from_secs(30);
/// How soon a deletion that failed is tried again; each time twice as late, up to [`POLL`].
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// How long requests that were under way when a tenant was closed, and other processes, get before its
/// rows are looked for again.
const PAUSE: Duration = Duration::from_millis(100);
/// Generations whose files go at once: in a cloud, each waits for several answers.
const FILES_AT_ONCE: usize = 8;

/// Deletes tenants that were closed. Cheap to clone.
#[derive(Clone)]
pub struct TenantDeletion {
    store: Store,
    files: ArtifactStores,
}

/// One batch that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Rows of which table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
}

impl TenantDeletion {
    /// Takes rows out of `store` and files out of `files`.
    #[must_use]
    pub fn new(store: Store, files: ArtifactStores) -> Self {
        Self { store, files }
    }

    /// Finishes in the background what was begun here or elsewhere, until `stopping`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn start(self, stopping: CancellationToken) -> Result<()> {
        let begun = self.store.system().closed_tenants().await?;
        tokio::spawn(async move {
            let mut finished = self.finish_each(begun, &stopping).await;
            let mut retry = FIRST_RETRY;
            loop {
                let pause = if finished { POLL } else { retry };
                retry = if finished { FIRST_RETRY } else { (retry * 2).min(POLL) };
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = self.store.events().tenant_was_closed() => {}
                    () = sleep(pause) => {}
                }
                match self.store.system().closed_tenants().await {
                    Ok(closed) => finished = self.finish_each(closed, &stopping).await,
                    Err(error) => tracing::warn!(?error, "closed tenants cannot be looked for"),
                }
            }
        });
        Ok(())
    }

    /// False when one of them has to be tried again.
    async fn finish_each(&self, closed: Vec<ClosedTenant>, stopping: &CancellationToken) -> bool {
        let mut finished = true;
        for tenant in closed {
            let id = tenant.id();
            let mut rows = 0;
            match self.finish(&tenant, stopping, |removed| rows += removed.rows).await {
                Ok(true) => tracing::info!(tenant = %id, rows, "a tenant was deleted"),
                Ok(false) => return false,
                Err(error) => {
                    finished = false;
                    tracing::error!(?error, tenant = %id, rows, "a deletion will be tried again");
                }
            }
        }
        finished
    }

    /// Deletes all that a closed tenant holds and then the tenant. False when it was stopped before
    /// the end; `note` hears of each batch.
    ///
    /// # Errors
    /// When the database or the store fails; calling it again goes on where it stopped.
    pub async fn finish(
        &self,
        tenant: &ClosedTenant,
        stopping: &CancellationToken,
        mut note: impl FnMut(Removed),
    ) -> Result<bool> {
        loop {
            for (table, key) in TENANT_TABLES {
                loop {
                    if stopping.is_cancelled() {
                        return Ok(false);
                    }
                    let rows = self.remove_batch(tenant, stopping, table, key).await?;
                    if rows == 0 {
                        break;
                    }
                    note(Removed { table, rows });
                }
            }
            while tenant.remove_quarantined().await? > 0 {}
            // Files whose rows were never written, and what a run stored while it was stopped.
            self.files.delete_tenant(tenant.id()).await?;
            if tenant.remove().await? == Removal::Gone {
                break;
            }
            sleep(PAUSE).await;
        }
        // What a request stored between the last two steps: its row finds no tenant any more.
        self.files.delete_tenant(tenant.id()).await?;
        Ok(true)
    }

    async fn remove_batch(
        &self,
        tenant: &ClosedTenant,
        stopping: &CancellationToken,
        table: &'static str,
        key: &'static str,
    ) -> Result<u64> {
        match table {
            "jobs" => tenant.remove_jobs().await,
            "generations" => self.remove_generations(tenant, stopping).await,
            "audit_events" => self.store.audit().delete_of_tenant(tenant.id(), BATCH).await,
            _ => tenant.remove_rows(table, key).await,
        }
    }

    /// None only when there are none left or `stopping` says so: boards must not go before them.
    async fn remove_generations(
        &self,
        tenant: &ClosedTenant,
        stopping: &CancellationToken,
    ) -> Result<u64> {
        loop {
            let batch = tenant.generations().await?;
            if batch.is_empty() || stopping.is_cancelled() {
                return Ok(0);
            }
            let deletions = stream::iter(batch.clone()).map(|(board, generation)| {
                self.files.delete_generation(tenant.id(), board, generation)
            });
            deletions.buffer_unordered(FILES_AT_ONCE).try_collect::<()>().await?;
            let ids: Vec<GenerationId> = batch.iter().map(|(_, id)| *id).collect();
            let removed = tenant.remove_generations(&ids).await?;
            if removed > 0 {
                return Ok(removed);
            }
            // Another process is at all of them.
            sleep(PAUSE).await;
        }
    }
}
