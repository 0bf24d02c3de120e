//! `PostgreSQL` reads every list by an index: the plans of the real statements, on the seed of the
//! load tests.

use std::sync::{Arc, Mutex};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::{Issuer, TestApp, on_postgres};

const SEED: &str = include_str!("../../load/seed.sql");
/// Tables that grow with use.
const LARGE: [&str; 3] = ["boards", "board_members", "generations"];

type Seen = Arc<Mutex<Vec<String>>>;

/// Every operation that reads a list, with variables.
fn operations() -> Vec<(String, Value)> {
    let sorts = ["CREATED_ASC", "CREATED_DESC", "UPDATED_ASC", "UPDATED_DESC"];
    let board = "5fdb43f4-e1e1-367b-be7d-f3f20b4d52f4";
    let mut operations = Vec::new();
    let mut add = |query: String| operations.push((query, json!({})));
    for sort in sorts {
        for role in ["ANY", "OWNER", "MEMBER"] {
            add(format!("{{ myBoards(limit: 20, role: {role}, sort: {sort}) {{ id }} }}"));
        }
        add(format!("{{ publicBoards(limit: 20, sort: {sort}) {{ id }} }}"));
        add(format!("{{ publicBoards(limit: 20, offset: 40, sort: {sort}) {{ id }} }}"));
    }
    add("{ searchBoards(query: \"board 17\", limit: 20) { id } }".to_owned());
    for board in [String::new(), format!("boardId: \"{board}\",")] {
        for filter in ["", "status: COMPLETED,", "artifactType: AUDIO,", "status: FAILED,"] {
            add(format!("{{ recentGenerations({board} {filter} limit: 20) {{ id }} }}"));
        }
    }
    let id = "5fdb43f4-e1e1-367b-be7d-f3f20b4d52f4";
    for filter in [
        "query: \"in light 17\"".to_owned(),
        "generatorName: \"none\"".to_owned(),
        format!("userId: \"{id}\""),
        format!("tagIds: [\"{id}\", \"{board}\"]"),
    ] {
        add(format!("{{ recentGenerations({filter}, limit: 20) {{ id }} }}"));
        add(format!(
            "{{ recentGenerationsConnection({filter}, first: 20) {{ totalCount edges {{ cursor }} }} }}"
        ));
    }
    for sort in sorts {
        for role in ["ANY", "OWNER", "MEMBER"] {
            add(format!(
                "{{ myBoardsConnection(first: 20, role: {role}, sort: {sort}) {{
                   totalCount edges {{ cursor }} }} }}"
            ));
        }
        add(format!(
            "{{ publicBoardsConnection(last: 20, sort: {sort}) {{ totalCount edges {{ cursor }} }} }}"
        ));
    }
    for arguments in ["", "status: FAILED,"] {
        add(format!(
            "{{ recentGenerationsConnection({arguments} last: 20) {{ totalCount edges {{ cursor }} }} }}"
        ));
    }
    add("{ searchBoardsConnection(query: \"board 17\", first: 20) { totalCount edges { cursor } } }"
        .to_owned());
    add("{ tags { id } me { boards { id } memberBoards { id } } }".to_owned());
    let nested = "owner { email } members { user { email } } generationCount
        generationsConnection(first: 20) { totalCount nodes { id } }
        membersConnection(last: 20) { totalCount nodes { id } }
        generations(limit: 20) { id tags { id } board { id } ancestry { generation { id } }
        descendants { generation { id } } }";
    add(format!("{{ board(id: \"{board}\") {{ {nested} }} }}"));
    add(format!("{{ myBoards(limit: 20) {{ {} }} }}", nested.replace("ancestry", "a: ancestry")));
    for body in [
        include_str!("../../load/queries/board.json"),
        include_str!("../../load/queries/my_boards.json"),
        include_str!("../../load/queries/public_boards.json"),
        include_str!("../../load/queries/recent.json"),
    ] {
        let body: Value = serde_json::from_str(body).expect("JSON");
        let variables = body.get("variables").cloned().unwrap_or_else(|| json!({}));
        operations.push((body["query"].as_str().expect("a query").to_owned(), variables));
    }
    operations
}

async fn plan(connection: &DatabaseConnection, sql: &str) -> String {
    let explain = Statement::from_string(DbBackend::Postgres, format!("EXPLAIN {sql}"));
    let rows = connection.query_all_raw(explain).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let lines = rows.iter().map(|row| row.try_get::<String>("", "QUERY PLAN").expect("a line"));
    lines.collect::<Vec<_>>().join("\n")
}

fn scans(plan: &str) -> bool {
    LARGE.iter().any(|table| {
        plan.lines()
            .filter_map(|line| line.split_once("Seq Scan on "))
            .any(|(_, rest)| rest.split_whitespace().next() == Some(table))
    })
}

#[tokio::test]
async fn no_list_scans_a_table() {
    if !on_postgres() {
        return;
    }
    let app = TestApp::builder()
        .config(|config| {
            config.multi_tenant_mode = true;
            config.max_query_complexity = 1_000_000;
        })
        .start()
        .await;
    let connection = app.database().connect().await;
    connection.execute_unprepared(SEED).await.expect("the seed");
    let token = Issuer::trusted().token(&json!({ "sub": "user-1-1" }));
    let caller = app.anonymous().with_token(&token).with_tenant("tenant-1");
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    app.store().observe_statements(move |sql| {
        notes.lock().expect("not poisoned").push(sql.to_owned());
    });
    let mut bad = Vec::new();
    for (query, variables) in operations() {
        caller.data(&query, variables).await;
        let statements = std::mem::take(&mut *seen.lock().expect("not poisoned"));
        assert!(statements.len() > 1, "{query}: {statements:?}");
        for sql in statements {
            let plan = plan(&connection, &sql).await;
            // Public boards come from an index in their order: a page costs its rows, not them all.
            let is_sorted = sql.contains("LIMIT 20") && plan.contains("Sort");
            // Search has an index for the boards that are not the caller's.
            let is_indexed = (!sql.contains("in_title") || plan.contains("boards_public_by_text"))
                && (!sql.contains("in light 17") || plan.contains("generations_by_prompt"));
            if scans(&plan) || !is_indexed || (is_sorted && query.contains("publicBoards(")) {
                bad.push(format!("{query}\n{sql}\n{plan}"));
            }
        }
    }
    assert!(bad.is_empty(), "{} bad plans:\n\n{}", bad.len(), bad.join("\n\n"));
}
