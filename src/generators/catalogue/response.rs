//! From a provider's answer to outputs. The answer is not to be trusted: it may hold anything.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};
use url::Url;

use super::{
    expression::{Expression, Scope, is_true},
    input::Input,
    path::{Members, Path},
};

/// What an answer holds beyond this many outputs is left.
const MAX_OUTPUTS: usize = 64;
/// An address is at most this long, in bytes.
const MAX_URL: usize = 8 * 1024;
/// A fact that is a longer text is none.
const MAX_FACT: usize = 60;

/// One output that a provider's answer names.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredOutput {
    /// Its place among the outputs of the answer, from 0; skipped ones leave gaps.
    pub position: usize,
    /// The output itself.
    pub content: DeclaredContent,
    /// What is known of it: `format`, `width`, `height`, `duration`, `fps`, `sample_rate`, `channels`.
    pub facts: Map<String, Value>,
    /// Files beside it.
    pub additional: Vec<DeclaredAddition>,
}

/// Where an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredContent {
    /// At this address: `http` or `https`. It is the provider's word, so it must be fetched with care.
    Url(Url),
    /// In the answer, as text.
    Text(String),
    /// In the answer, as bytes: base64, or a `data:` URL.
    Bytes(Bytes),
}

/// A file beside an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredAddition {
    /// What the file is: `cover`.
    pub kind: String,
    /// The file.
    pub content: DeclaredContent,
}

/// How answers are read.
#[derive(Debug)]
pub(super) struct Response {
    /// Places of what holds the outputs, of which the first that is not empty counts; none: the answer.
    pub(super) payload: Vec<Payload>,
    /// Places of the outputs in it, of which the first that has any counts.
    pub(super) items: Vec<Path>,
    pub(super) content: Place,
    /// Whether outputs without a file are passed over.
    pub(super) skip_missing: bool,
    /// Whether more than one output counts.
    pub(super) many: bool,
    pub(super) facts: Vec<(&'static str, Expression)>,
    pub(super) additional: Vec<(String, Expression)>,
}

/// A place of what holds the outputs.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) path: Path,
    /// Whether it is JSON in a text.
    pub(super) json: bool,
}

/// Where an output's content stands in its element.
#[derive(Debug)]
pub(super) enum Place {
    Text(Members),
    File {
        /// The URL, unless the element is one.
        url: Members,
        /// The bytes, where there is no URL.
        base64: Option<Members>,
    },
}

impl Response {
    /// The outputs, at least one.
    ///
    /// # Errors
    /// For the user: what the answer lacks.
    pub(super) fn outputs(
        &self,
        input: &Input,
        answer: &Value,
    ) -> Result<Vec<DeclaredOutput>, String> {
        let parsed;
        let result = match self.payload(answer) {
            Found::At(value) => value,
            Found::Parsed(value) => {
                parsed = value;
                &parsed
            }
            Found::Nowhere => return Err("The provider answered without a result".to_owned()),
        };
        let items = self.items.iter().map(|path| path.elements(result));
        let items = items.into_iter().find(|items| !items.is_empty()).unwrap_or_default();
        let most = if self.many { MAX_OUTPUTS } else { 1 };
        let mut outputs = Vec::new();
        for (position, item) in items.iter().take(most).enumerate() {
            match self.output(input, result, item, position)? {
                Some(output) => outputs.push(output),
                None if self.skip_missing => {}
                None => {
                    return Err(format!("The provider names no file for output {}", position + 1));
                }
            }
        }
        if outputs.is_empty() {
            return Err("The provider answered without an output".to_owned());
        }
        Ok(outputs)
    }

    fn payload<'a>(&self, answer: &'a Value) -> Found<'a> {
        if self.payload.is_empty() {
            return Found::At(answer);
        }
        for payload in &self.payload {
            let value = payload.path.value(answer);
            match value {
                Value::String(text) if payload.json => {
                    if let Some(value) = serde_json::from_str(text).ok().filter(is_true) {
                        return Found::Parsed(value);
                    }
                }
                value if is_true(value) => return Found::At(value),
                _ => {}
            }
        }
        Found::Nowhere
    }

    /// The output that `item` is; none where it names no file.
    fn output(
        &self,
        input: &Input,
        result: &Value,
        item: &Value,
        position: usize,
    ) -> Result<Option<DeclaredOutput>, String> {
        let Some(content) = self.content.read(item)? else { return Ok(None) };
        let url = match &content {
            DeclaredContent::Url(url) => Value::from(url.as_str()),
            _ => Value::Null,
        };
        let scope = Scope { input: input.seen(), item, result, url: &url };
        let facts = self.facts.iter().filter_map(|(name, expression)| {
            let value = expression.evaluate(&scope);
            is_fact(name, &value).then(|| ((*name).to_owned(), value.into_owned()))
        });
        let facts = facts.collect();
        let additional = self.additional.iter().filter_map(|(kind, expression)| {
            // What stands beside an output is no reason to lose the output.
            let content = file(expression.evaluate(&scope).as_str()?).ok()?;
            Some(DeclaredAddition { kind: kind.clone(), content })
        });
        let additional = additional.collect();
        Ok(Some(DeclaredOutput { position, content, facts, additional }))
    }
}

/// What holds the outputs.
enum Found<'a> {
    At(&'a Value),
    Parsed(Value),
    Nowhere,
}

impl Place {
    fn read(&self, item: &Value) -> Result<Option<DeclaredContent>, String> {
        let (url, base64) = match self {
            Self::Text(text) => {
                let text = item.as_str().or_else(|| text.of(item).as_str());
                return Ok(text.map(|text| DeclaredContent::Text(text.to_owned())));
            }
            Self::File { url, base64 } => (url, base64),
        };
        let filled = |value: &'_ Value| value.as_str().is_some_and(|text| !text.is_empty());
        if let Some(url) = [item, url.of(item)].into_iter().find(|value| filled(value)) {
            return file(url.as_str().unwrap_or_default()).map(Some);
        }
        let base64 = base64.as_ref().map(|members| members.of(item)).and_then(Value::as_str);
        base64.filter(|text| !text.is_empty()).map(bytes).transpose()
    }
}

/// The file at an address of the answer.
fn file(url: &str) -> Result<DeclaredContent, String> {
    if let Some(data) = url.strip_prefix("data:") {
        let encoded = data.split_once(',').and_then(|(header, encoded)| {
            header.to_ascii_lowercase().ends_with(";base64").then_some(encoded)
        });
        return bytes(encoded.ok_or("The provider's file is not in a form that can be read")?);
    }
    let parsed = if url.len() <= MAX_URL { Url::parse(url).ok() } else { None };
    match parsed {
        Some(url) if ["http", "https"].contains(&url.scheme()) => Ok(DeclaredContent::Url(url)),
        _ => Err("The provider names a file at an address that is none".to_owned()),
    }
}

fn bytes(encoded: &str) -> Result<DeclaredContent, String> {
    let bytes = STANDARD.decode(encoded.trim());
    let bytes = bytes.map_err(|_| "The provider's file is not in a form that can be read")?;
    Ok(DeclaredContent::Bytes(bytes.into()))
}

/// Whether `value` is something that can be known under this name.
fn is_fact(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => name == "format" && !text.is_empty() && text.len() <= MAX_FACT,
        Value::Number(number) => name != "format" && number.as_f64().is_some_and(|it| it >= 0.0),
        _ => false,
    }
}
