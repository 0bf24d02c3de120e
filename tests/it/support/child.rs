//! The built program as a process of its own, which can be killed for real.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use sea_orm::DatabaseConnection;
use tempfile::TempDir;

use super::{
    app::{SECRET, SIGNING_SECRET},
    client::{Client, token},
    database::TestDatabase,
    wait::{eventually, eventually_within},
};

/// Ample on a machine whose cores are busy with something else.
const BOUND: Duration = Duration::from_mins(1);

/// The id of a request that is sent only to be seen in the log.
const LAST_REQUEST: &str = "last-request";

/// The folder and database that servers run on, one after the other.
pub(crate) struct Home {
    folder: TempDir,
    database: TestDatabase,
}

/// A running program; killed when this is dropped.
pub(crate) struct ChildServer {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = TestDatabase::migrated(&folder.path().join("data")).await;
        Self { folder, database }
    }

    /// A connection to the database beside the program's.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        self.database.connect().await
    }

    /// The address of the database.
    pub(crate) fn database_url(&self) -> &str {
        self.database.url().expose()
    }

    /// The folder of stored artifacts.
    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("data").join("storage")
    }

    /// Starts the program with settings of its own and waits until it is ready.
    pub(crate) async fn start(&self, settings: &[(&str, &str)]) -> ChildServer {
        let path = |name: &str| self.folder.path().join(name);
        let (output, log) = (path("stdout"), path("stderr"));
        let process = Command::new(env!("CARGO_BIN_EXE_boards"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("BOARDS_DATABASE_URL", self.database.url().expose())
            .env("BOARDS_DATA_DIR", path("data"))
            .env("BOARDS_API_PORT", "0")
            .env("BOARDS_AUTH_PROVIDER", "jwt")
            .env("BOARDS_JWT_SECRET", SECRET)
            .env("BOARDS_SIGNING_SECRET", SIGNING_SECRET)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&output).expect("a file"))
            .stderr(File::create(&log).expect("a file"))
            .spawn()
            .expect("the program starts");
        let mut server = ChildServer { process, address: ([127, 0, 0, 1], 0).into(), log };
        server.address = eventually_within(BOUND, "the program is ready", async || {
            let ended = server.process.try_wait().expect("a status");
            assert!(ended.is_none(), "the program ended: {}", server.log());
            address_in(&output)
        })
        .await;
        let ready = server.anonymous().get("/ready").send().await.expect("an answer");
        assert_eq!(ready.status(), 200);
        server
    }
}

/// The address in the banner.
fn address_in(output: &Path) -> Option<SocketAddr> {
    let banner = std::fs::read_to_string(output).ok()?;
    let (line, _) = banner.split_once("http://")?.1.split_once('\n')?;
    line.trim().parse().ok()
}

impl ChildServer {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn user(&self, subject: &str) -> Client {
        self.anonymous().with_token(&token(subject))
    }

    /// What the program wrote to its standard error so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    /// The same with all that has happened: lines lie for a moment before they are written, in their order.
    pub(crate) async fn whole_log(&self) -> String {
        let last = self.anonymous().get("/health").header("X-Request-Id", LAST_REQUEST);
        last.send().await.expect("an answer");
        eventually("the last line", async || {
            Some(self.log()).filter(|log| log.contains(LAST_REQUEST))
        })
        .await
    }

    /// As a power cut would: nothing of the program runs any more.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }

    /// Sends a signal, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.id());
        let sent = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(sent.success(), "{command}");
    }

    /// Waits until the program has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually_within(BOUND, "the program ends", async || {
            self.process.try_wait().expect("a status")
        })
        .await
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
