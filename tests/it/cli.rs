//! The commands: what they print, how they end, and that a failure is one line that helps.

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    SECRET, Serving, TestApp, TestDatabase, boards, eventually, on_postgres, run,
};

/// Arguments, settings, and what standard error must say.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

const JWT: (&str, &str) = ("BOARDS_AUTH_PROVIDER", "jwt");

#[tokio::test]
async fn a_failure_is_one_line_that_says_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("stale.graphql"), "type Query { old: Int }")
        .expect("written");
    std::fs::write(folder.path().join("wrong.toml"), "api_prot = 1").expect("written");
    let cases: &[Case<'_>] = &[
        (&["token", "alice"], &[], "BOARDS_AUTH_PROVIDER=jwt"),
        (&["token", "alice"], &[JWT], "BOARDS_JWT_SECRET"),
        (&["schema", "--check", "missing.graphql"], &[], "missing.graphql cannot be read"),
        (&["schema", "--check", "stale.graphql"], &[], "run `boards schema > stale.graphql`"),
        (&["health", "http://127.0.0.1:1/health"], &[], "cannot be reached"),
        (&["migrate", "up", "--steps", "1"], &[], "--steps goes with `boards migrate down`"),
        (&["tenant", "create", "01a20144-7a28-72db-bbcb-ffc583baec45", "--name", "x"], &[], "UUID"),
        (&["--config", "missing.toml"], &[], "missing.toml"),
        (&["--config", "wrong.toml"], &[], "api_port"),
        (&[], &[("BOARDS_API_PORT", "many")], "BOARDS_API_PORT"),
        (&[], &[("BOARDS_API_PORT", "70000")], "BOARDS_API_PORT"),
        (&[], &[JWT], "BOARDS_JWT_SECRET"),
        (&[], &[JWT, ("BOARDS_JWT_SECRET", "hunter2")], "BOARDS_JWT_SECRET"),
        (&[], &[("BOARDS_API_HOST", "0.0.0.0")], "BOARDS_ALLOW_INSECURE"),
        (&[], &[("BOARDS_DATABASE_URL", "mysql://hunter2@host/name")], "BOARDS_DATABASE_URL"),
        (&[], &[("BOARDS_STORAGE_URL", "s3://bucket")], "BOARDS_STORAGE_URL"),
        (&[], &[("BOARDS_DATA_DIR", "/proc/nowhere")], "BOARDS_DATA_DIR"),
    ];
    for (arguments, settings, wanted) in cases {
        let mut command = boards(folder.path(), arguments);
        command.envs(settings.iter().copied());
        let ended = run(command).await;
        let what = format!("{arguments:?} {settings:?}: {ended:?}");
        assert_eq!(ended.code, Some(1), "{what}");
        assert_eq!(ended.stdout, "", "{what}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{what}");
        assert!(ended.stderr.starts_with("boards: ") && ended.stderr.contains(wanted), "{what}");
        assert!(!ended.stderr.contains("hunter2"), "a secret is shown: {what}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_help_with_0() {
    let folder = TempDir::new().expect("a folder");
    for wrong in [
        &["nonsense"][..],
        &["token"],
        &["token", "alice", "--expires", "soon"],
        &["tenant", "create", "Not A Slug", "--name", "x"],
        &["tenant", "create", "acme", "--name", "x", "--join", "domain"],
        &["migrate", "sideways"],
    ] {
        let ended = run(boards(folder.path(), wrong)).await;
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
    }
    for command in
        ["serve", "migrate", "schema", "tenant", "user", "generators", "token", "demo", "health"]
    {
        let ended = run(boards(folder.path(), &[command, "--help"])).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("Examples:"), "{command}");
    }
}

#[tokio::test]
async fn the_schema_is_the_one_that_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let ended = run(boards(folder.path(), &["schema", "--check", kept])).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let printed = run(boards(folder.path(), &["schema"])).await.stdout;
    assert_eq!(printed.trim_end(), std::fs::read_to_string(kept).expect("kept").trim_end());
}

#[tokio::test]
async fn a_token_of_the_command_opens_the_server() {
    let app = TestApp::start().await;
    let folder = TempDir::new().expect("a folder");
    let arguments = ["token", "alice", "--email", "alice@example.com", "--name", "Alice"];
    let mut command = boards(folder.path(), &arguments);
    command.envs([JWT, ("BOARDS_JWT_SECRET", SECRET)]);
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let alice = app.anonymous().with_token(ended.stdout.trim());
    let me = alice.data("{ me { email displayName authSubject } }", json!({})).await;
    let wanted =
        json!({ "email": "alice@example.com", "displayName": "Alice", "authSubject": "alice" });
    assert_eq!(me["me"], wanted);
    let health = run(boards(folder.path(), &["health", &app.url("/ready")])).await;
    assert_eq!((health.code, health.stdout.as_str()), (Some(0), "ok\n"));
}

#[tokio::test]
async fn tenants_are_made_once_and_listed() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::migrated(folder.path()).await;
    let tenant = async |arguments: &[&str]| {
        let mut command = boards(folder.path(), &["tenant"]);
        command.args(arguments).env("BOARDS_DATABASE_URL", database.url().expose());
        run(command).await
    };
    let create =
        ["create", "acme", "--name", "Acme Inc.", "--join", "domain", "--domain", "Acme.com"];
    let made = tenant(&create).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let id = made.stdout.split_whitespace().next().expect("an id").to_owned();
    let again = tenant(&create).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""));
    assert!(again.stderr.contains("already exists"), "{again:?}");
    let listed = tenant(&["list"]).await;
    let line = format!("{id}  acme  active  domain  acme.com  Acme Inc.");
    assert!(listed.stdout.lines().any(|shown| shown == line), "{listed:?}");
}

#[tokio::test]
async fn demo_then_serve() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::migrated(folder.path()).await;
    let command = |arguments: &[&str]| {
        let mut command = boards(folder.path(), arguments);
        command.env("BOARDS_DATABASE_URL", database.url().expose()).env("BOARDS_LOG_LEVEL", "warn");
        command
    };
    let made = run(command(&["demo"])).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.starts_with("Made 2 boards with 7 generations"), "{made:?}");
    let again = run(command(&["demo"])).await;
    assert!(again.stdout.starts_with("There are boards already"), "{again:?}");

    let mut server = Serving::start(command(&[])).await;
    let local = server.client();
    let query = "{ myBoards { title generations { status storageUrl } } }";
    let boards_made = eventually("every generation ends", async || {
        let boards = local.data(query, json!({})).await["myBoards"].clone();
        let text = boards.to_string();
        (!text.contains("PENDING") && !text.contains("PROCESSING")).then_some(boards)
    })
    .await;
    let boards_made = boards_made.as_array().expect("boards");
    let generations: Vec<_> = boards_made
        .iter()
        .flat_map(|board| board["generations"].as_array().expect("generations"))
        .collect();
    assert_eq!((boards_made.len(), generations.len()), (2, 7));
    assert!(generations.iter().all(|made| made["status"] == "COMPLETED"), "{generations:?}");

    if !on_postgres() {
        let second = run(command(&[])).await;
        assert_eq!(second.code, Some(1), "{second:?}");
        assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
        assert!(second.stderr.contains("another boards process"), "{second:?}");
    }
    assert_eq!(server.terminate().await.code(), Some(0));
}
