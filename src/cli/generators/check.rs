//! `boards generators check`: all that is wrong with files of generators.

use std::{collections::BTreeSet, sync::Arc};

use super::{Failure, print};
use crate::{
    app::open_providers,
    cli::args::GeneratorsCheckArgs,
    config::Config,
    generators::{
        Catalogue,
        catalogue::{Flaw, Judged},
        providers::Provider,
    },
};

pub(super) fn check(config: &Config, arguments: &GeneratorsCheckArgs) -> Result<(), Failure> {
    let providers = open_providers(config)?;
    let known: Vec<Arc<dyn Provider>> = providers.iter().cloned().collect();
    let (mut fine, mut flaws) = (0, Vec::new());
    let mut paths: Vec<_> = arguments.paths.iter().collect();
    if paths.is_empty() {
        match Catalogue::embedded(&known) {
            Ok(catalogue) => fine += catalogue.iter().count(),
            Err(found) => flaws.extend(found.0),
        }
        paths.extend(&config.generators_dir);
    }
    for path in paths {
        let judged = Judged::at(path, &known);
        fine += judged.declarations.len();
        flaws.extend(judged.flaws);
    }
    for flaw in &flaws {
        print(&flaw.to_string())?;
    }
    verdict(fine, &flaws)
}

fn verdict(fine: usize, flaws: &[Flaw]) -> Result<(), Failure> {
    if flaws.is_empty() {
        return print(&format!("{fine} generators are fine"));
    }
    let broken = flaws.iter().map(|flaw| &flaw.file).collect::<BTreeSet<_>>().len();
    Err(Failure::new(format!("{broken} broken, {fine} fine")))
}
