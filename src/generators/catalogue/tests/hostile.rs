//! Whatever a provider answers, nothing panics, and nothing grows without bound.

use std::{collections::HashMap, sync::LazyLock};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    super::{Catalogue, DeclaredOutput},
    embedded,
};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(embedded);

/// Names and texts that files look for, so that answers are not all alike.
const WORDS: [&str; 24] = [
    "url",
    "images",
    "image",
    "video",
    "audio",
    "data",
    "response",
    "resultJson",
    "result",
    "resultUrls",
    "sunoData",
    "audioUrl",
    "text",
    "output",
    "b64_json",
    "width",
    "duration",
    "content_type",
    "data:x;base64,eA==",
    "https://a.test/b.png?c=d.e",
    "{\"resultUrls\":[\"\"]}",
    "1e999",
    "",
    "\u{0}\u{202e}",
];

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(&WORDS[..]).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// All outputs that any generator finds in `answer`.
fn outputs(answer: &Value, params: &Map<String, Value>) -> Vec<DeclaredOutput> {
    let found = CATALOGUE.iter().map(|declared| {
        let input = declared.input(params, &HashMap::new());
        let count = declared.expected_outputs(params);
        assert!((1..=64).contains(&count));
        // What they say does not matter, only that they say something.
        drop(declared.uploads(&input));
        drop(declared.request(&input, &HashMap::new()));
        drop(declared.cost(&input));
        declared.outputs(&input, answer).unwrap_or_default()
    });
    found.flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_and_no_parameters_make_it_panic(answer in any_json(), params in any_json()) {
        let params = params.as_object().cloned().unwrap_or_default();
        for output in outputs(&answer, &params) {
            prop_assert!(output.position < 64);
            let plain = |fact: &Value| fact.is_number() || fact.as_str().is_some_and(|it| it.len() <= 60);
            prop_assert!(output.facts.values().all(plain));
        }
    }

    #[test]
    fn no_text_makes_reading_a_file_panic(text in ".*", place in 0..1_000_usize) {
        let mut file = super::RIGHT.to_owned();
        let place = (0..=place.min(file.len())).rev().find(|at| file.is_char_boundary(*at));
        file.insert_str(place.unwrap_or_default(), &text);
        drop(super::Declaration::read("test.yaml", &file, &super::PROVIDERS));
    }
}

#[test]
fn parameters_that_nobody_checked_do_no_harm() {
    // The worker passes what was checked when the generation was created; files may have changed since.
    let params =
        json!({"num_images": "four", "duration": [], "video": {"duration": {}}, "seed": 1e300});
    let answer = json!({"images": [{"url": 5}], "video": "http://", "audio": {"url": []}});
    assert!(outputs(&answer, params.as_object().expect("object")).is_empty());
}

#[test]
fn outputs_without_number_are_cut_off() {
    let images: Vec<Value> =
        (0..10_000).map(|n| json!({"url": format!("https://a.test/{n}")})).collect();
    let declared = CATALOGUE.get("fal-flux-2").expect("fal-flux-2");
    let input = declared.input(&Map::new(), &HashMap::new());
    let outputs = declared.outputs(&input, &json!({"images": images})).expect("outputs");
    assert_eq!(outputs.len(), 64);
}

#[test]
fn an_address_without_end_is_none() {
    let declared = CATALOGUE.get("fal-flux-2").expect("fal-flux-2");
    let input = declared.input(&Map::new(), &HashMap::new());
    let long = format!("https://a.test/{}", "x".repeat(10_000));
    let error = declared.outputs(&input, &json!({"images": [long]})).expect_err("refused");
    assert!(error.contains("at an address that is none") && error.len() < 100, "{error}");
}

#[test]
fn json_in_a_text_is_not_read_too_deep() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let declared = CATALOGUE.get("kie-nano-banana-edit").expect("kie-nano-banana-edit");
    let input = declared.input(&Map::new(), &HashMap::new());
    let answer = json!({"data": {"resultJson": deep}});
    assert!(declared.outputs(&input, &answer).is_err());
}
