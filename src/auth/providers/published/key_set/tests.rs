//! Which keys of a set are kept, and for which algorithms.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::auth::providers::jwt::testing::Issuer;

fn set(keys: &Value) -> KeySet {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
}

/// A key of this algorithm, changed by `changes`, where null takes a member away.
fn key(algorithm: JwtAlgorithm, changes: &Value) -> Value {
    let mut key = Issuer::new(algorithm).jwk("a");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(key.as_object_mut().expect("an object").remove(name)),
            value => key[name] = value.clone(),
        }
    }
    key
}

fn finds(set: &KeySet, id: Option<&str>, algorithm: JwtAlgorithm) -> bool {
    matches!(set.find(id, algorithm), Found::Key(_))
}

#[test]
fn a_key_is_for_the_one_algorithm_that_it_names() {
    for own in JwtAlgorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        let set = set(&json!([key(own, &json!({}))]));
        for algorithm in JwtAlgorithm::ALL {
            assert_eq!(finds(&set, Some("a"), algorithm), algorithm == own, "{own} {algorithm}");
        }
    }
}

#[test]
fn a_key_that_names_none_is_for_those_of_its_type() {
    for own in JwtAlgorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        let set = set(&json!([key(own, &json!({ "alg": null }))]));
        for algorithm in JwtAlgorithm::ALL {
            let fits = algorithm.key_shape() == own.key_shape();
            assert_eq!(finds(&set, Some("a"), algorithm), fits, "{own} {algorithm}");
        }
    }
}

#[test]
fn without_an_id_there_must_be_one_key_that_fits() {
    let (rs256, es256) = (JwtAlgorithm::Rs256, JwtAlgorithm::Es256);
    let mixed = set(&json!([key(rs256, &json!({})), key(es256, &json!({ "kid": "b" }))]));
    assert!(finds(&mixed, None, rs256) && finds(&mixed, None, es256));
    assert!(!finds(&mixed, None, JwtAlgorithm::EdDsa));
    assert!(finds(&mixed, Some("b"), es256) && !finds(&mixed, Some("a"), es256));
    let two = set(&json!([key(es256, &json!({})), key(es256, &json!({ "kid": "b" }))]));
    assert!(matches!(two.find(None, es256), Found::Several));
    let same = set(&json!([key(es256, &json!({})), key(es256, &json!({}))]));
    assert!(matches!(same.find(Some("a"), es256), Found::Several), "one id, two keys");
    let nameless = set(&json!([key(es256, &json!({ "kid": null }))]));
    assert!(finds(&nameless, None, es256) && !finds(&nameless, Some("a"), es256));
}

#[rstest]
#[case::encryption(json!({ "use": "enc" }))]
#[case::other_use(json!({ "use": ["sig"] }))]
#[case::signing_alone(json!({ "use": null, "key_ops": ["sign"] }))]
#[case::no_operation(json!({ "key_ops": [] }))]
#[case::operations_as_text(json!({ "key_ops": "verify" }))]
#[case::other_algorithm(json!({ "alg": "ES256" }))]
#[case::encryption_algorithm(json!({ "alg": "RSA-OAEP" }))]
#[case::symmetric_algorithm(json!({ "alg": "HS256" }))]
#[case::no_signature(json!({ "alg": "none" }))]
#[case::other_case(json!({ "alg": "rs256" }))]
#[case::algorithm_as_list(json!({ "alg": ["RS256"] }))]
#[case::other_type(json!({ "kty": "EC" }))]
#[case::type_in_small(json!({ "kty": "rsa" }))]
#[case::no_type(json!({ "kty": null }))]
#[case::a_curve(json!({ "crv": "P-256" }))]
#[case::private(json!({ "d": "AQAB" }))]
#[case::private_prime(json!({ "p": "AQAB" }))]
#[case::secret(json!({ "k": "AQAB" }))]
#[case::id_as_number(json!({ "kid": 7 }))]
#[case::small(json!({ "n": "rJBIp6T1YK-RtPyvYqFFlcucqewSAA_IReSFchE8qyiQrbARqRlXWkB2DR8j_pJQnIpYELbQWZC5Cd0PTGAU8rMbar2AW6zpmBbi7aQf17lUBdt8XI9M9rq7FPVQ1dDdUXm1SVH_9qqWhvMPR422SbfHBEzCAtzK0ANDRo6qz78" }))]
#[case::padded(json!({ "e": "AQAB==" }))]
#[case::exponent_one(json!({ "e": "AQ" }))]
#[case::exponent_zero(json!({ "e": "AA" }))]
#[case::even_exponent(json!({ "e": "AQAA" }))]
#[case::huge_exponent(json!({ "e": "AQAAAAAB" }))]
#[case::no_exponent(json!({ "e": null }))]
#[case::no_modulus(json!({ "n": null }))]
fn rsa_keys_that_are_left_out(#[case] changes: Value) {
    assert_eq!(set(&json!([key(JwtAlgorithm::Rs256, &json!({}))])).len(), 1);
    assert_eq!(set(&json!([key(JwtAlgorithm::Rs256, &changes)])).len(), 0);
}

