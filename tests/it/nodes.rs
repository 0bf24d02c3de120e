//! Several processes on one PostgreSQL: what one does, the others show; what one leaves, another takes over.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Cluster, End, Home, PROVIDED, Script, Socket, boards, eventually, eventually_within,
    on_postgres, run, text,
};

const GENERATION: &str =
    "subscription($id: UUID!) { generationUpdated(id: $id) { status progress } }";
const BOARD: &str = "subscription($id: UUID!) { boardUpdated(boardId: $id) { generationCount } }";
/// In which a generation goes from one to the next.
const ORDER: [&str; 3] = ["PENDING", "PROCESSING", "COMPLETED"];
/// How soon what a dead worker left is taken over.
const TAKEN_OVER: Duration = Duration::from_secs(30);
/// A machine that is busy with something else.
const PATIENCE: Duration = Duration::from_mins(2);

const ONE_AT_A_TIME: (&str, &str) = ("BOARDS_WORKER_CONCURRENCY", "1");

async fn provided(client: &Client, board: &str) -> String {
    client.generate(board, PROVIDED, json!({ "prompt": "a lighthouse" })).await
}

/// The same where a request may be the first to find out that its connection was cut.
async fn provided_in_spite_of_cuts(client: &Client, board: &str) {
    let query = "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) { id } }";
    let input = json!({
        "boardId": board, "generatorName": PROVIDED, "artifactType": "IMAGE",
        "inputParams": { "prompt": "a lighthouse" },
    });
    eventually("a generation is taken", async || {
        let answer = client.graphql(query, json!({ "i": input })).await;
        answer.body.get("errors").is_none().then_some(())
    })
    .await;
}

/// A generation with its attempts.
async fn look(client: &Client, generation: &str) -> Value {
    let query = "query($id: UUID!) { generation(id: $id) { status externalJobId
        attempts { number outcome startedAt externalJobId } } }";
    client.data(query, json!({ "id": generation })).await["generation"].clone()
}

/// The provider's id of the job of a generation, as soon as it is known.
async fn job_of(client: &Client, generation: &str) -> String {
    eventually_within(PATIENCE, "the provider has a job", async || {
        look(client, generation).await["externalJobId"].as_str().map(str::to_owned)
    })
    .await
}

async fn until_completed(client: &Client, generation: &str) -> Value {
    eventually_within(PATIENCE, "the generation is completed", async || {
        let found = look(client, generation).await;
        (found["status"] == "COMPLETED").then_some(found)
    })
    .await
}

/// Every server-sent event of a generation, to the end of the stream.
async fn events_of(client: &Client, generation: &str) -> Vec<Value> {
    let path = format!("/api/sse/generations/{generation}/progress");
    let response = client.get(&path).send().await.expect("an answer");
    let whole = tokio::time::timeout(PATIENCE, response.text()).await.expect("it ends in time");
    let whole = whole.expect("the stream ends in order");
    let data = whole.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// Waits until a watcher of a board is told that there are so many generations on it.
async fn until_count(socket: &mut Socket, count: u64) {
    let told = async {
        loop {
            let message = socket.next().await.expect("the watch goes on");
            assert_eq!(message["type"], "next", "{message}");
            if message["payload"]["data"]["boardUpdated"]["generationCount"] == count {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("told in time");
}

/// Cuts connections to a test's database, all but this one; how many.
async fn cut(database: &DatabaseConnection, which: &str) -> i64 {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
    );
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.expect("an answer").expect("a row");
    row.try_get_by_index(0).expect("a number")
}

fn is_in_order(statuses: &[String]) -> bool {
    let place = |status: &String| ORDER.iter().position(|known| status == known);
    statuses.iter().all(|status| place(status).is_some()) && statuses.iter().map(place).is_sorted()
}

#[tokio::test]
async fn what_one_node_starts_is_seen_on_the_other() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::new(&[]).await;
    cluster.stand_in.script(Script { queued: 1, running: 3, end: End::Done });
    let (one, two) = (cluster.node().await, cluster.node().await);
    let (here, there) = (one.user("ada"), two.user("ada"));
    let board = here.board("B", false).await;
    let mut of_board = Socket::open(&there).await;
    of_board.start("b", BOARD, json!({ "id": board })).await;
    until_count(&mut of_board, 0).await;

    let generation = provided(&here, &board).await;
    until_count(&mut of_board, 1).await;
    let mut socket = Socket::open(&there).await;
    socket.start("g", GENERATION, json!({ "id": generation })).await;
    let first = socket.next().await.expect("the present state");
    assert_eq!(first["payload"]["data"]["generationUpdated"]["status"], "PENDING");
    let _worker = cluster.worker().await;
    let (told, events) = tokio::join!(socket.rest("g"), events_of(&there, &generation));

    let states = told.iter().map(|told| &told["data"]["generationUpdated"]);
    let progress: Vec<f64> =
        states.clone().map(|state| state["progress"].as_f64().expect("a number")).collect();
    let statuses: Vec<String> = states.map(|state| text(&state["status"])).collect();
    assert!(is_in_order(&statuses) && progress.is_sorted(), "{told:?}");
    assert_eq!(statuses.last().map(String::as_str), Some("COMPLETED"));
    assert!(statuses.iter().any(|status| status == "PROCESSING"), "{told:?}");
    let last = events.last().expect("events");
    assert_eq!((&last["status"], &last["progress"]), (&json!("completed"), &json!(1.0)));
    assert_eq!(cluster.stand_in.submissions().len(), 1);
}

#[tokio::test]
async fn what_is_cancelled_on_one_node_stops_at_the_worker_and_the_provider() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::new(&[ONE_AT_A_TIME]).await;
    cluster.stand_in.script(Script { queued: 0, running: 0, end: End::Never });
    let (one, two) = (cluster.node().await, cluster.node().await);
    let _worker = cluster.worker().await;
    let (here, there) = (one.user("ada"), two.user("ada"));
    let board = here.board("B", false).await;
    let generation = provided(&here, &board).await;
    let job = job_of(&there, &generation).await;

    cluster.stand_in.script(Script::at_once(End::Done));
    let next = provided(&here, &board).await;
    let cancel = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
    there.data(cancel, json!({ "id": generation })).await;
    eventually("the provider is told", async || {
        cluster.stand_in.cancels().contains(&job).then_some(())
    })
    .await;
    // The worker has one place, which the first had.
    until_completed(&here, &next).await;
    let found = look(&here, &generation).await;
    assert_eq!(found["status"], "CANCELLED");
    assert_eq!(found["attempts"][0]["outcome"], "CANCELLED");
}

#[tokio::test]
async fn progress_comes_at_most_four_times_a_second_and_the_end_always() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::new(&[]).await;
    let (one, two) = (cluster.node().await, cluster.node().await);
    let (here, there) = (one.user("ada"), two.user("ada"));
    let board = here.board("B", false).await;
    // It reports each of its rows.
    let params = json!({ "seed": 1, "width": 2048, "height": 2048 });
    let generation = here.generate(&board, "pattern-image", params).await;
    let started = Instant::now();
    let watch = events_of(&there, &generation);
    let work = async {
        let worker = cluster.worker().await;
        until_completed(&here, &generation).await;
        worker
    };
    let (events, _worker) = tokio::join!(watch, work);
    let most = started.elapsed().as_secs_f64() * 4.0 + 3.0;
    let progress: Vec<f64> =
        events.iter().map(|event| event["progress"].as_f64().expect("a number")).collect();
    assert!(progress.len() > 3, "there is some to be seen: {progress:?}");
    assert!(f64::from(u32::try_from(progress.len()).expect("few")) <= most, "{progress:?}");
    assert!(progress.is_sorted(), "{progress:?}");
    assert_eq!(events.last().expect("events")["status"], "completed");
}

