//! The built program as a process of its own, which can be killed for real.

use std::{
    fs::File,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use boards::config::DatabaseUrl;
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

/// The folder and database that programs run on, one after the other or beside each other.
pub(crate) struct Home {
    folder: TempDir,
    database: TestDatabase,
    started: AtomicUsize,
}

/// A running program; killed when this is dropped.
struct Program {
    process: Child,
    output: PathBuf,
    log: PathBuf,
}

/// A running server.
pub(crate) struct ChildServer {
    program: Program,
    address: SocketAddr,
}

/// A running worker, which answers nobody.
pub(crate) struct ChildWorker {
    program: Program,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = TestDatabase::migrated(&folder.path().join("data")).await;
        Self { folder, database, started: AtomicUsize::new(0) }
    }

    /// On an empty PostgreSQL database that somebody else takes care of.
    pub(crate) async fn on(url: &DatabaseUrl) -> Self {
        let database = TestDatabase::migrated_at(url).await;
        let folder = TempDir::new().expect("a folder");
        Self { folder, database, started: AtomicUsize::new(0) }
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

    /// Starts a server with settings of its own and waits until it is ready.
    pub(crate) async fn start(&self, settings: &[(&str, &str)]) -> ChildServer {
        self.serve(&["serve"], settings).await
    }

    /// The same of a server that runs nothing.
    pub(crate) async fn start_node(&self, settings: &[(&str, &str)]) -> ChildServer {
        self.serve(&["serve", "--no-worker"], settings).await
    }

    /// Starts a worker and waits until it is ready.
    pub(crate) async fn start_worker(&self, settings: &[(&str, &str)]) -> ChildWorker {
        let mut program = self.run(&["worker"], settings);
        program.until_it_says(|said| said.contains("Boards worker is ready\n").then_some(())).await;
        ChildWorker { program }
    }

    async fn serve(&self, arguments: &[&str], settings: &[(&str, &str)]) -> ChildServer {
        let mut program = self.run(arguments, settings);
        let address = program.until_it_says(address_in).await;
        let server = ChildServer { program, address };
        let ready = server.anonymous().get("/ready").send().await.expect("an answer");
        assert_eq!(ready.status(), 200);
        server
    }

    fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Program {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let path = |name: &str| self.folder.path().join(name);
        let (output, log) = (path(&format!("stdout-{number}")), path(&format!("stderr-{number}")));
        let process = Command::new(env!("CARGO_BIN_EXE_boards"))
            .args(arguments)
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
        Program { process, output, log }
    }
}

/// The address in the banner.
fn address_in(said: &str) -> Option<SocketAddr> {
    let (line, _) = said.split_once("http://")?.1.split_once('\n')?;
    line.trim().parse().ok()
}

impl Program {
    /// Waits for something on its standard output.
    async fn until_it_says<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        eventually_within(BOUND, "the program is ready", async || {
            let ended = self.process.try_wait().expect("a status");
            assert!(ended.is_none(), "the program ended: {}", self.log());
            find(&std::fs::read_to_string(&self.output).ok()?)
        })
        .await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.id());
        let sent = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(sent.success(), "{command}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
        self.program.log()
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
    pub(crate) fn kill(self) {
        drop(self.program);
    }

    /// Sends a signal, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        self.program.signal(name);
    }

    /// Waits until the program has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually_within(BOUND, "the program ends", async || {
            self.program.process.try_wait().expect("a status")
        })
        .await
    }
}

impl ChildWorker {
    /// As a power cut would.
    pub(crate) fn kill(self) {
        drop(self.program);
    }

    /// Sends a signal, such as STOP, after which it does nothing until CONT.
    pub(crate) fn signal(&self, name: &str) {
        self.program.signal(name);
    }
}
