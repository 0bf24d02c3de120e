//! `boards generators …` as clap reads it.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::SharedFlags;
use crate::{config::Flags, domain::ArtifactType};

/// What `--provider` calls the generators that run in the server.
pub const BUILTIN: &str = "builtin";

/// `boards generators …`.
#[derive(Debug, Subcommand)]
pub enum GeneratorsCommand {
    /// List all generators, and whether they can be run
    #[command(after_help = "Examples:
  boards generators list
  boards generators list --provider fal --type video
  boards generators list --json | jq -r '.[] | select(.available) | .name'")]
    List(GeneratorsListArgs),
    /// Judge files of generators and say what is wrong with file and line
    #[command(
        long_about = "Judges files of generators: those that are named, or else those that come \
        with the server and those of BOARDS_GENERATORS_DIR. Prints FILE:LINE: REASON for all that is \
        wrong with any of them.\n\n\
        Ends with 0 when nothing is wrong, else with 1."
    )]
    #[command(after_help = "Examples:
  boards generators check
  boards generators check my-generators/ draft/my-portrait.yaml")]
    Check(GeneratorsCheckArgs),
    /// Run one generator here, without database and board, and keep what it makes as files
    #[command(
        long_about = "Runs one generator here, without database and board, and keeps what it makes as \
        files, whose paths are printed. What a provider charges for it is paid. Ctrl-C cancels the job \
        at its provider."
    )]
    #[command(after_help = "Examples:
  boards generators run qr-code --param text=https://example.com
  boards generators run image-edit --input image=photo.jpg --param width=512 --out made
  BOARDS_OPENAI_URL=http://localhost:8080/v1 boards generators run openai-image --param prompt='a calm sea'")]
    Run(GeneratorsRunArgs),
}

/// `boards generators list`.
#[derive(Debug, Args)]
pub struct GeneratorsListArgs {
    /// Only those that this provider runs; builtin: those that run in the server
    #[arg(long, value_name = "NAME", value_parser = provider_names())]
    pub provider: Option<String>,
    /// Only those that make this: image, video, audio or text
    #[arg(long = "type", value_name = "TYPE", value_parser = artifact_type)]
    pub artifact_type: Option<ArtifactType>,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    /// Which keys and files there are.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards generators check`.
#[derive(Debug, Args)]
pub struct GeneratorsCheckArgs {
    /// Files, and folders of files
    #[arg(value_name = "FILE|FOLDER")]
    pub paths: Vec<PathBuf>,
    /// Which folder counts.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards generators run`.
#[derive(Debug, Args)]
pub struct GeneratorsRunArgs {
    /// The generator
    pub name: String,
    /// A parameter: JSON where it is JSON and the parameter is no text, else text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub params: Vec<(String, String)>,
    /// All parameters as a JSON object; --param wins over it
    #[arg(long, value_name = "JSON")]
    pub params_json: Option<String>,
    /// A parameter that takes an artifact: the file that is meant; again for each more of a list
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = pair)]
    pub inputs: Vec<(String, String)>,
    /// Folder for what is made; it is made if there is none
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub out: PathBuf,
    /// Which keys and files there are.
    #[command(flatten)]
    pub settings: SharedFlags,
}

impl GeneratorsCommand {
    /// The settings behind the command.
    pub(super) fn settings(&self) -> &Flags {
        match self {
            Self::List(arguments) => &arguments.settings.0,
            Self::Check(arguments) => &arguments.settings.0,
            Self::Run(arguments) => &arguments.settings.0,
        }
    }
}

fn provider_names() -> PossibleValuesParser {
    let names = crate::generators::providers::PROVIDER_NAMES;
    PossibleValuesParser::new(names.into_iter().chain([BUILTIN]))
}

fn artifact_type(text: &str) -> Result<ArtifactType, &'static str> {
    text.parse().map_err(|()| "one of image, video, audio and text")
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a name, = and a value"),
    }
}
