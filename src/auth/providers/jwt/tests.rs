//! Good tokens of every algorithm, and every fault that a token can have.

use std::time::Duration;

use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::EncodingKey;
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    JwtAlgorithm, JwtKey, JwtKeyError, JwtSettings, JwtSettingsError, JwtVerifier, TokenVerifier,
    fault::Fault,
    testing::{Issuer, SECRET, ec_pair, pem},
};
use crate::error::Error;

const NOW: i64 = 1_800_000_000;
const NOW_F: f64 = 1_800_000_000.0;

/// 1024 bits, of a private key that nobody kept.
const SHORT_RSA_KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDJQ3j3i9+TzLPExMcetBbO3pxr
l2RBnZNLs2MdWdHe7GKRxr7WdNBqRncloKgy7lcPUSXouNXt9mMjqdlG+X7do0Lc
HvdE+TBYEX6NULU0tCiKN9HR2iComRBP2MRwr21W3nYnXzhtoBMlekOEykwN/uVA
/gObYQIwJeZ4jsuMkQIDAQAB
-----END PUBLIC KEY-----
";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_secs(NOW).expect("a date")
}

fn hmac() -> Issuer {
    Issuer::new(JwtAlgorithm::Hs256)
}

/// The claims of a good token, changed by `changes`, where null takes a claim away.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({ "sub": "ada", "exp": NOW + 60 });
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// What a verifier without issuer and audience finds wrong.
fn fault_of(token: &str) -> Option<Fault> {
    hmac().verifier().judge(token, now()).err()
}

fn fault_with(settings: JwtSettings, token: &str) -> Option<Fault> {
    JwtVerifier::new(settings).expect("the settings are good").judge(token, now()).err()
}

#[rstest]
fn good_tokens_of_every_algorithm(
    #[values(
        JwtAlgorithm::Hs256,
        JwtAlgorithm::Hs384,
        JwtAlgorithm::Hs512,
        JwtAlgorithm::Rs256,
        JwtAlgorithm::Rs384,
        JwtAlgorithm::Rs512,
        JwtAlgorithm::Ps256,
        JwtAlgorithm::Ps384,
        JwtAlgorithm::Ps512,
        JwtAlgorithm::Es256,
        JwtAlgorithm::Es384,
        JwtAlgorithm::EdDsa
    )]
    algorithm: JwtAlgorithm,
) {
    let issuer = Issuer::new(algorithm);
    let token = issuer.token(&claims(&json!({ "org": "acme" })));
    let identity = issuer.verifier().judge(&token, now()).expect("a good token");
    assert_eq!((&*identity.provider, identity.subject.as_str()), ("jwt", "ada"));
    assert_eq!(identity.tenant.as_deref(), Some("acme"));
    assert_eq!(identity.expires_at, Some(now() + TimeDelta::seconds(90)));

    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    signature[7] ^= 1;
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(issuer.verifier().judge(&forged, now()), Err(Fault::Signature));
}

#[tokio::test]
async fn clients_learn_no_reason() {
    let verifier = hmac().verifier();
    for token in ["", "a.b.c", &hmac().token(&claims(&json!({ "exp": 1 })))] {
        let answer = verifier.verify(token, now()).await;
        assert!(matches!(answer, Err(Error::InvalidToken)), "{answer:?}");
    }
    let good = hmac().token(&claims(&json!({})));
    assert!(verifier.verify(&good, now()).await.is_ok());
    assert_eq!(verifier.without_token(), None);
}

