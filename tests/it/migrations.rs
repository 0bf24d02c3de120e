//! Migrations: both ways, several processes at once, by the command, under a running server; and
//! what the tables they make will not hold.

use std::{path::Path, time::Duration};

use boards::store::Store;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, SqlErr, Statement, TransactionTrait,
};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{Client, TestApp, TestDatabase, boards, eventually, on_postgres, run, sql};

async fn open(database: &TestDatabase) -> Store {
    Store::connect(database.url(), 2, Duration::from_secs(30)).await.expect("the database opens")
}

async fn applied(store: &Store) -> Vec<bool> {
    let status = store.migration_status().await.expect("a status");
    status.into_iter().map(|migration| migration.applied).collect()
}

/// Tables, columns, constraints, indexes and triggers, a line each.
async fn shape(connection: &DatabaseConnection) -> Vec<String> {
    let sql = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
                    || coalesce(column_default, '') AS line
               FROM information_schema.columns WHERE table_schema = current_schema()
             UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                        WHERE connamespace = current_schema()::regnamespace
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
             UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT 'FUNCTION ' || proname FROM pg_proc p
                        WHERE pronamespace = current_schema()::regnamespace
                          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
             ORDER BY line"
        }
        _ => "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master ORDER BY line",
    };
    let lines = texts(connection, sql).await;
    // SQLite makes tables for statistics, and keeps them.
    let own = |line: &String| {
        !line.contains("seaql_migrations") && !line.starts_with("table sqlite_stat")
    };
    lines.into_iter().filter(own).collect()
}

/// The first column of each row.
async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.expect("it can be read");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

#[tokio::test]
async fn down_and_up_again_by_any_number_of_steps_leaves_the_same_shape() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::empty(folder.path()).await;
    let store = open(&database).await;
    assert!(applied(&store).await.iter().all(|applied| !applied));
    store.migrate_up(database.url()).await.expect("up");
    let connection = database.connect().await;
    let made = shape(&connection).await;
    let count = applied(&store).await.len();
    for steps in 1..=count {
        store.migrate_down(database.url(), u32::try_from(steps).expect("few")).await.expect("down");
        let left = applied(&store).await;
        let wanted: Vec<bool> = (0..count).map(|index| index < count - steps).collect();
        assert_eq!(left, wanted, "{steps} down");
        if steps == count {
            assert_eq!(shape(&connection).await, Vec::<String>::new(), "something stays");
        }
        store.migrate_up(database.url()).await.expect("up again");
        assert_eq!(shape(&connection).await, made, "{steps} down and up");
    }
}

#[tokio::test]
async fn no_step_down_lets_in_who_is_shut_out() {
    let app = TestApp::start().await;
    app.user("ada").id().await;
    let (store, url) = (app.store(), app.database().url());
    let everything = u32::try_from(applied(store).await.len()).expect("few");
    for (shut, open) in [
        ("UPDATE users SET disabled_at = created_at", "UPDATE users SET disabled_at = NULL"),
        ("UPDATE tenants SET status = 'pending'", "UPDATE tenants SET status = 'active'"),
        ("UPDATE tenants SET status = 'deleting'", "UPDATE tenants SET status = 'active'"),
    ] {
        sql::execute(&app, shut, []).await;
        let refused = store.migrate_down(url, everything).await.expect_err(shut);
        assert!(format!("{refused:?}").contains("let in by an older server"), "{refused:?}");
        assert_eq!(sql::execute(&app, shut, []).await, 1, "the column is still there");
        store.migrate_up(url).await.expect("up again");
        sql::execute(&app, open, []).await;
    }
    store.migrate_down(url, everything).await.expect("down");
}

#[tokio::test]
async fn two_processes_migrate_at_once() {
    if !on_postgres() {
        return; // On SQLite a lock on the data folder keeps the second process out.
    }
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::empty(folder.path()).await;
    let (one, two) = (open(&database).await, open(&database).await);
    let (first, second) =
        tokio::join!(one.migrate_up(database.url()), two.migrate_up(database.url()));
    first.expect("the first");
    second.expect("the second");
    assert!(applied(&one).await.iter().all(|applied| *applied));
}

async fn migrate(folder: &Path, database: &TestDatabase, arguments: &[&str]) -> Vec<String> {
    let mut command = boards(folder, &["migrate"]);
    command.args(arguments).env("BOARDS_DATABASE_URL", database.url().expose());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn by_the_command() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::empty(folder.path()).await;
    let count = |lines: &[String], state: &str| {
        lines.iter().filter(|line| line.starts_with(&format!("{state}  m2026"))).count()
    };
    let before = migrate(folder.path(), &database, &["status"]).await;
    assert_eq!(count(&before, "missing"), before.len());
    let all = migrate(folder.path(), &database, &[]).await;
    assert_eq!((count(&all, "applied"), count(&all, "missing")), (before.len(), 0));
    let less = migrate(folder.path(), &database, &["down"]).await;
    assert_eq!((count(&less, "applied"), count(&less, "missing")), (before.len() - 1, 1));
    assert!(less.last().expect("a line").starts_with("missing"), "the newest goes first");
    let few = migrate(folder.path(), &database, &["down", "--steps", "2"]).await;
    assert_eq!(count(&few, "missing"), 3);
    assert_eq!(migrate(folder.path(), &database, &["up"]).await, all);
}

