//! Each kind of rule by itself.

use std::collections::HashMap;

use rstest::rstest;
use serde_json::json;
use uuid::Uuid;

use super::{
    super::{DeclaredContent, DeclaredRequest},
    *,
};
use crate::domain::GenerationId;

/// The text of a file with these properties of the input, request and response.
fn file(properties: &Value, request: &Value, response: &Value) -> String {
    let mut input = properties.clone();
    for (_, schema) in input.as_object_mut().expect("properties") {
        schema["description"] = "Described well enough.".into();
    }
    json!({
        "name": "test", "description": "Makes something.", "artifact_type": "image",
        "provider": "fal", "endpoint": {"model": "usual"}, "input": {"properties": input},
        "request": request, "response": response, "batch": {"count": 1},
    })
    .to_string()
}

fn response() -> Value {
    json!({"items": ["$.images[*]"]})
}

fn id(number: u128) -> GenerationId {
    GenerationId(Uuid::from_u128(number))
}

/// The request of a file with these properties and this request, for these parameters.
fn requested(properties: &Value, request: &Value, params: &Value) -> DeclaredRequest {
    let declaration = declared(&file(properties, request, &response()));
    let input = declaration.input(&filled(&declaration, params), &HashMap::new());
    let uploads = declaration.uploads(&input);
    let urls = uploads.iter().map(|id| (*id, format!("up:{}", id.0.as_u128()))).collect();
    declaration.request(&input, &urls).expect("request")
}

#[rstest]
#[case(json!("a"), json!({"a": 1}), json!({"a": 1}))]
#[case(json!({"from": "a", "to": "b"}), json!({"a": null}), json!({"b": null}))]
#[case(json!("a"), json!({}), json!({}))]
#[case(json!({"from": "a", "omit": "if_null"}), json!({"a": null}), json!({}))]
#[case(json!({"from": "a", "omit": "if_null"}), json!({"a": ""}), json!({"a": ""}))]
#[case(json!({"from": "a", "omit": "if_empty"}), json!({"a": ""}), json!({}))]
#[case(json!({"from": "a", "omit": "if_empty"}), json!({"a": []}), json!({}))]
#[case(json!({"from": "a", "omit": "if_empty"}), json!({"a": false}), json!({"a": false}))]
#[case(json!({"from": "a", "omit_values": [".", 5]}), json!({"a": "."}), json!({}))]
#[case(json!({"from": "a", "omit_values": [".", 5]}), json!({"a": 6}), json!({"a": 6}))]
#[case(
    json!({"from": "a", "drop_nulls": true}),
    json!({"a": {"x": null, "y": [{"z": null, "w": 0}, null]}}),
    json!({"a": {"y": [{"w": 0}, null]}})
)]
#[case(json!({"from": "a", "when": {"==": [{"var": "input.a"}, 1]}}), json!({"a": 1}), json!({"a": 1}))]
#[case(json!({"from": "a", "when": {"==": [{"var": "input.a"}, 1]}}), json!({"a": 2}), json!({}))]
fn fields_come_of_parameters(#[case] field: Value, #[case] params: Value, #[case] body: Value) {
    let request = requested(&json!({"a": {}}), &json!({"fields": [field]}), &params);
    assert_eq!(request.body, body);
}

#[test]
fn fields_are_constant_or_computed() {
    let fields = json!([
        {"to": "c", "const": null}, {"to": "d", "const": {"var": "as it is"}},
        {"to": "e", "value": {"or": [{"var": "input.a"}, "nothing"]}},
        {"to": "f", "value": {"var": "input.a"}, "omit": "if_null"},
    ]);
    let request = requested(&json!({"a": {}}), &json!({"fields": fields}), &json!({"a": null}));
    let wanted = json!({"c": null, "d": {"var": "as it is"}, "e": "nothing"});
    assert_eq!(request.body, wanted);
}