#[rstest]
#[case::none(json!({ "exp": null }), Some(Fault::Expiry))]
#[case::text(json!({ "exp": (NOW + 60).to_string() }), Some(Fault::Expiry))]
#[case::list(json!({ "exp": [NOW + 60] }), Some(Fault::Claims))]
#[case::object(json!({ "exp": { "$date": NOW + 60 } }), Some(Fault::Claims))]
#[case::truth(json!({ "exp": true }), Some(Fault::Expiry))]
#[case::negative(json!({ "exp": -1 }), Some(Fault::Expiry))]
#[case::largest(json!({ "exp": u64::MAX }), Some(Fault::Expiry))]
#[case::huge(json!({ "exp": 1e300 }), Some(Fault::Expiry))]
#[case::last_of_chrono(json!({ "exp": DateTime::<Utc>::MAX_UTC.timestamp() }), Some(Fault::Expiry))]
#[case::year_9999(json!({ "exp": 253_402_300_799_i64 }), None)]
#[case::long_ago(json!({ "exp": 0 }), Some(Fault::Expired))]
#[case::last_moment(json!({ "exp": NOW - 29 }), None)]
#[case::first_moment_after(json!({ "exp": NOW - 30 }), Some(Fault::Expired))]
#[case::fraction_inside(json!({ "exp": NOW_F - 29.75 }), None)]
#[case::fraction_outside(json!({ "exp": NOW_F - 30.25 }), Some(Fault::Expired))]
#[case::soon(json!({ "nbf": NOW + 30 }), None)]
#[case::too_soon(json!({ "nbf": NOW + 31 }), Some(Fault::NotYetValid))]
#[case::fraction_too_soon(json!({ "nbf": NOW_F + 30.25 }), Some(Fault::NotYetValid))]
#[case::begun(json!({ "nbf": 0 }), None)]
#[case::nbf_text(json!({ "nbf": "0" }), Some(Fault::Date))]
#[case::nbf_negative(json!({ "nbf": -1 }), Some(Fault::Date))]
#[case::nbf_huge(json!({ "nbf": 1e300 }), Some(Fault::Date))]
#[case::iat_ahead(json!({ "iat": NOW + 3600 }), None)]
#[case::iat_text(json!({ "iat": "now" }), Some(Fault::Date))]
fn dates(#[case] changes: Value, #[case] fault: Option<Fault>) {
    assert_eq!(fault_of(&hmac().token(&claims(&changes))), fault);
}

#[test]
fn the_leeway_is_a_setting() {
    let token = hmac().token(&claims(&json!({ "exp": NOW, "nbf": NOW })));
    let strict = JwtSettings { leeway: Duration::ZERO, ..hmac().settings() };
    let verifier = JwtVerifier::new(strict).expect("the settings are good");
    let moment = TimeDelta::microseconds(1);
    assert_eq!(verifier.judge(&token, now()), Err(Fault::Expired), "exp itself is too late");
    assert_eq!(verifier.judge(&token, now() - moment), Err(Fault::NotYetValid));
    let token = hmac().token(&claims(&json!({ "exp": NOW + 1, "nbf": NOW })));
    assert!(verifier.judge(&token, now()).is_ok(), "nbf itself is in time");
    assert!(verifier.judge(&token, now() + TimeDelta::seconds(1) - moment).is_ok());
}

#[rstest]
#[case::absent(json!({ "sub": null }))]
#[case::empty(json!({ "sub": "" }))]
#[case::number(json!({ "sub": 7 }))]
#[case::long(json!({ "sub": "a".repeat(256) }))]
#[case::control(json!({ "sub": "a\u{0}b" }))]
fn subjects(#[case] changes: Value) {
    assert_eq!(fault_of(&hmac().token(&claims(&changes))), Some(Fault::Subject));
}

#[rstest]
#[case::same(json!({ "iss": "https://id.example/" }), None)]
#[case::absent(json!({}), Some(Fault::Issuer))]
#[case::other(json!({ "iss": "https://evil.example/" }), Some(Fault::Issuer))]
#[case::almost(json!({ "iss": "https://id.example" }), Some(Fault::Issuer))]
#[case::other_case(json!({ "iss": "https://ID.example/" }), Some(Fault::Issuer))]
#[case::list(json!({ "iss": ["https://id.example/"] }), Some(Fault::Issuer))]
fn issuers(#[case] changes: Value, #[case] fault: Option<Fault>) {
    let settings =
        JwtSettings { issuer: Some("https://id.example/".to_owned()), ..hmac().settings() };
    assert_eq!(fault_with(settings, &hmac().token(&claims(&changes))), fault);
}

