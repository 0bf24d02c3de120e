//! How a tenant goes: at once for those in it, and then row by row and file by file, whatever
//! happens meanwhile, without touching another.

use std::{collections::BTreeMap, path::Path};

use boards::{
    artifacts::{ArtifactStore, ArtifactStores},
    platform::TenantDeletion,
    store::{BATCH, ClosedTenant, TENANT_TABLES},
};
use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, Value as SqlValue};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{at, delete, get, operator, patch, platform, post, refusal, send};
use crate::support::{
    Client, Home, RECORDED, Socket, TestApp, eventually, on_postgres, png, runs_of, sql, text,
};

async fn rows<T: sea_orm::TryGetable>(
    connection: &DatabaseConnection,
    sql: &str,
    values: Vec<SqlValue>,
) -> Vec<T> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let rows = connection.query_all_raw(statement).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.iter().map(|row| row.try_get_by_index(0).expect("a value")).collect()
}

/// Every table that has a column `tenant_id`, as the database itself knows.
async fn tables_of_tenants(connection: &DatabaseConnection) -> Vec<String> {
    let sql = if on_postgres() {
        "SELECT table_name::text FROM information_schema.columns
          WHERE column_name = 'tenant_id' AND table_schema = current_schema() ORDER BY 1"
    } else {
        "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c
          WHERE m.type = 'table' AND c.name = 'tenant_id' ORDER BY 1"
    };
    rows(connection, sql, Vec::new()).await
}

/// The rows of a tenant by table, but for the audit log, which is written a little later.
async fn counts(connection: &DatabaseConnection, tenant: Uuid) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for table in tables_of_tenants(connection).await {
        if table == "audit_events" {
            continue;
        }
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = $1");
        counts.insert(table, rows(connection, &sql, vec![tenant.into()]).await[0]);
    }
    if on_postgres() {
        let sql = "SELECT count(*) FROM adoption_quarantine WHERE row_data ->> 'tenant_id' = $1";
        let count = rows(connection, sql, vec![tenant.to_string().into()]).await[0];
        counts.insert("adoption_quarantine".to_owned(), count);
    }
    counts
}

async fn id_of(connection: &DatabaseConnection, slug: &str) -> Uuid {
    rows(connection, "SELECT id FROM tenants WHERE slug = $1", vec![slug.into()]).await[0]
}

/// Something in every table, and files.
async fn furnish(app: &TestApp, slug: &str) -> (Client, String) {
    let (ada, bob) = (app.user_of(slug, "ada"), app.user_of(slug, "bob"));
    let board = ada.board("Furnished", true).await;
    ada.add_member(&board, &bob, "EDITOR").await;
    let picture = ada.upload_png(&board).await;
    ada.upload_child(&board, &picture).await;
    bob.generate_as(&board, RECORDED, "TEXT", json!({ "name": "never" })).await;
    let tag = "mutation { createTag(input: { name: \"Sea\" }) { id } }";
    let tag = text(&ada.data(tag, json!({})).await["createTag"]["id"]);
    let put =
        "mutation($g: UUID!, $t: UUID!) { addTagToGeneration(generationId: $g, tagId: $t) { id } }";
    ada.data(put, json!({ "g": picture, "t": tag })).await;
    let token = "mutation { createAccessToken(name: \"n\", scopes: [\"boards:read\"]) { token } }";
    ada.data(token, json!({})).await;
    app.make_admin(&ada).await;
    let invite = "mutation { inviteUser(input: { email: \"grace@example.org\" }) { id } }";
    ada.data(invite, json!({})).await;
    let key = "mutation { setProviderKey(provider: \"fal\", key: \"k\") { provider } }";
    ada.data(key, json!({})).await;
    carry_over(app, slug, &ada.id().await, &picture).await;
    (ada, board)
}

