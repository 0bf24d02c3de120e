//! What every built-in generator needs while it computes: typed parameters, its input artifacts,
//! progress, and an ear for cancellation.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::super::{Failure, InputArtifact, Output, Run};
use crate::domain::GenerationId;

/// A run on a thread of its own.
pub(super) struct Work {
    run: Run,
}

/// Runs `make` where it may take the processor for long. A cancelled run ends at once: `make` stops
/// behind it at its next look at the token, as it also does when the returned future is dropped.
pub(super) async fn compute(
    mut run: Run,
    make: impl FnOnce(&Work) -> Result<Output, Failure> + Send + 'static,
) -> Result<Output, Failure> {
    run.cancel = run.cancel.child_token();
    let _stop_when_dropped = run.cancel.clone().drop_guard();
    let cancel = run.cancel.clone();
    let work = Work { run };
    let task = tokio::task::spawn_blocking(move || {
        work.check()?;
        let output = make(&work)?;
        work.check()?;
        work.run.progress.report(1.0, "done");
        Ok(output)
    });
    tokio::select! {
        result = task => {
            result.unwrap_or_else(|_| Err(message("The generator stopped unexpectedly")))
        }
        () = cancel.cancelled() => Err(Failure::Cancelled),
    }
}

/// A failure with a message for the user.
pub(super) fn message(text: impl Into<String>) -> Failure {
    Failure::Message(text.into())
}

impl Work {
    /// The parameters as `T`. The input schema has checked them already.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(self.run.params.clone()))
            .map_err(|_| message("The parameters cannot be read"))
    }

    /// An artifact that the parameters name.
    pub(super) fn artifact(&self, id: GenerationId) -> Result<&InputArtifact, Failure> {
        let artifact = self.run.artifacts.get(&id);
        artifact.ok_or_else(|| message(format!("The artifact of generation {id} is not available")))
    }

    /// The token that is set when the run should stop.
    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.run.cancel.clone()
    }

    /// Whether the run has been cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.run.cancel.is_cancelled()
    }

    /// Nothing, unless the run has been cancelled.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.is_cancelled() { Err(Failure::Cancelled) } else { Ok(()) }
    }

    /// A phase of the work that goes from the part `from` of the whole to the part `to`.
    pub(super) fn phase(&self, name: &'static str, from: f64, to: f64) -> Phase<'_> {
        Phase { work: self, name, from, to }
    }
}

/// A stretch of the work with a name for people.
pub(super) struct Phase<'a> {
    work: &'a Work,
    name: &'static str,
    from: f64,
    to: f64,
}

impl Phase<'_> {
    /// Reports that `done` of `total` steps are behind; fails when the run has been cancelled.
    pub(super) fn step(&self, done: u32, total: u32) -> Result<(), Failure> {
        let part = f64::from(done) / f64::from(total.max(1));
        self.work.run.progress.report(self.from + (self.to - self.from) * part, self.name);
        self.work.check()
    }

    /// Reports that the phase begins.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.step(0, 1)
    }
}
