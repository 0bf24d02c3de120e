//! Keys of tenants at providers: who sets them, what can be read of them, and what is kept.

use std::{io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use boards::{
    config::encryption_keys,
    domain::TenantId,
    store::{Store, Vault},
};
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Client, TestApp, boards, run, text};

const SET: &str = "mutation($p: String!, $k: String!) { setProviderKey(provider: $p, key: $k) {
    provider updatedAt updatedBy { displayName } } }";
const DELETE: &str = "mutation($p: String!) { deleteProviderKey(provider: $p) }";
const KEYS: &str = "{ providerKeys { provider updatedAt updatedBy { displayName } } }";
const SECRET: &str = "sk-very-secret-0123456789";

async fn admin(app: &TestApp, name: &str) -> Client {
    let admin = app.user(name);
    app.make_admin(&admin).await;
    admin
}

async fn set(client: &Client, provider: &str, key: &str) -> Value {
    client.data(SET, json!({ "p": provider, "k": key })).await["setProviderKey"].clone()
}

/// The key as a worker would use it.
async fn key(store: &Store, tenant: TenantId, provider: &str) -> Option<String> {
    let key = store.worker().provider_key(tenant, provider).await.expect("an answer");
    key.map(|key| key.expose_secret().to_owned())
}

#[tokio::test]
async fn a_key_from_its_setting_to_its_end() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, admin(&app, "bob").await);
    let tenant = app.tenant_of(&ada).await;
    assert_eq!(ada.data(KEYS, json!({})).await["providerKeys"], json!([]));
    assert_eq!(key(app.store(), tenant, "fal").await, None);

    set(&ada, "openai", "other").await;
    let first = set(&ada, "fal", &format!(" {SECRET}\n")).await;
    assert_eq!(first["updatedBy"]["displayName"], "Name of ada");
    assert_eq!(key(app.store(), tenant, "fal").await.as_deref(), Some(SECRET));
    let second = set(&bob, "fal", "newer").await;
    assert_eq!(second["updatedBy"]["displayName"], "Name of bob");
    assert_eq!(key(app.store(), tenant, "fal").await.as_deref(), Some("newer"));
    let listed = ada.data(KEYS, json!({})).await["providerKeys"].clone();
    assert_eq!((&listed[0], &listed[1]["provider"]), (&second, &json!("openai")));
    assert_eq!(key(app.store(), tenant, "openai").await.as_deref(), Some("other"));
    let keyed = app.store().worker().keyed_providers(tenant).await.expect("an answer");
    assert_eq!(keyed, ["fal", "openai"]);

    assert_eq!(ada.data(DELETE, json!({ "p": "fal" })).await["deleteProviderKey"], true);
    assert_eq!(ada.code(DELETE, json!({ "p": "fal" })).await, "NOT_FOUND");
    assert_eq!(key(app.store(), tenant, "fal").await, None);
}

#[tokio::test]
async fn a_key_is_of_one_tenant() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    for client in [&one, &two] {
        app.make_admin(client).await;
    }
    set(&one, "fal", SECRET).await;
    assert_eq!(two.data(KEYS, json!({})).await["providerKeys"], json!([]));
    assert_eq!(two.code(DELETE, json!({ "p": "fal" })).await, "NOT_FOUND");
    let tenant = app.tenant_of(&two).await;
    assert_eq!(key(app.store(), tenant, "fal").await, None);
    // Not even whoever writes to the database can give it to another tenant.
    let copy =
        "INSERT INTO provider_keys (id, tenant_id, provider, ciphertext, created_at, updated_at)
        SELECT $1, $1, provider, ciphertext, created_at, updated_at FROM provider_keys";
    crate::support::sql::execute(&app, copy, [tenant.0.into()]).await;
    assert_eq!(key(app.store(), tenant, "fal").await, None);
}

#[tokio::test]
async fn what_is_no_key_is_refused_without_a_part_of_it() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let long = "x".repeat(501);
    for (provider, bad, path) in [
        ("fal", "", "key"),
        ("fal", "secret with spaces", "key"),
        ("fal", "sécret", "key"),
        ("fal", long.as_str(), "key"),
        ("other", SECRET, "provider"),
        ("FAL", SECRET, "provider"),
    ] {
        let variables = json!({ "p": provider, "k": bad });
        ada.refused_input(SET, variables.clone(), &[path]).await;
        let answer = ada.graphql(SET, variables).await.body.to_string();
        assert!(bad.is_empty() || !answer.contains(bad), "{answer}");
    }
    ada.refused_input(DELETE, json!({ "p": "other" }), &["provider"]).await;
}

