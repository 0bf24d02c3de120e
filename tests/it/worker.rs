//! Generations on their way: run once, whatever happens to the process, the role, the board.

use std::time::{Duration, Instant};

use boards::{
    domain::GenerationStatus,
    store::{ConcurrencyLimits, FinishedArtifact, WorkerId},
};
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, Value as SqlValue};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{
    ChildServer, Client, FAILING, Home, PANICKING, RECORDED, SLOW, TestApp, eventually,
    eventually_within, on_postgres, runs_of, text,
};

/// A killed worker's lease has to run out on PostgreSQL, and the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

fn no_limits() -> ConcurrencyLimits {
    ConcurrencyLimits::default()
}

/// A name for the runs of one test.
fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4())
}

async fn count(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get_by_index(0).expect("a number")
}

async fn execute(connection: &DatabaseConnection, sql: &str, values: Vec<SqlValue>) {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let done = connection.execute_raw(statement).await.expect("executed");
    assert_eq!(done.rows_affected(), 1, "{sql}");
}

fn id(text: &str) -> Uuid {
    text.parse().expect("an id")
}

async fn status(client: &Client, generation: &str) -> Value {
    let query = "query($id: UUID!) { generation(id: $id) { status progress startedAt } }";
    client.data(query, json!({ "id": generation })).await["generation"].clone()
}

async fn until_status(client: &Client, generation: &str, wanted: &str) {
    eventually(wanted, async || {
        (status(client, generation).await["status"] == wanted).then_some(())
    })
    .await;
}

async fn until_started(name: &str) {
    eventually("the run starts", async || (runs_of(name).started > 0).then_some(())).await;
}

async fn until_ended(name: &str) {
    eventually("the run ends", async || (!runs_of(name).ended.is_empty()).then_some(())).await;
}

async fn cancel(client: &Client, generation: &str) {
    let query = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
    let data = client.data(query, json!({ "id": generation })).await;
    assert_eq!(data["cancelGeneration"]["status"], "CANCELLED");
}

async fn remove_member(owner: &Client, board: &str, user: &Client) {
    let query =
        "mutation($b: UUID!, $u: UUID!) { removeBoardMember(boardId: $b, userId: $u) { id } }";
    owner.data(query, json!({ "b": board, "u": user.id().await })).await;
}

/// A server that runs one generation at a time, and one that keeps it busy until it is cancelled.
struct Busy {
    app: TestApp,
    ada: Client,
    board: String,
    blocker: String,
}

impl Busy {
    async fn start() -> Self {
        let app = TestApp::builder()
            .worker()
            .config(|config| config.worker_concurrency = 1)
            .start()
            .await;
        let ada = app.user("ada");
        let board = ada.board("Busy", false).await;
        let blocker = ada.generate_as(&board, SLOW, "TEXT", json!({})).await;
        until_status(&ada, &blocker, "PROCESSING").await;
        Self { app, ada, board, blocker }
    }

    async fn unblock(&self) {
        cancel(&self.ada, &self.blocker).await;
    }

    /// A generation that ends after all that was queued before it.
    async fn last_word(&self) {
        let last = self.ada.generate(&self.board, "qr-code", json!({ "text": "last" })).await;
        assert_eq!(self.ada.ended(&last).await["status"], "COMPLETED");
    }
}

/// What a server has to do for a while with its own generators alone.
async fn queue_work(client: &Client) -> Vec<String> {
    let board = client.board("Work", false).await;
    let mut generations = Vec::new();
    for seed in 0..3 {
        let params = json!({ "seed": seed, "width": 1024, "height": 1024 });
        generations.push(client.generate(&board, "pattern-image", params).await);
    }
    let notes = json!({ "frequency": 440, "duration": 60 });
    generations.push(client.generate_as(&board, "tone-audio", "AUDIO", notes).await);
    let pictures = [client.upload_png(&board).await, client.upload_png(&board).await];
    generations.push(client.generate(&board, "image-collage", json!({ "images": pictures })).await);
    generations
}

/// Any of them: the first may be done before it is looked at.
async fn until_one_runs(client: &Client, generations: &[String]) {
    eventually_within(PATIENCE, "one of them runs", async || {
        for generation in generations {
            if status(client, generation).await["status"] == "PROCESSING" {
                return Some(());
            }
        }
        None
    })
    .await;
}

