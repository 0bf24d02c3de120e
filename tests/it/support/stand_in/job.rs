//! Jobs, which go a step further each time that they are asked about.

/// How a job goes.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// How many polls find it waiting.
    pub(crate) queued: u32,
    /// How many find it running after that.
    pub(crate) running: u32,
    /// How it ends.
    pub(crate) end: End,
}

/// How a job ends.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// With its result.
    Done,
    /// With a failure and this reason.
    Failed(String),
    /// Not at all.
    Never,
    /// Nobody knows it any more.
    Gone,
}

impl Default for Script {
    fn default() -> Self {
        Self { queued: 1, running: 1, end: End::Done }
    }
}

impl Script {
    /// Ends so at the first poll.
    pub(crate) fn at_once(end: End) -> Self {
        Self { queued: 0, running: 0, end }
    }
}

/// Where a job stands.
pub(super) enum Stage {
    Queued,
    Running,
    Done,
    Failed(String),
    Cancelled,
    Gone,
}

pub(super) struct Job {
    pub(super) script: Script,
    pub(super) polls: u32,
    pub(super) is_cancelled: bool,
}

impl Job {
    pub(super) fn new(script: Script) -> Self {
        Self { script, polls: 0, is_cancelled: false }
    }

    /// Where it stands when it is looked at without being polled.
    pub(super) fn stage(&self) -> Stage {
        let Script { queued, running, end } = &self.script;
        // The stage is that of the last poll.
        let past = self.polls.saturating_sub(1);
        match end {
            _ if self.is_cancelled => Stage::Cancelled,
            _ if self.polls == 0 || past < *queued => Stage::Queued,
            End::Never => Stage::Running,
            _ if past < queued + running => Stage::Running,
            End::Done => Stage::Done,
            End::Failed(reason) => Stage::Failed(reason.clone()),
            End::Gone => Stage::Gone,
        }
    }

    pub(super) fn poll(&mut self) -> Stage {
        self.polls += 1;
        self.stage()
    }

    pub(super) fn has_ended(&self) -> bool {
        !matches!(self.stage(), Stage::Queued | Stage::Running)
    }
}