/// Rows that only a database that was taken over has.
async fn carry_over(app: &TestApp, slug: &str, user: &str, generation: &str) {
    let connection = app.database().connect().await;
    let tenant: SqlValue = id_of(&connection, slug).await.into();
    let new_id = || SqlValue::from(Uuid::now_v7());
    let now = SqlValue::from(chrono::Utc::now());
    let credit = "INSERT INTO credit_transactions
        (id, tenant_id, user_id, transaction_type, amount, balance_after, generation_id, created_at)
        VALUES ($1, $2, $3, 'grant', 1, 1, $4, $5)";
    let values = [new_id(), tenant.clone(), sql::id(user), sql::id(generation), now.clone()];
    sql::execute(app, credit, values).await;
    let balance = "INSERT INTO credit_balances (tenant_id, user_id, balance, updated_at)
        VALUES ($1, $2, 1, $3)";
    sql::execute(app, balance, [tenant.clone(), sql::id(user), now.clone()]).await;
    let reservation = "INSERT INTO credit_reservations
        (generation_id, tenant_id, user_id, amount, created_at) VALUES ($1, $2, $3, 1, $4)";
    let values = [sql::id(generation), tenant.clone(), sql::id(user), now.clone()];
    sql::execute(app, reservation, values).await;
    let config = if on_postgres() { "'{}'::jsonb" } else { "'{}'" };
    let model = format!(
        "INSERT INTO lora_models
        (id, tenant_id, user_id, name, base_model, storage_url, config, created_at, updated_at)
        VALUES ($1, $2, $3, 'n', 'b', 'u', {config}, $4, $4)"
    );
    sql::execute(app, &model, [new_id(), tenant.clone(), sql::id(user), now]).await;
    let attempt = "INSERT INTO generation_attempts (generation_id, number, tenant_id, started_at)
        VALUES ($1, 1, $2, $3)";
    let begun = SqlValue::from(chrono::Utc::now());
    sql::execute(app, attempt, [sql::id(generation), tenant.clone(), begun.clone()]).await;
    let stopping = "INSERT INTO provider_cancellations
        (generation_id, tenant_id, generator_name, external_job_id, attempts, created_at)
        VALUES ($1, $2, 'gone', 'job', 0, $3)";
    sql::execute(app, stopping, [new_id(), tenant.clone(), begun]).await;
    if on_postgres() {
        let moved = "INSERT INTO adoption_quarantine (table_name, reason, row_data)
            VALUES ('boards', 'test', jsonb_build_object('tenant_id', $1::uuid))";
        sql::execute(app, moved, [tenant]).await;
    }
}

