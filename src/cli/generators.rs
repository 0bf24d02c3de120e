//! `boards generators`: what there is, whether files are right, and one run without a server.

mod check;
mod input;
mod list;
mod made;
mod run;

use super::{Failure, args::GeneratorsCommand, print};
use crate::config::Config;

pub(super) async fn run(config: Config, command: &GeneratorsCommand) -> Result<(), Failure> {
    match command {
        GeneratorsCommand::List(arguments) => list::list(&config, arguments),
        GeneratorsCommand::Check(arguments) => check::check(&config, arguments),
        GeneratorsCommand::Run(arguments) => run::run(&config, arguments).await,
    }
}