#[test]
fn model_and_parameters_go_where_the_file_says() {
    let properties = json!({"a": {}});
    let usual = json!({"fields": ["a"], "model_at": "model", "params_at": "input"});
    let request = requested(&properties, &usual, &json!({"a": 1}));
    assert_eq!(request.body, json!({"model": "usual", "input": {"a": 1}}));
    assert_eq!(request.model, None);
    let chosen = json!({"fields": [], "model_at": "m", "model": {"var": "input.a"}});
    let request = requested(&properties, &chosen, &json!({"a": "mine"}));
    assert_eq!(request.body, json!({"m": "mine"}));
    assert_eq!(request.model.as_deref(), Some("mine"));
    let declaration = declared(&file(&properties, &chosen, &response()));
    let input = declaration.input(&filled(&declaration, &json!({"a": 5})), &HashMap::new());
    assert!(declaration.request(&input, &HashMap::new()).is_err(), "a model is a text");
}

#[test]
fn artifacts_are_sent_as_addresses_or_files() {
    let one =
        json!({"anyOf": [{"$ref": "#/$defs/ImageArtifact"}, {"type": "null"}], "default": null});
    let many = json!({"type": "array", "items": {"$ref": "#/$defs/AudioArtifact"}, "default": []});
    let properties = json!({"one": one, "many": many, "file": one, "first": many});
    let fields = json!({"fields": [
        {"from": "one", "to": "a", "upload": "one"},
        {"from": "many", "to": "b", "upload": "many"},
        {"from": "first", "to": "c", "upload": "first", "omit": "if_empty"},
        {"from": "file", "to": "d", "upload": "multipart"},
    ]});
    let [one, two, three] = [1, 2, 3].map(|number| Value::from(id(number).0.to_string()));
    let params = json!({"one": one, "many": [two, one, two], "first": [three, two], "file": three});
    let request = requested(&properties, &fields, &params);
    assert_eq!(request.body, json!({"a": "up:1", "b": ["up:2", "up:1", "up:2"], "c": "up:3"}));
    let files: Vec<_> =
        request.files.iter().map(|file| (file.field.as_str(), file.generation)).collect();
    assert_eq!(files, [("d", id(3))]);
    let request = requested(&properties, &fields, &json!({}));
    assert_eq!(request.body, json!({"a": null, "b": []}));

    let declaration = declared(&file(&properties, &fields, &response()));
    let input = declaration.input(&filled(&declaration, &params), &HashMap::new());
    assert_eq!(declaration.uploads(&input), [id(1), id(2), id(3)]);
    let error = declaration.request(&input, &HashMap::new()).expect_err("nothing is uploaded");
    assert!(error.contains("not handed to the provider"), "{error}");
}

#[test]
fn an_artifact_that_is_not_sent_is_not_uploaded() {
    let properties =
        json!({"image": {"$ref": "#/$defs/ImageArtifact"}, "use": {"type": "boolean"}});
    let fields = json!({"fields": [
        {"from": "image", "upload": "one", "when": {"var": "input.use"}},
    ]});
    let declaration = declared(&file(&properties, &fields, &response()));
    for (wanted, uses) in [(vec![id(1)], true), (vec![], false)] {
        let params = filled(&declaration, &json!({"image": id(1).0, "use": uses}));
        assert_eq!(declaration.uploads(&declaration.input(&params, &HashMap::new())), wanted);
    }
}

#[test]
fn one_of_a_group_must_be_there() {
    let request = json!({"fields": ["a", "b"], "require_any": [["a", "b"]]});
    let declaration = declared(&file(&json!({"a": {}, "b": {}}), &request, &response()));
    let result = |params: Value| {
        let input = declaration.input(&filled(&declaration, &params), &HashMap::new());
        declaration.request(&input, &HashMap::new())
    };
    assert!(result(json!({"b": 0})).is_ok());
    let error = result(json!({"a": null})).expect_err("neither");
    assert_eq!(error, "one of a, b is required");
}

