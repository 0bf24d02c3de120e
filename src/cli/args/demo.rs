//! `boards demo` as clap reads it.

use clap::{Args, ValueEnum};

use super::SharedFlags;

/// `boards demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to show; two boards of the built-in generators, when it is left out
    #[arg(value_enum)]
    pub what: Option<DemoKind>,
    /// What the image should show
    #[arg(long, value_name = "TEXT", requires = "what", value_parser = super::short_text)]
    pub prompt: Option<String>,
    /// Where database and files are.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// What a demo shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoKind {
    /// An image on a board, made by a stand-in for a server with `OpenAI`'s protocol
    Openai,
}
