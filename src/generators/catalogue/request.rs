//! From parameters to the request that is sent.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    expression::{Expression, is_true},
    file::{Omit, Upload},
    input::{Input, generation},
};
use crate::domain::GenerationId;

/// What a provider is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredRequest {
    /// The model, where parameters choose it; else it stands in the endpoint.
    pub model: Option<String>,
    /// The whole JSON body; of a multipart request, its text fields.
    pub body: Value,
    /// The files of a multipart request.
    pub files: Vec<DeclaredFile>,
}

/// A file of a multipart request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredFile {
    /// The name of its field.
    pub field: String,
    /// The generation whose artifact it is.
    pub generation: GenerationId,
}

/// How requests are made.
#[derive(Debug)]
pub(super) struct Request {
    /// The model, where parameters choose it.
    pub(super) model: Option<Expression>,
    /// The model that the endpoint names.
    pub(super) usual_model: Option<String>,
    /// The member of the body that gets the model.
    pub(super) model_at: Option<String>,
    /// The member of the body that gets the fields; without, the body is they.
    pub(super) params_at: Option<String>,
    pub(super) rules: Vec<Rule>,
    /// Of each group one parameter must not be null.
    pub(super) require_any: Vec<Vec<String>>,
}

/// How one field comes about.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) to: String,
    pub(super) source: Source,
    pub(super) when: Option<Expression>,
    pub(super) omit: Omit,
    pub(super) omit_values: Vec<Value>,
    pub(super) drop_nulls: bool,
}

/// Where a field's value comes from.
#[derive(Debug)]
pub(super) enum Source {
    Parameter(String),
    Artifact(String, Upload),
    Computed(Expression),
}

impl Request {
    /// The artifacts that the provider must have first, each once.
    pub(super) fn uploads(&self, input: &Input) -> Vec<GenerationId> {
        let mut wanted = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.applies(input)) {
            let Source::Artifact(parameter, how) = &rule.source else { continue };
            let Some(value) = input.get(parameter).filter(|value| !rule.omits(value)) else {
                continue;
            };
            for id in artifacts(value, *how) {
                if *how != Upload::Multipart && !wanted.contains(&id) {
                    wanted.push(id);
                }
            }
        }
        wanted
    }

    /// The request, once `urls` says under which address the provider knows each upload.
    pub(super) fn make(
        &self,
        input: &Input,
        urls: &HashMap<GenerationId, String>,
    ) -> Result<DeclaredRequest, String> {
        for group in &self.require_any {
            if group.iter().all(|name| input.get(name).is_none_or(Value::is_null)) {
                return Err(format!("one of {} is required", group.join(", ")));
            }
        }
        let mut fields = Map::new();
        let mut files = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.applies(input)) {
            match rule.value(input, urls)? {
                Field::Missing => {}
                Field::Value(value) => {
                    fields.insert(rule.to.clone(), value);
                }
                Field::Files(ids) => files.extend(
                    ids.into_iter()
                        .map(|id| DeclaredFile { field: rule.to.clone(), generation: id }),
                ),
            }
        }
        let model = self.model(input)?;
        let body = self.body(fields, model.as_ref().or(self.usual_model.as_ref()));
        Ok(DeclaredRequest { model, body, files })
    }

    fn model(&self, input: &Input) -> Result<Option<String>, String> {
        let Some(model) = &self.model else { return Ok(None) };
        match model.evaluate(&input.scope()).as_ref() {
            Value::String(name) if !name.is_empty() => Ok(Some(name.clone())),
            _ => Err("No model is chosen".to_owned()),
        }
    }

    fn body(&self, fields: Map<String, Value>, model: Option<&String>) -> Value {
        let mut body = Map::new();
        if let (Some(key), Some(model)) = (&self.model_at, model) {
            body.insert(key.clone(), model.clone().into());
        }
        match &self.params_at {
            Some(key) => {
                body.insert(key.clone(), Value::Object(fields));
            }
            None => body.extend(fields),
        }
        Value::Object(body)
    }
}

/// What becomes of a rule.
enum Field {
    Missing,
    Value(Value),
    Files(Vec<GenerationId>),
}

impl Rule {
    /// Whether its condition holds.
    fn applies(&self, input: &Input) -> bool {
        self.when.as_ref().is_none_or(|when| is_true(&when.evaluate(&input.scope())))
    }

    /// Whether a field of this value is left out.
    fn omits(&self, value: &Value) -> bool {
        let omitted = match self.omit {
            Omit::Never => false,
            Omit::IfNull => value.is_null(),
            Omit::IfEmpty => match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            },
        };
        omitted || self.omit_values.contains(value)
    }

    fn value(&self, input: &Input, urls: &HashMap<GenerationId, String>) -> Result<Field, String> {
        let value = match &self.source {
            Source::Computed(expression) => expression.evaluate(&input.scope()).into_owned(),
            Source::Parameter(name) | Source::Artifact(name, _) => match input.get(name) {
                Some(value) => value.clone(),
                None => return Ok(Field::Missing),
            },
        };
        if self.omits(&value) {
            return Ok(Field::Missing);
        }
        let mut value = match &self.source {
            Source::Artifact(_, Upload::Multipart) => {
                return Ok(Field::Files(artifacts(&value, Upload::Multipart)));
            }
            Source::Artifact(_, how) => uploaded(&value, *how, urls)?,
            _ => value,
        };
        if self.drop_nulls {
            drop_nulls(&mut value);
        }
        Ok(Field::Value(value))
    }
}

/// The artifacts of a parameter that are handed over in this way.
fn artifacts(value: &Value, how: Upload) -> Vec<GenerationId> {
    let values = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let most = if how == Upload::First { 1 } else { values.len() };
    values.iter().take(most).filter_map(generation).collect()
}

/// The URLs that stand for artifacts; null where there is none.
fn uploaded(
    value: &Value,
    how: Upload,
    urls: &HashMap<GenerationId, String>,
) -> Result<Value, String> {
    let found = artifacts(value, how).into_iter().map(|id| {
        let url = urls.get(&id).ok_or("An input artifact was not handed to the provider")?;
        Ok::<_, String>(Value::from(url.as_str()))
    });
    let found: Vec<Value> = found.collect::<Result<_, _>>()?;
    match how {
        Upload::Many if value.is_array() => Ok(Value::Array(found)),
        _ => Ok(found.into_iter().next().unwrap_or(Value::Null)),
    }
}

/// Takes members that are null out of objects, at every level.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
