//! Taking over the PostgreSQL database of the older Boards server, rows and all.

use boards::config::DatabaseUrl;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::json;

use crate::support::{TestApp, on_postgres};

const OLDER_DEPLOYMENT: &str = include_str!("fixtures/older_deployment.sql");
const BOARD: &str = "1c000000-0000-4000-8000-000000000000";
const BEACH: &str = "1e000000-0000-4000-8000-000000000000";
const VIDEO: &str = "1f000000-0000-4000-8000-000000000000";
const IN_FLIGHT: &str = "1e100000-0000-4000-8000-000000000000";

/// The server waits on the older server's database, which is then migrated, as an operator would.
async fn taken_over() -> (TestApp, DatabaseConnection) {
    let app = TestApp::builder()
        .empty_database()
        .worker()
        .config(|config| {
            let url = config.database_url.expose();
            let url = format!("{url}?options=-csearch_path%3Dboards,public");
            config.database_url = url.parse::<DatabaseUrl>().expect("a database URL");
        })
        .start()
        .await;
    let mut options = ConnectOptions::new(app.config.database_url.expose());
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await.expect("a connection");
    connection.execute_unprepared(OLDER_DEPLOYMENT).await.expect("the older server's tables");
    app.store().migrate_up(&app.config.database_url).await.expect("it is taken over");
    (app, connection)
}

async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.expect("it can be read");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

#[tokio::test]
async fn boards_lineage_and_work_go_on() {
    if !on_postgres() {
        return;
    }
    let (app, connection) = taken_over().await;
    assert_eq!(app.anonymous().get("/ready").send().await.expect("an answer").status(), 200);
    let (ada, grace) = (app.user("ada"), app.user("grace"));
    // What was in flight runs here, by the first poll of the server that waited.
    assert_eq!(ada.ended(IN_FLIGHT).await["status"], "COMPLETED");

    let query = "{ myBoards { id title isPublic settings createdAt updatedAt
        owner { id displayName } members { role user { id } inviter { id } } } }";
    let boards = ada.data(query, json!({})).await["myBoards"].clone();
    let mut wanted = json!([{
        "id": BOARD, "title": "Holidays", "isPublic": false, "settings": {},
        "createdAt": "2025-02-01T00:00:00+00:00", "updatedAt": "2025-02-03T00:00:00+00:00",
        "owner": { "id": "1a000000-0000-4000-8000-000000000000", "displayName": "Name of ada" },
        "members": [{
            "role": "VIEWER", "user": { "id": "1b000000-0000-4000-8000-000000000000" },
            "inviter": null,
        }],
    }]);
    assert_eq!(boards, wanted);
    wanted[0]["owner"]["displayName"] = json!("Name of ada");
    assert_eq!(grace.data(query, json!({})).await["myBoards"], wanted, "the member's view");

    let query = "query($id: UUID!) { generation(id: $id) {
        inputArtifacts { generationId role }
        ancestry { parents { role generation { id } } }
        descendants { children { role generation { id } } } tags { slug } } }";
    let video = ada.data(query, json!({ "id": VIDEO })).await["generation"].clone();
    let parents = json!([{ "role": "first_frame", "generation": { "id": BEACH } }]);
    assert_eq!(video["ancestry"]["parents"], parents);
    let beach = ada.data(query, json!({ "id": BEACH })).await["generation"].clone();
    let children = json!([{ "role": "first_frame", "generation": { "id": VIDEO } }]);
    assert_eq!(beach["descendants"]["children"], children);
    assert_eq!(beach["tags"], json!([{ "slug": "sea" }]));

    let balances = "SELECT balance::text FROM credit_balances";
    assert_eq!(texts(&connection, balances).await, ["90000", "90000"], "what the users had");
    // The board is worked on, and a generation that credits name can be deleted.
    let delete = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
    assert_eq!(ada.data(delete, json!({ "id": BEACH })).await["deleteGeneration"], true);
    let left = "SELECT count(*)::text FROM credit_transactions WHERE generation_id IS NULL";
    assert_eq!(texts(&connection, left).await, ["2"]);
    let new = ada.generate(BOARD, "qr-code", json!({ "text": "new" })).await;
    assert_eq!(ada.ended(&new).await["status"], "COMPLETED");
}

#[tokio::test]
async fn what_crosses_tenants_is_set_aside_and_the_rest_keeps_its_dates() {
    if !on_postgres() {
        return;
    }
    let (_app, connection) = taken_over().await;
    let set_aside = "SELECT table_name || ': ' || reason || ': ' || coalesce(row_data ->> 'title', row_data ->> 'role',
        row_data ->> 'id') FROM adoption_quarantine WHERE table_name <> 'generation_tags' ORDER BY 1";
    assert_eq!(
        texts(&connection, set_aside).await,
        [
            "board_members: user of another tenant: admin",
            "board_members: user of another tenant: editor",
            "boards: owner of another tenant: Owned from elsewhere",
            "generations: board or user of another tenant: 1e200000-0000-4000-8000-000000000000",
            "generations: board or user of another tenant: 2e000000-0000-4000-8000-000000000000",
        ]
    );
    let tags = "SELECT reason FROM adoption_quarantine WHERE table_name = 'generation_tags'";
    assert_eq!(texts(&connection, tags).await, ["tag of another tenant"]);
    let changed = format!(
        "SELECT id::text FROM boards WHERE updated_at > '2025-12-31'
         UNION ALL SELECT id::text FROM generations WHERE updated_at > '2025-12-31' AND id <> '{IN_FLIGHT}'
         UNION ALL SELECT id::text FROM tags WHERE updated_at > '2025-12-31'
         UNION ALL SELECT id::text FROM users WHERE updated_at > '2025-12-31'
         UNION ALL SELECT id::text FROM tenants WHERE updated_at > '2025-12-31'"
    );
    assert_eq!(texts(&connection, &changed).await, Vec::<String>::new(), "a date moved");
    let counted = "SELECT title || ': ' || generation_count FROM boards
        WHERE generation_count = (SELECT count(*) FROM generations WHERE board_id = boards.id)";
    assert_eq!(texts(&connection, counted).await, ["Holidays: 3"]);
}

#[tokio::test]
async fn down_leaves_the_older_servers_tables_and_up_works_again() {
    if !on_postgres() {
        return;
    }
    let (app, connection) = taken_over().await;
    let (store, url) = (app.store(), &app.config.database_url);
    let count = store.migration_status().await.expect("a status").len();
    let all_but_first = u32::try_from(count - 1).expect("few");
    store.migrate_down(url, all_but_first).await.expect("our own changes go");
    let refusal = store.migrate_down(url, 1).await.expect_err("the tables stay");
    assert!(format!("{refusal:?}").contains("taken over"), "{refusal:?}");
    let boards = "SELECT title FROM boards";
    assert_eq!(texts(&connection, boards).await, ["Holidays"]);
    store.migrate_up(url).await.expect("up again");
    let edges = "SELECT role FROM generation_inputs";
    assert_eq!(texts(&connection, edges).await, ["first_frame"]);
}