#[rstest]
#[case::same(json!({ "aud": "boards" }), None)]
#[case::second(json!({ "aud": "boards-admin" }), None)]
#[case::among_others(json!({ "aud": ["files", "boards"] }), None)]
#[case::absent(json!({}), Some(Fault::Audience))]
#[case::other(json!({ "aud": "files" }), Some(Fault::Audience))]
#[case::others(json!({ "aud": ["files", "mail"] }), Some(Fault::Audience))]
#[case::prefix(json!({ "aud": "board" }), Some(Fault::Audience))]
#[case::empty(json!({ "aud": [] }), Some(Fault::Audience))]
#[case::mixed(json!({ "aud": ["boards", 7] }), Some(Fault::Audience))]
#[case::object(json!({ "aud": { "boards": true } }), Some(Fault::Audience))]
fn audiences(#[case] changes: Value, #[case] fault: Option<Fault>) {
    let audiences = vec!["boards".to_owned(), "boards-admin".to_owned()];
    let settings = JwtSettings { audiences, ..hmac().settings() };
    assert_eq!(fault_with(settings, &hmac().token(&claims(&changes))), fault);
}

#[rstest]
#[case::one(json!({ "aud": "boards" }))]
#[case::several(json!({ "aud": ["boards"] }))]
#[case::empty(json!({ "aud": "" }))]
#[case::number(json!({ "aud": 7 }))]
fn an_audience_where_none_is_configured(#[case] changes: Value) {
    assert_eq!(fault_of(&hmac().token(&claims(&changes))), Some(Fault::Audience));
}

#[rstest]
#[case::empty("")]
#[case::word("token")]
#[case::dots("..")]
#[case::two_parts("eyJhbGciOiJIUzI1NiJ9.e30")]
#[case::not_json("Zm9v.e30.AAAA")]
#[case::header_is_a_list("W10.e30.AAAA")]
#[case::json_serialisation(r#"{"payload":"e30","protected":"eyJhbGciOiJIUzI1NiJ9"}"#)]
#[case::encrypted("eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA")]
fn malformed(#[case] token: &str) {
    assert_eq!(fault_of(token), Some(Fault::Malformed));
}

#[test]
fn other_writings_of_a_good_token_are_refused() {
    let good = hmac().token(&claims(&json!({})));
    assert_eq!(fault_of(&good), None);
    for token in [format!("{good}="), format!("{good}."), format!(" {good}"), format!("{good}\n")] {
        assert!(fault_of(&token).is_some(), "{token:?}");
    }
}

#[rstest]
#[case::bare(r#"{"alg":"HS256"}"#, None)]
#[case::access_token(r#"{"alg":"HS256","typ":"at+jwt"}"#, None)]
#[case::lower_case(r#"{"alg":"HS256","typ":"jwt"}"#, None)]
#[case::long_type(r#"{"alg":"HS256","typ":"application/at+JWT"}"#, None)]
#[case::other_type(r#"{"alg":"HS256","typ":"logout+jwt"}"#, Some(Fault::Type))]
#[case::null_type(r#"{"alg":"HS256","typ":null}"#, Some(Fault::Type))]
#[case::list_type(r#"{"alg":"HS256","typ":["JWT"]}"#, Some(Fault::Type))]
#[case::critical(r#"{"alg":"HS256","crit":["x"],"x":1}"#, Some(Fault::Critical))]
#[case::critical_none(r#"{"alg":"HS256","crit":[]}"#, Some(Fault::Critical))]
#[case::critical_null(r#"{"alg":"HS256","crit":null}"#, Some(Fault::Critical))]
#[case::unencoded(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, Some(Fault::Critical))]
#[case::none(r#"{"alg":"none"}"#, Some(Fault::Algorithm))]
#[case::loud_none(r#"{"alg":"NONE"}"#, Some(Fault::Algorithm))]
#[case::mixed_none(r#"{"alg":"nOnE"}"#, Some(Fault::Algorithm))]
#[case::empty_algorithm(r#"{"alg":""}"#, Some(Fault::Algorithm))]
#[case::no_algorithm(r#"{"typ":"JWT"}"#, Some(Fault::Algorithm))]
#[case::same_family(r#"{"alg":"HS512"}"#, Some(Fault::Algorithm))]
#[case::other_family(r#"{"alg":"RS256"}"#, Some(Fault::Algorithm))]
#[case::lower_algorithm(r#"{"alg":"hs256"}"#, Some(Fault::Algorithm))]
#[case::list_algorithm(r#"{"alg":["HS256"]}"#, Some(Fault::Algorithm))]
#[case::twice(r#"{"alg":"none","alg":"HS256"}"#, Some(Fault::Malformed))]
#[case::foreign_keys(
    r#"{"alg":"HS256","jku":"http://127.0.0.1:9/","x5u":"http://127.0.0.1:9/","kid":"../../x"}"#,
    None
)]
fn headers(#[case] header: &str, #[case] fault: Option<Fault>) {
    let token = hmac().signed(header, &claims(&json!({})).to_string());
    assert_eq!(fault_of(&token), fault);
}

