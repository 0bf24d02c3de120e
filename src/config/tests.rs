//! What the configuration takes and refuses, and that it keeps secrets to itself.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;

mod generators;
mod issuers;

const SECRET: &str = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t";

/// RSA, 2048 bits.
const RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxvsrZ6/1w6MJBFSj1GS3
Q8wedctrgmfPxhk4hasv4HJ7CHdbEsewqEM+ydSy7C67ubh1iuLMr6uU95E3Jy0Q
3Kvw64rSDhuDY4Em6xvnkR0KLcPllejY0QjImVAWCwRQyjerdKWZdbAC78LgJcOl
yRmZbr71knRp7FgSp9qD6Ky2IwdXlYCTVgtFT9ZbgfaOp9xPedoDOFWUh00VeBm5
MPqbV6pcG4/qwH5mZWE6bEsE9K5tk7/GSejGKD2cwRSv9oKmenF1jyYnMX3HV2M0
UBbWQRpwdGXPhyJiPBvqP9wJ9OlsqlswAehcnxlfSFldXELUpnlMSt1LEE16nrxH
NQIDAQAB
-----END PUBLIC KEY-----";

/// RSA, 1024 bits.
const SHORT_RSA_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDqVQR//op1Td/Cf0ixt/u5C9Oc
1++vw6jCZB5ZJrpyxCegabYT9C9SAKNUbLMsBtTbf08cbzznYU4XVqhaer4wLxeW
pnI5iNrG7ZL9+5HOAqvWRac5z/eE8nGbZutELBC+LwW1AJKBQua/3TKi34rRHBmD
YpnXvD6Vd9i3q5lGCQIDAQAB
-----END PUBLIC KEY-----";

/// EC on P-256.
const P256_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEg7seABv95dr8OdP0Myp3LNCoPg32
+OrTEQ/2XZxjyv8oDXQZ4IajDrpBWJVl5Mq2hrcdNtiO875vkmEVZuWxtA==
-----END PUBLIC KEY-----";

/// EC on P-384.
const P384_KEY: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEf5T0vzbtmvuGGjSIanzcFKUSXJ104b6m
xp+1jNnTjOXaWO6xp+ZvKcdjv9rLqLYd/T9Ls8HLenZjw+9iiTXQYGiPBitAzt5k
Nzuoveheabe560PndC+l6S6zq270CEwE
-----END PUBLIC KEY-----";

/// Ed25519.
const ED25519_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAfieo0zhPImNA0i69yBfUsoQwHLT1nThUFNiwZRH7ZT8=
-----END PUBLIC KEY-----";

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (format!("BOARDS_{name}"), (*value).to_owned())).collect()
}

fn nowhere() -> &'static Path {
    Path::new("/nonexistent")
}

fn load(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    Config::load(Purpose::Serve, &Flags::new(), variables(pairs), nowhere())
}

fn good(pairs: &[(&str, &str)]) -> Config {
    load(pairs).unwrap_or_else(|error| panic!("{pairs:?}: {error}")).config
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let error = load(pairs).err().unwrap_or_else(|| panic!("{pairs:?} was taken")).to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn folder(file: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("boards.toml"), file).expect("a file");
    folder
}

