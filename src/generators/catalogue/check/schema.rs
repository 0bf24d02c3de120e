//! The input schema of a file, beyond what JSON Schema asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    super::file::{self, File},
    Check,
};

/// A description is at least this long, in bytes.
const MIN_DESCRIPTION: usize = 10;

#[derive(Deserialize)]
struct FileLines {
    input: InputLines,
}

#[derive(Deserialize)]
struct InputLines {
    #[serde(default)]
    properties: BTreeMap<String, Spanned<IgnoredAny>>,
}

/// The line of a parameter; none where the file cannot be read so.
fn line(text: &str, parameter: &str) -> Option<u64> {
    let read = file::parse(text).map(|file: FileLines| file.input.properties);
    read.ok()?.get(parameter).map(|place| place.referenced.line())
}

impl Check<'_> {
    /// Notes parameters that are not described, and what else people would stumble over.
    pub(super) fn schema(&self, file: &File, text: &str) {
        let input_line = file.input.referenced.line();
        let Some(members) = file.input.value.as_object() else { return };
        let known = ["properties", "required", "$defs", "anyOf", "oneOf", "allOf"];
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.flaw(input_line, format!("input: {name} is nothing that belongs here"));
        }
        let properties = members.get("properties").and_then(Value::as_object);
        for (parameter, schema) in properties.into_iter().flatten() {
            if let Some(name) = undescribed(parameter, schema) {
                // The lines are read for who needs them: that takes as long as reading the file.
                let line = line(text, parameter).unwrap_or(input_line);
                self.flaw(line, format!("{name} has no description"));
            }
        }
        let definitions = members.get("$defs").and_then(Value::as_object);
        for (definition, schema) in definitions.into_iter().flatten() {
            if let Some(name) = undescribed_below(schema) {
                self.flaw(input_line, format!("{name} of {definition} has no description"));
            }
        }
        for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
            self.parameter(input_line, name.as_str().unwrap_or_default());
        }
    }
}

/// The first property without a description: this one, or one within it.
fn undescribed<'a>(name: &'a str, schema: &'a Value) -> Option<&'a str> {
    let description = schema["description"].as_str().unwrap_or_default();
    if description.len() < MIN_DESCRIPTION { Some(name) } else { undescribed_below(schema) }
}

fn undescribed_below(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(members) => {
            members.iter().find_map(|(keyword, member)| match (keyword.as_str(), member) {
                ("properties", Value::Object(properties)) => {
                    properties.iter().find_map(|(name, schema)| undescribed(name, schema))
                }
                ("default" | "enum" | "const", _) => None,
                _ => undescribed_below(member),
            })
        }
        Value::Array(items) => items.iter().find_map(undescribed_below),
        _ => None,
    }
}
