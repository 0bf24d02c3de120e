//! `boards user`, beside a server and on a database of its own.

use serde_json::json;
use tempfile::TempDir;

use super::{admin, tenant_role};
use crate::support::{Ended, TestApp, TestDatabase, boards, run};

/// `boards user …` on a database; what it prints must be fit for a shell.
async fn user(database: &TestDatabase, arguments: &[&str]) -> Ended {
    let folder = TempDir::new().expect("a folder");
    let mut command = boards(folder.path(), &["user"]);
    command.args(arguments).env("BOARDS_DATABASE_URL", database.url().expose());
    let ended = run(command).await;
    let (lines, errors) = (ended.stdout.lines().count(), ended.stderr.lines().count());
    let good = match ended.code {
        Some(0) => errors == 0,
        _ => lines == 0 && errors == 1,
    };
    assert!(good, "{arguments:?}: {ended:?}");
    ended
}

#[tokio::test]
async fn the_first_admin_is_made_in_a_shell() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (ada_id, bob_id) = (ada.id().await, bob.id().await);
    assert_eq!(tenant_role(&ada).await, "MEMBER");
    let database = app.database();
    let made = user(database, &["role", "ADA@example.com", "admin"]).await;
    assert_eq!(made.stdout, format!("{ada_id}  admin  active  ada@example.com  Name of ada\n"));
    assert_eq!(tenant_role(&ada).await, "ADMIN");

    let suspended = user(database, &["suspend", &bob_id]).await;
    assert!(suspended.stdout.contains("suspended"), "{suspended:?}");
    assert_eq!(bob.code("{ me { id } }", json!({})).await, "FORBIDDEN");
    user(database, &["reinstate", "bob@example.com"]).await;
    assert_eq!(bob.id().await, bob_id);

    let listed = user(database, &["list"]).await.stdout;
    let ids: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(ids, [&*ada_id, &*bob_id]);
    assert_eq!(user(database, &["list", "--query", "BOB"]).await.stdout.lines().count(), 1);
}

#[tokio::test]
async fn whom_a_shell_invites_joins() {
    let app = TestApp::start().await;
    let made = user(app.database(), &["invite", "Eve@example.com", "--role", "admin"]).await;
    assert!(made.stdout.contains("  admin  until 20"), "{made:?}");
    assert_eq!(tenant_role(&app.user("eve")).await, "ADMIN");
}

#[tokio::test]
async fn what_cannot_be_done_is_one_line_without_an_address() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let twin = app.anonymous().with_token(
        &crate::support::Issuer::trusted()
            .token(&json!({ "sub": "x", "email": "twin@example.com" })),
    );
    twin.id().await;
    let other = crate::support::Issuer::trusted()
        .token(&json!({ "sub": "y", "email": "Twin@example.com" }));
    app.anonymous().with_token(&other).id().await;
    let ada_id = ada.id().await;
    let nobody = uuid::Uuid::new_v4().to_string();
    let cases: [(&[&str], &str); 8] = [
        (&["role", &ada_id, "member"], "last active admin"),
        (&["suspend", &ada_id], "last active admin"),
        (&["suspend", &nobody], "User not found"),
        (&["suspend", "nobody@example.com"], "no user"),
        (&["suspend", "nobody"], "an email address or an id"),
        (&["suspend", "twin@example.com"], "several users"),
        (&["invite", "new@example.com", "--expires", "91d"], "at most 90d"),
        (&["list", "--tenant", "nowhere"], "no tenant"),
    ];
    for (arguments, wanted) in cases {
        let ended = user(app.database(), arguments).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert!(ended.stderr.contains(wanted), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains('@'), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn with_many_tenants_one_is_named() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    let (one_id, two_id) = (one.id().await, two.id().await);
    let database = app.database();
    user(database, &["role", "ada@example.com", "admin", "--tenant", "two"]).await;
    assert_eq!([tenant_role(&one).await, tenant_role(&two).await], ["MEMBER", "ADMIN"]);
    let foreign = user(database, &["suspend", &two_id, "--tenant", "one"]).await;
    assert!(foreign.stderr.contains("User not found"), "{foreign:?}");
    let listed = user(database, &["list", "--tenant", "one"]).await.stdout;
    assert!(listed.contains(&one_id) && !listed.contains(&two_id), "{listed}");
    let unnamed = user(database, &["list", "--multi-tenant-mode"]).await;
    assert!(unnamed.stderr.contains("--tenant"), "{unnamed:?}");
}

#[tokio::test]
async fn before_the_first_start_there_is_the_only_tenant() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::migrated(folder.path()).await;
    user(&database, &["invite", "first@example.com", "--role", "admin"]).await;
    assert_eq!(user(&database, &["list"]).await.stdout, "");
}