fn load_file(file: &str) -> Result<Loaded, ConfigError> {
    Config::load(Purpose::Serve, &Flags::new(), [], folder(file).path())
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = good(&[]);
    assert_eq!(config.listen_address().to_string(), "127.0.0.1:8088");
    assert_eq!(config.database_url.expose(), "sqlite://./data/boards.db?mode=rwc");
    assert_eq!(config.storage_url, StorageUrl::Directory("./data/storage".into()));
    assert_eq!(config.signing_key_file(), Path::new("./data/signing.key"));
    assert_eq!(config.base_url(config.listen_address()), "http://127.0.0.1:8088");
    assert_eq!(config.cors_origins, ["http://localhost:3033"]);
    assert_eq!(
        (config.auth_provider, config.jwt_algorithm),
        (AuthProvider::None, JwtAlgorithm::Hs256)
    );
    assert_eq!((config.max_upload_bytes, config.max_body_bytes), (104_857_600, 1_048_576));
    assert_eq!((config.multi_tenant_mode, config.default_tenant_slug.as_str()), (false, "default"));
    assert_eq!((config.worker_enabled, config.worker_concurrency), (true, 4));
    assert!(config.introspection && config.playground && !config.migrate);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let folder = folder("api_port = 1\nworker_concurrency = 2\nmax_batch_size = 3\n");
    let environment = variables(&[("WORKER_CONCURRENCY", "5"), ("MAX_BATCH_SIZE", "6")]);
    let flags = Flags::new().with("max_batch_size", "7");
    let loaded =
        Config::load(Purpose::Serve, &flags, environment, folder.path()).expect("all right");
    let config = loaded.config;
    assert_eq!(
        (config.max_query_depth, config.api_port, config.worker_concurrency, config.max_batch_size),
        (20, 1, 5, 7)
    );
    assert_eq!(loaded.file, Some(folder.path().join("boards.toml")));
}

#[test]
fn the_file_may_be_named_by_flag_or_variable() {
    let folder = folder("");
    fs::write(folder.path().join("a.toml"), "api_port = 1").expect("a file");
    fs::write(folder.path().join("b.toml"), "api_port = 2").expect("a file");
    let variable = || variables(&[("CONFIG", "a.toml")]);
    let port = |flags: &Flags| {
        let loaded = Config::load(Purpose::Serve, flags, variable(), folder.path());
        loaded.expect("all right").config.api_port
    };
    assert_eq!(port(&Flags::new()), 1);
    assert_eq!(port(&Flags::new().with_file("b.toml")), 2);
}

#[test]
fn every_setting_may_stand_in_the_file() {
    let values: Vec<String> = reference()
        .iter()
        .filter_map(|setting| match setting.fallback {
            Fallback::Value(text) => Some(format!("{} = {text:?}", setting.key)),
            _ => None,
        })
        .collect();
    let config = load_file(&values.join("\n")).expect("all right").config;
    assert_eq!(format!("{config:?}"), format!("{:?}", good(&[])));
}