/// All that is stored and logged of a key: neither the database nor the audit log holds it.
#[tokio::test]
async fn a_key_is_nowhere_in_the_clear() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    set(&ada, "fal", SECRET).await;
    let connection = app.database().connect().await;
    let query = sea_orm::Statement::from_string(
        connection.get_database_backend(),
        "SELECT ciphertext FROM provider_keys",
    );
    let row = connection.query_one_raw(query).await.expect("an answer").expect("a row");
    let ciphertext: Vec<u8> = row.try_get("", "ciphertext").expect("bytes");
    assert!(!ciphertext.windows(6).any(|bytes| SECRET.as_bytes().windows(6).any(|w| w == bytes)));
    let audit = "{ auditEvents(first: 100) { nodes { action objectType objectId decision } } }";
    let recorded = crate::support::eventually("the act is on record", async || {
        let found = ada.data(audit, json!({})).await["auditEvents"]["nodes"].clone();
        found.to_string().contains("setProviderKey").then_some(found)
    })
    .await;
    let act = recorded.as_array().expect("a list").iter();
    let act = act.filter(|event| event["action"] == "setProviderKey").collect::<Vec<_>>();
    assert_eq!((act.len(), &act[0]["objectType"]), (1, &json!("providerKey")));
    assert!(!recorded.to_string().contains("sk-very"));
}

/// With another master key than the row was written with there is no key, and no error either; older keys
/// that are named beside the new one still open it.
#[tokio::test]
async fn master_keys_can_be_changed() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let tenant = app.tenant_of(&ada).await;
    set(&ada, "fal", SECRET).await;
    let file = std::fs::read_to_string(app.config.encryption_key_file()).expect("a file");
    let mode = std::fs::metadata(app.config.encryption_key_file()).expect("a file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let old = encryption_keys(file.trim()).expect("a key");
    let others = async |keys: &[[u8; 32]]| {
        let config = boards::config::Config {
            database_url: app.config.database_url.clone(),
            ..app.config.clone()
        };
        let store = boards::app::open_store(&config).await.expect("the store");
        store.use_vault(Vault::new(keys).expect("keys"));
        let found = key(&store, tenant, "fal").await;
        let keyed = store.worker().keyed_providers(tenant).await.expect("an answer");
        assert_eq!(keyed.len(), usize::from(found.is_some()), "one that cannot be used is none");
        store.close().await.expect("closed");
        found
    };
    assert_eq!(others(&[[9; 32]]).await, None);
    assert_eq!(others(&[[9; 32], old[0]]).await.as_deref(), Some(SECRET));
    assert_eq!(ada.data(KEYS, json!({})).await["providerKeys"][0]["provider"], "fal");
}

#[tokio::test]
async fn keys_are_set_in_a_shell() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let tenant = app.tenant_of(&ada).await;
    let folder = TempDir::new().expect("a folder");
    let file = std::fs::read_to_string(app.config.encryption_key_file()).expect("a file");
    let shell = async |arguments: &[&str], input: &str| {
        let mut keys = tempfile::tempfile().expect("a file");
        keys.write_all(input.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut keys).expect("rewound");
        let mut command = boards(folder.path(), &["tenant", "key"]);
        command
            .args(arguments)
            .env("BOARDS_DATABASE_URL", app.database().url().expose())
            .env("BOARDS_ENCRYPTION_KEY", file.trim())
            .stdin(Stdio::from(keys));
        run(command).await
    };
    let done = shell(&["set", "default", "fal"], &format!("{SECRET}\n")).await;
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stdout.starts_with("fal  20"), "{done:?}");
    assert_eq!(key(app.store(), tenant, "fal").await.as_deref(), Some(SECRET));
    let listed = ada.data(KEYS, json!({})).await["providerKeys"].clone();
    assert_eq!(
        (text(&listed[0]["provider"]).as_str(), &listed[0]["updatedBy"]),
        ("fal", &Value::Null)
    );
    assert_eq!(shell(&["list", "default"], "").await.stdout, done.stdout);
    for (arguments, input) in [
        (&["set", "default", "fal"][..], "two words"),
        (&["set", "default", "fal"], ""),
        (&["set", "default", "other"], SECRET),
        (&["set", "nobody", "fal"], SECRET),
        (&["delete", "default", "kie"], ""),
    ] {
        let refused = shell(arguments, input).await;
        assert_ne!(refused.code, Some(0), "{arguments:?}: {refused:?}");
        assert!(!refused.stderr.contains("two words") && !refused.stderr.contains(SECRET));
    }
    assert_eq!(shell(&["delete", "default", "fal"], "").await.code, Some(0));
    assert_eq!(key(app.store(), tenant, "fal").await, None);
}