#[tokio::test]
async fn a_server_on_a_database_that_is_behind_waits_and_then_works() {
    if !on_postgres() {
        return; // SQLite is migrated when it is opened.
    }
    let app = TestApp::builder().empty_database().worker().start().await;
    let ready = async || app.anonymous().get("/ready").send().await.expect("an answer");
    assert_eq!(app.anonymous().get("/health").send().await.expect("an answer").status(), 200);
    let behind = ready().await;
    assert_eq!(behind.status(), 503);
    let body: serde_json::Value = behind.json().await.expect("JSON");
    assert!(body["detail"].as_str().expect("a text").contains("boards migrate"), "{body}");
    app.store().migrate_up(&app.config.database_url).await.expect("the migrations run");
    assert_eq!(ready().await.status(), 200);
    eventually("the default tenant is made", async || {
        let tenants = app.store().system().tenants().await.expect("tenants");
        (!tenants.is_empty()).then_some(())
    })
    .await;
    let ada = app.user("ada");
    let board = ada.board("After the migration", false).await;
    let generation = ada.generate(&board, "qr-code", json!({ "text": "hello" })).await;
    assert_eq!(ada.ended(&generation).await["status"], "COMPLETED");
}

/// Rows of one tenant, by which a column can point somewhere.
struct Rows {
    user: Uuid,
    other_user: Uuid,
    board: Uuid,
    other_board: Uuid,
    generation: Uuid,
    other_generation: Uuid,
    tag: Uuid,
    other_tag: Uuid,
    access_token: Uuid,
}

async fn fill(app: &TestApp, tenant: &str) -> Rows {
    let (ada, cy) = (app.user_of(tenant, "ada"), app.user_of(tenant, "cy"));
    let board = ada.board("One", false).await;
    ada.add_member(&board, &cy, "VIEWER").await;
    let generation = ada.generate(&board, "qr-code", json!({ "text": "one" })).await;
    let tag = tag(&ada, "one").await;
    let on =
        "mutation($g: UUID!, $t: UUID!) { addTagToGeneration(generationId: $g, tagId: $t) { id } }";
    ada.data(on, json!({ "g": generation, "t": tag })).await;
    Rows {
        user: uuid(&ada.id().await),
        other_user: uuid(&cy.id().await),
        other_board: uuid(&ada.board("Two", false).await),
        other_generation: uuid(&ada.generate(&board, "qr-code", json!({ "text": "two" })).await),
        other_tag: uuid(&self::tag(&ada, "two").await),
        board: uuid(&board),
        generation: uuid(&generation),
        tag: uuid(&tag),
        access_token: uuid(&access_token(&ada).await),
    }
}

async fn tag(client: &Client, slug: &str) -> String {
    let query = "mutation($s: String!) { createTag(input: { name: $s, slug: $s }) { id } }";
    let made = client.data(query, json!({ "s": slug })).await;
    made["createTag"]["id"].as_str().expect("an id").to_owned()
}

async fn access_token(client: &Client) -> String {
    let query = "mutation { createAccessToken(name: \"n\", scopes: [\"boards:read\"]) {
        accessToken { id } } }";
    let made = client.data(query, json!({})).await;
    made["createAccessToken"]["accessToken"]["id"].as_str().expect("an id").to_owned()
}

fn uuid(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

async fn prepare(connection: &DatabaseConnection, sql: &str, values: [Uuid; 2]) {
    let backend = connection.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values.map(Into::into));
    connection.execute_raw(statement).await.expect("prepared");
}

/// Runs a statement that names a row, then undoes it.
async fn attempt(
    connection: &DatabaseConnection,
    sql: &str,
    values: [Uuid; 2],
) -> Result<u64, DbErr> {
    let transaction = connection.begin().await.expect("a transaction");
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        sql,
        values.map(Into::into),
    );
    let result = transaction.execute_raw(statement).await.map(|done| done.rows_affected());
    transaction.rollback().await.expect("undone");
    result
}

