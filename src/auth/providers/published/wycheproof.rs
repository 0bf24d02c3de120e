//! The vectors of Project Wycheproof (tests/it/fixtures/wycheproof) through the reader of key sets
//! and the verifier: signatures, and key sets.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta};
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use super::{
    super::jwt::{Fault, TokenRules},
    key_set::{Found, KeySet},
};
use crate::config::{JwtAlgorithm, JwtKey, TokenType};

const SIGNATURES: &str =
    include_str!("../../../../tests/it/fixtures/wycheproof/json_web_signature_test.json");

const KEY_SETS: &str =
    include_str!("../../../../tests/it/fixtures/wycheproof/json_web_key_test.json");

/// Where the verifier rightly differs from a file: (number, its verdict, why).
type Deviation = (u64, bool, &'static str);

const SIGNATURE_DEVIATIONS: [Deviation; 8] = [
    (346, false, "PS384 by a key that names PS256 as its algorithm: a key is for the one it names"),
    (350, false, "the same"),
    (
        347,
        false,
        "ES512, which jsonwebtoken does not know; its key names an ES521 that nobody does",
    ),
    (351, false, "the same"),
    (367, true, "the very same token as 357, which is valid: the padding has been lost"),
    (370, true, "the same"),
    (372, false, "a `?` in the text, which RFC 7515, section 2, leaves no room for"),
    (373, false, "the same"),
];

const KEY_SET_DEVIATIONS: [Deviation; 4] = [
    (2, false, "two secrets in one set: an issuer has one, and it is configured, not published"),
    (7, true, "a weak key that the issuer has chosen (ROCA): a provider answers for its own keys"),
    (11, true, "47 bytes for HS384: less than 32 are refused, less than 48 warned of at the start"),
    (12, true, "63 bytes for HS512: the same with 64"),
];

/// No payload of the vectors holds claims: a signature is good when the claims are what is wrong.
fn is_well_signed(keys: &Value, token: &str) -> bool {
    let rules = TokenRules::new("test".into(), None, &[], TokenType::Any, TimeDelta::zero(), None);
    let judged = rules.header(token).and_then(|header| {
        let key = key(keys, header.key_id.as_deref(), header.algorithm).ok_or(Fault::Key)?;
        rules.judge(token, header.algorithm, &Arc::new(key), DateTime::UNIX_EPOCH)
    });
    match judged {
        Err(Fault::Claims) => true,
        Err(_) => false,
        Ok(identity) => panic!("{identity:?} from a payload without claims"),
    }
}

/// The key that the verifier would take. A secret is never published: it stands in for the one of
/// the configuration, which is the only one there and has its algorithm.
fn key(keys: &Value, id: Option<&str>, algorithm: JwtAlgorithm) -> Option<DecodingKey> {
    if !algorithm.is_symmetric() {
        let set = KeySet::read(keys.to_string().as_bytes()).expect("a key set");
        return match set.find(id, algorithm) {
            Found::Key(key) => Some(DecodingKey::clone(key)),
            Found::Nothing | Found::Several => None,
        };
    }
    match keys["keys"].as_array().expect("keys").as_slice() {
        [secret] if secret["alg"] == algorithm.as_str() => {
            let secret = URL_SAFE_NO_PAD.decode(secret["k"].as_str()?).expect("base64");
            match String::from_utf8(secret) {
                Ok(text) => JwtKey::Secret(text.into()).read(algorithm).ok(),
                Err(bytes) => Some(DecodingKey::from_secret(bytes.as_bytes())),
            }
        }
        _ => None,
    }
}

/// Runs all vectors of a file, but for those whose `reason` to differ is known, and gives their
/// count.
fn run(file: &str, keys_of: impl Fn(&Value) -> Value, deviations: &[Deviation]) -> usize {
    let vectors: Value = serde_json::from_str(file).expect("the vectors are JSON");
    let mut wrong = Vec::new();
    let mut count = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        let keys = keys_of(group);
        for test in group["tests"].as_array().expect("tests") {
            count += 1;
            let number = test["tcId"].as_u64().expect("a number");
            let deviation = deviations.iter().find(|(deviant, ..)| *deviant == number);
            let valid = test["result"] == "valid";
            let wanted = deviation.map_or(valid, |(_, verdict, _)| *verdict);
            assert!(deviation.is_none() || wanted != valid, "{number} does not deviate");
            let token = test["jws"].as_str().expect("a text");
            if is_well_signed(&keys, token) != wanted {
                wrong
                    .push(format!("{number} ({}, {valid}): {}", group["comment"], test["comment"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    count
}

#[test]
fn signatures_are_judged_as_the_vectors_say() {
    let keys_of = |group: &Value| {
        let key = group.get("public").unwrap_or(&group["private"]);
        json!({ "keys": [key] })
    };
    assert_eq!(run(SIGNATURES, keys_of, &SIGNATURE_DEVIATIONS), 401);
}

#[test]
fn key_sets_are_judged_as_the_vectors_say() {
    let keys_of = |group: &Value| group.get("public").unwrap_or(&group["private"]).clone();
    assert_eq!(run(KEY_SETS, keys_of, &KEY_SET_DEVIATIONS), 26);
}
