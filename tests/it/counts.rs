//! The number of generations on a board, kept in its row: whoever writes generations, and however, it
//! is the number of rows.

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};
use serde_json::{Value, json};

use crate::support::{Client, TestApp, eventually, on_postgres, sql};

const DELETE: &str = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
const DELETE_BOARD: &str = "mutation($id: UUID!) { deleteBoard(id: $id) }";
/// The migration that adds the column.
const COUNTS: &str = "m20261122_000012_keep_generation_counts";

async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.expect("it can be read");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

/// Fails unless every board's count is the number of its rows.
async fn assert_right(app: &TestApp, what: &str) {
    let connection = app.database().connect().await;
    let wrong = "SELECT title || ': ' || generation_count FROM boards WHERE generation_count
        <> (SELECT count(*) FROM generations WHERE generations.board_id = boards.id)";
    assert_eq!(texts(&connection, wrong).await, Vec::<String>::new(), "{what}");
    connection.close().await.expect("closed");
}

async fn shown(client: &Client, board: &str) -> Value {
    let query = "query($id: UUID!) { board(id: $id) { generationCount } }";
    client.data(query, json!({ "id": board })).await["board"]["generationCount"].clone()
}

/// A copy of a generation under a new id, by SQL, as many times as there are rows in `times`.
fn copies(to: &str, of: &str, times: u32) -> String {
    const KEPT: &str = "tenant_id, user_id, generator_name, artifact_type, input_params, status,
        additional_files, output_metadata, input_artifacts, progress, created_at, updated_at";
    let (id, board) = if on_postgres() {
        ("gen_random_uuid()".to_owned(), format!("'{to}'::uuid"))
    } else {
        ("randomblob(16)".to_owned(), blob(to))
    };
    let of = if on_postgres() { format!("'{of}'") } else { blob(of) };
    format!(
        "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {times})
         INSERT INTO generations (id, board_id, {KEPT})
         SELECT {id}, {board}, {KEPT} FROM generations, series WHERE generations.id = {of}"
    )
}

fn blob(id: &str) -> String {
    format!("x'{}'", id.replace('-', ""))
}

#[tokio::test]
async fn it_is_the_number_of_rows_whoever_writes_them_at_once() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (one, two) = (ada.board("One", true).await, bob.board("Two", true).await);
    ada.add_member(&one, &bob, "EDITOR").await;
    let pattern = ada.generate(&one, "pattern-image", json!({ "seed": 0 })).await;
    let (one_at_a_time, many_at_once) = (copies(&one, &pattern, 1), copies(&two, &pattern, 7));
    let writes = join_all((0..8).map(async |n| {
        let maker = if n % 2 == 0 { &ada } else { &bob };
        let made = maker.generate(&one, "pattern-image", json!({ "seed": n })).await;
        let uploaded = maker.upload_text(&one, "a text").await;
        if n < 4 {
            maker.data(DELETE, json!({ "id": made })).await;
            maker.data(DELETE, json!({ "id": uploaded })).await;
        }
    }));
    let scripts = join_all((0..4).map(async |_| {
        sql::execute(&app, &one_at_a_time, []).await;
        sql::execute(&app, &many_at_once, []).await;
    }));
    futures_util::future::join(writes, scripts).await;
    assert_right(&app, "written at once").await;
    assert_eq!(shown(&ada, &one).await, 1 + 4 * 2 + 4);
    assert_eq!(shown(&ada, &two).await, 4 * 7);

    let moved = "UPDATE generations SET board_id = $1 WHERE board_id = $2";
    sql::execute(&app, moved, [sql::id(&one), sql::id(&two)]).await;
    assert_right(&app, "moved").await;
    assert_eq!(shown(&ada, &one).await, 13 + 28);
    let some = "DELETE FROM generations WHERE status = 'completed'";
    sql::execute(&app, some, []).await;
    assert_right(&app, "deleted by one statement").await;
    sql::execute(&app, "UPDATE generations SET board_id = board_id, status = status", []).await;
    assert_right(&app, "updated").await;
}

#[tokio::test]
async fn cascades_are_counted() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (kept, gone) = (ada.board("Kept", true).await, bob.board("Gone", true).await);
    ada.add_member(&kept, &bob, "EDITOR").await;
    for seed in 0..3 {
        ada.generate(&kept, "pattern-image", json!({ "seed": seed })).await;
        bob.generate(&kept, "pattern-image", json!({ "seed": seed })).await;
        bob.generate(&gone, "pattern-image", json!({ "seed": seed })).await;
    }
    let third = bob.board("Third", false).await;
    bob.generate(&third, "pattern-image", json!({ "seed": 1 })).await;
    bob.data(DELETE_BOARD, json!({ "id": third })).await;
    assert_right(&app, "a board").await;
    sql::execute(&app, "DELETE FROM users WHERE id = $1", [sql::id(&bob.id().await)]).await;
    assert_right(&app, "a user, with a board").await;
    assert_eq!(shown(&ada, &kept).await, 3);
    if on_postgres() {
        sql::execute(&app, "TRUNCATE generations CASCADE", []).await;
    } else {
        sql::execute(&app, "DELETE FROM generations", []).await;
    }
    assert_right(&app, "all").await;
    assert_eq!(shown(&ada, &kept).await, 0);
    sql::execute(&app, "DELETE FROM tenants", []).await;
    assert_right(&app, "a tenant").await;
}

