//! A server on this machine that speaks the protocols of all four providers, remembers what it was sent,
//! and fails on demand. It uses nothing of the other helpers, nor of the server but the type of its
//! configuration.

mod fal;
mod fault;
mod files;
mod job;
mod kie;
mod openai;
mod replicate;
mod request;
mod server;
mod state;

use std::{net::SocketAddr, sync::Arc};

use boards::config::ProviderAddresses;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use state::State;

pub(crate) use fault::{Fault, Kind};
pub(crate) use job::{End, Script};
pub(crate) use state::{Submission, Upload};

/// A running stand-in; it ends when this is dropped.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl StandIn {
    /// Starts one on a free port. Jobs wait for one poll, run for one, and end well.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::new(format!("http://{address}")));
        let task = tokio::spawn(server::serve(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// The settings that point a server here, by their variables.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let at = |path: &str| format!("http://{}/{path}", self.address);
        vec![
            ("BOARDS_FAL_URL", at("fal")),
            ("BOARDS_FAL_REST_URL", at("fal-rest")),
            ("BOARDS_FAL_CDN_URL", at("fal-cdn")),
            ("BOARDS_REPLICATE_URL", at("replicate")),
            ("BOARDS_OPENAI_URL", at("openai/v1")),
            ("BOARDS_KIE_URL", at("kie")),
            ("BOARDS_KIE_UPLOAD_URL", at("kie-files")),
        ]
    }

    /// The same as a configuration in this process has it.
    pub(crate) fn addresses(&self) -> ProviderAddresses {
        let at = |name: &str| {
            let settings = self.settings();
            let found = settings.iter().find(|(variable, _)| *variable == name);
            found.expect(name).1.parse().expect("an address")
        };
        ProviderAddresses {
            fal: at("BOARDS_FAL_URL"),
            fal_rest: at("BOARDS_FAL_REST_URL"),
            fal_cdn: at("BOARDS_FAL_CDN_URL"),
            replicate: at("BOARDS_REPLICATE_URL"),
            openai: at("BOARDS_OPENAI_URL"),
            kie: at("BOARDS_KIE_URL"),
            kie_upload: at("BOARDS_KIE_UPLOAD_URL"),
        }
    }

    /// Takes this key alone; else any will do, but there must be one, except for `OpenAI`.
    pub(crate) fn require_key(&self, key: &str) {
        self.state.require_key(key);
    }

    /// The next requests of this kind, as many as there are in `times`, fail so.
    pub(crate) fn fault(&self, kind: Kind, fault: &Fault, times: usize) {
        self.state.faults.add(kind, fault, times);
    }

    /// How the jobs go that are submitted from now on.
    pub(crate) fn script(&self, script: Script) {
        self.scripts(move |_| script.clone());
    }

    /// The same, decided for each submission.
    pub(crate) fn scripts(&self, script: impl Fn(&Submission) -> Script + Send + Sync + 'static) {
        self.state.set_script(script);
    }

    /// What jobs give that are submitted from now on: the answer as the provider would give it. Of
    /// Replicate, the members of the prediction that make the difference.
    pub(crate) fn results(&self, result: impl Fn(&Submission) -> Value + Send + Sync + 'static) {
        self.state.set_result(result);
    }

    /// All that was submitted, in order.
    pub(crate) fn submissions(&self) -> Vec<Submission> {
        self.state.submissions()
    }

    /// Ids of jobs that somebody asked to cancel, in order, repeated where it was asked again.
    pub(crate) fn cancels(&self) -> Vec<String> {
        self.state.cancels()
    }

    /// Files that were handed over, in order.
    pub(crate) fn uploads(&self) -> Vec<Upload> {
        self.state.uploads()
    }

    /// How often a job was asked about.
    pub(crate) fn polls_of(&self, job: &str) -> u32 {
        self.state.polls_of(job)
    }

    /// How many requests of a kind have come, failed ones too.
    pub(crate) fn requests(&self, kind: Kind) -> usize {
        self.state.faults.requests(kind)
    }

    /// Idempotency keys that came with more than one submission.
    pub(crate) fn duplicates(&self) -> Vec<String> {
        self.state.duplicates()
    }

    /// The address of a file that is served: `picture.png`, `sound.wav`, `text.txt`, `clip.mp4`.
    pub(crate) fn file_url(&self, name: &str) -> String {
        self.state.file_url(name)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}
