//! Artifact parameters: their definitions, and finding them in parameters.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ROOT;
use crate::domain::{ArtifactType, GenerationId};

/// The definitions to which a schema may refer. Front ends know them by these names.
const DEFINITIONS: [(&str, ArtifactType); 4] = [
    ("ImageArtifact", ArtifactType::Image),
    ("AudioArtifact", ArtifactType::Audio),
    ("VideoArtifact", ArtifactType::Video),
    ("TextArtifact", ArtifactType::Text),
];

/// One artifact that parameters name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactReference {
    /// Where it stands: `inputParams.image`, or `inputParams.images.0` in a list.
    pub path: String,
    /// The part it plays: the name of the property.
    pub role: String,
    /// The kind of artifact that it must be.
    pub artifact_type: ArtifactType,
    /// The generation that holds it.
    pub generation: GenerationId,
}

/// How many artifacts a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One.
    One,
    /// A list.
    Many,
}

/// How a property takes artifacts.
enum Parameter {
    One(ArtifactType),
    Many(ArtifactType),
}

/// Adds the definitions of the artifact types to which the schema refers.
pub(super) fn add_definitions(document: &mut Map<String, Value>) -> Result<(), String> {
    let root = Value::Object(document.clone());
    let used: Vec<_> = DEFINITIONS
        .into_iter()
        .filter(|(name, _)| count(&root, &|value| defined_by(value) == Some(name)) > 0)
        .collect();
    if used.is_empty() {
        return Ok(());
    }
    let definitions = document.entry("$defs").or_insert_with(|| json!({}));
    let Value::Object(definitions) = definitions else {
        return Err("$defs must be an object".to_owned());
    };
    for (name, kind) in used {
        let description = format!("The id of a completed generation of type {kind}.");
        let definition = json!({"type": "string", "format": "uuid", "description": description});
        definitions.insert(name.to_owned(), definition);
    }
    Ok(())
}

/// Refuses artifacts where [`references`] does not look: their ids would go unchecked.
pub(super) fn refuse_hidden(document: &Value) -> Result<(), String> {
    let all = count(document, &|value| named_by(value).is_some());
    let found = properties(document).filter(|(_, schema)| parameter(schema).is_some()).count();
    if all == found {
        return Ok(());
    }
    Err("an artifact may only be a property of the parameters, a list of artifacts, or either of \
         them or null"
        .to_owned())
}

/// The artifacts that `params` names.
pub(super) fn references(document: &Value, params: &Map<String, Value>) -> Vec<ArtifactReference> {
    let mut found = Vec::new();
    for (role, schema) in properties(document) {
        let Some(value) = params.get(role) else { continue };
        match parameter(schema) {
            Some(Parameter::One(artifact_type)) => {
                found.extend(reference(format!("{ROOT}.{role}"), role, artifact_type, value));
            }
            Some(Parameter::Many(artifact_type)) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                found.extend(items.iter().enumerate().filter_map(|(index, item)| {
                    reference(format!("{ROOT}.{role}.{index}"), role, artifact_type, item)
                }));
            }
            None => {}
        }
    }
    found
}

/// The parameters that take artifacts.
pub(super) fn parameters(document: &Value) -> impl Iterator<Item = (&str, Arity)> {
    properties(document).filter_map(|(name, schema)| {
        let arity = match parameter(schema)? {
            Parameter::One(_) => Arity::One,
            Parameter::Many(_) => Arity::Many,
        };
        Some((name.as_str(), arity))
    })
}

/// The artifact type whose definition `pointer` leads into.
pub(super) fn named_in_pointer(pointer: &str) -> Option<ArtifactType> {
    let name = pointer.strip_prefix("/$defs/")?.split('/').next()?;
    DEFINITIONS.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
}

fn reference(
    path: String,
    role: &str,
    artifact_type: ArtifactType,
    value: &Value,
) -> Option<ArtifactReference> {
    let generation = GenerationId(Uuid::parse_str(value.as_str()?).ok()?);
    Some(ArtifactReference { path, role: role.to_owned(), artifact_type, generation })
}

fn properties(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    document["properties"].as_object().into_iter().flatten()
}

/// Whether `schema` takes an artifact or a list of them, looking through alternatives such as null.
fn parameter(schema: &Value) -> Option<Parameter> {
    if let Some(kind) = named_by(schema) {
        return Some(Parameter::One(kind));
    }
    if let Some(kind) = schema.get("items").and_then(nullable) {
        return Some(Parameter::Many(kind));
    }
    alternatives(schema).find_map(parameter)
}

fn nullable(schema: &Value) -> Option<ArtifactType> {
    named_by(schema).or_else(|| alternatives(schema).find_map(named_by))
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten()
}

fn named_by(schema: &Value) -> Option<ArtifactType> {
    let name = defined_by(schema)?;
    DEFINITIONS.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
}

fn defined_by(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn count(value: &Value, wanted: &impl Fn(&Value) -> bool) -> usize {
    let below: usize = match value {
        Value::Array(items) => items.iter().map(|item| count(item, wanted)).sum(),
        Value::Object(members) => members.values().map(|member| count(member, wanted)).sum(),
        _ => 0,
    };
    below + usize::from(wanted(value))
}

#[cfg(test)]
mod tests {
    use super::super::InputSchema;
    use super::*;

    #[test]
    fn artifacts_are_found_alone_in_lists_and_beside_null() {
        let image = json!({"$ref": "#/$defs/ImageArtifact"});
        let schema = InputSchema::compile(json!({"properties": {
            "a_image": image,
            "b_list": {"type": "array", "items": {"$ref": "#/$defs/TextArtifact"}},
            "c_maybe": {"anyOf": [{"$ref": "#/$defs/AudioArtifact"}, {"type": "null"}]},
            "d_none": {"anyOf": [{"$ref": "#/$defs/VideoArtifact"}, {"type": "null"}]},
            "e_plain": {"type": "string"},
        }}))
        .expect("schema compiles");
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let params = schema
            .check(&json!({
                "a_image": ids[0], "b_list": [ids[1], ids[2]], "c_maybe": ids[3], "d_none": null,
                "e_plain": ids[0],
            }))
            .expect("params are right");
        let found: Vec<_> = schema
            .artifacts(&params)
            .into_iter()
            .map(|a| (a.path, a.role, a.artifact_type, a.generation.0))
            .collect();
        let row = |path: &str, role: &str, kind, id| (path.to_owned(), role.to_owned(), kind, id);
        assert_eq!(
            found,
            [
                row("inputParams.a_image", "a_image", ArtifactType::Image, ids[0]),
                row("inputParams.b_list.0", "b_list", ArtifactType::Text, ids[1]),
                row("inputParams.b_list.1", "b_list", ArtifactType::Text, ids[2]),
                row("inputParams.c_maybe", "c_maybe", ArtifactType::Audio, ids[3]),
            ]
        );
    }

    #[test]
    fn artifacts_that_would_go_unchecked_are_refused() {
        let image = json!({"$ref": "#/$defs/ImageArtifact"});
        for schema in [
            json!({"type": "object", "properties": {"image": image}}),
            json!({"anyOf": [image, {"$ref": "#/$defs/TextArtifact"}]}),
            json!({"type": "array", "items": {"type": "array", "items": image}}),
        ] {
            let result = InputSchema::compile(json!({"properties": {"a": schema}}));
            assert!(result.is_err());
        }
    }
}
