//! `auditEvents`, the export, and the end of old events.

use std::{collections::BTreeSet, time::Duration};

use boards::{
    domain::Decision,
    store::{AuditRecord, Store},
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{recorded, rows};
use crate::support::{Client, TestApp, boards, eventually, run, text};

const QUERY: &str = "query($f: AuditEventFilter, $n: Int, $a: String) {
    auditEvents(filter: $f, first: $n, after: $a) {
        edges { cursor node { id occurredAt actor { displayName } actorId accessTokenId address
            action objectType objectId decision reason count requestId } }
        pageInfo { hasNextPage endCursor } } }";

async fn page(admin: &Client, variables: Value) -> Value {
    admin.data(QUERY, variables).await["auditEvents"].clone()
}

fn nodes(page: &Value) -> Vec<Value> {
    let edges = page["edges"].as_array().expect("edges");
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

fn event(number: i64) -> AuditRecord {
    AuditRecord {
        id: Uuid::now_v7(),
        // Some at the same time: then the id decides.
        occurred_at: Utc::now().trunc_subsecs(6) - TimeDelta::hours(1 + number / 3),
        tenant: None,
        actor: None,
        access_token: None,
        provider: None,
        subject: None,
        address: None,
        action: format!("act{}", number % 2),
        object_type: Some("thing".to_owned()),
        object_id: Some(number.to_string()),
        decision: if number % 5 == 0 { Decision::Denied } else { Decision::Allowed },
        reason: None,
        count: 1,
        request_id: None,
    }
}

async fn add(store: &Store, records: &[AuditRecord]) {
    store.audit().append(records).await.expect("written");
}

#[tokio::test]
async fn admins_read_their_own_tenant_and_nobody_else_reads() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    let (of_one, of_two) = (one.board("One", false).await, two.board("Two", false).await);
    recorded(&app, "createBoard", 2).await;
    for refused in [&one, &two] {
        assert_eq!(refused.code(QUERY, json!({})).await, "FORBIDDEN");
    }
    assert_eq!(app.anonymous().with_tenant("one").code(QUERY, json!({})).await, "UNAUTHENTICATED");
    app.make_admin(&one).await;
    app.make_admin(&two).await;
    for (admin, own, foreign) in [(&one, &of_one, &of_two), (&two, &of_two, &of_one)] {
        let page = page(admin, json!({ "n": 100 })).await;
        let shown = page.to_string();
        assert!(shown.contains(own.as_str()) && !shown.contains(foreign.as_str()), "{shown}");
        let me = admin.id().await;
        for node in nodes(&page) {
            assert!(node["actorId"] == me.as_str(), "{node}");
            assert_eq!(node["actor"]["displayName"], "Name of ada");
        }
    }
    // A cursor of another tenant is none.
    let first = page(&one, json!({ "n": 1 })).await["pageInfo"]["endCursor"].clone();
    assert_eq!(two.code(QUERY, json!({ "n": 100, "a": first })).await, "BAD_USER_INPUT");
    let narrow = app.user_with_scope("ada", "boards:read boards:write").with_tenant("one");
    assert_eq!(narrow.code(QUERY, json!({})).await, "FORBIDDEN");
}

#[tokio::test]
async fn pages_and_filters() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let id = ada.id().await;
    app.make_admin(&ada).await;
    let tenant = recorded(&app, "signIn.newUser", 1).await[0].tenant;
    let mut events: Vec<AuditRecord> =
        (0..25).map(|number| AuditRecord { tenant, ..event(number) }).collect();
    add(app.store(), &events).await;
    events.sort_by_key(|event| std::cmp::Reverse((event.occurred_at, event.id)));
    let things = json!({ "objectType": "thing" });
    let (mut found, mut after) = (Vec::new(), Value::Null);
    for expected in [10, 10, 5] {
        let page = page(&ada, json!({ "f": things, "n": 10, "a": after })).await;
        found.extend(nodes(&page).iter().map(|node| text(&node["id"])));
        assert_eq!(page["pageInfo"]["hasNextPage"], expected == 10);
        assert_eq!(page["pageInfo"]["endCursor"], page["edges"][expected - 1]["cursor"]);
        after = page["pageInfo"]["endCursor"].clone();
    }
    let wanted: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(found, wanted, "newest first, each once");

    let time = |time: DateTime<Utc>| json!(time.to_rfc3339());
    let middle = events[12].occurred_at;
    let filters = [
        (json!({ "action": "act1" }), 12),
        (json!({ "objectId": "7" }), 1),
        (json!({ "objectType": "thing", "decision": "DENIED" }), 5),
        (json!({ "objectType": "thing", "action": "act0", "decision": "DENIED" }), 3),
        (json!({ "actorId": id, "action": "signIn.newUser" }), 1),
        (json!({ "actorId": Uuid::new_v4() }), 0),
        (
            json!({ "objectType": "thing", "from": time(middle) }),
            events.iter().filter(|event| event.occurred_at >= middle).count(),
        ),
        (
            json!({ "objectType": "thing", "to": time(middle) }),
            events.iter().filter(|event| event.occurred_at < middle).count(),
        ),
    ];
    for (filter, count) in filters {
        let found = nodes(&page(&ada, json!({ "f": filter, "n": 100 })).await);
        assert_eq!(found.len(), count, "{filter}: {found:?}");
    }
    for wrong in [
        json!({ "n": 201 }),
        json!({ "n": -1 }),
        json!({ "a": "nonsense" }),
        json!({ "f": { "action": "\u{0}" } }),
        json!({ "f": { "objectId": "x".repeat(256) } }),
    ] {
        assert_eq!(ada.code(QUERY, wrong.clone()).await, "BAD_USER_INPUT", "{wrong}");
    }
    assert_eq!(nodes(&page(&ada, json!({ "n": 0 })).await).len(), 0);
}