#[test]
fn the_file_takes_toml_types() {
    let file = "api_port = 9000\nworker_enabled = false\n\
        cors_origins = ['https://a.example', 'https://b.example', 'https://a.example']\n";
    let config = load_file(file).expect("all right").config;
    assert_eq!((config.api_port, config.worker_enabled), (9000, false));
    assert_eq!(config.cors_origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn every_wrong_value_names_its_setting_its_source_and_what_is_allowed() {
    for setting in reference() {
        let name = setting.name.trim_start_matches("BOARDS_");
        let wrong = match (setting.kind, setting.key.as_str()) {
            // Any text is right.
            (
                Kind::Text(_),
                "data_dir" | "generators_dir" | "auth_issuer" | "auth_audience" | "auth_client_id",
            ) => " ",
            (_, "auth_client_secret") => continue,
            (_, "tenant_claim") => "sub",
            (Kind::Number(0, _), _) => "-1",
            (Kind::Number(..), _) => "0",
            _ => "not/right",
        };
        let error = refusal(&[(name, wrong)]);
        let start = format!("{} (environment) must be {}", setting.name, setting.kind.allowed());
        assert!(error.starts_with(&start), "{error}");
        assert_ne!(
            error.contains(&format!("not {:?}", wrong.trim())),
            setting.kind.is_secret(),
            "{error}"
        );
    }
}

#[test]
fn numbers_over_their_bound_are_refused() {
    for setting in reference() {
        let Kind::Number(_, high) = setting.kind else { continue };
        let name = setting.name.trim_start_matches("BOARDS_");
        assert!(load(&[(name, &high.to_string())]).is_ok(), "{name}");
        assert!(refusal(&[(name, &(high + 1).to_string())]).contains(&setting.name));
    }
}

#[test]
fn errors_say_where_the_value_is_from() {
    let flags = Flags::new().with("api_port", "abc");
    let error = Config::load(Purpose::Serve, &flags, [], nowhere()).expect_err("wrong").to_string();
    assert_eq!(
        error,
        "BOARDS_API_PORT (flag --api-port) must be a whole number from 0 to 65535, not \"abc\""
    );
    let error = load_file("api_port = 'abc'").expect_err("wrong").to_string();
    assert!(error.contains("(api_port in ") && error.contains("boards.toml)"), "{error}");
    let error = load_file("api_port = [1]").expect_err("wrong").to_string();
    assert!(error.contains("BOARDS_API_PORT"), "{error}");
}

#[test]
fn long_and_broken_values_stay_one_short_line() {
    let error = refusal(&[("API_HOST", &format!("a\nb{}", "x".repeat(10_000)))]);
    assert!(error.len() < 200 && error.contains("a\\nb"), "{error}");
}

#[test]
fn unknown_keys_of_the_file_are_refused_with_a_suggestion() {
    let error = load_file("databse_url = 'sqlite://x.db'").expect_err("unknown").to_string();
    assert!(error.contains("databse_url; did you mean database_url?"), "{error}");
    let error = load_file("BOARDS_API_PORT = 1").expect_err("unknown").to_string();
    assert!(error.contains("did you mean api_port?"), "{error}");
    let error = load_file("[server]\nport = 1").expect_err("unknown").to_string();
    assert!(error.contains("unknown setting server"), "{error}");
}

#[test]
fn unknown_variables_are_warned_of_with_a_suggestion() {
    let pairs =
        [("API_PRT", "1"), ("TEST_DATABASE_URL", "x"), ("CONFG", SECRET), ("SOMETHING", "1")];
    let warnings = load(&pairs).expect("all right").warnings.join("\n");
    assert!(warnings.contains("BOARDS_API_PRT; did you mean BOARDS_API_PORT?"), "{warnings}");
    assert!(warnings.contains("BOARDS_CONFG; did you mean BOARDS_CONFIG?"), "{warnings}");
    assert!(warnings.contains("BOARDS_SOMETHING; `boards serve --help`"), "{warnings}");
    assert!(!warnings.contains("TEST_DATABASE_URL") && !warnings.contains(SECRET), "{warnings}");
}

#[test]
fn empty_variables_count_as_not_set() {
    assert_eq!(good(&[("API_PORT", ""), ("JWT_SECRET", ""), ("CONFIG", "")]).api_port, 8088);
}

#[test]
fn files_that_cannot_be_read_say_so_without_their_text() {
    let error = load_file(&format!("jwt_secret = {SECRET}")).expect_err("not TOML").to_string();
    assert!(error.contains("is not TOML") && error.contains("line 1"), "{error}");
    assert!(!error.contains("s3cr3t") && !error.contains('\n'), "{error}");
    assert!(refusal(&[("CONFIG", "missing.toml")]).contains("cannot be read"));
    let error = load_file(&" ".repeat(1 << 21)).expect_err("too large").to_string();
    assert!(error.contains("larger than 1 MiB"), "{error}");
}

#[test]
fn secrets_are_in_no_debug_and_no_error() {
    let url = format!("postgres://me:{SECRET}@db/boards?password={SECRET}");
    let pairs = [("JWT_SECRET", SECRET), ("SIGNING_SECRET", SECRET), ("DATABASE_URL", &url)];
    let loaded = load(&pairs).expect("all right");
    assert!(!format!("{loaded:?} {}", loaded.config.database_url).contains("s3cr3t"));
    for (name, value) in [
        ("JWT_SECRET", "s3cr3t"),
        ("SIGNING_SECRET", "s3cr3t"),
        ("DATABASE_URL", "mysql://me:s3cr3t@db/boards"),
        ("DATABASE_URL", "postgres://me:s3cr3t/x@db/boards"),
        ("JWT_PUBLIC_KEY", "-----BEGIN PRIVATE KEY----- s3cr3t"),
    ] {
        assert!(!refusal(&[(name, value)]).contains("s3cr3t"), "{name}");
        let flags = Flags::new().with(&name.to_lowercase(), value);
        let error = Config::load(Purpose::Serve, &flags, [], nowhere()).expect_err(name);
        assert!(!format!("{error} {error:?} {flags:?}").contains("s3cr3t"), "{error:?}");
    }
}

#[test]
fn a_secret_needs_32_bytes() {
    let secret = "x".repeat(32);
    assert!(load(&[("JWT_SECRET", &secret), ("SIGNING_SECRET", &secret)]).is_ok());
    for name in ["JWT_SECRET", "SIGNING_SECRET"] {
        assert!(refusal(&[(name, &secret[1..])]).contains("at least 32 bytes"));
    }
}

#[test]
fn without_authentication_only_loopback_is_listened_on() {
    for host in ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
        good(&[("API_HOST", host)]);
    }
    for host in ["0.0.0.0", "::", "192.168.1.2", "::ffff:10.0.0.1"] {
        let error = refusal(&[("API_HOST", host)]);
        assert!(error.contains("BOARDS_API_HOST (environment)"), "{error}");
        assert!(error.contains("BOARDS_ALLOW_INSECURE=true"), "{error}");
        good(&[("API_HOST", host), ("ALLOW_INSECURE", "true")]);
        good(&[("API_HOST", host), ("AUTH_PROVIDER", "jwt"), ("JWT_SECRET", SECRET)]);
    }
}

#[test]
fn commands_that_do_not_listen_need_no_keys_and_take_any_host() {
    for pairs in [variables(&[("API_HOST", "0.0.0.0")]), variables(&[("AUTH_PROVIDER", "jwt")])] {
        let load = |purpose| Config::load(purpose, &Flags::new(), pairs.clone(), nowhere());
        assert!(load(Purpose::Command).is_ok() && load(Purpose::Serve).is_err());
    }
}

#[test]
fn providers_are_named_in_full() {
    let error = refusal(&[("AUTH_PROVIDER", "jwks")]);
    assert!(
        error.ends_with(
            "must be one of none, jwt, oidc, auth0, clerk, supabase, introspection, not \"jwks\""
        ),
        "{error}"
    );
}

#[test]
fn jwt_needs_a_key_that_fits_its_algorithm() {
    let jwt = |algorithm: &str, name: &str, value: &str| {
        load(&[("AUTH_PROVIDER", "jwt"), ("JWT_ALGORITHM", algorithm), (name, value)])
    };
    for algorithm in ["HS256", "HS384", "HS512"] {
        assert!(jwt(algorithm, "JWT_SECRET", SECRET).is_ok());
        let error = jwt(algorithm, "JWT_PUBLIC_KEY", RSA_KEY).expect_err("no secret").to_string();
        assert!(error.contains("BOARDS_JWT_SECRET must be set"), "{error}");
    }
    let fitting = [("RS256", RSA_KEY), ("ES256", P256_KEY), ("EdDSA", ED25519_KEY)];
    for (algorithm, right) in fitting {
        for key in [RSA_KEY, SHORT_RSA_KEY, P256_KEY, P384_KEY, ED25519_KEY] {
            let loaded = jwt(algorithm, "JWT_PUBLIC_KEY", key);
            assert_eq!(loaded.is_ok(), key == right, "{algorithm}\n{key}");
        }
        assert!(jwt(algorithm, "JWT_PUBLIC_KEY", &right.replace('\n', "\\n")).is_ok());
        let error = jwt(algorithm, "JWT_SECRET", SECRET).expect_err("no key").to_string();
        assert!(error.contains("needs a public key"), "{error}");
    }
}

#[test]
fn a_public_key_comes_from_one_place() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("key.pem");
    fs::write(&path, P256_KEY).expect("a file");
    let file = ("JWT_PUBLIC_KEY_FILE", path.to_str().expect("text"));
    let jwt = [("AUTH_PROVIDER", "jwt"), ("JWT_ALGORITHM", "ES256"), file];
    assert_eq!(good(&jwt).jwt_public_key.as_deref(), Some(P256_KEY));
    let error = refusal(&[file, ("JWT_PUBLIC_KEY", P256_KEY)]);
    assert!(error.contains("JWT_PUBLIC_KEY_FILE (environment) are both set"), "{error}");
    fs::write(&path, "-----BEGIN PRIVATE KEY-----").expect("a file");
    assert!(refusal(&jwt).contains("BOARDS_JWT_PUBLIC_KEY_FILE"));
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let warnings = |pairs: &[(&str, &str)]| load(pairs).expect("all right").warnings.join("\n");
    assert!(warnings(&[("JWT_SECRET", SECRET)]).contains("tokens are not checked"));
    let long = "x".repeat(64);
    let jwt = |secret: &str| {
        warnings(&[("AUTH_PROVIDER", "jwt"), ("JWT_ALGORITHM", "HS512"), ("JWT_SECRET", secret)])
    };
    assert!(jwt(SECRET).contains("at least 64 bytes"));
    assert_eq!(jwt(&long), "");
}

