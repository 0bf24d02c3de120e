//! A PostgreSQL of a test's own, which can be stopped in the middle of everything.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use boards::config::DatabaseUrl;
use tempfile::TempDir;

/// A running PostgreSQL; stopped, and its data deleted, when this is dropped.
pub(crate) struct OwnPostgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl OwnPostgres {
    /// Starts one; none where its programs are not on this machine.
    pub(crate) async fn start() -> Option<Self> {
        let programs = newest_programs()?;
        let folder = TempDir::new().expect("a folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(owned.expect("chown runs").success(), "there is no user postgres");
        }
        let postgres = Self { programs, folder, port };
        let data = postgres.data();
        postgres.run("initdb", &["-A", "trust", "-U", "postgres", "--no-sync", "-D", &data]).await;
        // Only this machine's power would make a difference to what is not flushed.
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=32MB",
            postgres.folder.path().display()
        );
        let log = postgres.path("log");
        postgres.run("pg_ctl", &["-D", &data, "-w", "-l", &log, "-o", &options, "start"]).await;
        Some(postgres)
    }

    /// The address of its one database.
    pub(crate) fn url(&self) -> DatabaseUrl {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        url.parse().expect("a database URL")
    }

    /// Breaks everything off, as a crash would, and starts it again.
    pub(crate) async fn crash(&self) {
        let (data, log) = (self.data(), self.path("log"));
        self.run("pg_ctl", &["-D", &data, "-w", "-l", &log, "-m", "immediate", "restart"]).await;
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn data(&self) -> String {
        self.path("data")
    }

    /// Runs one of its programs to the end, while the rest of the test goes on.
    async fn run(&self, program: &str, arguments: &[&str]) {
        let output = std::env::temp_dir().join(format!("boards-postgres-{}", self.port));
        let mut command = self.command(program, arguments);
        let file = File::create(&output).expect("a file");
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let ended = tokio::task::spawn_blocking(move || command.status()).await.expect("it ends");
        let said = std::fs::read_to_string(&output).expect("its output");
        std::fs::remove_file(&output).expect("removed");
        assert!(ended.expect("it starts").success(), "{program}: {said}");
    }

    /// PostgreSQL does not run as root.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        let data = self.data();
        let mut stop = self.command("pg_ctl", &["-D", &data, "-w", "-m", "immediate", "stop"]);
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout.trim_ascii() == b"0"
}

/// Where Debian has them.
fn newest_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    let has_all = |programs: &PathBuf| {
        let is_there = |name: &str| Path::is_file(&programs.join(name));
        is_there("initdb") && is_there("pg_ctl")
    };
    programs.filter(has_all).max()
}