/// Rows may come with their counts, as from `pg_dump --data-only`, and their generations after them.
#[tokio::test]
async fn a_board_begins_without_generations_whatever_it_says() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Board", false).await;
    let copy = "INSERT INTO boards (id, tenant_id, owner_id, title, created_at, updated_at, generation_count)
        SELECT tenant_id, tenant_id, owner_id, 'Copy', created_at, updated_at, 7 FROM boards WHERE id = $1";
    sql::execute(&app, copy, [sql::id(&board)]).await;
    assert_right(&app, "a copy").await;
}

/// Nor is the board's row written when a generation goes on.
#[tokio::test]
async fn a_count_is_no_change_of_the_board() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("Board", false).await;
    let query = "query($id: UUID!) { board(id: $id) { updatedAt } }";
    let made = ada.data(query, json!({ "id": board })).await;
    let generation = ada.generate(&board, "qr-code", json!({ "text": "hello" })).await;
    let connection = app.database().connect().await;
    let version = async || {
        let sql = "SELECT xmin::text || ctid::text FROM boards";
        if on_postgres() { texts(&connection, sql).await } else { Vec::new() }
    };
    let before = version().await;
    assert_eq!(ada.ended(&generation).await["status"], "COMPLETED");
    assert_eq!(version().await, before);
    assert_eq!(shown(&ada, &board).await, 1);
    assert_eq!(ada.data(query, json!({ "id": board })).await, made);
}

/// A deletion takes the board before the generation, as that of a board does: the other order would
/// deadlock here.
#[tokio::test]
async fn a_board_and_its_generation_can_be_deleted_at_once() {
    if !on_postgres() {
        return; // On SQLite one writes at a time.
    }
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Board", false).await;
    let generation = ada.upload_text(&board, "a text").await;
    let connection = app.database().connect().await;
    let transaction = connection.begin().await.expect("a transaction");
    let run = async |sql: &str| {
        let sql = format!("{sql} '{board}'");
        transaction.execute_unprepared(&sql).await.expect("no deadlock");
    };
    run("UPDATE boards SET title = 'Locked' WHERE id =").await;
    let client = ada.clone();
    let deletion =
        tokio::spawn(async move { client.code(DELETE, json!({ "id": generation })).await });
    eventually("the deletion waits", async || {
        let sql = "SELECT 'one' FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        (!texts(&connection, sql).await.is_empty()).then_some(())
    })
    .await;
    run("DELETE FROM boards WHERE id =").await;
    transaction.commit().await.expect("committed");
    assert_eq!(deletion.await.expect("an answer"), "NOT_FOUND");
}

#[tokio::test]
async fn a_database_with_rows_is_counted_when_it_is_migrated() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let (one, two) = (ada.board("One", false).await, ada.board("Two", true).await);
    ada.generate(&one, "pattern-image", json!({ "seed": 0 })).await;
    let pattern = ada.generate(&one, "pattern-image", json!({ "seed": 1 })).await;
    ada.board("Empty", false).await;
    let (store, url) = (app.store(), app.database().url());
    let status = store.migration_status().await.expect("a status");
    let newer = status.iter().skip_while(|migration| migration.name != COUNTS).count();
    store.migrate_down(url, u32::try_from(newer).expect("few")).await.expect("down");
    sql::execute(&app, &copies(&two, &pattern, 5), []).await;
    store.migrate_up(url).await.expect("up");
    assert_right(&app, "migrated").await;
    assert_eq!((shown(&ada, &one).await, shown(&ada, &two).await), (json!(2), json!(5)));
    ada.generate(&two, "pattern-image", json!({ "seed": 1 })).await;
    assert_eq!(shown(&ada, &two).await, 6);
}

/// Sessions of scripts may look for tables elsewhere first.
#[tokio::test]
async fn scripts_with_another_search_path_are_counted() {
    if !on_postgres() {
        return; // SQLite has no schemas.
    }
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Board", false).await;
    let pattern = ada.generate(&board, "pattern-image", json!({ "seed": 0 })).await;
    let copies = copies(&board, &pattern, 2).replace("generations", "public.generations");
    let copies = copies.replace("public.generations.id", "generations.id");
    let connection = app.database().connect().await;
    let script = format!("SET LOCAL search_path = pg_catalog; {copies}");
    let transaction = connection.begin().await.expect("a transaction");
    transaction.execute_unprepared(&script).await.expect("copied");
    transaction.commit().await.expect("committed");
    assert_eq!(shown(&ada, &board).await, 3);
    assert_right(&app, "a script").await;
}
