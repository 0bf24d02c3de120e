//! What the database and the provider know in the end.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use uuid::Uuid;

use super::{JOBS, PATIENCE};
use crate::support::{Cluster, eventually_within};

/// What a generation says that may run at the provider, and may not.
const NOBODY_KNOWS: &str = "The connection to fal broke off while this was submitted. \
     It may run there and be paid for, so it was not submitted again";
/// The greedy tenant's jobs that may begin before the modest one's: what runs at first, and what begins while
/// that is asked for.
const AHEAD_MAX: i64 = 60;

/// Looks at the database, whose connections are cut now and then.
pub(super) struct Accounts {
    database: DatabaseConnection,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    status: String,
    error_message: Option<String>,
    storage_url: Option<String>,
    prompt: String,
}

impl Accounts {
    pub(super) async fn new(cluster: &Cluster) -> Self {
        Self { database: cluster.home.connect().await }
    }

    fn statement(&self, sql: &str) -> Statement {
        Statement::from_string(self.database.get_database_backend(), sql)
    }

    /// The one number that a query gives, as soon as there is an answer.
    async fn number(&self, sql: &str) -> i64 {
        eventually_within(PATIENCE, "the database answers", async || {
            let row = self.database.query_one_raw(self.statement(sql)).await.ok()??;
            row.try_get_by_index(0).ok()
        })
        .await
    }

    pub(super) async fn so_many_have_ended(&self, number: usize) {
        let sql = "SELECT count(*) FROM generations WHERE status NOT IN ('pending', 'processing')";
        let wanted = i64::try_from(number).expect("few");
        eventually_within(PATIENCE, &format!("{number} have ended"), async || {
            (self.number(sql).await >= wanted).then_some(())
        })
        .await;
    }

    pub(super) async fn all_have_ended(&self, least: usize) {
        self.so_many_have_ended(least).await;
        // Those whose answer was lost come on top.
        let sql = "SELECT count(*) FROM generations WHERE status IN ('pending', 'processing')";
        eventually_within(PATIENCE, "the last have ended", async || {
            (self.number(sql).await == 0).then_some(())
        })
        .await;
    }

    /// How many attempts ended because their worker was not heard of any more.
    pub(super) async fn lost(&self) -> i64 {
        self.number("SELECT count(*) FROM generation_attempts WHERE outcome = 'lost'").await
    }

    pub(super) async fn cut_all_connections(&self) {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(self.number(sql).await > 0, "there are connections");
    }

    pub(super) async fn nothing_is_stuck(&self) {
        for (what, sql) in [
            ("jobs", "SELECT count(*) FROM jobs"),
            ("attempts", "SELECT count(*) FROM generation_attempts WHERE ended_at IS NULL"),
            ("cancellations", "SELECT count(*) FROM provider_cancellations"),
            ("claims", "SELECT count(*) FROM generations WHERE completed_at IS NULL"),
        ] {
            assert_eq!(self.number(sql).await, 0, "{what} are left");
        }
        assert!(self.lost().await > 0, "workers were killed in the middle of something");
    }

    pub(super) async fn each_was_submitted_once(&self, cluster: &Cluster, asked: &[String]) {
        let mut submitted: HashMap<String, usize> = HashMap::new();
        for submission in cluster.stand_in.submissions() {
            let prompt = submission.body["prompt"].as_str().expect("a prompt").to_owned();
            *submitted.entry(prompt).or_default() += 1;
        }
        let rows = self.rows().await;
        let mut unknown = 0;
        for row in &rows {
            let times = submitted.remove(&row.prompt).unwrap_or_default();
            match row.status.as_str() {
                "completed" => {
                    assert_eq!(times, 1, "submissions of {}: {}", row.id, row.prompt);
                    let key =
                        row.storage_url.as_deref().and_then(|url| url.strip_prefix("storage:"));
                    let file = cluster.home.storage().join(key.expect("a stored file"));
                    assert!(file.is_file(), "{} is missing", file.display());
                }
                "failed" => {
                    assert_eq!(row.error_message.as_deref(), Some(NOBODY_KNOWS), "{}", row.id);
                    assert!(times <= 1, "submissions of {}: {times}", row.id);
                    unknown += 1;
                }
                other => panic!("{} is {other}", row.id),
            }
        }
        assert!(submitted.is_empty(), "submitted for nobody: {submitted:?}");
        for id in asked {
            assert!(rows.iter().any(|row| row.id.to_string() == *id), "{id} was taken and is gone");
        }
        eprintln!("{unknown} of {} are not known to have been submitted", rows.len());
        assert!(unknown * 10 < JOBS, "{unknown} of {} may have been submitted", rows.len());
    }

    async fn rows(&self) -> Vec<Row> {
        let sql = "SELECT id, status, error_message, storage_url, input_params->>'prompt' AS prompt \
             FROM generations";
        let rows = self.database.query_all_raw(self.statement(sql)).await.expect("an answer");
        rows.iter().map(|row| Row::from_query_result(row, "").expect("a row")).collect()
    }

    /// The lone job of another tenant came when hundreds waited.
    pub(super) async fn nobody_waited_for_the_greedy(&self, lone: &str) {
        let id: Uuid = lone.parse().expect("an id");
        let ahead = format!(
            "SELECT count(*) FROM (SELECT generation_id, min(started_at) AS begun \
                                     FROM generation_attempts GROUP BY generation_id) a \
              WHERE begun < (SELECT min(started_at) FROM generation_attempts \
                              WHERE generation_id = '{id}')"
        );
        let ahead = self.number(&ahead).await;
        assert!(ahead <= AHEAD_MAX, "{ahead} of the other tenant's began before the lone one");
    }
}
