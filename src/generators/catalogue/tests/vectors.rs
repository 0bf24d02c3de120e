//! The 392 cases of tests/data/generator-vectors.json, four for each generator that Boards servers have
//! had: parameters and answers, and the request, the outputs and the cost that must come of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
};

use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::{
    super::{ArtifactFacts, Declaration, DeclaredContent, DeclaredOutput},
    embedded, filled,
};
use crate::domain::GenerationId;

#[derive(Deserialize)]
struct Case {
    generator: String,
    params: Value,
    #[serde(default)]
    artifacts: HashMap<Uuid, Map<String, Value>>,
    model: Option<String>,
    body: Value,
    #[serde(default)]
    files: BTreeMap<String, Uuid>,
    answer: Value,
    outputs: Vec<Wanted>,
    cost: f64,
}

#[derive(Deserialize)]
struct Wanted {
    position: usize,
    url: Option<String>,
    text: Option<String>,
    facts: Map<String, Value>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generator-vectors.json");
    let text = fs::read_to_string(path).expect("the cases");
    serde_json::from_str(&text).expect("the cases are JSON")
}

#[test]
fn every_case_of_every_generator_comes_out_as_it_should() {
    let catalogue = embedded();
    let cases = cases();
    let mut failures = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let declaration = catalogue.get(&case.generator).expect("a generator of this name");
        if let Err(reason) = run(declaration, case) {
            failures.push(format!("case {number}, {}: {reason}", case.generator));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    let names: BTreeSet<&str> = cases.iter().map(|case| case.generator.as_str()).collect();
    assert_eq!((cases.len(), names.len()), (392, 98));
}

fn run(declaration: &Declaration, case: &Case) -> Result<(), String> {
    let params = filled(declaration, &case.params);
    let artifacts: ArtifactFacts =
        case.artifacts.iter().map(|(id, facts)| (GenerationId(*id), facts.clone())).collect();
    let input = declaration.input(&params, &artifacts);
    let uploads = declaration.uploads(&input);
    let urls = uploads.iter().map(|id| (*id, format!("https://up.test/{}", id.0))).collect();
    let request = declaration.request(&input, &urls)?;
    let endpoint = declaration.endpoint();
    let named = ["model", "application"].into_iter().find_map(|key| endpoint[key].as_str());
    let model = request.model.as_deref().or(named);
    expect("model", model == case.model.as_deref(), &request.model, &case.model)?;
    expect("body", same(&request.body, &case.body), &request.body, &case.body)?;
    let files: BTreeMap<String, Uuid> =
        request.files.into_iter().map(|file| (file.field, file.generation.0)).collect();
    expect("files", files == case.files, &files, &case.files)?;
    let outputs = declaration.outputs(&input, &case.answer)?;
    expect("outputs", outputs.len() == case.outputs.len(), outputs.len(), case.outputs.len())?;
    for (output, wanted) in outputs.iter().zip(&case.outputs) {
        compare(output, wanted)?;
    }
    let cost = declaration.cost(&input).and_then(|cost| cost.usd.to_f64()).ok_or("no cost")?;
    expect("cost", (cost - case.cost).abs() <= 5.1e-7, cost, case.cost)
}

fn compare(output: &DeclaredOutput, wanted: &Wanted) -> Result<(), String> {
    expect("position", output.position == wanted.position, output.position, wanted.position)?;
    let content = match (&wanted.url, &wanted.text) {
        (Some(url), None) => DeclaredContent::Url(Url::parse(url).expect("URL")),
        (_, text) => DeclaredContent::Text(text.clone().expect("text")),
    };
    expect("content", output.content == content, &output.content, &content)?;
    let (facts, wanted) =
        (Value::Object(output.facts.clone()), Value::Object(wanted.facts.clone()));
    expect("facts", same(&facts, &wanted), &facts, &wanted)
}

fn expect<T: std::fmt::Debug>(what: &str, holds: bool, is: T, wanted: T) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what} is {is:?}, wanted {wanted:?}")) }
}

/// Whether two values are the same; 5 and 5.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|it| same(one, it)))
        }
        (one, other) => one == other,
    }
}
