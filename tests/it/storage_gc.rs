//! `boards storage gc`: what it finds, what it deletes, and what it must not touch.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use boards::{
    artifacts::{ArtifactStore, ArtifactStores},
    platform::{FileCheck, Finding},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    BUCKET, Client, Ended, ObjectServer, SLOW, TestApp, boards, eventually, files_below,
    on_postgres, run, text,
};

/// Older than what is left alone.
const OLD: Duration = Duration::from_hours(48);

fn age(path: &Path) {
    let file = File::options().append(true).open(path).expect("a file");
    file.set_modified(SystemTime::now() - OLD).expect("older");
}

/// A file beside another, of a generation that there is not; as old as it must be to be deleted.
fn orphan_beside(file: &Path, name: &str) -> PathBuf {
    let board = file.parent().and_then(Path::parent).expect("a board's folder");
    let folder = board.join(Uuid::now_v7().to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    let orphan = folder.join(name);
    std::fs::write(&orphan, "nobody's").expect("written");
    age(&orphan);
    orphan
}

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let arguments = [&["storage", "gc"], arguments].concat();
    let mut command = boards(&app.config.data_dir, &arguments);
    command
        .env("BOARDS_DATA_DIR", &app.config.data_dir)
        .env("BOARDS_DATABASE_URL", app.config.database_url.expose());
    command
}

async fn gc(app: &TestApp, arguments: &[&str]) -> Ended {
    run(command(app, arguments)).await
}

/// An app with three uploads: one whole, one whose file is gone, and an orphan beside them.
struct Mess {
    app: TestApp,
    orphan: PathBuf,
    kept: Vec<PathBuf>,
    gone: String,
}

impl Mess {
    async fn make() -> Self {
        let app = TestApp::start().await;
        let ada = app.user("ada");
        let board = ada.board("t", false).await;
        let whole = ada.upload_png(&board).await;
        let gone = ada.upload_text(&board, "lost").await;
        let lost = app.files_of(&gone).remove(0);
        std::fs::remove_file(lost).expect("removed");
        let kept = app.files_of(&whole);
        for path in &kept {
            age(path);
        }
        let orphan = orphan_beside(&kept[0], "artifact.txt");
        Self { app, orphan, kept, gone }
    }
}

#[tokio::test]
async fn it_looks_and_deletes_only_files_that_nobody_names() {
    let Mess { mut app, orphan, kept, gone } = Mess::make().await;
    let young = orphan_beside(&kept[0], "young.txt");
    std::fs::write(&young, "just stored").expect("written");
    let foreign = app.storage().join("notes.txt");
    std::fs::write(&foreign, "somebody's").expect("written");
    age(&foreign);
    // To look is safe beside a server.
    let looked = gc(&app, &[]).await;
    assert_eq!(looked.code, Some(1), "{looked:?}");
    let name = orphan.strip_prefix(app.storage()).expect("below").display().to_string();
    assert!(
        looked.stdout.contains(&format!("file without row  default  {name}  8 bytes")),
        "{looked:?}"
    );
    assert!(looked.stdout.contains(&format!("{gone}  storage:")), "{looked:?}");
    let counts = "4 files, of which 1 without a row (8 bytes), 0 deleted, 1 too young to tell; \
                  3 named by rows, of which 1 are not there; 1 foreign objects left alone";
    assert!(looked.stdout.ends_with(&format!("{counts}\n")), "{looked:?}");
    assert!(looked.stderr.contains("1 files have no row") && orphan.exists(), "{looked:?}");
    app.stop().await;
    let deleted = gc(&app, &["--delete"]).await;
    assert_eq!(deleted.code, Some(1), "a row without a file is left: {deleted:?}");
    assert!(!orphan.exists() && !orphan.parent().expect("a folder").exists());
    assert!(young.exists() && foreign.exists() && kept.iter().all(|path| path.exists()));
    age(&young);
    let deleted = gc(&app, &["--delete", "--older-than", "3d"]).await;
    assert!(young.exists(), "{deleted:?}");
    gc(&app, &["--delete", "--older-than", "1d"]).await;
    assert!(!young.exists());
}

