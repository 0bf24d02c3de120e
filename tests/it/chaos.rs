//! Five hundred generations at a provider, on two servers and three workers, while workers die or stand
//! still, connections are cut and the database crashes: each ends, and none is submitted twice. PostgreSQL
//! alone.

mod accounts;
mod blows;

use std::time::Duration;

use boards::store::{JoinPolicy, Store};
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::support::{
    ChildServer, Client, Cluster, End, OwnPostgres, PROVIDED, Script, eventually, on_postgres,
};
use accounts::Accounts;
use blows::{Blow, Crew};

/// The same order of blows each time; when exactly they fall, the machine says.
const SEED: u64 = 20_261_122;
/// What the greedy tenant wants.
const JOBS: usize = 500;
/// What of that waits before the first worker starts.
const BEFORE: usize = 420;
/// How many are asked for at the same time.
const AT_ONCE: usize = 8;
/// Whatever is waited for, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_mins(3);

const SETTINGS: [(&str, &str); 4] = [
    ("BOARDS_MULTI_TENANT_MODE", "true"),
    ("BOARDS_WORKER_CONCURRENCY", "6"),
    // A job may be hit by several blows.
    ("BOARDS_JOB_ATTEMPTS", "20"),
    ("BOARDS_DATABASE_WAIT_SECONDS", "20"),
];

/// Who asks for generations, through both nodes.
struct Asker {
    nodes: [Client; 2],
    board: String,
}

impl Asker {
    async fn new(nodes: &[ChildServer; 2], tenant: &str, subject: &str) -> Self {
        let nodes = nodes.each_ref().map(|node| node.user(subject).with_tenant(tenant));
        let board = nodes[0].board("Work", false).await;
        Self { nodes, board }
    }

    /// Asks until there is an answer: a node may be without its database. An answer that was lost may have
    /// been a generation, so each time another picture is asked for.
    async fn ask(&self, number: usize) -> String {
        let query = "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) { id } }";
        let mut attempt = 0;
        eventually("a generation is taken", async || {
            attempt += 1;
            let input = json!({
                "boardId": self.board, "generatorName": PROVIDED, "artifactType": "IMAGE",
                "inputParams": { "prompt": format!("picture {number}, attempt {attempt}") },
            });
            let answer = self.nodes[number % 2].graphql(query, json!({ "i": input })).await;
            let id = answer.body.pointer("/data/createGeneration/id")?.as_str()?;
            Some(id.to_owned())
        })
        .await
    }

    async fn ask_all(&self, numbers: std::ops::Range<usize>) -> Vec<String> {
        let asked = stream::iter(numbers).map(|number| self.ask(number));
        asked.buffer_unordered(AT_ONCE).collect().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_each_job_ends_and_is_submitted_once() {
    if !on_postgres() {
        return;
    }
    let postgres = OwnPostgres::start().await;
    let cluster = match &postgres {
        Some(postgres) => Cluster::on(&postgres.url(), &SETTINGS).await,
        None => Cluster::new(&SETTINGS).await,
    };
    // A few jobs take longer than a lease, most a moment.
    cluster.stand_in.scripts(|submission| {
        let prompt = submission.body["prompt"].as_str().unwrap_or_default();
        let running = if prompt.starts_with("picture 1") { 3 } else { 0 };
        Script { queued: 0, running, end: End::Done }
    });
    make_tenants(&cluster, &["greedy", "modest"]).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let greedy = Asker::new(&nodes, "greedy", "ada").await;
    let modest = Asker::new(&nodes, "modest", "bob").await;
    let accounts = Accounts::new(&cluster).await;

    let mut asked = greedy.ask_all(0..BEFORE).await;
    let lone = modest.ask(JOBS).await;
    let mut crew = Crew::start(&cluster, postgres.as_ref(), &accounts).await;
    let blows = blows(postgres.is_some());
    let (more, ()) = tokio::join!(greedy.ask_all(BEFORE..JOBS), crew.suffer(&blows));
    asked.extend(more);
    accounts.all_have_ended(JOBS + 1).await;

    asked.push(lone.clone());
    accounts.nothing_is_stuck().await;
    accounts.each_was_submitted_once(&cluster, &asked).await;
    accounts.nobody_waited_for_the_greedy(&lone).await;
}

async fn make_tenants(cluster: &Cluster, slugs: &[&str]) {
    let url = cluster.home.database_url().parse().expect("a database URL");
    let store = Store::connect(&url, 1, PATIENCE).await.expect("a database");
    for slug in slugs {
        store.system().create_tenant(slug, slug, JoinPolicy::Open, &[]).await.expect("a tenant");
    }
    store.close().await.expect("closed");
}

/// What happens, in an order by chance.
fn blows(can_crash: bool) -> Vec<Blow> {
    let mut blows = vec![Blow::Kill; 6];
    blows.extend([Blow::Cut; 3]);
    blows.push(Blow::StandStill);
    if can_crash {
        blows.extend([Blow::Crash; 2]);
    } else {
        eprintln!("there is no PostgreSQL to crash on this machine: that is left out");
    }
    fastrand::Rng::with_seed(SEED).shuffle(&mut blows);
    blows
}