#[tokio::test]
async fn who_lost_the_database_is_brought_up_to_date() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::new(&[]).await;
    cluster.stand_in.script(Script { queued: 0, running: 4, end: End::Done });
    let (one, two) = (cluster.node().await, cluster.node().await);
    let (here, there) = (one.user("ada"), two.user("ada"));
    let board = here.board("B", false).await;
    let database = cluster.home.connect().await;
    let mut of_board = Socket::open(&there).await;
    of_board.start("b", BOARD, json!({ "id": board })).await;
    until_count(&mut of_board, 0).await;
    // Nobody hears of this generation, nor of what was sent while nobody listened.
    let cut_off = cut(&database, "application_name = 'boards events'").await;
    assert_eq!(cut_off, 2, "each node listens by a connection of its own");
    let generation = provided(&here, &board).await;
    until_count(&mut of_board, 1).await;

    let mut socket = Socket::open(&there).await;
    socket.start("g", GENERATION, json!({ "id": generation })).await;
    let _worker = cluster.worker().await;
    let watch = async { tokio::join!(socket.rest("g"), events_of(&there, &generation)) };
    let cuts = async {
        job_of(&here, &generation).await;
        assert!(cut(&database, "true").await > 0);
    };
    let ((told, events), ()) = tokio::join!(watch, cuts);
    let last = told.last().expect("states");
    assert_eq!(last["data"]["generationUpdated"]["status"], "COMPLETED", "{told:?}");
    assert_eq!(events.last().expect("events")["status"], "completed", "{events:?}");

    // And all of them still hear of each other.
    provided_in_spite_of_cuts(&here, &board).await;
    until_count(&mut of_board, 2).await;
}

#[tokio::test]
async fn what_a_killed_worker_ran_is_taken_over_and_not_submitted_again() {
    if !on_postgres() {
        return;
    }
    let cluster = Cluster::new(&[]).await;
    cluster.stand_in.script(Script { queued: 1, running: 6, end: End::Done });
    let node = cluster.node().await;
    let first = cluster.worker().await;
    let ada = node.user("ada");
    let board = ada.board("B", false).await;
    let generation = provided(&ada, &board).await;
    let job = job_of(&ada, &generation).await;
    first.kill();
    let killed = Utc::now();
    let _second = cluster.worker().await;
    let found = until_completed(&ada, &generation).await;
    let attempts = found["attempts"].as_array().expect("attempts");
    let outcomes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["LOST", "COMPLETED"]);
    let begun: DateTime<Utc> = text(&attempts[1]["startedAt"]).parse().expect("a time");
    let after = (begun - killed).to_std().expect("later");
    assert!(after < TAKEN_OVER, "{after:?}");
    let submissions = cluster.stand_in.submissions();
    assert_eq!(submissions.iter().map(|one| &one.job).collect::<Vec<_>>(), [&job]);
}

#[tokio::test]
async fn a_server_without_a_worker_runs_nothing() {
    let home = Home::new().await;
    let node = home.start_node(&[]).await;
    let ada = node.user("ada");
    let board = ada.board("B", false).await;
    let generation = ada.generate(&board, "qr-code", json!({ "text": "waiting" })).await;
    node.kill();
    let since = Utc::now();
    let server = home.start(&[]).await;
    let found = until_completed(&server.user("ada"), &generation).await;
    let attempts = found["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let begun: DateTime<Utc> = text(&attempts[0]["startedAt"]).parse().expect("a time");
    assert!(begun >= since, "{begun} is before {since}");
}

#[tokio::test]
async fn a_worker_beside_the_embedded_database_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let ended = run(boards(folder.path(), &["worker"])).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.starts_with("boards: ") && ended.stderr.contains("SQLite"), "{ended:?}");
}
