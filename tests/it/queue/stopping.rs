//! What is cancelled or deleted here is stopped at its provider, whoever ends it and whenever.

use boards::domain::Submission;
use boards::store::{ConcurrencyLimits, WorkerId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, REMOTE, TestApp, eventually, sql, stopped_jobs};

/// A generation whose provider has begun a job; the generation and the job.
async fn begun(client: &Client, board: &str) -> (String, String) {
    let job = Uuid::new_v4().to_string();
    let generation = client.generate_as(board, REMOTE, "TEXT", json!({ "job": job })).await;
    let query = "query($id: UUID!) { generation(id: $id) {
        externalJobId attempts { externalJobId } } }";
    let found = eventually("the job is begun", async || {
        let found = client.data(query, json!({ "id": generation })).await["generation"].clone();
        (found["externalJobId"] == job.as_str()).then_some(found)
    })
    .await;
    assert_eq!(found["attempts"], json!([{ "externalJobId": job }]));
    (generation, job)
}

async fn until_stopped(app: &TestApp, job: &str) {
    eventually("the provider is told", async || {
        stopped_jobs().iter().any(|stopped| stopped == job).then_some(())
    })
    .await;
    eventually("and that is done with", async || {
        let left = "SELECT count(*) FROM provider_cancellations";
        (sql::count(app, left).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn by_cancelling_deleting_and_suspending() {
    let app = TestApp::builder().worker().start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    app.make_admin(&ada).await;
    let board = ada.board("B", false).await;
    ada.add_member(&board, &bob, "EDITOR").await;

    let (generation, job) = begun(&ada, &board).await;
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
    ada.data(cancel, json!({ "id": generation })).await;
    until_stopped(&app, &job).await;

    let (generation, job) = begun(&ada, &board).await;
    let delete = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
    ada.data(delete, json!({ "id": generation })).await;
    until_stopped(&app, &job).await;

    let (_, job) = begun(&bob, &board).await;
    let suspend = "mutation($id: UUID!) { suspendUser(userId: $id) { user { id } } }";
    ada.data(suspend, json!({ "id": bob.id().await })).await;
    until_stopped(&app, &job).await;

    let (_, job) = begun(&ada, &board).await;
    let delete = "mutation($id: UUID!) { deleteBoard(id: $id) }";
    ada.data(delete, json!({ "id": board })).await;
    until_stopped(&app, &job).await;
}

/// The provider answers a submission when its generation was cancelled already.
#[tokio::test]
async fn by_an_id_that_comes_too_late() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = ada.generate_as(&board, REMOTE, "TEXT", json!({ "job": "late" })).await;
    let (worker, me) = (app.store().worker(), WorkerId::new());
    let minute = chrono::Duration::minutes(1);
    let jobs = worker.claim(me, 1, minute, &ConcurrencyLimits::default()).await.expect("claimed");
    let claimed = &jobs[0].generation;
    assert!(worker.begin_submission(me, claimed).await.expect("written"));
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
    ada.data(cancel, json!({ "id": generation })).await;
    assert_eq!(sql::count(&app, "SELECT count(*) FROM provider_cancellations").await, 0);
    assert!(!worker.submission_begun(claimed, "late").await.expect("written"));
    let due = worker.claim_cancellations(10).await.expect("claimed");
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].external_job_id.as_str(), due[0].generator_name.as_str()), ("late", REMOTE));
    assert!(worker.claim_cancellations(10).await.expect("claimed").is_empty(), "somebody is at it");
}

/// Whoever takes a job over knows how far the one before came.
#[tokio::test]
async fn a_submission_is_known_to_the_next_worker() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    ada.generate_as(&board, REMOTE, "TEXT", json!({ "job": "known" })).await;
    let (worker, limits) = (app.store().worker(), ConcurrencyLimits::default());
    let expired = -chrono::Duration::minutes(1);
    let mut found = Vec::new();
    for step in 0..4 {
        let me = WorkerId::new();
        let jobs = worker.claim(me, 1, expired, &limits).await.expect("claimed");
        let claimed = &jobs[0].generation;
        found.push(jobs[0].submission.clone());
        match step {
            0 => assert!(worker.begin_submission(me, claimed).await.expect("written")),
            1 => assert!(worker.submission_not_begun(me, claimed).await.expect("written")),
            2 => {
                assert!(worker.begin_submission(me, claimed).await.expect("written"));
                assert!(worker.submission_begun(claimed, "known").await.expect("written"));
            }
            _ => {}
        }
        assert!(!worker.begin_submission(WorkerId::new(), claimed).await.expect("asked"));
    }
    let job = Submission::Job("known".to_owned());
    assert_eq!(found, [Submission::NotBegun, Submission::Unknown, Submission::NotBegun, job]);
    let query = "{ recentGenerations(limit: 1) { externalJobId } }";
    let shown = ada.data(query, Value::Null).await;
    assert_eq!(shown["recentGenerations"][0]["externalJobId"], "known");
}
