//! The binary itself, as a person or a service manager runs it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use super::{Client, eventually};

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `boards …` in a folder, whose `data` it uses, with no setting of whoever runs the tests.
pub(crate) fn boards(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boards"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BOARDS_"))
    {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).env("BOARDS_API_PORT", "0").stdin(Stdio::null());
    command
}

/// Runs a command to its end, while servers of the test go on.
pub(crate) async fn run(mut command: Command) -> Ended {
    let output = tokio::task::spawn_blocking(move || command.output().expect("it starts"))
        .await
        .expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A server in a process of its own; killed when this is dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    /// Starts a server and waits for its banner.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("piped");
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).expect("a line");
            line
        });
        let line = line.await.expect("a banner");
        let url = line.split_whitespace().last().expect("a URL in the banner").to_owned();
        Self { child, url }
    }

    /// A caller without a token.
    pub(crate) fn client(&self) -> Client {
        let address = self.url.strip_prefix("http://").expect("http");
        Client::new(address.parse::<SocketAddr>().expect("an address"))
    }

    /// Asks it to stop, as a service manager does; how it ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success());
        eventually("the server stops", async || self.child.try_wait().expect("a child")).await
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
