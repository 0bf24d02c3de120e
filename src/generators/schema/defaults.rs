//! Default values: checked when a schema is compiled, filled in when parameters are accepted.

use serde_json::{Map, Value, json};

use super::{
    compile,
    nested::{MAX_DEPTH, resolve, shape},
};

/// Fills in missing members that have a default, also inside objects and lists, and writes whole
/// numbers that came as `512.0` as integers.
pub(super) fn fill(document: &Value, value: &mut Value) {
    fill_below(document, document, value, 0);
}

fn fill_below(document: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let schema = shape(document, schema, value);
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(members) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = resolve(document, schema).get("default") {
                    members.entry(name).or_insert_with(|| default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill_below(document, schema, member, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill_below(document, schema, item, depth + 1);
                }
            }
        }
        Value::Number(number) if number.is_f64() && schema["type"] == "integer" => {
            if let Some(whole) = number.as_f64().and_then(whole) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// Refuses a default that its own schema would not accept, wherever it stands.
pub(super) fn refuse_invalid(document: &Value) -> Result<(), String> {
    let mut found = Vec::new();
    collect(document, &mut found);
    if found.is_empty() {
        return Ok(());
    }
    // One schema for all of them, since to compile one takes long.
    let place = |index: usize| index.to_string();
    let schemas = found.iter().enumerate().map(|(at, (_, schema))| (place(at), (*schema).clone()));
    let mut all = json!({"properties": schemas.collect::<Map<_, _>>()});
    if let Some(definitions) = document.get("$defs") {
        all["$defs"] = definitions.clone();
    }
    let defaults =
        found.iter().enumerate().map(|(at, (_, schema))| (place(at), schema["default"].clone()));
    let defaults = Value::Object(defaults.collect());
    let Some(error) = compile(&all)?.iter_errors(&defaults).next().map(|error| {
        let path = error.instance_path().to_string();
        path.split('/').nth(1).and_then(|at| at.parse::<usize>().ok())
    }) else {
        return Ok(());
    };
    let name = error.and_then(|at| found.get(at)).map_or("a parameter", |(name, _)| name);
    Err(format!("the default of {name} does not satisfy its schema"))
}

/// Every property that has a default, with its name.
fn collect<'a>(schema: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match schema {
        Value::Object(members) => {
            for (keyword, member) in members {
                match (keyword.as_str(), member) {
                    ("properties", Value::Object(properties)) => {
                        for (name, property) in properties {
                            if property.get("default").is_some() {
                                found.push((name, property));
                            }
                            collect(property, found);
                        }
                    }
                    ("default" | "enum" | "const" | "examples", _) => {}
                    _ => collect(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The integer that `number` is, when a double holds it exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::super::InputSchema;
    use super::*;

    #[test]
    fn defaults_are_filled_in_at_every_level() {
        let schema = InputSchema::compile(json!({"properties": {
            "size": {"type": "integer", "default": 512},
            "border": {"type": "object", "properties": {"width": {"default": 1}}},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}},
            "frame": {"type": "object", "default": {}, "properties": {"colour": {"default": "red"}}},
        }, "$defs": {"Step": {"type": "object", "properties": {"by": {"default": 2}}}}}))
        .expect("schema compiles");
        let given = json!({"border": {}, "steps": [{}, {"by": 3}]});
        let filled = schema.check(&given).expect("params are right");
        let wanted = json!({
            "size": 512, "border": {"width": 1}, "steps": [{"by": 2}, {"by": 3}],
            "frame": {"colour": "red"},
        });
        assert_eq!(Value::Object(filled), wanted);
        let nothing = schema.check(&json!({})).expect("params are right");
        assert_eq!(Value::Object(nothing), json!({"size": 512, "frame": {"colour": "red"}}));
    }

    #[test]
    fn whole_numbers_become_integers_and_null_stays() {
        let schema = InputSchema::compile(json!({"properties": {
            "size": {"type": "integer"}, "seed": {"type": ["integer", "null"], "default": 5},
        }}))
        .expect("schema compiles");
        let filled = schema.check(&json!({"size": 64.0, "seed": null})).expect("params are right");
        assert_eq!(filled["size"].as_u64(), Some(64));
        assert_eq!(filled["seed"], Value::Null);
    }

    #[test]
    fn defaults_of_the_alternative_that_fits_are_filled_in() {
        let size = json!({"type": "object", "properties": {
            "width": {"type": "integer", "default": 512}, "height": {"default": 512},
        }});
        let schema = InputSchema::compile(json!({"properties": {
            "size": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Size"}, {"type": "null"}]},
            "steps": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Size"}}, {"type": "null"}]},
            "either": {"oneOf": [
                {"type": "object", "properties": {"a": {"default": 1}}},
                {"type": "object", "properties": {"b": {"default": 2}}, "required": ["c"]},
            ]},
        }, "$defs": {"Size": size}}))
        .expect("schema compiles");
        let given = json!({"size": {"width": 64.0}, "steps": [{}], "either": {}});
        let filled = schema.check(&given).expect("params are right");
        let wanted = json!({
            "size": {"width": 64, "height": 512}, "steps": [{"width": 512, "height": 512}], "either": {},
        });
        assert_eq!(Value::Object(filled), wanted);
        let given = json!({"size": "square", "steps": null});
        let filled = schema.check(&given).expect("params are right");
        assert_eq!(Value::Object(filled), given);
    }

    #[test]
    fn nested_defaults_are_checked_too() {
        let schema = json!({"properties": {"size": {"$ref": "#/$defs/Size"}},
            "$defs": {"Size": {"properties": {"width": {"maximum": 10, "default": 11}}}}});
        let error = InputSchema::compile(schema).err().expect("refused");
        assert!(error.contains("width"), "{error}");
    }

    #[test]
    fn a_default_that_breaks_its_schema_is_refused() {
        let schema = json!({"properties": {"size": {"maximum": 10, "default": 11}}});
        let error = InputSchema::compile(schema).err().expect("refused");
        assert!(error.contains("size"));
    }
}