async fn all_completed(server: &ChildServer, generations: &[String]) {
    let client = server.user("ada");
    let query = "query($id: UUID!) { generation(id: $id) { status progress storageUrl } }";
    for generation in generations {
        let found = eventually_within(PATIENCE, "the generation ends", async || {
            let found = client.data(query, json!({ "id": generation })).await["generation"].clone();
            (found["status"] != "PENDING" && found["status"] != "PROCESSING").then_some(found)
        })
        .await;
        assert_eq!(found["status"], "COMPLETED", "{found}");
        assert_eq!(found["progress"], 1.0);
        let file = client.follow(&text(&found["storageUrl"])).await;
        assert_eq!(file.status(), StatusCode::OK);
        assert!(!file.bytes().await.expect("bytes").is_empty());
    }
}

const ONE_AT_A_TIME: (&str, &str) = ("BOARDS_WORKER_CONCURRENCY", "1");

#[tokio::test]
async fn a_killed_server_loses_nothing() {
    let home = Home::new().await;
    let server = home.start(&[("BOARDS_WORKER_CONCURRENCY", "2")]).await;
    let ada = server.user("ada");
    let generations = queue_work(&ada).await;
    until_one_runs(&ada, &generations).await;
    server.kill();

    let database = home.connect().await;
    let begun = "SELECT count(*) FROM jobs WHERE attempts = 1 AND worker_id IS NOT NULL";
    assert!(count(&database, begun).await > 0, "killed in the middle");
    let unfinished = count(&database, "SELECT count(*) FROM jobs").await;

    let server = home.start(&[]).await;
    all_completed(&server, &generations).await;
    assert_eq!(count(&database, "SELECT count(*) FROM jobs").await, 0);
    let completed = "SELECT count(*) FROM generations WHERE status = 'completed'";
    assert_eq!(count(&database, completed).await, 5 + 2, "with the two uploads, each once");
    assert!(unfinished > 0);
}

#[tokio::test]
async fn a_stopped_server_hands_back_what_it_has_no_time_for() {
    let home = Home::new().await;
    let mut server = home.start(&[ONE_AT_A_TIME, ("BOARDS_SHUTDOWN_TIMEOUT_SECONDS", "0")]).await;
    let ada = server.user("ada");
    let generations = queue_work(&ada).await;
    until_one_runs(&ada, &generations).await;
    server.signal("TERM");
    assert!(server.ended().await.success(), "{}", server.log());

    let database = home.connect().await;
    let held = "SELECT count(*) FROM jobs WHERE worker_id IS NOT NULL OR lease_until IS NOT NULL";
    assert_eq!(count(&database, held).await, 0, "nothing is held");
    let running = "SELECT count(*) FROM generations WHERE status = 'processing'";
    assert_eq!(count(&database, running).await, 0, "nothing seems to run");
    assert!(count(&database, "SELECT count(*) FROM jobs").await > 0, "something was left");

    let server = home.start(&[]).await;
    all_completed(&server, &generations).await;
    assert_eq!(count(&database, "SELECT count(*) FROM jobs").await, 0);
}

