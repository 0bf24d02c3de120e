//! The signature vectors of Project Wycheproof (tests/it/fixtures/wycheproof) through the verifier.

use chrono::{DateTime, TimeDelta};
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use serde_json::Value;

use super::{JwtAlgorithm, fault::Fault, rules::TokenRules};

const VECTORS: &str =
    include_str!("../../../../tests/it/fixtures/wycheproof/json_web_signature_test.json");

/// Where the verifier rightly differs from the file: (number, its verdict).
const DEVIATIONS: [(u64, bool); 4] = [
    // The very same token as number 357, which is valid: the padding has been lost.
    (367, true),
    (370, true),
    // A `?` in the text, which some libraries skip. RFC 7515, section 2, leaves no room for it.
    (372, false),
    (373, false),
];

/// No payload of the vectors holds claims: a signature is good when the claims are what is wrong.
fn is_well_signed(rules: &TokenRules, key: &DecodingKey, token: &str) -> bool {
    match rules.judge(token, key, DateTime::UNIX_EPOCH) {
        Err(Fault::Claims) => true,
        Err(_) => false,
        Ok(identity) => panic!("{identity:?} from a payload without claims"),
    }
}

/// The key of a group and its algorithm, where it is one of ours and the key is for signatures.
fn key_of(group: &Value) -> Option<(JwtAlgorithm, DecodingKey)> {
    let key = group.get("public").unwrap_or(&group["private"]);
    let algorithm = key["alg"].as_str()?.parse().ok()?;
    let key: Jwk = serde_json::from_value(key.clone()).expect("a JSON Web Key");
    Some((algorithm, DecodingKey::from_jwk(&key).expect("a key")))
}

#[test]
fn signatures_are_judged_as_the_vectors_say() {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let mut count = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        let Some((algorithm, key)) = key_of(group) else { continue };
        let rules = TokenRules::new("jwt".into(), algorithm, None, &[], TimeDelta::zero(), None);
        for test in group["tests"].as_array().expect("tests") {
            count += 1;
            let number = test["tcId"].as_u64().expect("a number");
            let deviation = DEVIATIONS.iter().find(|(deviant, _)| *deviant == number);
            let valid = deviation.map_or(test["result"] == "valid", |(_, valid)| *valid);
            let token = test["jws"].as_str().expect("a text");
            assert_eq!(is_well_signed(&rules, &key, token), valid, "{number}: {}", test["comment"]);
        }
    }
    assert_eq!(count, 312);
}
