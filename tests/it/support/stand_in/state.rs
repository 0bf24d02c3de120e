//! What the stand-in remembers.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{body::Bytes, http::HeaderMap};
use serde_json::Value;

use super::{
    fault::Faults,
    job::{Job, Script, Stage},
    request::Request,
};

/// One submission.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// `fal`, `replicate`, `openai`, `kie`.
    pub(crate) provider: &'static str,
    /// The path below the provider's base.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// The JSON, or the text fields of a form.
    pub(crate) body: Value,
    /// The files of a form.
    pub(crate) files: Vec<Upload>,
    /// Which connection it came by.
    pub(crate) peer: SocketAddr,
    /// Which job it began; empty where the answer is the result.
    pub(crate) job: String,
}

/// A file that was handed over.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    /// Its field in a form; empty where it came by itself.
    pub(crate) field: String,
    pub(crate) file_name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

type Scripts = Arc<dyn Fn(&Submission) -> Script + Send + Sync>;
type Results = Arc<dyn Fn(&Submission) -> Value + Send + Sync>;

#[derive(Default)]
struct Memory {
    key: Option<String>,
    scripts: Option<Scripts>,
    results: Option<Results>,
    submissions: Vec<Submission>,
    jobs: HashMap<String, (Job, Submission, Value)>,
    cancels: Vec<String>,
    uploads: Vec<Upload>,
    parts: HashMap<String, (Upload, HashMap<usize, Bytes>)>,
}

pub(super) struct State {
    pub(super) url: String,
    pub(super) faults: Faults,
    memory: Mutex<Memory>,
}

impl State {
    pub(super) fn new(url: String) -> Self {
        Self { url, faults: Faults::default(), memory: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.memory.lock().expect("unbroken"))
    }

    pub(super) fn file_url(&self, name: &str) -> String {
        format!("{}/files/{name}", self.url)
    }

    pub(super) fn require_key(&self, key: &str) {
        self.with(|memory| memory.key = Some(key.to_owned()));
    }

    /// Whether a request comes with a key, and the right one.
    pub(super) fn admits(&self, request: &Request, scheme: &str) -> bool {
        let sent = request.header("authorization").strip_prefix(scheme);
        let sent = sent.and_then(|key| key.strip_prefix(' ')).unwrap_or_default();
        self.with(|memory| match &memory.key {
            Some(key) => key == sent,
            None => !sent.is_empty(),
        })
    }

    /// Whether any key would do, even none.
    pub(super) fn is_open(&self) -> bool {
        self.with(|memory| memory.key.is_none())
    }

    pub(super) fn set_script(
        &self,
        script: impl Fn(&Submission) -> Script + Send + Sync + 'static,
    ) {
        self.with(|memory| memory.scripts = Some(Arc::new(script)));
    }

    pub(super) fn set_result(&self, result: impl Fn(&Submission) -> Value + Send + Sync + 'static) {
        self.with(|memory| memory.results = Some(Arc::new(result)));
    }

    /// What a submission gives: as was decided, else `usual`.
    pub(super) fn result(&self, submission: &Submission, usual: impl FnOnce() -> Value) -> Value {
        let results = self.with(|memory| memory.results.clone());
        results.map_or_else(usual, |results| results(submission))
    }

    pub(super) fn remember(&self, submission: Submission) {
        self.with(|memory| memory.submissions.push(submission));
    }

    /// Remembers a submission and begins its job, whose id it gives.
    pub(super) fn begin(
        &self,
        mut submission: Submission,
        usual: impl FnOnce() -> Value,
    ) -> String {
        let job = uuid::Uuid::new_v4().to_string();
        submission.job.clone_from(&job);
        let scripts = self.with(|memory| memory.scripts.clone());
        let script = scripts.map_or_else(Script::default, |scripts| scripts(&submission));
        let result = self.result(&submission, usual);
        self.with(|memory| {
            memory.submissions.push(submission.clone());
            memory.jobs.insert(job.clone(), (Job::new(script), submission, result));
        });
        job
    }

    /// Asks about a job that was submitted to this provider.
    pub(super) fn poll(&self, provider: &str, job: &str) -> Option<(Stage, Submission, Value)> {
        self.look(provider, job, Job::poll)
    }

    /// The same without a step further.
    pub(super) fn look<T>(
        &self,
        provider: &str,
        job: &str,
        act: impl FnOnce(&mut Job) -> T,
    ) -> Option<(T, Submission, Value)> {
        self.with(|memory| {
            let found = memory.jobs.get_mut(job);
            let (job, submission, result) = found.filter(|found| found.1.provider == provider)?;
            Some((act(job), submission.clone(), result.clone()))
        })
    }

    /// Notes that somebody asked to cancel a job, and cancels it unless it has ended; gives whether.
    pub(super) fn cancel(&self, provider: &str, job: &str) -> Option<bool> {
        let (has_ended, ..) = self.look(provider, job, |job| {
            let has_ended = job.has_ended();
            job.is_cancelled |= !has_ended;
            has_ended
        })?;
        self.with(|memory| memory.cancels.push(job.to_owned()));
        Some(!has_ended)
    }

    /// Keeps a file and gives its address.
    pub(super) fn keep(&self, upload: Upload) -> String {
        let name = upload.file_name.clone();
        let place = self.with(|memory| {
            memory.uploads.push(upload);
            memory.uploads.len() - 1
        });
        self.file_url(&format!("{place}/{name}"))
    }

    /// Begins a file that comes in parts; gives its id.
    pub(super) fn begin_parts(&self, upload: Upload) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.with(|memory| memory.parts.insert(id.clone(), (upload, HashMap::new())));
        id
    }

    /// Keeps a part, counted from 1; gives whether its file was begun.
    pub(super) fn add_part(&self, id: &str, number: usize, bytes: Bytes) -> bool {
        self.with(|memory| {
            let parts = memory.parts.get_mut(id);
            parts.map(|(_, parts)| parts.insert(number, bytes)).is_some()
        })
    }

    /// Puts the parts together, which must be these.
    pub(super) fn end_parts(&self, id: &str, numbers: &[usize]) -> bool {
        let Some((mut upload, parts)) = self.with(|memory| memory.parts.remove(id)) else {
            return false;
        };
        let given: HashSet<_> = numbers.iter().copied().collect();
        if given != parts.keys().copied().collect() || !parts.contains_key(&parts.len()) {
            return false;
        }
        let parts: Vec<&[u8]> = (1..=parts.len()).map(|number| parts[&number].as_ref()).collect();
        upload.bytes = parts.concat().into();
        self.with(|memory| memory.uploads.push(upload));
        true
    }

    pub(super) fn upload(&self, place: usize) -> Option<Upload> {
        self.with(|memory| memory.uploads.get(place).cloned())
    }

    pub(super) fn uploads(&self) -> Vec<Upload> {
        self.with(|memory| memory.uploads.clone())
    }

    pub(super) fn submissions(&self) -> Vec<Submission> {
        self.with(|memory| memory.submissions.clone())
    }

    pub(super) fn cancels(&self) -> Vec<String> {
        self.with(|memory| memory.cancels.clone())
    }

    pub(super) fn polls_of(&self, job: &str) -> u32 {
        self.with(|memory| memory.jobs.get(job).map_or(0, |(job, ..)| job.polls))
    }

    pub(super) fn duplicates(&self) -> Vec<String> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for submission in self.submissions() {
            let key = submission.headers.get("idempotency-key");
            if let Some(key) = key.and_then(|key| key.to_str().ok()) {
                *counts.entry(key.to_owned()).or_default() += 1;
            }
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key).collect()
    }
}
