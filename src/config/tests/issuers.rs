//! What is taken and refused of issuers, in the environment and in the file's list.

use std::fs;

use tempfile::TempDir;

use super::{SECRET, folder, good, load, load_file, refusal, variables};
use crate::config::{AuthProvider, Config, Flags, JwtAlgorithm, Purpose, TokenType};

const OIDC: [(&str, &str); 3] = [
    ("AUTH_PROVIDER", "oidc"),
    ("AUTH_ISSUER", "https://id.example/realms/a"),
    ("AUTH_AUDIENCE", "https://boards.example"),
];

/// The settings of `base`, changed and extended by `more`; an empty value takes one away.
fn changed<'a>(
    base: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let kept = base.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    kept.chain(more).copied().collect()
}

#[test]
fn every_provider_starts_with_what_the_readme_says() {
    let secret = ("JWT_SECRET", SECRET);
    let introspection = [
        ("AUTH_PROVIDER", "introspection"),
        ("AUTH_AUDIENCE", "boards"),
        ("AUTH_INTROSPECTION_URL", "https://id.example/introspect"),
        ("AUTH_CLIENT_ID", "boards"),
        ("AUTH_CLIENT_SECRET", "secret"),
    ];
    let auth0 =
        changed(&OIDC, &[("AUTH_PROVIDER", "auth0"), ("AUTH_ISSUER", "https://x.auth0.com/")]);
    let clerk = [("AUTH_PROVIDER", "clerk"), ("AUTH_ISSUER", "https://x.clerk.accounts.dev")];
    let supabase = [
        ("AUTH_PROVIDER", "supabase"),
        ("AUTH_ISSUER", "https://x.supabase.co/auth/v1"),
        ("AUTH_AUDIENCE", "authenticated"),
    ];
    for settings in [
        OIDC.to_vec(),
        changed(&OIDC, &[("AUTH_ISSUER", "http://127.0.0.1:3000")]),
        changed(&OIDC, &[("AUTH_JWKS_URL", "https://keys.example/?p=a")]),
        changed(&OIDC, &[("AUTH_ALGORITHMS", "ES256, eddsa"), ("AUTH_TOKEN_TYPE", "at+jwt")]),
        auth0,
        changed(&OIDC, &clerk),
        supabase.to_vec(),
        changed(&supabase, &[secret, ("AUTH_ALGORITHMS", "HS256")]),
        introspection.to_vec(),
        changed(&introspection, &[("AUTH_CLIENT_METHOD", "post")]),
    ] {
        let loaded = load(&settings).unwrap_or_else(|error| panic!("{settings:?}: {error}"));
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{settings:?}");
        let issuer = loaded.config.trusted_issuers().remove(0);
        assert!(settings.contains(&("AUTH_PROVIDER", issuer.name.as_str())));
        assert!(!issuer.platform_admin && issuer.tenants.is_none());
        let trusted = load(&changed(&settings, &[("AUTH_PLATFORM_ADMIN", "true")])).expect("good");
        assert!(trusted.config.trusted_issuers()[0].platform_admin);
    }
    assert_eq!(
        good(&changed(&supabase, &[secret])).trusted_issuers()[0].allowed_algorithms().last(),
        Some(&JwtAlgorithm::Hs256)
    );
    assert!(
        !good(&supabase).trusted_issuers()[0].allowed_algorithms().contains(&JwtAlgorithm::Hs256)
    );
}

#[test]
fn without_an_audience_no_provider_starts() {
    for (provider, issuer) in [
        ("oidc", "https://id.example"),
        ("auth0", "https://x.auth0.com/"),
        ("clerk", "https://x.clerk.accounts.dev"),
        ("supabase", "https://x.supabase.co/auth/v1"),
        ("introspection", "https://id.example"),
    ] {
        let error = refusal(&[
            ("AUTH_PROVIDER", provider),
            ("AUTH_ISSUER", issuer),
            ("AUTH_INTROSPECTION_URL", "https://id.example/introspect"),
            ("AUTH_CLIENT_ID", "boards"),
            ("AUTH_CLIENT_SECRET", "secret"),
        ]);
        assert!(error.starts_with("BOARDS_AUTH_AUDIENCE must be set"), "{error}");
        assert!(error.contains(provider), "{error}");
    }
}