/// The outputs for `answer` of a file with this response: position, content and facts of each.
fn outputs(response: &Value, answer: &Value) -> Result<Vec<(usize, String, Value)>, String> {
    let mut text = file(&json!({}), &json!({"fields": []}), response);
    if response["text"].is_string() {
        text = text.replace("\"image\"", "\"text\"");
    }
    let declaration = declared(&text);
    let input = declaration.input(&serde_json::Map::new(), &HashMap::new());
    let outputs = declaration.outputs(&input, answer)?;
    let described = outputs.into_iter().map(|output| {
        let content = match output.content {
            DeclaredContent::Url(url) => url.to_string(),
            DeclaredContent::Text(text) => format!("text {text}"),
            DeclaredContent::Bytes(bytes) => format!("bytes {}", String::from_utf8_lossy(&bytes)),
        };
        (output.position, content, Value::Object(output.facts))
    });
    Ok(described.collect())
}

#[rstest]
#[case(json!({"items": ["$.a"]}), json!({"a": "http://x/1"}), &[(0, "http://x/1")])]
#[case(json!({"items": ["$.a"]}), json!({"a": {"url": "http://x/1"}}), &[(0, "http://x/1")])]
#[case(json!({"items": ["$.a"], "url": "b.c"}), json!({"a": {"b": {"c": "http://x/1"}}}), &[(0, "http://x/1")])]
#[case(json!({"items": ["$.a", "$.a[*]"]}), json!({"a": ["http://x/1", "http://x/2"]}), &[(0, "http://x/1"), (1, "http://x/2")])]
#[case(json!({"items": ["$.a[*]", "$.b"]}), json!({"a": [], "b": "http://x/1"}), &[(0, "http://x/1")])]
#[case(json!({"items": ["$"], "text": "t"}), json!({"t": ""}), &[(0, "text ")])]
#[case(json!({"items": ["$.c[*]"], "text": "m.t"}), json!({"c": [{"m": {"t": "x"}}]}), &[(0, "text x")])]
#[case(json!({"items": ["$.a[*]"], "base64": "b"}), json!({"a": [{"b": "eA=="}, {"url": "http://x/1"}]}), &[(0, "bytes x"), (1, "http://x/1")])]
#[case(json!({"items": ["$.a"]}), json!({"a": "data:image/png;base64,eA=="}), &[(0, "bytes x")])]
#[case(json!({"items": ["$.a[*]"], "skip_missing": true}), json!({"a": [{}, "http://x/1", null]}), &[(1, "http://x/1")])]
#[case(
    json!({"payload": [{"path": "$.j", "json": true}, {"path": "$.r"}], "items": ["$.a"]}),
    json!({"j": "{\"a\": \"http://x/1\"}", "r": {"a": "http://x/2"}}), &[(0, "http://x/1")]
)]
#[case(
    json!({"payload": [{"path": "$.j", "json": true}, {"path": "$.r"}], "items": ["$.a"]}),
    json!({"j": "{}", "r": {"a": "http://x/2"}}), &[(0, "http://x/2")]
)]
#[case(
    json!({"payload": [{"path": "$.j", "json": true}], "items": ["$.a"]}),
    json!({"j": {"a": "http://x/1"}}), &[(0, "http://x/1")]
)]
fn outputs_are_found(
    #[case] response: Value,
    #[case] answer: Value,
    #[case] wanted: &[(usize, &str)],
) {
    let found = outputs(&response, &answer).expect("outputs");
    let found: Vec<_> = found.iter().map(|(at, content, _)| (*at, content.as_str())).collect();
    assert_eq!(found, wanted);
}

