//! The input schema of one generator: compiled once, then checks parameters, fills in defaults and
//! finds the artifacts that parameters name.

mod artifacts;
mod defaults;
mod message;
mod nested;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

use crate::domain::Violation;

pub use artifacts::{Arity, ArtifactReference};

/// The argument under which clients send the parameters; every violation's path starts with it.
const ROOT: &str = "inputParams";

/// No more violations than this are told at once.
const MAX_VIOLATIONS: usize = 20;

/// A generator's JSON Schema (draft 2020-12), ready to check parameters.
pub struct InputSchema {
    document: Value,
    validator: Validator,
}

impl InputSchema {
    /// Compiles the schema of an object of parameters. Definitions of artifact parameters are added
    /// where the schema refers to them, and unknown parameters are refused unless it says otherwise.
    /// References to other documents are never fetched.
    ///
    /// # Errors
    /// Says what is wrong with the schema: it is the generator's author who reads it.
    pub fn compile(schema: Value) -> Result<Self, String> {
        let Value::Object(mut document) = schema else {
            return Err("an input schema must be a JSON object".to_owned());
        };
        document.remove("title");
        document.entry("additionalProperties").or_insert(Value::Bool(false));
        if document.entry("type").or_insert_with(|| "object".into()) != "object" {
            return Err("an input schema must have the type object".to_owned());
        }
        artifacts::add_definitions(&mut document)?;
        let document = Value::Object(document);
        artifacts::refuse_hidden(&document)?;
        let validator = compile(&document)?;
        defaults::refuse_invalid(&document)?;
        Ok(Self { document, validator })
    }

    /// The complete JSON Schema, as clients get it in `GeneratorInfo.inputSchema`.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The parameters with defaults filled in, when they satisfy the schema.
    ///
    /// # Errors
    /// Everything that is wrong, at most 20 things. Messages never repeat what was sent, except for
    /// the shortened names of unknown parameters.
    pub fn check(&self, params: &Value) -> Result<Map<String, Value>, Vec<Violation>> {
        let violations: Vec<Violation> = self
            .validator
            .iter_errors(params)
            .flat_map(|error| message::violations(&self.document, &error))
            .take(MAX_VIOLATIONS)
            .collect();
        if !violations.is_empty() {
            return Err(violations);
        }
        let mut filled = params.clone();
        defaults::fill(&self.document, &mut filled);
        match filled {
            Value::Object(params) => Ok(params),
            _ => Err(vec![Violation {
                path: ROOT.to_owned(),
                message: format!("{ROOT} must be a JSON object"),
            }]),
        }
    }

    /// The defaults alone: what holds where a caller says nothing. They need not satisfy the schema.
    #[must_use]
    pub fn defaults(&self) -> Map<String, Value> {
        let mut filled = Value::Object(Map::new());
        defaults::fill(&self.document, &mut filled);
        filled.as_object().cloned().unwrap_or_default()
    }

    /// The artifacts that `params` names, in the order of the schema's properties.
    #[must_use]
    pub fn artifacts(&self, params: &Map<String, Value>) -> Vec<ArtifactReference> {
        artifacts::references(&self.document, params)
    }

    /// The parameters that take artifacts, and whether one or several.
    pub fn artifact_parameters(&self) -> impl Iterator<Item = (&str, Arity)> {
        artifacts::parameters(&self.document)
    }

    /// `params` without the members of nested objects that the schema does not list: a provider would
    /// refuse them, or worse, know them. Objects that list no properties stay as they are.
    #[must_use]
    pub fn known(&self, params: &Map<String, Value>) -> Map<String, Value> {
        nested::known(&self.document, params)
    }
}

