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

/// The lines of the parameters, by their names.
pub(super) type Lines = BTreeMap<String, u64>;

#[derive(Deserialize)]
struct FileLines {
    input: InputLines,
}

#[derive(Deserialize)]
struct InputLines {
    #[serde(default)]
    properties: BTreeMap<String, Spanned<IgnoredAny>>,
}

/// Where the parameters of a file stand.
pub(super) fn lines(text: &str) -> Lines {
    let read = file::parse(text).map(|file: FileLines| file.input.properties);
    let properties = read.unwrap_or_default();
    properties.into_iter().map(|(name, place)| (name, place.referenced.line())).collect()
}

impl Check<'_> {
    /// Notes parameters that are not described, and what else people would stumble over.
    pub(super) fn schema(&self, file: &File, lines: &Lines) {
        let input_line = file.input.referenced.line();
        let Some(members) = file.input.value.as_object() else { return };
        let known = ["properties", "required", "$defs", "anyOf", "oneOf", "allOf"];
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            self.flaw(input_line, format!("input: {name} is nothing that belongs here"));
        }
        let properties = members.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let line = lines.get(name).copied().unwrap_or(input_line);
            self.described(line, name, schema);
        }
        let definitions = members.get("$defs").and_then(Value::as_object);
        for definition in definitions.into_iter().flatten().map(|(_, definition)| definition) {
            self.below(input_line, definition);
        }
        for name in members.get("required").and_then(Value::as_array).into_iter().flatten() {
            self.parameter(input_line, name.as_str().unwrap_or_default());
        }
    }

    fn described(&self, line: u64, name: &str, schema: &Value) {
        let description = schema["description"].as_str().unwrap_or_default();
        if description.len() < MIN_DESCRIPTION {
            self.flaw(line, format!("{name} has no description"));
        }
        self.below(line, schema);
    }

    /// Notes members of objects within `schema` that are not described.
    fn below(&self, line: u64, schema: &Value) {
        match schema {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("properties", Value::Object(properties)) => {
                            for (name, schema) in properties {
                                self.described(line, name, schema);
                            }
                        }
                        ("default" | "enum" | "const", _) => {}
                        _ => self.below(line, member),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.below(line, item)),
            _ => {}
        }
    }
}
