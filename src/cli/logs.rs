//! Where log lines go: standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config::{Config, LogFormat};

/// Would bury the banner of the first start under a dozen lines.
const QUIET: &str = "sea_orm_migration=warn";

pub(super) fn start(config: &Config) -> Result<(), Failure> {
    // A level that is set for the target comes later and wins.
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log_level))
        .map_err(|error| Failure::new(format!("BOARDS_LOG_LEVEL: {error}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|error| Failure::new(format!("logging cannot start: {error}")))
}