#[test]
fn the_data_folder_moves_what_is_in_it() {
    let config = good(&[("DATA_DIR", "/srv/my boards")]);
    assert_eq!(config.database_url.sqlite_path(), Some("/srv/my boards/boards.db".into()));
    assert_eq!(config.storage_url, StorageUrl::Directory("/srv/my boards/storage".into()));
    assert_eq!(config.signing_key_file(), Path::new("/srv/my boards/signing.key"));
}

#[test]
fn addresses_can_be_reached() {
    let config = good(&[("API_HOST", "::"), ("ALLOW_INSECURE", "yes"), ("API_PORT", "9000")]);
    assert_eq!(config.health_url(), "http://[::1]:9000/health");
    let bound = "0.0.0.0:1234".parse().expect("an address");
    assert_eq!(config.base_url(bound), "http://127.0.0.1:1234");
    let config = good(&[("PUBLIC_URL", "https://boards.example.com/api/")]);
    assert_eq!(config.base_url(bound), "https://boards.example.com/api");
}

#[test]
fn cors_may_be_off() {
    assert!(good(&[("CORS_ORIGINS", "off")]).cors_origins.is_empty());
    assert!(load_file("cors_origins = []").expect("all right").config.cors_origins.is_empty());
    assert_eq!(
        good(&[("CORS_ORIGINS", "https://a.example, http://b.example:81/")]).cors_origins,
        ["https://a.example", "http://b.example:81"]
    );
    assert!(refusal(&[("CORS_ORIGINS", "https://a.example,*")]).contains("not \"*\""));
}

#[test]
fn rate_limits_are_on_unless_switched_off() {
    assert!(good(&[]).rate_limit && good(&[("RATE_LIMIT", "on")]).rate_limit);
    assert!(!good(&[("RATE_LIMIT", "off")]).rate_limit);
    assert_eq!(good(&[("RATE_LIMIT_USER", "600")]).rate_limit_user.get(), 600);
    assert!(refusal(&[("RATE_LIMIT", "600/m")]).contains("BOARDS_RATE_LIMIT (environment)"));
}

#[test]
fn no_proxy_is_trusted_unless_named() {
    assert!(good(&[]).trusted_proxies.is_empty());
    let named = good(&[("TRUSTED_PROXIES", "10.0.0.0/8, ::1")]).trusted_proxies;
    assert_eq!(named.len(), 2);
    assert!(refusal(&[("TRUSTED_PROXIES", "10.0.0.0/8,*")]).contains("not \"*\""));
}