#[test]
fn what_providers_lack_is_named() {
    for (more, start) in [
        (vec![("AUTH_ISSUER", "")], "BOARDS_AUTH_ISSUER must be set"),
        (vec![("AUTH_ISSUER", "id.example")], "BOARDS_AUTH_ISSUER must be an https URL"),
        (vec![("AUTH_ISSUER", "http://id.example")], "BOARDS_AUTH_ISSUER must be an https URL"),
        (vec![("AUTH_ISSUER", "https://id.example?a")], "BOARDS_AUTH_ISSUER must be an https URL"),
        (vec![("AUTH_ISSUER", "https://id.example#a")], "BOARDS_AUTH_ISSUER must be an https URL"),
        (vec![("AUTH_ISSUER", "https://u@id.example")], "BOARDS_AUTH_ISSUER must be an https URL"),
        (vec![("AUTH_ALGORITHMS", "HS256")], "BOARDS_AUTH_ALGORITHMS must not name HS256"),
        (
            vec![("AUTH_ALGORITHMS", "RS256,HS256"), ("JWT_SECRET", SECRET)],
            "BOARDS_AUTH_ALGORITHMS must not name HS256",
        ),
        (vec![("AUTH_ALGORITHMS", "none")], "BOARDS_AUTH_ALGORITHMS (environment) must be"),
        (vec![("AUTH_ALGORITHMS", "off")], "BOARDS_AUTH_ALGORITHMS (environment) must be"),
        (vec![("AUTH_JWKS_URL", "http://id.example/")], "BOARDS_AUTH_JWKS_URL (environment) must"),
        (vec![("AUTH_PROVIDER", "auth0")], "BOARDS_AUTH_ISSUER must be of the form"),
        (
            vec![("AUTH_PROVIDER", "clerk"), ("AUTH_ISSUER", "https://x.clerk.accounts.dev/")],
            "BOARDS_AUTH_ISSUER must be of the form",
        ),
        (vec![("AUTH_PROVIDER", "supabase")], "BOARDS_AUTH_ISSUER must be of the form"),
        (vec![("AUTH_PROVIDER", "introspection")], "BOARDS_AUTH_INTROSPECTION_URL must be set"),
        (
            vec![
                ("AUTH_PROVIDER", "introspection"),
                ("AUTH_INTROSPECTION_URL", "https://id.example/i"),
            ],
            "BOARDS_AUTH_CLIENT_ID must be set",
        ),
        (
            vec![
                ("AUTH_PROVIDER", "introspection"),
                ("AUTH_INTROSPECTION_URL", "https://id.example/i"),
                ("AUTH_CLIENT_ID", "boards"),
            ],
            "BOARDS_AUTH_CLIENT_SECRET must be set",
        ),
    ] {
        let error = refusal(&changed(&OIDC, &more));
        assert!(error.starts_with(start), "{error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_clients_secret_comes_from_one_place_and_is_not_shown() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("secret");
    fs::write(&path, "s3cr3t\n").expect("a file");
    let file = ("AUTH_CLIENT_SECRET_FILE", path.to_str().expect("text"));
    let config = good(&[file]);
    let secret = config.auth_client_secret.as_ref().expect("a secret");
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret), "s3cr3t");
    assert!(!format!("{config:?} {:?}", config.single_issuer()).contains("s3cr3t"));
    let error = refusal(&[file, ("AUTH_CLIENT_SECRET", "s3cr3t")]);
    assert!(error.contains("are both set") && !error.contains("s3cr3t"), "{error}");
    fs::write(&path, "\n").expect("a file");
    assert!(refusal(&[file]).contains("BOARDS_AUTH_CLIENT_SECRET_FILE"));
}

#[test]
fn what_a_provider_does_not_look_at_is_warned_of() {
    let settings = changed(&OIDC, &[("JWT_SECRET", SECRET), ("AUTH_CLIENT_ID", "boards")]);
    let warnings = load(&settings).expect("all right").warnings.join("\n");
    for name in ["BOARDS_JWT_SECRET", "BOARDS_AUTH_CLIENT_ID"] {
        assert!(warnings.contains(&format!("{name} is set, and means nothing to")), "{warnings}");
    }
}