#[tokio::test]
async fn no_row_points_into_another_tenant() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (fill(&app, "one").await, fill(&app, "two").await);
    let connection = app.database().connect().await;
    let tenant = tenant_id(&connection, "one").await;
    let edge = "INSERT INTO generation_inputs (tenant_id, generation_id, position, input_id, role)
         SELECT tenant_id, id, 0, $2, 'source' FROM generations WHERE id = $1";
    prepare(&connection, edge, [one.generation, one.generation]).await;
    let tried = "INSERT INTO generation_attempts (tenant_id, generation_id, number, started_at)
         SELECT tenant_id, id, 1, created_at FROM generations WHERE id IN ($1, $2) AND id = $1";
    prepare(&connection, tried, [one.generation, one.generation]).await;
    // A job can move to a generation only if that has none.
    let no_job = "DELETE FROM jobs WHERE generation_id IN ($1, $2)";
    prepare(&connection, no_job, [one.other_generation, two.generation]).await;
    let new_row = |table: &str, columns: &str, values: &str| {
        format!(
            "INSERT INTO {table} (id, tenant_id, user_id, created_at, {columns})
             SELECT $2, $2, $1, created_at, {values} FROM tenants WHERE id = $2"
        )
    };
    let json = if on_postgres() { "'{}'::jsonb" } else { "'{}'" };
    let credit =
        new_row("credit_transactions", "transaction_type, amount, balance_after", "'grant', 1, 1");
    let model = new_row(
        "lora_models",
        "name, base_model, storage_url, config, updated_at",
        &format!("'n', 'b', 'u', {json}, updated_at"),
    );
    let update = |table: &str, column: &str, key: &str| {
        format!("UPDATE {table} SET {column} = $1 WHERE {key} = $2")
    };
    let invitation = "INSERT INTO invitations
            (id, tenant_id, email, role, invited_by, created_at, expires_at)
         SELECT id, id, 'guest@x.example', 'member', $1, created_at, created_at
           FROM tenants WHERE id = $2";
    let provider_key = "INSERT INTO provider_keys
            (id, tenant_id, provider, ciphertext, updated_by, created_at, updated_at)
         SELECT id, id, 'fal', '', $1, created_at, created_at FROM tenants WHERE id = $2";
    let balance = "INSERT INTO credit_balances (tenant_id, user_id, balance, updated_at)
         SELECT id, $1, 1, created_at FROM tenants WHERE id = $2";
    let reservation = "INSERT INTO credit_reservations
            (generation_id, tenant_id, user_id, amount, created_at)
         SELECT id, id, $1, 1, created_at FROM tenants WHERE id = $2";
    // Statement, a row of the same tenant, one of the other, the row that points.
    let cases = [
        (update("boards", "owner_id", "id"), one.other_user, two.user, one.board),
        (update("board_members", "board_id", "board_id"), one.other_board, two.board, one.board),
        (update("board_members", "user_id", "board_id"), one.user, two.user, one.board),
        (update("board_members", "invited_by", "board_id"), one.other_user, two.user, one.board),
        (update("generations", "board_id", "id"), one.other_board, two.board, one.generation),
        (update("generations", "user_id", "id"), one.other_user, two.user, one.generation),
        (
            update("generation_tags", "generation_id", "tag_id"),
            one.other_generation,
            two.generation,
            one.tag,
        ),
        (update("generation_tags", "tag_id", "tag_id"), one.other_tag, two.tag, one.tag),
        (
            update("generation_inputs", "generation_id", "generation_id"),
            one.other_generation,
            two.generation,
            one.generation,
        ),
        (
            update("generation_inputs", "input_id", "generation_id"),
            one.other_generation,
            two.generation,
            one.generation,
        ),
        (
            update("jobs", "generation_id", "generation_id"),
            one.other_generation,
            two.generation,
            one.generation,
        ),
        (
            update("generation_attempts", "generation_id", "generation_id"),
            one.other_generation,
            two.generation,
            one.generation,
        ),
        (invitation.to_owned(), one.user, two.user, tenant),
        (provider_key.to_owned(), one.user, two.user, tenant),
        (balance.to_owned(), one.user, two.user, tenant),
        (reservation.to_owned(), one.user, two.user, tenant),
        (update("access_tokens", "user_id", "id"), one.other_user, two.user, one.access_token),
        (credit, one.user, two.user, tenant),
        (model, one.user, two.user, tenant),
    ];
    for (sql, own, foreign, row) in &cases {
        let within = attempt(&connection, sql, [*own, *row]).await;
        assert_eq!(within.expect("within the tenant it may"), 1, "{sql}");
        let across = attempt(&connection, sql, [*foreign, *row]).await.expect_err(sql);
        let refused = matches!(across.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)));
        assert!(refused, "{sql}: {across}");
    }
    assert_eq!(composite_keys(&connection).await, cases.len(), "a composite key is not tried");
}

async fn tenant_id(connection: &DatabaseConnection, slug: &str) -> Uuid {
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        "SELECT id FROM tenants WHERE slug = $1",
        [slug.into()],
    );
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a tenant");
    row.try_get("", "id").expect("an id")
}

/// How many foreign keys of two columns there are.
async fn composite_keys(connection: &DatabaseConnection) -> usize {
    let sql = match connection.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT conname::text AS name FROM pg_constraint WHERE contype = 'f' AND cardinality(conkey) = 2"
        }
        _ => {
            "SELECT t.name || k.id AS name FROM sqlite_master t, pragma_foreign_key_list(t.name) k
              WHERE t.type = 'table' GROUP BY t.name, k.id HAVING count(*) = 2"
        }
    };
    texts(connection, sql).await.len()
}
