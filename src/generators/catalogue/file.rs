//! What a generator's file looks like, and reading its text. What it says is judged in `check`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use serde_saphyr::{Spanned, options::MergeKeyPolicy};

use crate::domain::ArtifactType;

/// A generator's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) description: Spanned<String>,
    pub(super) artifact_type: ArtifactType,
    pub(super) provider: Spanned<String>,
    pub(super) endpoint: Spanned<Value>,
    #[serde(default)]
    pub(super) documentation: Vec<Spanned<String>>,
    pub(super) input: Spanned<Value>,
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) batch: Option<Batch>,
    pub(super) cost: Option<Cost>,
    #[serde(default)]
    pub(super) notes: Vec<Spanned<String>>,
}

/// What is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) model: Option<Spanned<Value>>,
    pub(super) model_at: Option<Spanned<String>>,
    pub(super) params_at: Option<Spanned<String>>,
    pub(super) fields: Vec<Spanned<Field>>,
    #[serde(default)]
    pub(super) unsent: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) require_any: Vec<Spanned<Vec<String>>>,
}

/// One field of the request: a parameter's name, or a rule.
pub(super) struct Field(pub(super) Rule);

/// How one field of the request comes about.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    #[serde(default, rename = "const", deserialize_with = "even_null")]
    pub(super) constant: Option<Value>,
    #[serde(default, deserialize_with = "even_null")]
    pub(super) value: Option<Value>,
    pub(super) when: Option<Value>,
    #[serde(default)]
    pub(super) omit: Omit,
    #[serde(default)]
    pub(super) omit_values: Vec<Value>,
    pub(super) upload: Option<Upload>,
    #[serde(default)]
    pub(super) drop_nulls: bool,
}

/// When a field is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Omit {
    /// Never, as long as the parameter is there.
    #[default]
    Never,
    /// When it is null.
    IfNull,
    /// When it is null, "" or [].
    IfEmpty,
}

/// How an artifact is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Upload {
    /// The URL of the one artifact.
    One,
    /// A list of URLs.
    Many,
    /// The URL of the first of a list.
    First,
    /// The file itself, in a multipart request.
    Multipart,
}

/// Where outputs stand in the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) payload: Vec<Spanned<Payload>>,
    pub(super) items: Spanned<Vec<Spanned<String>>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) base64: Option<Spanned<String>>,
    pub(super) text: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) skip_missing: bool,
    #[serde(default)]
    pub(super) facts: Facts,
    #[serde(default)]
    pub(super) additional: Vec<Spanned<Additional>>,
}

/// One place of what holds the outputs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    pub(super) path: String,
    #[serde(default)]
    pub(super) json: bool,
}

/// A file beside each output.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Additional {
    pub(super) kind: String,
    pub(super) url: Value,
}

/// What is recorded of each output.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    pub(super) format: Option<Spanned<Value>>,
    pub(super) width: Option<Spanned<Value>>,
    pub(super) height: Option<Spanned<Value>>,
    pub(super) duration: Option<Spanned<Value>>,
    pub(super) fps: Option<Spanned<Value>>,
    pub(super) sample_rate: Option<Spanned<Value>>,
    pub(super) channels: Option<Spanned<Value>>,
}

/// That several outputs may come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) count: Spanned<Value>,
}

/// What a run costs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    pub(super) usd: Spanned<Value>,
    pub(super) kind: String,
    pub(super) basis: Basis,
}

/// How sure the cost is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Basis {
    Stated,
    Approximate,
    Placeholder,
}

impl Basis {
    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Approximate => "approximate",
            Self::Placeholder => "placeholder",
        }
    }
}

/// Reads a file's text, or tells the line and what is wrong there. No text makes this take long.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (u64, String)> {
    let options = serde_saphyr::options! {
        merge_keys: MergeKeyPolicy::Error,
        // `n` is a name, and `no` is Norwegian.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 64, max_nodes: 20_000, max_aliases: 0 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let reason = error.render();
        let reason = reason.split_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        (line, reason.lines().next().unwrap_or_default().to_owned())
    })
}

/// Tells `null` from what is not there.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// Not an untagged enum: that would lose the line and the reason.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a parameter's name or a rule")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        Ok(Field(Rule { from: Some(name.to_owned()), ..Rule::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        Rule::deserialize(MapAccessDeserializer::new(map)).map(Field)
    }
}
