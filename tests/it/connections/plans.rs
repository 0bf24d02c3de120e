//! How both databases read a page: from the cursor on, by an index, without looking at what lies
//! before it.

use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::json;

use super::{List, SORTS};
use crate::support::{Client, TestApp, on_postgres, sql, text};

/// Enough for `PostgreSQL` to prefer an index; both databases plan by what they know of it.
const ROWS: [(&str, &str); 4] = [
    (
        "INSERT INTO users (id, tenant_id, auth_provider, auth_subject)
         SELECT gen_random_uuid(), tenant_id, 'jwt', 'user-' || n
         FROM users, generate_series(1, 2000) n WHERE auth_subject = 'ada'",
        "",
    ),
    (
        "INSERT INTO boards (id, tenant_id, owner_id, title, is_public, created_at, updated_at)
         SELECT gen_random_uuid(), tenant_id, id, 'Lamp', row_number() OVER (ORDER BY id) % 8 = 0,
           now() - random() * interval '900 days', now() - random() * interval '900 days'
         FROM users, generate_series(1, CASE auth_subject WHEN 'ada' THEN 1000 ELSE 5 END)",
        "",
    ),
    (
        "INSERT INTO board_members (id, tenant_id, board_id, user_id, role, joined_at)
         SELECT gen_random_uuid(), u.tenant_id, b.id, u.id, 'viewer',
           now() - random() * interval '900 days'
         FROM users u JOIN LATERAL (SELECT id FROM boards WHERE tenant_id = u.tenant_id
           AND (u.auth_subject = 'ada' OR id = $1) ORDER BY id LIMIT 1000) b ON true
         WHERE NOT EXISTS (SELECT FROM boards o WHERE o.id = b.id AND o.owner_id = u.id)",
        "board",
    ),
    (
        "INSERT INTO generations (id, tenant_id, board_id, user_id, generator_name, artifact_type,
           input_params, created_at, updated_at)
         SELECT gen_random_uuid(), b.tenant_id, b.id, b.owner_id, 'pattern-image', 'image', jsonb_build_object('prompt', 'Lamp'),
           now() - random() * interval '900 days', now()
         FROM boards b, generate_series(1, CASE b.id WHEN $1 THEN 5000 ELSE 2 END)",
        "board",
    ),
];

async fn fill(app: &TestApp, ada: &Client, board: &str) {
    if !on_postgres() {
        for number in 0..4 {
            let user = app.user(&format!("user-{number}"));
            ada.add_member(board, &user, "VIEWER").await;
            ada.generate(board, "pattern-image", json!({ "seed": number, "prompt": "Lamp" })).await;
            ada.board("Lamp", true).await;
            let shared = user.board("Lamp", false).await;
            user.add_member(&shared, ada, "VIEWER").await;
        }
        return;
    }
    for (statement, parameter) in ROWS {
        let values = (!parameter.is_empty()).then(|| sql::id(board));
        sql::execute(app, statement, values).await;
    }
    for table in ["users", "boards", "board_members", "generations"] {
        sql::execute(app, &format!("VACUUM ANALYZE {table}"), []).await;
    }
}

