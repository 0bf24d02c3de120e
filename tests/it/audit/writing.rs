//! When events reach the database, and what the database does with them.

use std::time::Duration;

use boards::store::AuditRecord;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::json;

use super::{recorded, rows, sum};
use crate::support::{Home, TestApp, on_postgres, sql};

const BOARD: &str = "query($id: UUID!) { board(id: $id) { id } }";

#[tokio::test]
async fn a_stop_in_good_order_writes_what_is_waiting() {
    let mut app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    app.user("bob").code(BOARD, json!({ "id": board })).await;
    app.stop().await;
    let connection = app.database().connect().await;
    let statement = Statement::from_string(
        connection.get_database_backend(),
        "SELECT action FROM audit_events ORDER BY action",
    );
    let found = connection.query_all_raw(statement).await.expect("the table");
    let actions: Vec<String> =
        found.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect();
    assert_eq!(actions, ["board", "createBoard", "signIn.newUser", "signIn.newUser"]);
}

#[tokio::test]
async fn the_database_refuses_changes_of_the_log() {
    let app = TestApp::start().await;
    app.user("ada").board("Hers", false).await;
    let before = recorded(&app, "createBoard", 1).await;
    let connection = app.database().connect().await;
    for change in ["decision = 'DENIED'", "actor_id = NULL", "id = id"] {
        let update = format!("UPDATE audit_events SET {change}");
        let refused = connection.execute_unprepared(&update).await.expect_err("append-only");
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(recorded(&app, "createBoard", 1).await, before);
}

/// What was answered a second before the power fails is on record.
#[tokio::test]
async fn a_crash_loses_no_more_than_the_last_second() {
    let home = Home::new().await;
    let server = home.start(&[]).await;
    let ada = server.user("ada");
    for number in 0..20 {
        ada.board(&format!("Board {number}"), false).await;
    }
    // The promise is about time, so there is no condition to wait for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.kill();
    let connection = home.connect().await;
    let statement = Statement::from_string(
        connection.get_database_backend(),
        "SELECT count(*) FROM audit_events WHERE action = 'createBoard' AND decision = 'ALLOWED'",
    );
    let row = connection.query_one_raw(statement).await.expect("the table").expect("a row");
    assert_eq!(row.try_get_by_index::<i64>(0).expect("a count"), 20);
}

/// While nothing can be written to the log, requests are answered; afterwards all is on record.
#[tokio::test]
async fn a_log_that_cannot_be_written_holds_nobody_up() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("Hers", false).await;
    bob.id().await;
    recorded(&app, "signIn.newUser", 2).await;
    let connection = app.database().connect().await;
    let lock = connection.begin().await.expect("a transaction");
    let hold = if on_postgres() {
        "LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE"
    } else {
        // Takes the file's only write lock.
        "DELETE FROM audit_events WHERE action = 'nothing'"
    };
    lock.execute_unprepared(hold).await.expect("the lock");
    for _ in 0..100 {
        assert_eq!(bob.code(BOARD, json!({ "id": board })).await, "FORBIDDEN");
    }
    // On SQLite nobody can write at all.
    let changes = if on_postgres() { 10 } else { 0 };
    for number in 0..changes {
        ada.board(&format!("Board {number}"), false).await;
    }
    lock.rollback().await.expect("unlocked");
    assert_eq!(sum(&recorded(&app, "board", 100).await), 100);
    assert_eq!(sum(&recorded(&app, "createBoard", changes + 1).await), changes + 1);
}

/// The statements of an operation are the same as without the log.
#[tokio::test]
async fn the_log_is_not_counted_as_the_requests_work() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    ada.id().await;
    recorded(&app, "signIn.newUser", 1).await;
    let before = app.store().statement_count();
    ada.board("Hers", false).await;
    let made = app.store().statement_count() - before;
    assert_eq!(made, 2);
    let written = "SELECT 1 FROM audit_events WHERE action = 'createBoard'";
    crate::support::eventually("it is written", async || {
        let connection = app.database().connect().await;
        let statement = Statement::from_string(connection.get_database_backend(), written);
        connection.query_one_raw(statement).await.expect("the table").map(drop)
    })
    .await;
    assert_eq!(app.store().statement_count() - before, made);
}

/// An event may be tried again when it is not known whether it was written.
#[tokio::test]
async fn an_event_is_written_once_and_goes_with_its_tenant() {
    let app = TestApp::two_tenants().await;
    app.user_of("one", "ada").board("One", false).await;
    app.user_of("two", "ada").board("Two", false).await;
    let made = recorded(&app, "createBoard", 2).await;
    app.store().audit().append(&made).await.expect("again");
    assert_eq!(recorded(&app, "createBoard", 2).await.len(), 2);
    let platform = AuditRecord {
        id: uuid::Uuid::now_v7(),
        tenant: None,
        action: "platform.tenant.delete".to_owned(),
        ..made[0].clone()
    };
    app.store().audit().append(&[platform]).await.expect("written");
    let gone = made[0].tenant.expect("a tenant");
    let ended = app.store().audit().delete_of_tenant(gone, 1_000).await.expect("deleted");
    assert!(ended >= 2, "{ended}");
    let left = rows(app.store()).await;
    assert!(left.iter().all(|row| row.tenant != Some(gone)));
    assert!(left.iter().any(|row| row.action == "platform.tenant.delete"));
    assert_eq!(left.iter().filter(|row| row.action == "createBoard").count(), 1);
    let tables = "DELETE FROM audit_events WHERE action = $1";
    assert_eq!(sql::execute(&app, tables, ["nothing".into()]).await, 0);
}
