//! The command `boards`.

use std::{io::Write, process::ExitCode};

use boards::cli::{self, args::Cli};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "boards: {failure}");
            ExitCode::FAILURE
        }
    }
}