async fn until_gone(operator: &Client, slug: &str) {
    eventually("the tenant is gone", async || {
        let answer = get(operator, &at(slug)).await;
        (answer.0 == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_table_of_tenants_is_known() {
    let app = TestApp::start().await;
    let connection = app.database().connect().await;
    let mut known: Vec<String> = TENANT_TABLES.iter().map(|(table, _)| (*table).into()).collect();
    known.sort();
    assert_eq!(tables_of_tenants(&connection).await, known);
}

#[tokio::test]
async fn all_of_one_tenant_goes_and_nothing_of_another() {
    let app = platform().start().await;
    let operator = operator(&app);
    let (ada, board) = furnish(&app, "one").await;
    let (other, _) = furnish(&app, "two").await;
    let connection = app.database().connect().await;
    let (one, two) = (id_of(&connection, "one").await, id_of(&connection, "two").await);
    for (table, count) in counts(&connection, one).await {
        assert!(count > 0, "nothing in {table}: this test would not see what is left of it");
    }
    let recorded = eventually("something is recorded", async || {
        let events = "SELECT id FROM audit_events WHERE tenant_id = $1";
        let ids: Vec<Uuid> = rows(&connection, events, vec![one.into()]).await;
        ids.first().copied()
    })
    .await;
    let before = (counts(&connection, two).await, app.files_of(&two.to_string()));
    assert!(!before.1.is_empty() && !app.files_of(&one.to_string()).is_empty());
    let mut socket = Socket::open(&ada).await;
    let watch = "subscription($id: UUID!) { boardUpdated(boardId: $id) { title } }";
    socket.start("1", watch, json!({ "id": board })).await;
    assert_eq!(socket.next().await.expect("the present state")["type"], "next");

    let closed = delete(&operator, &at("one"), &json!({ "confirm": "one" })).await;
    assert_eq!((closed.0, &closed.1["status"]), (202, &json!("deleting")));
    assert_eq!(ada.code("{ me { id } }", json!({})).await, "TENANT_NOT_FOUND");
    let anonymous = app.anonymous().with_tenant("one");
    assert_eq!(anonymous.code("{ publicBoards { id } }", json!({})).await, "TENANT_NOT_FOUND");
    assert_eq!(socket.close_code().await, Some(4403));

    until_gone(&operator, "one").await;
    eventually("the files are gone", async || {
        app.files_of(&one.to_string()).is_empty().then_some(())
    })
    .await;
    for (table, count) in counts(&connection, one).await {
        assert_eq!(count, 0, "{table}");
    }
    let event = "SELECT id FROM audit_events WHERE id = $1";
    let left: Vec<Uuid> = rows(&connection, event, vec![recorded.into()]).await;
    assert!(left.is_empty(), "its audit log goes too");
    assert!(!app.storage().join(one.to_string()).exists(), "no empty folders either");
    assert_eq!((counts(&connection, two).await, app.files_of(&two.to_string())), before);
    other.id().await;
    let again = post(&operator, super::TENANTS, &json!({ "name": "One", "slug": "one" })).await;
    assert_eq!(again.0, 201, "the slug is free again");
    assert!(app.files_of(&text(&again.1["id"])).is_empty());
}

/// Closes a tenant as another process would: nothing in this one is told.
async fn closed(app: &TestApp, slug: &str) -> ClosedTenant {
    let close = "UPDATE tenants SET status = 'deleting' WHERE slug = $1";
    assert_eq!(sql::execute(app, close, [slug.into()]).await, 1);
    let mut closed = app.store().system().closed_tenants().await.expect("closed tenants");
    assert_eq!(closed.len(), 1);
    closed.remove(0)
}

fn deletion(app: &TestApp) -> TenantDeletion {
    let files = ArtifactStore::open_folder(app.storage()).expect("the files");
    TenantDeletion::new(app.store().clone(), ArtifactStores::new(files))
}

#[tokio::test]
async fn a_closed_tenant_is_not_there_and_keeps_its_slug() {
    let app = platform().start().await;
    let operator = operator(&app);
    let tenant = closed(&app, "one").await;
    let new = json!({ "name": "One", "slug": "one" });
    assert_eq!(refusal(&post(&operator, super::TENANTS, &new).await), (409, "CONFLICT"));
    for body in [json!({ "name": "X" }), json!({ "status": "active" })] {
        assert_eq!(refusal(&patch(&operator, &at("one"), &body).await), (409, "CONFLICT"));
    }
    assert_eq!(get(&operator, &at("one")).await.1["status"], "deleting");
    let never = CancellationToken::new();
    assert!(deletion(&app).finish(&tenant, &never, |_| ()).await.expect("deleted"));
    assert_eq!(send(&operator, Method::GET, &at("one"), &json!({})).await.status(), 404);
}

/// Generations of a tenant, made by SQL, each with a file where the first one's is.
async fn fill(app: &Filled<'_>, generations: usize) {
    let sql = "INSERT INTO generations (id, tenant_id, board_id, user_id, generator_name,
        artifact_type, input_params, status, created_at, updated_at)
        SELECT $1, tenant_id, board_id, user_id, generator_name, artifact_type, input_params,
        status, created_at, updated_at FROM generations WHERE id = $2";
    let backend = app.connection.get_database_backend();
    app.connection.execute_unprepared("BEGIN").await.expect("begun");
    for _ in 0..generations {
        let id = Uuid::now_v7();
        let values: [SqlValue; 2] = [id.into(), sql::id(app.generation)];
        let statement = Statement::from_sql_and_values(backend, sql, values);
        app.connection.execute_raw(statement).await.expect("made");
        let folder = app.storage.join(app.tenant.to_string()).join(app.board).join(id.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("artifact.png"), b"bytes").expect("a file");
    }
    app.connection.execute_unprepared("COMMIT").await.expect("committed");
}

struct Filled<'a> {
    connection: &'a DatabaseConnection,
    storage: &'a Path,
    tenant: Uuid,
    board: &'a str,
    generation: &'a str,
}

/// One connection, so that a transaction can be said in SQL.
async fn one_connection(url: &str) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.expect("a connection")
}

#[tokio::test]
async fn it_goes_on_where_it_stopped_and_several_may_do_it() {
    let app = platform().start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("Full", true).await;
    let generation = ada.upload_png(&board).await;
    let connection = one_connection(app.config.database_url.expose()).await;
    let tenant = id_of(&connection, "one").await;
    let generations = usize::try_from(BATCH * 2).expect("a number") + 100;
    let (storage, generation) = (app.storage(), generation.as_str());
    fill(
        &Filled { connection: &connection, storage, tenant, board: &board, generation },
        generations,
    )
    .await;
    let closed = closed(&app, "one").await;

    let stop = CancellationToken::new();
    let mut batches = Vec::new();
    let first = deletion(&app);
    let finished = first.finish(&closed, &stop, |removed| {
        batches.push((removed.table, removed.rows));
        stop.cancel();
    });
    assert!(!finished.await.expect("stopped in good order"));
    assert_eq!(batches, [("generations", BATCH)], "one batch and no more");
    let left = counts(&connection, tenant).await["generations"];
    assert_eq!(left, i64::try_from(generations).expect("a number") + 1 - 500);
    let files = i64::try_from(app.files_of(&tenant.to_string()).len()).expect("a number");
    assert!(
        (left..=left + 1).contains(&files),
        "the files of {left} rows and a thumbnail: {files}"
    );

    let (first, second) = (deletion(&app), deletion(&app));
    let never = CancellationToken::new();
    let (first, second) =
        tokio::join!(first.finish(&closed, &never, |_| ()), second.finish(&closed, &never, |_| ()));
    assert!(first.expect("deleted") && second.expect("deleted"));
    assert!(counts(&connection, tenant).await.values().all(|count| *count == 0));
    assert!(!app.storage().join(tenant.to_string()).exists());
    assert!(deletion(&app).finish(&closed, &never, |_| ()).await.expect("nothing to do"));
}

#[tokio::test]
async fn a_server_that_starts_finishes_what_a_killed_one_began() {
    let home = Home::new().await;
    let settings = [
        ("BOARDS_MULTI_TENANT_MODE", "true"),
        ("BOARDS_WORKER_ENABLED", "false"),
        ("BOARDS_AUTH_PLATFORM_ADMIN", "true"),
    ];
    let server = home.start(&settings).await;
    let operator = server.anonymous().with_token(
        &crate::support::Issuer::trusted()
            .token(&json!({ "sub": "operator", "scope": "platform:admin" })),
    );
    let new = json!({ "name": "One", "slug": "one", "join_policy": "open" });
    let tenant: Uuid =
        text(&post(&operator, super::TENANTS, &new).await.1["id"]).parse().expect("an id");
    let ada = server.user("ada").with_tenant("one");
    let board = ada.board("Full", true).await;
    let generation = ada.upload_png(&board).await;
    let connection = one_connection(home.database_url()).await;
    let storage = home.storage();
    let filled = Filled {
        connection: &connection,
        storage: &storage,
        tenant,
        board: &board,
        generation: &generation,
    };
    fill(&filled, 8_000).await;
    assert_eq!(delete(&operator, &at("one"), &json!({ "confirm": "one" })).await.0, 202);
    let left = async || counts(&connection, tenant).await["generations"];
    eventually("the first batch is gone", async || (left().await <= 7_501).then_some(())).await;
    server.kill();
    assert!(left().await > 0, "it was killed in the middle");
    assert!(storage.join(tenant.to_string()).exists());

    let server = home.start(&settings).await;
    let operator =
        Client::new(server.address()).with_token(operator.token.as_deref().expect("one"));
    crate::support::eventually_within(
        std::time::Duration::from_mins(1),
        "it is gone",
        async || (get(&operator, &at("one")).await.0 == 404).then_some(()),
    )
    .await;
    assert!(counts(&connection, tenant).await.values().all(|count| *count == 0));
    eventually("the files are gone", async || {
        (!storage.join(tenant.to_string()).exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn its_runs_are_stopped_and_its_queue_does_not_move() {
    let app = platform().worker().config(|config| config.worker_concurrency = 1).start().await;
    let operator = operator(&app);
    let ada = app.user_of("one", "ada");
    let board = ada.board("Busy", true).await;
    let names: Vec<String> = (0..2).map(|_| format!("closing-{}", Uuid::now_v7())).collect();
    for name in &names {
        let params = json!({ "name": name, "seconds": 3600 });
        ada.generate_as(&board, RECORDED, "TEXT", params).await;
    }
    eventually("the first runs", async || (runs_of(&names[0]).started == 1).then_some(())).await;
    assert_eq!(delete(&operator, &at("one"), &json!({ "confirm": "one" })).await.0, 202);
    eventually("it is stopped", async || (runs_of(&names[0]).ended.len() == 1).then_some(())).await;
    until_gone(&operator, "one").await;
    // The worker is free: what it does next is another tenant's.
    let bob = app.user_of("two", "bob");
    let board = bob.board("Idle", true).await;
    let next = bob.generate_as(&board, "qr-code", "IMAGE", json!({ "text": "next" })).await;
    assert_eq!(bob.ended(&next).await["status"], "COMPLETED");
    assert_eq!(runs_of(&names[1]).started, 0);
}

#[tokio::test]
async fn jobs_of_a_closed_tenant_are_not_claimed() {
    let app = platform().start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("Waiting", true).await;
    ada.generate_as(&board, RECORDED, "TEXT", json!({ "name": "waiting" })).await;
    closed(&app, "one").await;
    let worker = boards::store::WorkerId::new();
    let limits = boards::store::ConcurrencyLimits::default();
    let store = app.store().worker();
    let claimed =
        store.claim(worker, 10, chrono::Duration::seconds(15), &limits).await.expect("claimed");
    assert!(claimed.is_empty(), "{claimed:?}");
}

#[tokio::test]
async fn an_upload_under_way_leaves_nothing_behind() {
    let app = platform().start().await;
    let operator = operator(&app);
    let ada = app.user_of("one", "ada");
    let board = ada.board("Late", true).await;
    let connection = app.database().connect().await;
    let tenant = id_of(&connection, "one").await;
    let uploads = (0..8).map(|_| {
        let form = crate::support::upload_form(&board, "image", png(600, 600));
        ada.send_form(form)
    });
    let closing = async {
        assert_eq!(delete(&operator, &at("one"), &json!({ "confirm": "one" })).await.0, 202);
        until_gone(&operator, "one").await;
    };
    let (_, ()) = tokio::join!(futures_util::future::join_all(uploads), closing);
    eventually("the files are gone", async || {
        app.files_of(&tenant.to_string()).is_empty().then_some(())
    })
    .await;
    assert!(counts(&connection, tenant).await.values().all(|count| *count == 0));
}

/// Otherwise the same generations would be tried again without a pause.
#[tokio::test]
async fn generations_that_another_process_is_at_are_not_counted() {
    if !on_postgres() {
        return; // On SQLite one transaction writes at a time.
    }
    let app = platform().start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("Full", true).await;
    ada.upload_png(&board).await;
    let connection = one_connection(app.config.database_url.expose()).await;
    let closed = closed(&app, "one").await;
    let batch = closed.generations().await.expect("a batch");
    let ids: Vec<_> = batch.into_iter().map(|(_, id)| id).collect();
    let lock = "BEGIN; SELECT id FROM generations FOR UPDATE";
    connection.execute_unprepared(lock).await.expect("locked");
    assert_eq!(closed.remove_generations(&ids).await.expect("skipped"), 0);
    connection.execute_unprepared("ROLLBACK").await.expect("released");
    assert_eq!(closed.remove_generations(&ids).await.expect("removed"), 1);
}
