//! The command `boards`.

use std::{io::Write, process::ExitCode};

use boards::cli::{self, args::Cli};
use clap::Parser;

/// The system's allocator takes a fifth of the time of a request and keeps more memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "boards: {failure}");
            ExitCode::FAILURE
        }
    }
}
