//! `boards generators list`: all generators, and which variable those lack that cannot be run.

use serde_json::{Value, json};

use super::{Failure, print};
use crate::{
    app::{open_generators, open_providers},
    cli::args::{BUILTIN, GeneratorsListArgs},
    config::Config,
    generators::{ArtifactFacts, Cost, Entry, providers::Providers},
};

/// What is shown of one generator.
struct Line<'a> {
    name: &'a str,
    artifact_type: &'static str,
    provider: &'a str,
    /// The key that the deployment lacks.
    missing: Option<&'static str>,
    /// What a run costs whose parameters are the defaults.
    cost: Option<Cost>,
}

pub(super) fn list(config: &Config, arguments: &GeneratorsListArgs) -> Result<(), Failure> {
    let providers = open_providers(config)?;
    let registry = open_generators(config, &providers)?;
    let wanted = |line: &Line<'_>| {
        arguments.provider.as_deref().is_none_or(|provider| provider == line.provider)
            && arguments.artifact_type.is_none_or(|wanted| wanted.as_str() == line.artifact_type)
    };
    let lines: Vec<Line<'_>> =
        registry.iter().map(|entry| Line::of(entry, &providers)).filter(wanted).collect();
    if arguments.json {
        return print(&lines.iter().map(Line::as_json).collect::<Value>().to_string());
    }
    print(&table(&lines))
}

/// The variable of the key that a generator cannot be run without and that the deployment does not have.
pub(super) fn missing_key(entry: &Entry, providers: &Providers) -> Option<&'static str> {
    let provider = providers.get(entry.generator.provider()?)?;
    let is_there =
        entry.generator.works_without_key() || providers.key(provider.as_ref()).is_some();
    (!is_there).then(|| provider.key_name())
}

impl<'a> Line<'a> {
    fn of(entry: &'a Entry, providers: &Providers) -> Self {
        let generator = entry.generator.as_ref();
        let cost = generator.cost(&entry.schema.defaults(), &ArtifactFacts::new());
        Self {
            name: generator.name(),
            artifact_type: generator.artifact_type().as_str(),
            provider: generator.provider().unwrap_or(BUILTIN),
            missing: missing_key(entry, providers),
            // What depends on a text or a length that the defaults lack comes out as nothing.
            cost: cost.filter(|cost| generator.provider().is_none() || !cost.usd.is_zero()),
        }
    }

    fn as_json(&self) -> Value {
        let cost = self.cost.as_ref().map(
            |cost| json!({ "usd": cost.usd.to_string(), "kind": cost.kind, "basis": cost.basis }),
        );
        json!({
            "name": self.name,
            "artifactType": self.artifact_type,
            "provider": self.provider,
            "available": self.missing.is_none(),
            "missing": self.missing,
            "cost": cost,
        })
    }

    fn cells(&self) -> [String; 5] {
        let available = self.missing.map_or("yes".to_owned(), |key| format!("no: {key}"));
        let cost = match &self.cost {
            None => "-".to_owned(),
            Some(cost) if cost.usd.is_zero() => cost.kind.clone(),
            Some(cost) => format!("${} ({}, {})", cost.usd, cost.kind, cost.basis),
        };
        let [name, kind, provider] =
            [self.name, self.artifact_type, self.provider].map(str::to_owned);
        [name, kind, provider, available, cost]
    }
}

fn table(lines: &[Line<'_>]) -> String {
    let head = ["NAME", "TYPE", "PROVIDER", "AVAILABLE", "COST"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(lines.iter().map(Line::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}{}", cells.collect::<String>(), row[4])
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
