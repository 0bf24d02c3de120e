//! Default values: checked when a schema is compiled, filled in when parameters are accepted.

use serde_json::{Value, json};

use super::compile;

/// Deeper than this nothing is filled in, so that a schema that refers to itself ends.
const MAX_DEPTH: usize = 16;

/// Fills in missing members that have a default, also inside objects and lists, and writes whole
/// numbers that came as `512.0` as integers.
pub(super) fn fill(document: &Value, value: &mut Value) {
    fill_below(document, document, value, 0);
}

fn fill_below(document: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let schema = resolve(document, schema);
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

/// Refuses a default that its own schema would not accept.
pub(super) fn refuse_invalid(document: &Value) -> Result<(), String> {
    for (name, schema) in document["properties"].as_object().into_iter().flatten() {
        let Some(default) = schema.get("default") else { continue };
        let alone = json!({"$defs": document["$defs"].as_object(), "properties": {name: schema}});
        let alone = match document.get("$defs") {
            Some(_) => alone,
            None => json!({"properties": {name: schema}}),
        };
        if !compile(&alone)?.is_valid(&json!({name: default})) {
            return Err(format!("the default of {name} does not satisfy its schema"));
        }
    }
    Ok(())
}

/// Follows a reference into the same document.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    match (schema.get("default"), target) {
        (None, Some(pointer)) => document.pointer(pointer).unwrap_or(schema),
        _ => schema,
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
    fn a_default_that_breaks_its_schema_is_refused() {
        let schema = json!({"properties": {"size": {"maximum": 10, "default": 11}}});
        let error = InputSchema::compile(schema).err().expect("refused");
        assert!(error.contains("size"));
    }
}