#[rstest]
#[case::not_json("hello", Fault::Claims)]
#[case::empty("", Fault::Claims)]
#[case::list("[]", Fault::Claims)]
#[case::text(r#""ada""#, Fault::Claims)]
#[case::subject_twice(r#"{"sub":"ada","sub":"eve","exp":1800000060}"#, Fault::Claims)]
#[case::date_twice(r#"{"sub":"ada","exp":1,"exp":1800000060}"#, Fault::Claims)]
#[case::infinite(r#"{"sub":"ada","exp":1e400}"#, Fault::Claims)]
#[case::nested("eyJhbGciOiJIUzI1NiJ9.e30.AAAA", Fault::Claims)]
#[case::subject_list(r#"{"sub":["ada"],"exp":1800000060}"#, Fault::Claims)]
#[case::no_date(r#"{"sub":"ada","exp":null}"#, Fault::Expiry)]
#[case::no_subject(r#"{"sub":null,"exp":1800000060}"#, Fault::Subject)]
fn payloads(#[case] payload: &str, #[case] fault: Fault) {
    assert_eq!(fault_of(&hmac().signed(r#"{"alg":"HS256"}"#, payload)), Some(fault));
}

#[test]
fn a_token_without_signature_is_refused() {
    let token = hmac().token(&claims(&json!({})));
    let (message, _) = token.rsplit_once('.').expect("three parts");
    assert_eq!(fault_of(&format!("{message}.")), Some(Fault::Signature));
}

#[test]
fn the_size_has_a_bound() {
    let padded = |length| hmac().token(&claims(&json!({ "x": "x".repeat(length) })));
    let long = padded(12_300);
    assert!(long.len() > 16_384);
    assert_eq!(fault_of(&long), Some(Fault::TooLong));
    let fits = padded(12_100);
    assert!(fits.len() > 16_000);
    assert_eq!(fault_of(&fits), None);
}

#[rstest]
#[case(JwtAlgorithm::Rs256)]
#[case(JwtAlgorithm::Es256)]
#[case(JwtAlgorithm::EdDsa)]
fn a_public_key_signs_nothing(#[case] algorithm: JwtAlgorithm) {
    let issuer = Issuer::new(algorithm);
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#),
        URL_SAFE_NO_PAD.encode(claims(&json!({})).to_string())
    );
    let key = EncodingKey::from_secret(issuer.public.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256)
            .expect("a signature");
    let token = format!("{message}.{signature}");
    assert_eq!(issuer.verifier().judge(&token, now()), Err(Fault::Algorithm));
}

#[test]
fn another_key_of_the_same_kind_is_refused() {
    let token = Issuer::new(JwtAlgorithm::Es256).token(&claims(&json!({})));
    let other = Issuer::new(JwtAlgorithm::Es256).verifier();
    assert_eq!(other.judge(&token, now()), Err(Fault::Signature));
}

fn refused(algorithm: JwtAlgorithm, key: JwtKey) -> Option<JwtKeyError> {
    match JwtVerifier::new(JwtSettings { algorithm, key, ..hmac().settings() }).err()? {
        JwtSettingsError::Key(error) => Some(error),
        other => panic!("{other}"),
    }
}

#[test]
fn secrets_that_stop_the_start() {
    let secret = |text: &str| refused(JwtAlgorithm::Hs512, JwtKey::Secret(text.into()));
    assert_eq!(secret(&"s".repeat(31)), Some(JwtKeyError::ShortSecret));
    assert_eq!(secret(&"s".repeat(32)), None);
    assert_eq!(secret(&Issuer::new(JwtAlgorithm::Rs256).public), Some(JwtKeyError::PemAsSecret));
    assert_eq!(secret(Issuer::private_rsa_pem()), Some(JwtKeyError::PemAsSecret));
}

#[rstest]
#[case::hmac_with_a_public_key(JwtAlgorithm::Hs256, JwtAlgorithm::Rs256)]
#[case::rsa_with_a_secret(JwtAlgorithm::Rs256, JwtAlgorithm::Hs256)]
fn keys_of_the_other_kind(#[case] algorithm: JwtAlgorithm, #[case] key: JwtAlgorithm) {
    let error = refused(algorithm, Issuer::new(key).key());
    assert_eq!(error, Some(JwtKeyError::OtherKind { algorithm }));
}

#[rstest]
fn keys_of_another_algorithm(
    #[values(JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa)]
    algorithm: JwtAlgorithm,
    #[values(JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa)] key: JwtAlgorithm,
) {
    let error = refused(algorithm, Issuer::new(key).key());
    let expected = (algorithm != key).then_some(JwtKeyError::OtherKey { algorithm });
    assert_eq!(error, expected);
}

#[test]
fn keys_that_stop_the_start() {
    let public = |algorithm, pem: &str| refused(algorithm, JwtKey::PublicPem(pem.to_owned()));
    let rsa = |pem: &str| public(JwtAlgorithm::Rs256, pem);
    let algorithm = JwtAlgorithm::Es256;
    let (private, p384) = ec_pair(&ECDSA_P384_SHA384_FIXED_SIGNING);
    assert_eq!(public(algorithm, &p384), Some(JwtKeyError::OtherKey { algorithm }));
    assert_eq!(public(algorithm, &pem("PRIVATE KEY", &private)), Some(JwtKeyError::PrivateKey));
    assert_eq!(rsa(SHORT_RSA_KEY), Some(JwtKeyError::RsaSize));
    assert_eq!(rsa(Issuer::private_rsa_pem()), Some(JwtKeyError::PrivateKey));
    let good = Issuer::new(JwtAlgorithm::Rs256).public;
    assert_eq!(rsa(&good), None);
    assert_eq!(rsa(&good.replace('\n', "\\n")), None, "as one line of an environment file");
    assert_eq!(rsa(&format!("{good}{}", Issuer::private_rsa_pem())), Some(JwtKeyError::PrivateKey));
    assert_eq!(rsa(&format!("{good}{good}")), Some(JwtKeyError::NoPublicKey));
    assert_eq!(rsa(&good.replace("PUBLIC KEY", "CERTIFICATE")), Some(JwtKeyError::NoPublicKey));
    assert_eq!(rsa("a text"), Some(JwtKeyError::NoPublicKey));
    assert_eq!(
        rsa("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        Some(JwtKeyError::OtherKey { algorithm: JwtAlgorithm::Rs256 })
    );
}

#[test]
fn empty_settings_stop_the_start() {
    let settings = || hmac().settings();
    for settings in [
        JwtSettings { issuer: Some(String::new()), ..settings() },
        JwtSettings { audiences: vec!["boards".to_owned(), " ".to_owned()], ..settings() },
        JwtSettings { tenant_claim: Some(String::new()), ..settings() },
    ] {
        assert!(matches!(JwtVerifier::new(settings), Err(JwtSettingsError::Empty(_))));
    }
    let long = JwtSettings { leeway: Duration::from_secs(601), ..settings() };
    assert_eq!(JwtVerifier::new(long).err(), Some(JwtSettingsError::LeewayTooLong));
}

#[test]
fn keys_do_not_print() {
    let settings = hmac().settings();
    let mistaken = JwtKey::PublicPem(Issuer::private_rsa_pem().to_owned());
    let printed = format!("{settings:?} {mistaken:?} {:?}", hmac().verifier());
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!printed.contains(SECRET) && !printed.contains(&bytes[1..20]), "{printed}");
    assert!(!printed.contains("PRIVATE KEY"), "{printed}");
}
