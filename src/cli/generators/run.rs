//! `boards generators run`: one generator, without database and board.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{
    Failure,
    input::{Given, given},
    list::missing_key,
    made, print,
};
use crate::{
    app::{open_generators, open_providers},
    cli::{args::GeneratorsRunArgs, serve::shutdown_signal},
    config::Config,
    domain::{GenerationId, Submission},
    generators::{
        Entry, ExternalJob, Failure as RunFailure, JobLedger, LedgerError, Made, Progress, Run,
    },
};

/// How much more of the whole is worth another line.
const STEP: f64 = 0.1;

pub(super) async fn run(config: &Config, arguments: &GeneratorsRunArgs) -> Result<(), Failure> {
    let name = &arguments.name;
    let providers = open_providers(config)?;
    let registry = open_generators(config, &providers)?;
    let entry = registry.get(name).ok_or_else(|| {
        Failure::new(format!("there is no generator {name}; `boards generators list` shows all"))
    })?;
    let Given { params, artifacts, facts } = given(config, entry, arguments).await?;
    if let Some(key) = missing_key(entry, &providers) {
        return Err(Failure::new(format!("{name} needs a key to its provider: set {key}")));
    }
    let provider = entry.generator.provider().and_then(|name| providers.get(name));
    let job = Arc::new(Remembered::default());
    let run = Run {
        generation: GenerationId::new(),
        job: ExternalJob::new(Submission::NotBegun, job.clone()),
        key: provider.and_then(|provider| providers.key(provider.as_ref())).cloned(),
        params,
        facts,
        artifacts,
        progress: progress(),
        cancel: CancellationToken::new(),
    };
    let made = finish(entry, run, &job).await?;
    let artifact_type = entry.generator.artifact_type();
    for path in made::write(made, name, artifact_type, &arguments.out).await? {
        print(&path.display().to_string())?;
    }
    Ok(())
}

/// Waits for the run; on Ctrl-C it is stopped, and its job cancelled at the provider.
async fn finish(entry: &Entry, run: Run, job: &Remembered) -> Result<Made, Failure> {
    let stop = shutdown_signal()?;
    let (generator, key, cancel) =
        (Arc::clone(&entry.generator), run.key.clone(), run.cancel.clone());
    let mut task = tokio::spawn(async move { generator.run(run).await });
    tokio::select! {
        ended = &mut task => return judged(ended),
        () = stop => {}
    }
    say("stopping; Ctrl-C again does not wait for the provider");
    cancel.cancel();
    let again = shutdown_signal()?;
    let ended = tokio::select! {
        ended = &mut task => ended,
        () = again => return Err(Failure::new(job.left_behind())),
    };
    if let Ok(made) = judged(ended) {
        return Ok(made);
    }
    let Some(id) = job.id() else { return Err(Failure::new("stopped")) };
    entry.generator.cancel(key, &id).await.map_err(|error| {
        Failure::new(format!("the job {id} may still run at the provider: {error}"))
    })?;
    Err(Failure::new(format!("stopped, and the job {id} cancelled at the provider")))
}

fn judged(
    ended: Result<Result<Made, RunFailure>, tokio::task::JoinError>,
) -> Result<Made, Failure> {
    match ended {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(failure)) => Err(Failure::new(failure.to_string())),
        Err(_) => Err(Failure::new("the generator failed unexpectedly")),
    }
}

/// A line on standard error for each phase, and for each tenth of the whole.
fn progress() -> Progress {
    let shown = Mutex::new((String::new(), 0.0));
    Progress::new(move |done, phase| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.0 != phase || done - shown.1 >= STEP {
            say(&format!("{:3.0} %  {phase}", done * 100.0));
            *shown = (phase.to_owned(), done);
        }
    })
}

/// A reader who has gone away is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The job at the provider, for as long as this process runs.
#[derive(Default)]
struct Remembered(Mutex<Option<String>>);

impl Remembered {
    fn id(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn left_behind(&self) -> String {
        match self.id() {
            Some(id) => format!("the job {id} may still run at the provider, and be paid for"),
            None => "what was submitted may still run at the provider, and be paid for".to_owned(),
        }
    }
}

#[async_trait]
impl JobLedger for Remembered {
    async fn begin(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn not_begun(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn begun(&self, id: &str) -> Result<(), LedgerError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
        Ok(())
    }
}