async fn export(app: &TestApp, arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut command = boards(folder.path(), &["audit", "export", "--format", "jsonl"]);
    command.args(arguments).env("BOARDS_DATABASE_URL", app.config.database_url.expose());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn the_export_is_the_table() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    one.board("One", false).await;
    two.board("Two", false).await;
    app.anonymous().with_token("no.token.here").code("{ me { id } }", json!({})).await;
    recorded(&app, "createBoard", 2).await;
    recorded(&app, "authenticate", 1).await;
    // More than one batch.
    let many: Vec<AuditRecord> = (0..2_500).map(event).collect();
    add(app.store(), &many).await;
    let table = rows(app.store()).await;
    let exported = export(&app, &[]).await;
    let ids: Vec<String> = exported.iter().map(|line| text(&line["id"])).collect();
    let wanted: Vec<String> = table.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, wanted, "all, oldest first");
    for (line, row) in exported.iter().zip(&table) {
        let id = |id: Option<Uuid>| json!(id.map(|id| id.to_string()));
        assert_eq!(line["tenantId"], id(row.tenant.map(Uuid::from)));
        assert_eq!(line["actorId"], id(row.actor.map(Uuid::from)));
        assert_eq!(line["accessTokenId"], id(row.access_token.map(Uuid::from)));
        let texts = ["provider", "address", "objectType", "objectId", "reason", "requestId"];
        let kept = [
            &row.provider,
            &row.address,
            &row.object_type,
            &row.object_id,
            &row.reason,
            &row.request_id,
        ];
        for (name, kept) in texts.into_iter().zip(kept) {
            assert_eq!(line[name], json!(kept), "{name}");
        }
        assert_eq!((&line["action"], &line["count"]), (&json!(row.action), &json!(row.count)));
        assert_eq!(line["decision"], row.decision.as_str());
        let time = DateTime::parse_from_rfc3339(&text(&line["occurredAt"])).expect("a time");
        assert_eq!(time, row.occurred_at);
    }
    let tenant = |row: &AuditRecord| row.tenant.map(|id| id.to_string());
    let made = |row: &&AuditRecord| row.action == "createBoard";
    let tenants: BTreeSet<_> = table.iter().filter(made).filter_map(tenant).collect();
    assert_eq!(tenants.len(), 2);
    let of_one = export(&app, &["--tenant", "one"]).await;
    assert_eq!(
        of_one.len(),
        table
            .iter()
            .filter(|row| tenant(row) == of_one[0]["tenantId"].as_str().map(str::to_owned))
            .count()
    );
    let (from, to) = (table[1_000].occurred_at.to_rfc3339(), table[2_000].occurred_at.to_rfc3339());
    let between = export(&app, &["--from", &from, "--to", &to]).await;
    let wanted = table.iter().filter(|row| {
        (table[1_000].occurred_at..table[2_000].occurred_at).contains(&row.occurred_at)
    });
    assert_eq!(between.len(), wanted.count());
}

#[tokio::test]
async fn only_what_is_older_than_the_retention_ends() {
    let mut first = TestApp::builder().config(|config| config.audit_retention = None).start().await;
    let aged = |number: i64, days: i64| AuditRecord {
        occurred_at: Utc::now().trunc_subsecs(6) - TimeDelta::days(days) - TimeDelta::minutes(1),
        ..event(number)
    };
    let old: Vec<AuditRecord> = (0..1_200).map(|number| aged(number, 30)).collect();
    let young: Vec<AuditRecord> = (0..10).map(|number| aged(number, 29)).collect();
    add(first.store(), &old).await;
    add(first.store(), &young).await;
    assert_eq!(rows(first.store()).await.len(), 1_210, "nothing ends without a retention");
    first.stop().await;
    let days = |days: u64| Some(Duration::from_hours(24 * days));
    let second = TestApp::builder()
        .beside(&first)
        .config(move |config| config.audit_retention = days(30))
        .start()
        .await;
    let left = eventually("the old ones end", async || {
        let rows = rows(second.store()).await;
        (rows.len() <= young.len()).then_some(rows)
    })
    .await;
    let ids = |rows: &[AuditRecord]| rows.iter().map(|row| row.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&left), ids(&young));
}
