//! What one rendering may use up, shared by its filters, functions and output.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use minijinja::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

/// Bytes that all filters together may read and write.
const MAX_WORK: usize = 64 * 1024 * 1024;
/// Bytes of the text that is made.
const MAX_OUTPUT: usize = 1024 * 1024;

/// Far more than any sensible template needs: a net under comparisons of long texts, which the other
/// limits count as one step.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a rendering was stopped from outside of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run was cancelled.
    Cancelled,
    /// The text became too long.
    Output,
    /// Filters had too much to do.
    Work,
}

/// Counts what a rendering uses.
pub(super) struct Budget {
    cancel: CancellationToken,
    deadline: Instant,
    used: AtomicUsize,
    stop: OnceLock<Stop>,
}

impl Budget {
    pub(super) fn new(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            deadline: Instant::now() + MAX_TIME,
            used: AtomicUsize::new(0),
            stop: OnceLock::new(),
        }
    }

    /// Why it was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        if self.cancel.is_cancelled() { Some(Stop::Cancelled) } else { self.stop.get().copied() }
    }

    /// Takes `bytes` for a filter.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Error> {
        let used = self.used.fetch_add(bytes.min(MAX_WORK + 1), Ordering::Relaxed);
        if used.saturating_add(bytes) > MAX_WORK {
            self.stop.get_or_init(|| Stop::Work);
        }
        if Instant::now() > self.deadline {
            self.stop.get_or_init(|| Stop::Work);
        }
        match self.stopped() {
            Some(_) => Err(Error::new(ErrorKind::InvalidOperation, "stopped")),
            None => Ok(()),
        }
    }
}

/// Where the text goes.
pub(super) struct Writer {
    budget: Arc<Budget>,
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: Vec::new() }
    }

    /// What was written.
    pub(super) fn into_text(self) -> String {
        // Engines write whole characters, so that nothing is replaced here.
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.budget.stop.get_or_init(|| Stop::Output);
        }
        if self.budget.stopped().is_some() {
            return Err(io::Error::other("stopped"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