async fn plan(connection: &DatabaseConnection, sql: &str) -> String {
    let (explain, column) =
        if on_postgres() { ("EXPLAIN", "QUERY PLAN") } else { ("EXPLAIN QUERY PLAN", "detail") };
    let backend = connection.get_database_backend();
    let explain = Statement::from_string(backend, format!("{explain} {sql}"));
    let rows = connection.query_all_raw(explain).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let lines = rows.iter().map(|row| row.try_get::<String>("", column).expect("a line"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The time and id by which an index is entered, and whether that index has the order of the list.
fn expected(list: &List) -> (Option<[&'static str; 2]>, bool) {
    let by_creation = list.arguments.contains("CREATED");
    let time = if by_creation { ["created_at", "id"] } else { ["updated_at", "id"] };
    let shared = if by_creation { "board_created_at" } else { "board_updated_at" };
    match list.field {
        "publicBoards" => (Some(time), true),
        "myBoards" if list.arguments.contains("OWNER") => (Some(time), true),
        "members" => (Some(["joined_at", "id"]), true),
        "generations" => (Some(["created_at", "id"]), true),
        // All with a tag are looked up and sorted, as are hits of a search.
        "recentGenerations" if list.arguments.contains("tagIds") => (None, false),
        "recentGenerations" => (Some(["created_at", "id"]), list.arguments.contains("boardId")),
        // The caller's own come from one index and those shared with them from another.
        "myBoards" if list.arguments.contains("ANY") => (Some(time), false),
        "myBoards" => (Some([shared, "board_id"]), false),
        // What is found has no order in any index: all of it is sorted.
        _ => (None, false),
    }
}

#[tokio::test]
async fn a_page_is_read_from_its_cursor_on() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Lamp", true).await;
    fill(&app, &ada, &board).await;
    let tag = "mutation { createTag(input: { name: \"Light\" }) { id } }";
    let tag = text(&ada.data(tag, json!({})).await["createTag"]["id"]);
    let put = "INSERT INTO generation_tags (id, tenant_id, generation_id, tag_id, created_at)
        SELECT id, tenant_id, id, $1, created_at FROM generations ORDER BY id LIMIT 100";
    sql::execute(&app, put, [sql::id(&tag)]).await;
    let mut lists = vec![
        List::of("searchBoards", "query: \"lamp\","),
        List::of("recentGenerations", ""),
        List::of("recentGenerations", &format!("boardId: \"{board}\",")),
        List::of("recentGenerations", &format!("userId: \"{}\",", ada.id().await)),
        List::of("recentGenerations", "generatorName: \"pattern-image\","),
        List::of("recentGenerations", "query: \"lamp\","),
        List::of("recentGenerations", &format!("tagIds: [\"{tag}\"],")),
        List::below(&board, "generations"),
        List::below(&board, "members"),
    ];
    for sort in SORTS {
        lists.push(List::of("publicBoards", &format!("sort: {sort},")));
        for role in ["ANY", "OWNER", "MEMBER"] {
            lists.push(List::of("myBoards", &format!("role: {role}, sort: {sort},")));
        }
    }
    let connection = app.database().connect().await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&seen);
    app.store().observe_statements(move |sql| notes.lock().expect("whole").push(sql.to_owned()));
    let mut bad = Vec::new();
    for list in &lists {
        let cursor = list.page(&ada, "first: 60").await.end().to_owned();
        for (window, backwards) in [("first: 3, after", false), ("last: 3, before", true)] {
            seen.lock().expect("whole").clear();
            list.page(&ada, &format!("{window}: \"{cursor}\"")).await;
            let statements = std::mem::take(&mut *seen.lock().expect("whole"));
            let page = statements.iter().find(|sql| sql.contains("LIMIT 4")).expect("a page");
            // One of 0 passes over nothing: it keeps PostgreSQL from planning a join.
            assert!(!page.replace("OFFSET 0)", "").contains("OFFSET"), "{page}");
            let plan = plan(&connection, page).await;
            let (key, is_ordered) = expected(list);
            let from_cursor = key.is_none_or(|key| starts_at(&plan, key));
            let sorts = plan.contains("Sort") || plan.contains("TEMP B-TREE FOR ORDER BY");
            if !from_cursor || (is_ordered && (sorts || scans(&plan))) {
                bad.push(format!("{list:?} backwards: {backwards}\n{page}\n{plan}"));
            }
        }
    }
    assert!(bad.is_empty(), "{} bad plans:\n\n{}", bad.len(), bad.join("\n\n"));
}

/// Whether an index is entered at the cursor.
fn starts_at(plan: &str, [at, id]: [&str; 2]) -> bool {
    let condition =
        if on_postgres() { format!("(ROW({at}, {id}) ") } else { format!("({at},{id})") };
    plan.lines()
        .filter(|line| line.contains("Index Cond:") || line.contains("SEARCH"))
        .any(|line| line.contains(&condition))
}

/// Whether a table is read from one end to the other.
fn scans(plan: &str) -> bool {
    plan.lines().map(|line| line.trim_start_matches([' ', '-', '>'])).any(|line| {
        ["boards", "generations", "board_members"].iter().any(|table| {
            line.starts_with(&format!("Seq Scan on {table}"))
                || line.starts_with(&format!("SCAN {table}"))
        })
    })
}
