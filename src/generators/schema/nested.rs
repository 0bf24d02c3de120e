//! Looking into a schema beside a value: through references, and at the alternative that fits.

use serde_json::{Map, Value};

/// Deeper than this nobody looks, so that a schema that refers to itself ends.
pub(super) const MAX_DEPTH: usize = 16;

/// Follows a reference into the same document.
pub(super) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    match (schema.get("default"), target) {
        (None, Some(pointer)) => document.pointer(pointer).unwrap_or(schema),
        _ => schema,
    }
}

/// The schema that says how `value` is made up: of alternatives the one for values of its kind. Where
/// several are, nobody can say which is meant, and the alternatives themselves are given.
pub(super) fn shape<'a>(document: &'a Value, schema: &'a Value, value: &Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..MAX_DEPTH {
        schema = follow(document, schema);
        let mut fitting = ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|keyword| schema[keyword].as_array())
            .flatten()
            .filter(|alternative| is_for(follow(document, alternative), value));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => schema = only,
            _ => return schema,
        }
    }
    schema
}

/// `params` without members that objects do not list.
pub(super) fn known(document: &Value, params: &Map<String, Value>) -> Map<String, Value> {
    let mut value = Value::Object(params.clone());
    prune(document, document, &mut value, 0);
    match value {
        Value::Object(params) => params,
        _ => Map::new(),
    }
}

fn prune(document: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let schema = shape(document, schema, value);
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            let Some(listed) = schema["properties"].as_object() else { return };
            members.retain(|name, _| listed.contains_key(name));
            for (name, member) in members {
                prune(document, &listed[name], member, depth + 1);
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    prune(document, schema, item, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Follows a reference, whatever stands beside it.
fn follow<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// Whether `schema` says that it is for values of this kind.
fn is_for(schema: &Value, value: &Value) -> bool {
    let kinds: &[&str] = match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(_) => &["number", "integer"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    let is_kind = |kind: &Value| kind.as_str().is_some_and(|kind| kinds.contains(&kind));
    match &schema["type"] {
        Value::Array(several) => several.iter().any(is_kind),
        one => is_kind(one),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::InputSchema;
    use super::*;

    #[test]
    fn members_that_nobody_listed_are_dropped_at_every_level() {
        let colour = json!({"type": "object", "properties": {"r": {}, "g": {}}});
        let schema = InputSchema::compile(json!({"properties": {
            "free": {"type": "object"},
            "palette": {"anyOf": [{"$ref": "#/$defs/Palette"}, {"type": "null"}]},
        }, "$defs": {
            "Colour": colour,
            "Palette": {"type": "object", "properties": {
                "name": {}, "colours": {"type": "array", "items": {"$ref": "#/$defs/Colour"}},
            }},
        }}))
        .expect("schema compiles");
        let params = schema
            .check(&json!({
                "free": {"anything": {"x": 1}},
                "palette": {"name": "a", "hack": 1, "colours": [{"r": 1, "key": 2}, {"g": 3}]},
            }))
            .expect("params are right");
        let wanted = json!({
            "free": {"anything": {"x": 1}},
            "palette": {"name": "a", "colours": [{"r": 1}, {"g": 3}]},
        });
        assert_eq!(Value::Object(schema.known(&params)), wanted);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = InputSchema::compile(json!({"properties": {
            "node": {"$ref": "#/$defs/Node"},
        }, "$defs": {"Node": {"type": "object", "properties": {
            "size": {"default": 1}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        }}}}))
        .expect("schema compiles");
        let deep = (0..40).fold(json!({}), |inner, _| json!({"next": inner}));
        let params = schema.check(&json!({"node": deep})).expect("params are right");
        assert_eq!(params["node"]["next"]["size"], 1);
        assert_eq!(schema.known(&params)["node"]["next"]["size"], 1);
    }
}
