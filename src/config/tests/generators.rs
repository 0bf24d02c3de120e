//! Where providers of generators are, and the keys to them.

use secrecy::ExposeSecret;

use super::*;

const KEY: &str = "k3y-of-the-tests";

fn load_all(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Purpose::Serve, &Flags::new(), pairs, nowhere())
}

fn key(config: &Config, name: &str) -> Option<String> {
    config.generator_api_keys.get(name).map(|key| key.expose_secret().to_owned())
}

#[test]
fn providers_are_where_they_say_unless_configured() {
    let addresses = good(&[]).provider_addresses;
    assert_eq!(addresses, ProviderAddresses::of_the_providers());
    assert_eq!(addresses.openai.to_string(), "https://api.openai.com/v1");
    let own = good(&[("OPENAI_URL", "http://localhost:8080/v1/")]).provider_addresses;
    assert_eq!(own.openai.to_string(), "http://localhost:8080/v1");
    let error = refusal(&[("KIE_URL", "http://api.kie.ai")]);
    assert!(error.contains("BOARDS_KIE_URL (environment) must be an https URL"), "{error}");
}

#[test]
fn usual_variables_count_where_nothing_else_is_set() {
    let usual = [
        ("FAL_QUEUE_RUN_HOST", "queue.example:8443"),
        ("REPLICATE_BASE_URL", "https://replicate.example"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1"),
    ];
    let addresses = load_all(&usual).expect("all right").config.provider_addresses;
    assert_eq!(addresses.fal.to_string(), "https://queue.example:8443");
    assert_eq!(addresses.replicate.to_string(), "https://replicate.example");
    assert_eq!(addresses.openai.to_string(), "http://127.0.0.1:8080/v1");
    let both = [usual[2], ("BOARDS_OPENAI_URL", "https://other.example/v1")];
    let addresses = load_all(&both).expect("all right").config.provider_addresses;
    assert_eq!(addresses.openai.to_string(), "https://other.example/v1");
    let folder = folder("openai_url = 'https://file.example/v1'");
    let pairs = [("OPENAI_BASE_URL".to_owned(), "https://usual.example/v1".to_owned())];
    let loaded = Config::load(Purpose::Serve, &Flags::new(), pairs, folder.path());
    let addresses = loaded.expect("all right").config.provider_addresses;
    assert_eq!(addresses.openai.to_string(), "https://file.example/v1");
}

#[test]
fn a_wrong_usual_variable_is_named() {
    let error = load_all(&[("OPENAI_BASE_URL", "http://api.example")]).expect_err("wrong");
    let start = "BOARDS_OPENAI_URL (OPENAI_BASE_URL in the environment) must be an https URL";
    assert!(error.to_string().starts_with(start), "{error}");
    assert!(load_all(&[("OPENAI_BASE_URL", ""), ("HOME", "/root")]).is_ok());
}

#[test]
fn keys_stand_in_an_object_or_under_their_usual_names() {
    let object = format!(r#"{{"FAL_KEY": "{KEY}", "KIE_API_KEY": " ", "OPENAI_API_KEY": "a"}}"#);
    let pairs = [
        ("BOARDS_GENERATOR_API_KEYS", object.as_str()),
        ("FAL_KEY", "other"),
        ("KIE_API_KEY", "usual"),
        ("REPLICATE_API_TOKEN", ""),
    ];
    let config = load_all(&pairs).expect("all right").config;
    assert_eq!(key(&config, "FAL_KEY").as_deref(), Some(KEY));
    assert_eq!(key(&config, "OPENAI_API_KEY").as_deref(), Some("a"));
    assert_eq!(key(&config, "KIE_API_KEY").as_deref(), Some("usual"));
    assert_eq!(key(&config, "REPLICATE_API_TOKEN"), None);
    let file = load_file("[generator_api_keys]\nFAL_KEY = 'from the file'");
    assert!(file.is_err(), "no key has spaces");
    let file = load_file("[generator_api_keys]\nFAL_KEY = 'filed'").expect("all right").config;
    assert_eq!(key(&file, "FAL_KEY").as_deref(), Some("filed"));
}

#[test]
fn the_key_to_fal_may_come_in_halves() {
    let halves = [("FAL_KEY_ID", "id"), ("FAL_KEY_SECRET", "secret")];
    let config = load_all(&halves).expect("all right").config;
    assert_eq!(key(&config, "FAL_KEY").as_deref(), Some("id:secret"));
    let whole = [halves[0], halves[1], ("FAL_KEY", "whole")];
    let config = load_all(&whole).expect("all right").config;
    assert_eq!(key(&config, "FAL_KEY").as_deref(), Some("whole"));
    assert_eq!(key(&load_all(&halves[..1]).expect("all right").config, "FAL_KEY"), None);
}

#[test]
fn keys_are_in_no_debug_and_no_error() {
    let object = format!(r#"{{"FAL_KEY": "{KEY}"}}"#);
    let loaded = load_all(&[("BOARDS_GENERATOR_API_KEYS", &object), ("KIE_API_KEY", KEY)]);
    let shown = format!("{:?}", loaded.expect("all right"));
    assert!(shown.contains("FAL_KEY") && shown.contains("KIE_API_KEY") && !shown.contains(KEY));
    for wrong in [
        KEY.to_owned(),
        format!(r#"{{"FAL_KEY": ["{KEY}"]}}"#),
        format!(r#"{{"FAL_KEY": "{KEY} {KEY}"}}"#),
        format!(r#"["{KEY}"]"#),
    ] {
        let error = load_all(&[("BOARDS_GENERATOR_API_KEYS", &wrong)]).expect_err("wrong");
        assert!(error.to_string().starts_with("BOARDS_GENERATOR_API_KEYS (environment) must be"));
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    }
}

#[test]
fn keys_that_nobody_takes_are_warned_of() {
    let object = format!(r#"{{"FAL_KEX": "{KEY}"}}"#);
    let loaded = load_all(&[("BOARDS_GENERATOR_API_KEYS", &object)]).expect("all right");
    let warnings = loaded.warnings.join("\n");
    assert!(warnings.contains("FAL_KEX") && !warnings.contains(KEY), "{warnings}");
}