#[tokio::test]
async fn a_stopped_server_finishes_what_runs() {
    let home = Home::new().await;
    let mut server = home.start(&[ONE_AT_A_TIME]).await;
    let ada = server.user("ada");
    let board = ada.board("Work", false).await;
    let mut generations = Vec::new();
    for seed in 0..3 {
        let params = json!({ "seed": seed, "width": 1024, "height": 1024 });
        generations.push(ada.generate(&board, "pattern-image", params).await);
    }
    until_one_runs(&ada, &generations).await;

    // A request whose body is still on its way when the signal comes.
    let mut request = TcpStream::connect(server.address()).await.expect("connected");
    let head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 26\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    request.write_all(head.as_bytes()).await.expect("sent");
    let mut interim = [0_u8; 25];
    request.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");

    server.signal("INT");
    eventually_within(PATIENCE, "the server stops", async || {
        server.log().contains("stopping").then_some(())
    })
    .await;
    request.write_all(br#"{"query":"{ __typename }"}"#).await.expect("sent");
    let mut answer = String::new();
    request.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with(r#"{"data":{"__typename":"Query"}}"#), "{answer}");

    assert!(server.ended().await.success(), "{}", server.log());
    let database = home.connect().await;
    let completed = "SELECT count(*) FROM generations WHERE status = 'completed'";
    assert_eq!(count(&database, completed).await, 1, "the one that ran, and no other");
    assert_eq!(count(&database, "SELECT count(*) FROM jobs").await, 2);
}

#[tokio::test]
async fn cancel_stops_a_run_within_a_second() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    for stubborn in [false, true] {
        let name = unique("cancel");
        let params = json!({ "name": name, "seconds": 3600, "stubborn": stubborn });
        let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
        until_started(&name).await;
        let asked = Instant::now();
        cancel(&ada, &generation).await;
        until_ended(&name).await;
        let took = runs_of(&name).ended[0].duration_since(asked);
        assert!(took < Duration::from_secs(1), "{took:?}");
        // The worker goes on, and nothing comes back.
        let next = ada.generate(&board, "qr-code", json!({ "text": "next" })).await;
        assert_eq!(ada.ended(&next).await["status"], "COMPLETED");
        let ended = ada.ended(&generation).await;
        assert_eq!(ended["status"], "CANCELLED", "{ended}");
        assert_eq!((&ended["storageUrl"], &ended["thumbnailUrl"]), (&Value::Null, &Value::Null));
        assert_eq!(app.files_of(&generation), Vec::<std::path::PathBuf>::new());
        assert_eq!(runs_of(&name).started, 1);
        let again = ada.code(
            "mutation($id: UUID!) { cancelGeneration(id: $id) { id } }",
            json!({ "id": generation }),
        );
        assert_eq!(again.await, "CONFLICT");
    }
}

#[tokio::test]
async fn a_waiting_one_is_cancelled_before_it_begins() {
    let busy = Busy::start().await;
    let name = unique("waiting");
    let params = json!({ "name": name });
    let waiting = busy.ada.generate_as(&busy.board, RECORDED, "TEXT", params).await;
    cancel(&busy.ada, &waiting).await;
    busy.unblock().await;
    busy.last_word().await;
    assert_eq!(runs_of(&name).started, 0);
}

#[tokio::test]
async fn a_failure_has_the_generators_message() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let params = json!({ "message": "The provider said: no clouds today" });
    let generation = ada.generate_as(&board, FAILING, "TEXT", params).await;
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(ended["errorMessage"], "The provider said: no clouds today");
    assert_eq!(ended["storageUrl"], Value::Null);
    assert_eq!(app.files_of(&generation), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_panic_fails_one_generation_and_says_nothing() {
    let app =
        TestApp::builder().worker().config(|config| config.worker_concurrency = 1).start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    for _ in 0..2 {
        let generation = ada.generate_as(&board, PANICKING, "TEXT", json!({})).await;
        let ended = ada.ended(&generation).await;
        assert_eq!(ended["status"], "FAILED");
        let message = text(&ended["errorMessage"]);
        assert!(!message.is_empty() && !message.contains("secret"), "{message}");
    }
    let next = ada.generate(&board, "qr-code", json!({ "text": "still here" })).await;
    assert_eq!(ada.ended(&next).await["status"], "COMPLETED");
}

#[tokio::test]
async fn whoever_lost_the_role_gets_nothing_made() {
    let busy = Busy::start().await;
    let mut queued = Vec::new();
    for (subject, demote) in [("bob", true), ("cem", false)] {
        let editor = busy.app.user(subject);
        busy.ada.add_member(&busy.board, &editor, "EDITOR").await;
        let name = unique(subject);
        let params = json!({ "name": name });
        let generation = editor.generate_as(&busy.board, RECORDED, "TEXT", params).await;
        if demote {
            let query = "mutation($b: UUID!, $u: UUID!) {
                updateBoardMemberRole(boardId: $b, userId: $u, role: VIEWER) { id } }";
            busy.ada.data(query, json!({ "b": busy.board, "u": editor.id().await })).await;
        } else {
            remove_member(&busy.ada, &busy.board, &editor).await;
        }
        queued.push((name, generation));
    }
    busy.unblock().await;
    for (name, generation) in queued {
        let ended = busy.ada.ended(&generation).await;
        assert_eq!(ended["status"], "FAILED", "{name}");
        let message = text(&ended["errorMessage"]);
        assert!(message.starts_with("You don't have permission to"), "{message}");
        assert_eq!(runs_of(&name).started, 0, "{name}");
        assert_eq!(busy.app.files_of(&generation), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn an_input_that_the_creator_no_longer_sees_is_not_read() {
    let busy = Busy::start().await;
    let bob = busy.app.user("bob");
    busy.ada.add_member(&busy.board, &bob, "VIEWER").await;
    let picture = busy.ada.upload_png(&busy.board).await;
    let own = bob.board("Bob's", false).await;
    let edit = bob.generate(&own, "image-edit", json!({ "image": picture, "width": 4 })).await;
    remove_member(&busy.ada, &busy.board, &bob).await;
    busy.unblock().await;
    let ended = bob.ended(&edit).await;
    assert_eq!(ended["status"], "FAILED");
    assert!(text(&ended["errorMessage"]).contains("no longer available"), "{ended}");
    assert_eq!(busy.app.files_of(&edit), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn deleting_what_runs_leaves_no_files() {
    let app =
        TestApp::builder().worker().config(|config| config.worker_concurrency = 1).start().await;
    let ada = app.user("ada");
    let other = ada.board("Other", false).await;
    for (mutation, whole_board) in [("deleteGeneration", false), ("deleteBoard", true)] {
        for stubborn in [false, true] {
            let board = ada.board("Doomed", false).await;
            let name = unique("delete");
            let params = json!({ "name": name, "seconds": 3600, "stubborn": stubborn });
            let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
            until_started(&name).await;
            let query = format!("mutation($id: UUID!) {{ {mutation}(id: $id) }}");
            let target = if whole_board { &board } else { &generation };
            ada.data(&query, json!({ "id": target })).await;
            until_ended(&name).await;
            let next = ada.generate(&other, "qr-code", json!({ "text": "next" })).await;
            assert_eq!(ada.ended(&next).await["status"], "COMPLETED");
            assert_eq!(app.files_of(&generation), Vec::<std::path::PathBuf>::new(), "{mutation}");
            let jobs = count(&app.database().connect().await, "SELECT count(*) FROM jobs").await;
            assert_eq!(jobs, 0, "{mutation}");
        }
    }
}

#[tokio::test]
async fn two_workers_never_run_one_job_twice() {
    if !on_postgres() {
        return; // One SQLite database has one server.
    }
    let first = TestApp::builder().worker().start().await;
    let ada = first.user("ada");
    let board = ada.board("B", false).await;
    let blocked = first.database().connect().await;
    let second = TestApp::builder().worker().beside(&first).start().await;
    let bob = second.user("ada");
    let mut queued = Vec::new();
    for number in 0..60 {
        let name = unique("two");
        let params = json!({ "name": name, "seconds": 0.2 });
        let client = if number % 2 == 0 { &ada } else { &bob };
        let generation = client.generate_as(&board, RECORDED, "TEXT", params).await;
        queued.push((name, generation));
        if number == 20 {
            let workers = "SELECT count(DISTINCT worker_id) FROM jobs";
            eventually("both work", async || (count(&blocked, workers).await == 2).then_some(()))
                .await;
        }
    }
    for (name, generation) in queued {
        assert_eq!(ada.ended(&generation).await["status"], "COMPLETED");
        let runs = runs_of(&name);
        assert_eq!((runs.started, runs.ended.len()), (1, 1));
    }
    assert_eq!(count(&blocked, "SELECT count(*) FROM jobs").await, 0);
}

#[tokio::test]
async fn a_run_is_cancelled_through_another_server() {
    if !on_postgres() {
        return; // One SQLite database has one server.
    }
    let working = TestApp::builder().worker().start().await;
    let other = TestApp::builder().beside(&working).start().await;
    let ada = other.user("ada");
    let board = ada.board("B", false).await;
    let name = unique("elsewhere");
    let params = json!({ "name": name, "seconds": 3600 });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    until_started(&name).await;
    let asked = Instant::now();
    cancel(&ada, &generation).await;
    until_ended(&name).await;
    let took = runs_of(&name).ended[0].duration_since(asked);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_lost_lease_ends_the_run_of_whoever_held_it() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let name = unique("lost");
    let params = json!({ "name": name, "seconds": 3600, "stubborn": true });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    until_started(&name).await;
    let someone_else = vec![Uuid::now_v7().into(), id(&generation).into()];
    let take = "UPDATE jobs SET worker_id = $1 WHERE generation_id = $2";
    execute(&app.database().connect().await, take, someone_else).await;
    until_ended(&name).await;
    let next = ada.generate(&board, "qr-code", json!({ "text": "next" })).await;
    assert_eq!(ada.ended(&next).await["status"], "COMPLETED");
    assert_eq!(status(&ada, &generation).await["status"], "PROCESSING", "the new holder's");
    assert_eq!(runs_of(&name).started, 1);
}

/// As after a time without the database in which somebody took it over.
#[tokio::test]
async fn a_job_that_its_own_worker_takes_again_is_run_by_the_new_run_alone() {
    let app =
        TestApp::builder().worker().config(|config| config.worker_concurrency = 2).start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let name = unique("again");
    let params = json!({ "name": name, "seconds": 3600 });
    let generation = ada.generate_as(&board, RECORDED, "TEXT", params).await;
    until_started(&name).await;
    let free = "UPDATE jobs SET worker_id = NULL, lease_until = NULL WHERE generation_id = $1";
    let job: SqlValue = id(&generation).into();
    execute(&app.database().connect().await, free, vec![job]).await;
    // What is queued wakes the worker.
    let next = ada.generate(&board, "qr-code", json!({ "text": "next" })).await;
    assert_eq!(ada.ended(&next).await["status"], "COMPLETED");
    eventually("it runs again", async || (runs_of(&name).started == 2).then_some(())).await;
    until_ended(&name).await;
    assert_eq!(status(&ada, &generation).await["status"], "PROCESSING");
    assert_eq!(runs_of(&name).ended.len(), 1, "the new run goes on");
    cancel(&ada, &generation).await;
    eventually("the new run ends", async || (runs_of(&name).ended.len() == 2).then_some(())).await;
}

#[tokio::test]
async fn an_expired_lease_is_taken_over_and_the_late_worker_ends_nothing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let generation = ada.generate_as(&board, RECORDED, "TEXT", json!({})).await;
    let worker = app.store().worker();
    let (late, next) = (WorkerId::new(), WorkerId::new());
    let lease = chrono::Duration::seconds(15);

    let jobs = worker.claim(late, 10, -lease, &no_limits()).await.expect("claimed");
    assert_eq!(jobs.iter().map(|job| job.attempts).collect::<Vec<_>>(), [1]);
    let jobs = worker.claim(next, 10, lease, &no_limits()).await.expect("claimed");
    assert_eq!(jobs.iter().map(|job| job.attempts).collect::<Vec<_>>(), [2]);
    let job = &jobs[0].generation;
    assert_eq!(job.id.to_string(), generation);
    assert!(
        worker.claim(WorkerId::new(), 10, lease, &no_limits()).await.expect("asked").is_empty()
    );

    let artifact = FinishedArtifact {
        storage_url: "storage:nowhere".to_owned(),
        thumbnail_url: None,
        output_metadata: serde_json::Map::new(),
        additional_files: Vec::new(),
    };
    assert!(worker.renew(&[late], &[job.id], lease).await.expect("asked").is_empty());
    assert!(!worker.progress(late, job, 0.9).await.expect("asked"));
    assert!(!worker.complete(late, job, artifact, &[]).await.expect("asked"));
    assert!(!worker.fail(late, job, "late").await.expect("asked"));
    worker.release(late, job.id, lease, "late").await.expect("asked");
    worker.hand_back(&[late]).await.expect("asked");
    assert_eq!(worker.status(job).await.expect("read"), Some(GenerationStatus::Processing));
    assert!(worker.renew(&[next], &[job.id], lease).await.expect("asked").contains(&job.id));
    assert!(worker.fail(next, job, "in time").await.expect("asked"));
    assert_eq!(ada.ended(&generation).await["errorMessage"], "in time");
}

#[tokio::test]
async fn a_job_that_broke_the_server_each_time_is_given_up() {
    let busy = Busy::start().await;
    let mut queued = Vec::new();
    let database = busy.app.database().connect().await;
    for attempts in [4, 5] {
        let name = unique("attempts");
        let params = json!({ "name": name });
        let generation = busy.ada.generate_as(&busy.board, RECORDED, "TEXT", params).await;
        let values = vec![attempts.into(), id(&generation).into()];
        let broke = "UPDATE jobs SET attempts = $1 WHERE generation_id = $2";
        execute(&database, broke, values).await;
        queued.push((name, busy.ada.clone(), generation));
    }
    busy.unblock().await;
    let [(third, _, tried), (fourth, _, given_up)] = &queued[..] else { panic!("two") };
    assert_eq!(busy.ada.ended(tried).await["status"], "COMPLETED");
    assert_eq!(runs_of(third).started, 1);
    let ended = busy.ada.ended(given_up).await;
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(ended["errorMessage"], "The server stopped each time this was running");
    assert_eq!(runs_of(fourth).started, 0);
}

#[tokio::test]
async fn what_was_made_says_from_what_and_keeps_the_clients_data() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("B", false).await;
    let picture = ada.upload_png(&board).await;
    let metadata = json!({ "from": "a test", "nested": { "list": [1, 2] } });
    let input = json!({
        "boardId": board, "generatorName": "image-edit", "artifactType": "IMAGE",
        "inputParams": { "image": picture, "grayscale": true }, "metadata": metadata,
    });
    let query = "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) {
        id status progress startedAt completedAt outputMetadata } }";
    let queued = ada.data(query, json!({ "i": input })).await["createGeneration"].clone();
    assert_eq!((&queued["status"], &queued["progress"]), (&json!("PENDING"), &json!(0.0)));
    assert_eq!((&queued["startedAt"], &queued["completedAt"]), (&Value::Null, &Value::Null));
    assert_eq!(queued["outputMetadata"], json!({ "metadata": metadata }));

    let generation = text(&queued["id"]);
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
    assert_eq!(ended["outputMetadata"]["metadata"], metadata);
    assert_eq!(
        (&ended["outputMetadata"]["width"], &ended["outputMetadata"]["height"]),
        (&json!(8), &json!(8))
    );
    for link in ["storageUrl", "thumbnailUrl"] {
        let file = ada.follow(&text(&ended[link])).await;
        assert_eq!(file.status(), StatusCode::OK, "{link}");
        image::load_from_memory(&file.bytes().await.expect("bytes")).expect("a picture");
    }
    let query = "query($id: UUID!) { generation(id: $id) { startedAt completedAt
        inputArtifacts { generationId role artifactType generation { id } } } }";
    let found = ada.data(query, json!({ "id": generation })).await["generation"].clone();
    assert!(found["startedAt"].is_string() && found["completedAt"].is_string(), "{found}");
    let source = json!({
        "generationId": picture, "role": "image", "artifactType": "IMAGE",
        "generation": { "id": picture },
    });
    assert_eq!(found["inputArtifacts"], json!([source]));
}

/// However such a job came to be, it resurrects nothing, and it does not stand before others.
#[tokio::test]
async fn a_cancelled_generation_is_never_claimed() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("Hers", false).await;
    let cancelled = ada.generate(&board, "qr-code", json!({ "text": "cancelled" })).await;
    let waiting = ada.generate(&board, "qr-code", json!({ "text": "waiting" })).await;
    let connection = app.database().connect().await;
    let end = "UPDATE generations SET status = 'cancelled' WHERE id = $1";
    execute(&connection, end, vec![id(&cancelled).into()]).await;
    let lease = chrono::Duration::minutes(1);
    let claimed = app
        .store()
        .worker()
        .claim(WorkerId::new(), 10, lease, &no_limits())
        .await
        .expect("claimed");
    let claimed: Vec<String> = claimed.iter().map(|job| job.generation.id.to_string()).collect();
    assert_eq!(claimed, [waiting]);
    assert_eq!(status(&ada, &cancelled).await["status"], "CANCELLED");
    assert_eq!(count(&connection, "SELECT count(*) FROM jobs").await, 1, "its job is gone");
}
