//! `boards worker`.

use super::{Failure, logs, print, serve::shutdown_signal};
use crate::{app::WorkerApp, config::Loaded};

pub(super) async fn run(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { config, warnings, file } = loaded;
    let _log = logs::start(&config)?;
    if let Some(file) = file {
        tracing::debug!(file = %file.display(), "settings read");
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = shutdown_signal()?;
    let banner = format!(
        "Boards worker is ready\n  database  {}\n  at once   {}",
        config.database_url, config.worker_concurrency
    );
    let app = WorkerApp::start(config).await?;
    print(&banner)?;
    app.work(shutdown).await;
    Ok(())
}