#[test]
fn a_modulus_of_more_than_8192_bits_is_left_out() {
    let n = URL_SAFE_NO_PAD.encode([&[0xff], vec![0xff; 1024].as_slice()].concat());
    assert_eq!(set(&json!([key(JwtAlgorithm::Rs256, &json!({ "n": n }))])).len(), 0);
}

#[rstest]
#[case::es256(JwtAlgorithm::Es256)]
#[case::es384(JwtAlgorithm::Es384)]
#[case::eddsa(JwtAlgorithm::EdDsa)]
fn points_that_are_left_out(#[case] algorithm: JwtAlgorithm) {
    let count = |changes: Value| set(&json!([key(algorithm, &changes)])).len();
    assert_eq!(count(json!({})), 1);
    assert_eq!(count(json!({ "use": null, "key_ops": ["verify", "sign"] })), 1);
    for curve in ["P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448", "X25519"] {
        let own = key(algorithm, &json!({}))["crv"] == curve;
        assert_eq!(count(json!({ "alg": null, "crv": curve })), usize::from(own), "{curve}");
    }
    for x in ["", "AAAA", "AQAB", "not base64!"] {
        assert_eq!(count(json!({ "x": x })), 0, "{x}");
    }
    if algorithm != JwtAlgorithm::EdDsa {
        let other = key(algorithm, &json!({}))["y"].clone();
        assert_eq!(count(json!({ "y": other })), 0, "off the curve");
    }
    assert_eq!(count(json!({ "kty": "oct", "k": "AAAA" })), 0);
}

#[rstest]
#[case("")]
#[case("[]")]
#[case("null")]
#[case("{}")]
#[case(r#"{"keys":{}}"#)]
#[case(r#"{"keys":null}"#)]
#[case(r#"{"keys":["a"]}"#)]
#[case(r#"{"keys":[[]]}"#)]
#[case(r#"{"keys":[],"keys":[]}"#)]
#[case(r#"{"keys":[]} and more"#)]
fn what_is_no_key_set(#[case] json: &str) {
    assert!(KeySet::read(json.as_bytes()).is_err());
}

#[test]
fn one_bad_key_does_not_spoil_the_others() {
    let good = key(JwtAlgorithm::Es256, &json!({ "x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"] }));
    let secret = json!({ "kty": "oct", "alg": "HS256", "k": "AAAA", "kid": "a" });
    let set = set(&json!([{}, secret, good, { "kty": "new" }]));
    assert_eq!(set.len(), 1);
    assert!(finds(&set, Some("a"), JwtAlgorithm::Es256));
    assert!(!finds(&set, Some("a"), JwtAlgorithm::Hs256));
}