#[rstest]
#[case(json!({}), "without an output")]
#[case(json!({"images": []}), "without an output")]
#[case(json!({"images": [{"width": 5}]}), "no file for output 1")]
#[case(json!({"images": ["http://x/1", ""]}), "no file for output 2")]
#[case(json!({"images": ["file:///etc/passwd"]}), "at an address that is none")]
#[case(json!({"images": ["javascript:alert(1)"]}), "at an address that is none")]
#[case(json!({"images": ["http://"]}), "at an address that is none")]
#[case(json!({"images": ["data:image/png,abc"]}), "not in a form that can be read")]
#[case(json!({"images": ["data:image/png;base64,%%"]}), "not in a form that can be read")]
fn what_an_answer_lacks_is_said(#[case] answer: Value, #[case] reason: &str) {
    let error = outputs(&response(), &answer).expect_err("no outputs");
    assert!(error.contains(reason), "{error}");
}

#[test]
fn an_answer_without_what_holds_the_outputs_is_no_result() {
    let response = json!({"payload": [{"path": "$.j", "json": true}], "items": ["$.a"]});
    for answer in [json!({}), json!({"j": "{"}), json!({"j": "null"}), json!({"j": ""})] {
        let error = outputs(&response, &answer).expect_err("no result");
        assert!(error.contains("without a result"), "{error}");
    }
}

#[test]
fn facts_are_what_can_be_known() {
    let response = json!({"items": ["$.images[*]"], "facts": {
        "format": {"var": "item.f"}, "width": {"var": "item.w"}, "fps": {"var": "result.fps"},
        "duration": {"len": {"var": "url"}},
    }});
    let long = "x".repeat(100);
    let answer = json!({"fps": 29.5, "images": [
        {"url": "http://x/1", "f": "png", "w": 0},
        {"url": "http://x/1", "f": "", "w": -5},
        {"url": "http://x/1", "f": 5, "w": "640"},
        {"url": "http://x/1", "f": long, "w": {"a": [1]}},
    ]});
    let found = outputs(&response, &answer).expect("outputs");
    let facts: Vec<_> = found.into_iter().map(|(_, _, facts)| facts).collect();
    let known = json!({"fps": 29.5, "duration": 10});
    let first = json!({"format": "png", "width": 0, "fps": 29.5, "duration": 10});
    assert_eq!(facts, [first, known.clone(), known.clone(), known]);
}

#[test]
fn without_a_batch_the_first_output_counts() {
    let text = changed("batch:\n  count: count\n", "");
    let declaration = declared(&text);
    let params = filled(&declaration, &json!({"prompt": "a", "count": 3}));
    assert_eq!(declaration.expected_outputs(&params), 1);
    let input = declaration.input(&params, &HashMap::new());
    let answer = json!({"images": ["http://x/1", "http://x/2"]});
    assert_eq!(declaration.outputs(&input, &answer).expect("outputs").len(), 1);
}

#[test]
fn a_batch_has_as_many_outputs_as_are_asked_for() {
    let declaration = declared(RIGHT);
    for (count, wanted) in [(json!(3), 3), (json!(0), 1), (json!(-1), 1), (json!(1_000_000), 64)] {
        let params = filled(&declaration, &json!({"prompt": "a", "count": count}));
        assert_eq!(declaration.expected_outputs(&params), wanted);
    }
}

#[test]
fn what_artifacts_are_is_known_to_expressions() {
    let text = changed(
        "{\"*\": [0.5, {var: input.count}]}",
        "{\"*\": [0.5, {var: input.picture.duration}]}",
    );
    let declaration = declared(&text);
    let params = filled(&declaration, &json!({"prompt": "a", "picture": id(1).0}));
    let cost = |facts: Value| {
        let facts = facts.as_object().cloned().expect("facts");
        let input = declaration.input(&params, &HashMap::from([(id(1), facts)]));
        declaration.cost(&input).map(|cost| cost.usd.to_string())
    };
    assert_eq!(cost(json!({"duration": 2.5})).as_deref(), Some("1.25"));
    assert_eq!(cost(json!({"duration": null})), None);
    assert_eq!(cost(json!({})), None);
    assert_eq!(cost(json!({"duration": -1})), None);
    assert_eq!(cost(json!({"duration": 1e300})), None);
    assert_eq!(cost(json!({"duration": 0.000_001})).as_deref(), Some("0.000001"));
}
