//! `boards storage …` as clap reads it.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{SharedFlags, duration};
use crate::config::Flags;

/// `boards storage …`.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Find files without rows and rows without files; delete such files where that is asked for
    #[command(
        long_about = "Finds files without rows and rows without files, in all stores and all \
        tenants, and prints both. Files without rows are what crashes and failed deletions leave \
        behind; --delete deletes them. Rows are never touched.\n\n\
        Ends with 0 when nothing is left to do, with 1 when something is, or failed."
    )]
    #[command(after_help = "Examples:
  boards storage gc                          only look
  boards storage gc --json > findings.jsonl
  boards storage gc --delete --older-than 7d")]
    Gc(StorageGcArgs),
}

/// `boards storage gc`.
#[derive(Debug, Args)]
pub struct StorageGcArgs {
    /// Only look (the default)
    #[arg(long, conflicts_with = "delete")]
    pub dry_run: bool,
    /// Delete files without rows; with SQLite no server may run meanwhile
    #[arg(long)]
    pub delete: bool,
    /// Leave younger files alone, whose rows may follow: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration::parse)]
    pub older_than: Duration,
    /// Print a JSON object a line, the last with the counts
    #[arg(long)]
    pub json: bool,
    /// Where database and files are.
    #[command(flatten)]
    pub settings: SharedFlags,
}

impl StorageCommand {
    /// The settings behind the command.
    pub(super) fn settings(&self) -> &Flags {
        let Self::Gc(arguments) = self;
        &arguments.settings.0
    }
}
