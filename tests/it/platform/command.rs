//! `boards tenant …`: the same from a shell.

use serde_json::json;
use tempfile::TempDir;

use super::{at, get, operator, platform};
use crate::support::{TestApp, TestDatabase, boards, on_postgres, run};

struct Shell {
    folder: TempDir,
    database: TestDatabase,
}

impl Shell {
    async fn open() -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = TestDatabase::migrated(&folder.path().join("data")).await;
        Self { folder, database }
    }

    /// What the command prints; it must succeed.
    async fn tenant(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.try_tenant(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        stdout
    }

    async fn try_tenant(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = boards(self.folder.path(), &["tenant"]);
        command.args(arguments).env("BOARDS_DATABASE_URL", self.database.url().expose());
        let ended = run(command).await;
        (ended.code, ended.stdout, ended.stderr)
    }
}

#[tokio::test]
async fn tenants_are_shown_changed_approved_and_deleted() {
    let shell = Shell::open().await;
    shell.tenant(&["create", "acme", "--name", "Acme"]).await;
    let shown = shell.tenant(&["show", "acme"]).await;
    assert!(shown.contains("name           Acme\n"), "{shown}");
    let changed = [
        "update",
        "acme",
        "--name",
        "Acme Ltd.",
        "--slug",
        "acme-ltd",
        "--join",
        "domain",
        "--domain",
        "acme.com",
    ];
    let changed = shell.tenant(&changed).await;
    assert!(changed.ends_with("  acme-ltd  active  domain  acme.com  Acme Ltd.\n"), "{changed}");
    let closed = shell.tenant(&["update", "acme-ltd", "--join", "invite", "--no-domains"]).await;
    assert!(closed.contains("  invite    Acme Ltd."), "{closed}");
    let connection = shell.database.connect().await;
    let pending = "UPDATE tenants SET status = 'pending' WHERE slug = 'acme-ltd'";
    sea_orm::ConnectionTrait::execute_unprepared(&connection, pending).await.expect("pending");
    connection.close().await.expect("closed");
    let approved = shell.tenant(&["approve", "acme-ltd"]).await;
    assert!(approved.contains("  active  "), "{approved}");

    for (arguments, wanted) in [
        (&["delete", "acme-ltd", "--confirm", "acme"][..], "confirm must repeat the slug"),
        (&["delete", "unknown", "--confirm", "unknown"], "Tenant not found"),
        (&["show", "unknown"], "Tenant not found"),
        (&["update", "acme-ltd", "--join", "domain"], "join_domains"),
    ] {
        let (code, stdout, stderr) = shell.try_tenant(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(stderr.contains(wanted) && stderr.lines().count() == 1, "{stderr}");
    }
    assert_eq!(shell.try_tenant(&["delete", "acme-ltd"]).await.0, Some(2), "--confirm is needed");
    let deleted = shell.tenant(&["delete", "acme-ltd", "--confirm", "acme-ltd"]).await;
    assert_eq!(deleted, "acme-ltd is deleted\n");
    assert_eq!(shell.tenant(&["list"]).await, "");
}

/// A server on SQLite has its database to itself, one on PostgreSQL does not.
#[tokio::test]
async fn a_deletion_beside_a_server() {
    let mut app: TestApp = platform().start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("Full", true).await;
    ada.upload_png(&board).await;
    let command = |app: &TestApp| {
        let arguments = ["tenant", "delete", "one", "--confirm", "one"];
        let mut command = boards(app.config.data_dir.as_path(), &arguments);
        command
            .env("BOARDS_DATABASE_URL", app.database().url().expose())
            .env("BOARDS_DATA_DIR", &app.config.data_dir);
        command
    };
    let ended = run(command(&app)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ada.code("{ me { id } }", json!({})).await, "TENANT_NOT_FOUND");
    if on_postgres() {
        assert_eq!(ended.stdout, "one is deleted\n", "{ended:?}");
        assert!(ended.stderr.contains("1 rows of generations deleted"), "{ended:?}");
        assert_eq!(get(&operator(&app), &at("one")).await.0, 404);
    } else {
        assert!(ended.stdout.contains("the running server deletes"), "{ended:?}");
        assert_eq!(get(&operator(&app), &at("one")).await.1["status"], "deleting");
        app.stop().await;
        let ended = run(command(&app)).await;
        assert_eq!(ended.stdout, "one is deleted\n", "{ended:?}");
    }
    assert!(app.files().is_empty(), "{:?}", app.files());
}