const WORK: &str = "[[auth_issuers]]\nname = 'work'\nprovider = 'oidc'\n\
    issuer = 'https://id.example'\naudience = ['boards', 'boards-admin']\n";

#[test]
fn issuers_stand_in_a_list() {
    let file = format!(
        "{WORK}tenants = ['acme']\nplatform_admin = true\ntoken_type = 'at+jwt'\n\
         algorithms = ['ES256']\ntenant_claim = 'org'\njwks_url = 'https://id.example/keys'\n\n\
         [[auth_issuers]]\nname = 'scripts'\nprovider = 'jwt'\nissuer = 'scripts'\n\
         jwt_secret = '{SECRET}'\n"
    );
    let config = load_file(&file).expect("all right").config;
    assert!(!config.lets_everyone_in());
    let [work, scripts] = config.trusted_issuers().try_into().expect("two issuers");
    assert_eq!((work.name.as_str(), work.provider), ("work", AuthProvider::Oidc));
    assert_eq!(work.audiences, ["boards", "boards-admin"]);
    assert_eq!(work.allowed_algorithms(), [JwtAlgorithm::Es256]);
    assert_eq!((work.token_type, work.platform_admin), (TokenType::AccessToken, true));
    assert_eq!(work.tenants.as_deref(), Some(&["acme".to_owned()][..]));
    assert_eq!(work.tenant_claim.as_deref(), Some("org"));
    assert_eq!((scripts.provider, scripts.platform_admin), (AuthProvider::Jwt, false));
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

#[test]
fn the_issuer_of_the_environment_joins_the_list() {
    let folder = folder(&format!("tenant_claim = 'team'\n{WORK}"));
    let load = |pairs: &[(&str, &str)]| {
        Config::load(Purpose::Serve, &Flags::new(), variables(pairs), folder.path())
    };
    let names = |pairs: &[(&str, &str)]| -> Vec<String> {
        let issuers = load(pairs).expect("all right").config.trusted_issuers();
        assert!(issuers.iter().all(|issuer| issuer.tenant_claim.as_deref() == Some("team")));
        issuers.into_iter().map(|issuer| issuer.name).collect()
    };
    assert_eq!(names(&[]), ["work"]);
    assert_eq!(names(&OIDC), ["oidc", "work"]);
    let error = load(&[("AUTH_PROVIDER", "none")]).expect_err("everyone or some").to_string();
    assert!(error.starts_with("BOARDS_AUTH_PROVIDER (environment) is none"), "{error}");
    let same = changed(&OIDC, &[("AUTH_ISSUER", "https://id.example")]);
    let error = load(&same).expect_err("one issuer twice").to_string();
    assert!(error.contains("entry 1 (\"work\"): issuer must not be another"), "{error}");
    let nameless = [("AUTH_PROVIDER", "jwt"), ("JWT_SECRET", SECRET)];
    let error = load(&nameless).expect_err("whose tokens").to_string();
    assert!(error.starts_with("BOARDS_AUTH_ISSUER must be set: with several issuers"), "{error}");
    let host = [("API_HOST", "0.0.0.0")];
    assert!(load(&host).is_ok(), "the list judges who comes");
}

/// What is wrong with an entry to which `more` is added, or whose line `from` becomes `more`.
fn entry_refusal(from: &str, more: &str) -> String {
    let entry = if from.is_empty() { format!("{WORK}{more}\n") } else { WORK.replace(from, more) };
    let error = load_file(&entry).err().unwrap_or_else(|| panic!("{entry} was taken")).to_string();
    assert!(error.contains("boards.toml: auth_issuers entry 1"), "{error}");
    assert!(!error.contains('\n') && !error.contains("s3cr3t"), "{error}");
    error
}

#[test]
fn entries_that_are_refused() {
    for (from, more, end) in [
        ("", "audiance = 'x'", "audiance is an unknown key; did you mean audience?"),
        ("", "nonsense = 1", "nonsense is an unknown key; there are name, provider"),
        ("name = 'work'", "", "name must be 1 to 50"),
        ("'work'", "'none'", "name must be 1 to 50"),
        ("'work'", "''", "name must be 1 to 50"),
        ("'work'", "'a b'", "name must be 1 to 50"),
        ("'work'", "7", "name must be 1 to 50"),
        ("'work'", "'12345678901234567890123456789012345678901234567890x'", "name must be 1 to 50"),
        ("'oidc'", "'none'", "provider must be one of jwt"),
        ("'oidc'", "'okta'", "provider must be one of jwt"),
        ("provider = 'oidc'", "", "provider must be one of jwt"),
        ("issuer = 'https://id.example'", "", "issuer must be set"),
        ("'https://id.example'", "'http://id.example'", "issuer must be an https URL"),
        ("'https://id.example'", "['https://id.example']", "issuer must be text"),
        ("audience = ['boards', 'boards-admin']", "", "audience must be set"),
        ("['boards', 'boards-admin']", "[]", "audience must be text or a list"),
        ("['boards', 'boards-admin']", "['boards', 7]", "audience must be text or a list"),
        ("['boards', 'boards-admin']", "' '", "audience must be text or a list"),
        ("", "jwks_url = 'http://id.example'", "jwks_url must be an https URL"),
        ("", "introspection_url = 'https://a.example'", "introspection_url means nothing to"),
        ("", "client_id = 'a'", "client_id means nothing to the provider oidc"),
        ("", "client_secret = 's3cr3t'", "client_secret means nothing to the provider oidc"),
        ("", "client_secret_file = '/nonexistent'", "client_secret_file must be the path"),
        ("", "client_method = 'none'", "client_method must be basic or post"),
        ("", "token_type = 'jwt'", "token_type must be any or at+jwt"),
        ("", "algorithms = ['none']", "algorithms must be a list"),
        ("", "algorithms = ['HS256']", "algorithms must not name HS256"),
        ("", "tenant_claim = 'sub'", "tenant_claim must be the name of a claim"),
        ("", "tenants = ['Not A Slug']", "tenants must be a list of tenants' slugs"),
        ("", "tenants = []", "tenants must be a list of tenants' slugs"),
        ("", "platform_admin = 'yes'", "platform_admin must be true or false"),
        ("", "jwt_secret = 's3cr3t'", "jwt_secret must be text of at least 32 bytes"),
        ("", "jwt_public_key_file = '/nonexistent'", "jwt_public_key_file must be the path"),
        ("'oidc'", "'jwt'", "jwt_secret must be set"),
        ("'oidc'", "'supabase'", "issuer must be of the form"),
    ] {
        let error = entry_refusal(from, more);
        assert!(error.contains(&format!(": {end}")), "{more}: {error}");
    }
}

#[test]
fn lists_that_are_refused() {
    let second =
        |entry: &str| load_file(&format!("{WORK}{entry}")).expect_err("refused").to_string();
    let same_name = WORK.replace("https://id.example", "https://other.example");
    assert!(second(&same_name).contains("entry 2 (\"work\"): name must not be another issuer's"));
    let same_issuer = WORK.replace("'work'", "'other'");
    assert!(second(&same_issuer).contains("entry 2 (\"other\"): issuer must not be another"));
    let opaque = |name: &str| {
        format!(
            "[[auth_issuers]]\nname = '{name}'\nprovider = 'introspection'\naudience = 'boards'\n\
             introspection_url = 'https://{name}.example'\nclient_id = 'a'\nclient_secret = 'b'\n"
        )
    };
    assert!(load_file(&format!("{WORK}{}", opaque("a"))).is_ok());
    let error = second(&format!("{}{}", opaque("a"), opaque("b")));
    assert!(error.contains("entry 3 (\"b\"): issuer must be set: of several entries"), "{error}");
    for wrong in ["auth_issuers = 'work'", "auth_issuers = ['work']", "[auth_issuers]\nname = 'a'"]
    {
        let error = load_file(wrong).expect_err("no list").to_string();
        assert!(error.contains("auth_issuers must be at most 50 tables"), "{error}");
    }
    let error = load_file("[[auth_issuer]]\nname = 'a'").expect_err("misspelt").to_string();
    assert!(error.contains("auth_issuer"), "{error}");
}
