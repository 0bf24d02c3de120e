//! The command line: each command loads the configuration and does one thing.

pub mod args;
mod audit;
mod demo;
mod generators;
mod health;
mod logs;
mod migrate;
mod schema;
mod serve;
mod storage;
mod tenant;
mod tenant_key;
pub mod token;
mod user;
mod worker;

use std::io::Write;

use args::{AuditCommand, Cli, Command, StorageCommand};

use crate::{
    app::StartError,
    audit::{AuditEvent, record_at_once},
    config::{Config, ConfigError, Loaded},
    error::Error,
    store::Store,
};

/// Why a command failed: one line for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

macro_rules! failure_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )+};
}

failure_from!(ConfigError, StartError, token::TokenError, std::io::Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            error @ Error::Internal(_) => StartError::from(error).into(),
            error => Self(error.to_string()),
        }
    }
}

/// Runs what the command line asks for.
///
/// # Errors
/// [`Failure`], one line that says what to do.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let loaded = load(&cli)?;
    let threads = loaded.config.threads;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(execute(cli, loaded))
}

async fn execute(cli: Cli, loaded: Loaded) -> Result<(), Failure> {
    match cli.command {
        None | Some(Command::Serve(_)) => Box::pin(serve::run(loaded)).await,
        Some(Command::Worker(_)) => Box::pin(worker::run(loaded)).await,
        Some(Command::Migrate(arguments)) => migrate::run(loaded.config, &arguments).await,
        Some(Command::Schema(arguments)) => schema::run(arguments.check.as_deref()),
        Some(Command::Audit { command: AuditCommand::Export(arguments) }) => {
            audit::export(loaded.config, &arguments).await
        }
        Some(Command::Tenant { command }) => tenant::run(loaded.config, &command).await,
        Some(Command::Storage { command: StorageCommand::Gc(arguments) }) => {
            storage::gc(loaded.config, &arguments).await
        }
        Some(Command::User { command }) => user::run(loaded.config, &command).await,
        Some(Command::Token(arguments)) => {
            print(&token::sign_token(&loaded.config, &(&arguments).into())?)
        }
        Some(Command::Generators { command }) => {
            Box::pin(generators::run(loaded.config, &command)).await
        }
        Some(Command::Demo(arguments)) => Box::pin(demo::run(loaded.config, &arguments)).await,
        Some(Command::Health(arguments)) => health::run(&loaded.config, arguments.url).await,
    }
}

fn load(cli: &Cli) -> Result<Loaded, Failure> {
    let directory = std::env::current_dir()?;
    let environment = crate::config::environment();
    Ok(Config::load(cli.purpose(), &cli.flags(), environment, &directory)?)
}

/// Puts an act into the audit log, however it ended. What was done stays done if it cannot be recorded:
/// the failure says so, lest it be done again.
async fn recorded<T>(
    store: &Store,
    event: AuditEvent,
    outcome: Result<T, Error>,
) -> Result<T, Failure> {
    let written = record_at_once(store, event.with_outcome(&outcome)).await;
    let done = outcome?;
    match written {
        Ok(()) => Ok(done),
        Err(error) => {
            let Failure(cause) = error.into();
            Err(Failure::new(format!("this was done, but the audit log lacks it: {cause}")))
        }
    }
}

/// Writes a line to standard output. A reader who has gone away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