/// A validator that checks formats and fetches nothing.
fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(schema)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(properties: &Value) -> InputSchema {
        InputSchema::compile(json!({"properties": properties})).expect("schema compiles")
    }

    fn messages(schema: &InputSchema, params: &Value) -> Vec<(String, String)> {
        let violations = schema.check(params).expect_err("params are wrong");
        violations.into_iter().map(|v| (v.path, v.message)).collect()
    }

    fn pair(path: &str, message: &str) -> (String, String) {
        (path.to_owned(), message.to_owned())
    }

    #[test]
    fn every_violation_is_told_at_once_in_plain_words() {
        let schema = InputSchema::compile(json!({
            "properties": {
                "text": {"type": "string", "maxLength": 3},
                "width": {"type": "integer", "minimum": 16},
                "mode": {"enum": ["low", "high"]},
                "images": {"type": "array", "items": {"$ref": "#/$defs/ImageArtifact"}},
            },
            "required": ["text", "mode"],
        }))
        .expect("schema compiles");
        let params = json!({"text": "secret", "width": 20.5, "images": ["x", 7], "size": 1});
        let mut found = messages(&schema, &params);
        found.sort();
        let image = "must be the id of an image generation";
        assert_eq!(
            found,
            [
                pair("inputParams.images.0", &format!("images.0 {image}")),
                pair("inputParams.images.1", &format!("images.1 {image}")),
                pair("inputParams.mode", "mode is required"),
                pair("inputParams.size", "size is not a parameter of this generator"),
                pair("inputParams.text", "text must be at most 3 characters long"),
                pair("inputParams.width", "width must be a whole number"),
            ]
        );
    }

    #[test]
    fn neither_messages_nor_their_number_grow_with_the_input() {
        let schema = schema(&json!({"a": {"type": "array", "items": {"type": "string"}}}));
        let long = "x".repeat(10_000);
        let found = messages(&schema, &json!({"a": vec![1; 500], long.as_str(): long}));
        assert_eq!(found.len(), MAX_VIOLATIONS);
        assert!(found.iter().all(|(path, message)| path.len() < 200 && message.len() < 400));
    }

    #[test]
    fn alternatives_of_required_parameters_read_naturally() {
        let alternatives = json!([{"required": ["notes"]}, {"required": ["frequency"]}]);
        let properties = json!({"notes": {"type": "string"}, "frequency": {"type": "number"}});
        let any = json!({"properties": properties.clone(), "anyOf": alternatives.clone()});
        let one = json!({"properties": properties, "oneOf": alternatives});
        let any = InputSchema::compile(any).expect("schema compiles");
        let one = InputSchema::compile(one).expect("schema compiles");
        let missing = [pair("inputParams", "one of notes, frequency is required")];
        assert_eq!(messages(&any, &json!({})), missing);
        assert_eq!(messages(&one, &json!({})), missing);
        let both = json!({"notes": "C4", "frequency": 440});
        assert!(any.check(&both).is_ok());
        let only = [pair("inputParams", "only one of notes, frequency may be given")];
        assert_eq!(messages(&one, &both), only);
    }

    #[test]
    fn a_nullable_artifact_says_what_it_wants() {
        let schema = schema(
            &json!({"image": {"anyOf": [{"$ref": "#/$defs/ImageArtifact"}, {"type": "null"}]}}),
        );
        assert!(schema.check(&json!({"image": null})).is_ok());
        let wanted = [pair("inputParams.image", "image must be the id of an image generation")];
        assert_eq!(messages(&schema, &json!({"image": "x"})), wanted);
    }

    #[test]
    fn defaults_are_there_without_what_is_required() {
        let schema = InputSchema::compile(json!({
            "properties": {"text": {"type": "string"}, "count": {"type": "integer", "default": 2}},
            "required": ["text"],
        }))
        .expect("schema compiles");
        assert_eq!(Value::Object(schema.defaults()), json!({"count": 2}));
    }

    #[test]
    fn parameters_must_be_an_object() {
        let wanted = [pair("inputParams", "inputParams must be an object")];
        assert_eq!(messages(&schema(&json!({})), &json!([1])), wanted);
    }

    #[test]
    fn a_pattern_is_explained_by_its_description() {
        let schema = schema(&json!({"colour": {
            "type": "string", "pattern": "^#[0-9a-f]{6}$", "description": "A colour as #rrggbb."
        }}));
        let found = messages(&schema, &json!({"colour": "red"}));
        assert_eq!(found[0].1, "colour does not have the right form: A colour as #rrggbb.");
    }

    #[test]
    fn references_to_other_documents_are_refused() {
        let schema = json!({"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}});
        assert!(InputSchema::compile(schema).is_err());
    }

    #[test]
    fn only_the_definitions_that_are_used_are_added() {
        let schema = schema(&json!({"sound": {"$ref": "#/$defs/AudioArtifact"}}));
        let definitions = schema.document()["$defs"].as_object().expect("definitions");
        assert_eq!(definitions.keys().collect::<Vec<_>>(), ["AudioArtifact"]);
        assert_eq!(schema.document()["additionalProperties"], false);
    }
}
