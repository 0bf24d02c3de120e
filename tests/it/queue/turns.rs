//! Who is next: with ten thousand jobs of one tenant waiting, another's single job is.

use boards::store::{ConcurrencyLimits, WorkerId};
use chrono::Duration;
use serde_json::json;

use crate::support::{Client, RECORDED, REMOTE, SLOW, TestApp, on_postgres, sql};

fn lease() -> Duration {
    Duration::minutes(5)
}

/// Takes at most `room` jobs for a worker of its own; the generations.
async fn take(app: &TestApp, room: usize, limits: &ConcurrencyLimits) -> Vec<String> {
    let claimed = app.store().worker().claim(WorkerId::new(), room, lease(), limits).await;
    claimed.expect("claimed").iter().map(|job| job.generation.id.to_string()).collect()
}

async fn queue(client: &Client, board: &str, number: usize) -> Vec<String> {
    let mut queued = Vec::new();
    for _ in 0..number {
        queued.push(client.generate_as(board, RECORDED, "TEXT", json!({})).await);
    }
    queued
}

#[tokio::test]
async fn a_tenants_ten_thousand_jobs_wait_for_anothers_one() {
    let app = TestApp::two_tenants().await;
    let (ada, bob) = (app.user_of("one", "ada"), app.user_of("two", "bob"));
    let (hers, his) = (ada.board("Hers", false).await, bob.board("His", false).await);
    let first = queue(&ada, &hers, 1).await.remove(0);
    let id = if on_postgres() { "gen_random_uuid()" } else { "randomblob(16)" };
    let copies = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9999)
         INSERT INTO generations (id, tenant_id, board_id, user_id, generator_name, artifact_type, input_params,
                status, progress, output_metadata, additional_files, input_artifacts, created_at, updated_at)
         SELECT {id}, g.tenant_id, g.board_id, g.user_id, g.generator_name, g.artifact_type, g.input_params,
                g.status, g.progress, g.output_metadata, g.additional_files, g.input_artifacts, g.created_at, g.updated_at
           FROM generations g, numbers WHERE g.id = $1"
    );
    sql::execute(&app, &copies, [sql::id(&first)]).await;
    let jobs = "INSERT INTO jobs (generation_id, tenant_id, user_id, provider, submission, attempts, created_at)
         SELECT g.id, g.tenant_id, g.user_id, '', '', 0, g.created_at FROM generations g WHERE g.id <> $1";
    sql::execute(&app, jobs, [sql::id(&first)]).await;

    let no_limits = ConcurrencyLimits::default();
    assert_eq!(take(&app, 4, &no_limits).await.len(), 4);
    let lone = queue(&bob, &his, 1).await;
    assert_eq!(
        take(&app, 1, &no_limits).await,
        lone,
        "the next is the one who has nothing running"
    );
    let more = queue(&bob, &his, 5).await;
    let next = take(&app, 6, &no_limits).await;
    let of_bob = next.iter().filter(|id| more.contains(id)).count();
    assert_eq!((next.len(), of_bob), (6, 4), "until both have as much, and then in turn");
}

#[tokio::test]
async fn users_of_a_tenant_take_turns() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let (hers, his) = (ada.board("Hers", false).await, bob.board("His", false).await);
    let first = queue(&ada, &hers, 3).await;
    let second = queue(&bob, &his, 1).await;
    let taken = take(&app, 3, &ConcurrencyLimits::default()).await;
    let mut wanted = vec![first[0].clone(), second[0].clone(), first[1].clone()];
    let mut taken_sorted = taken.clone();
    wanted.sort();
    taken_sorted.sort();
    assert_eq!(taken_sorted, wanted);
}

#[tokio::test]
async fn limits_count_what_every_worker_runs() {
    let app = TestApp::two_tenants().await;
    let (ada, bob) = (app.user_of("one", "ada"), app.user_of("one", "bob"));
    let eve = app.user_of("two", "eve");
    let boards =
        [ada.board("A", false).await, bob.board("B", false).await, eve.board("E", false).await];
    for (user, board) in [&ada, &bob, &eve].into_iter().zip(&boards) {
        queue(user, board, 4).await;
    }
    let limits = ConcurrencyLimits { tenant: Some(3), user: Some(2), ..Default::default() };
    // Two workers, one after the other: three of tenant one, of them at most two of a user; two of eve's.
    let (first, second) = (take(&app, 3, &limits).await, take(&app, 10, &limits).await);
    assert_eq!(first.len() + second.len(), 5);
    assert!(take(&app, 10, &limits).await.is_empty());
    let later = ConcurrencyLimits { user: Some(3), ..limits };
    assert_eq!(take(&app, 10, &later).await.len(), 1, "eve's third");
}

#[tokio::test]
async fn a_full_provider_holds_nobody_else_up() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    for job in ["a", "b", "c"] {
        ada.generate_as(&board, REMOTE, "TEXT", json!({ "job": job })).await;
    }
    let local = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
    let limits =
        ConcurrencyLimits { providers: [("test".to_owned(), 2)].into(), ..Default::default() };
    assert_eq!(take(&app, 2, &limits).await.len(), 2, "as many as the provider takes");
    assert_eq!(take(&app, 10, &limits).await, [local], "and what needs no provider");
}