#[tokio::test]
async fn where_all_fits_it_ends_well() {
    let mut app = TestApp::start().await;
    let ada = app.user("ada");
    ada.upload_png(&ada.board("t", false).await).await;
    app.stop().await;
    for arguments in [&[][..], &["--dry-run"], &["--delete", "--older-than", "1s"]] {
        let ended = gc(&app, arguments).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(app.files().len(), 2);
    assert_eq!(gc(&app, &["--delete", "--dry-run"]).await.code, Some(2));
}

#[tokio::test]
async fn findings_can_be_read_by_programs() {
    let Mess { mut app, gone, .. } = Mess::make().await;
    app.stop().await;
    let ended = gc(&app, &["--json", "--delete"]).await;
    let lines: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |finding: &str| lines.iter().find(|line| line["finding"] == finding).expect("found");
    let file = of("file_without_row");
    assert_eq!(
        (&file["deleted"], &file["bytes"], &file["store"]),
        (&json!(true), &json!(8), &json!("default"))
    );
    assert_eq!(text(&of("row_without_file")["generationId"]), gone);
    let summary = &lines.last().expect("a summary")["summary"];
    assert_eq!((&summary["deleted"], &summary["rowsWithoutFiles"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn with_sqlite_nothing_is_deleted_beside_a_server() {
    let Mess { app, orphan, .. } = Mess::make().await;
    let ended = gc(&app, &["--delete"]).await;
    if on_postgres() {
        assert!(!orphan.exists(), "{ended:?}");
    } else {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("another boards process") && orphan.exists(), "{ended:?}");
    }
}

async fn running(ada: &Client, board: &str) -> String {
    let generation = ada.generate_as(board, SLOW, "TEXT", json!({ "seconds": 3600 })).await;
    let query = "query($id: UUID!) { generation(id: $id) { status } }";
    eventually("it runs", async || {
        let data = ada.data(query, json!({ "id": generation })).await;
        (data["generation"]["status"] == "PROCESSING").then_some(())
    })
    .await;
    generation
}

#[tokio::test]
async fn what_a_run_has_stored_before_it_ended_stays() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let whole = ada.upload_text(&board, "whole").await;
    let generation = running(&ada, &board).await;
    let file = app.files_of(&whole).remove(0);
    let stored = PathBuf::from(file.to_string_lossy().replace(&whole, &generation));
    std::fs::create_dir_all(stored.parent().expect("a folder")).expect("made");
    std::fs::write(&stored, "on its way").expect("written");
    age(&stored);
    let files = ArtifactStores::new(ArtifactStore::open_folder(app.storage()).expect("a store"));
    let check = FileCheck::new(app.store().clone(), files, Duration::from_secs(1), true);
    let mut findings: Vec<Finding> = Vec::new();
    let tally = check
        .run(|finding| {
            findings.push(finding.clone());
            Ok(())
        })
        .await
        .expect("it runs");
    assert!(stored.exists() && findings.is_empty(), "{findings:?}");
    assert_eq!((tally.files, tally.deleted), (2, 0));
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }";
    ada.data(cancel, json!({ "id": generation })).await;
}

#[tokio::test]
async fn buckets_are_looked_through_too_and_rows_of_stores_that_are_gone_are_told() {
    let server = ObjectServer::start().await;
    server.make_bucket("texts");
    let mut app = TestApp::builder()
        .config(server.use_by())
        .config(|config| {
            config.stores = vec!["texts=s3://texts".parse().expect("a store")];
            config.storage_rules = vec!["text=texts".parse().expect("a rule")];
        })
        .start()
        .await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    ada.upload_png(&board).await;
    ada.upload_text(&board, "words").await;
    let orphans = [BUCKET, "texts"].map(|bucket| {
        let object = server.objects(bucket).remove(0);
        orphan_beside(&object, "artifact.txt")
    });
    app.stop().await;
    let with_buckets = |arguments: &[&str], stores: &str| {
        let mut command = command(&app, arguments);
        command
            .envs(ObjectServer::variables())
            .env("AWS_ENDPOINT_URL", &server.endpoint)
            .env("BOARDS_STORAGE_URL", format!("s3://{BUCKET}/files"))
            .env("BOARDS_STORES", stores);
        command
    };
    let ended = run(with_buckets(&["--delete"], "texts=s3://texts")).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(orphans.iter().all(|orphan| !orphan.exists()), "{ended:?}");
    assert_eq!((server.objects(BUCKET).len(), server.objects("texts").len()), (2, 1));
    let ended = run(with_buckets(&[], "off")).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("storage+texts:") && ended.stderr.contains("1 rows"),
        "{ended:?}"
    );
    assert!(files_below(&app.config.data_dir.join("storage")).is_empty());
}
