//! Faults on demand.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use serde_json::Value;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// To begin a job.
    Submit,
    /// To ask how one stands.
    Status,
    /// To take its result, where that is another request.
    Result,
    /// To cancel one.
    Cancel,
    /// To be let into the file store.
    Token,
    /// To hand over a file.
    Upload,
    /// To read one.
    File,
}

/// How a request fails.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is not acted on, and answered with this status and body.
    Status(u16, Value),
    /// The same with 429 and this Retry-After.
    TooMany(&'static str),
    /// It is acted on, and never answered.
    Hang,
    /// Its connection is cut before it was read.
    CutBefore,
    /// It is acted on, then its connection is cut.
    CutAfter,
    /// The same in the middle of the answer.
    CutInside,
    /// It is acted on, and the answer is no JSON.
    Garbage,
    /// It is acted on, and the answer has no end.
    Huge,
}

/// The faults that wait for their requests, and how many of those have come.
#[derive(Default)]
pub(super) struct Faults(Mutex<Table>);

#[derive(Default)]
struct Table {
    waiting: HashMap<Kind, VecDeque<Fault>>,
    requests: HashMap<Kind, usize>,
}

impl Faults {
    pub(super) fn add(&self, kind: Kind, fault: &Fault, times: usize) {
        let mut table = self.0.lock().expect("unbroken");
        let waiting = table.waiting.entry(kind).or_default();
        waiting.extend(std::iter::repeat_n(fault.clone(), times));
    }

    /// Counts a request and says how it fails.
    pub(super) fn next(&self, kind: Kind) -> Option<Fault> {
        let mut table = self.0.lock().expect("unbroken");
        *table.requests.entry(kind).or_default() += 1;
        table.waiting.get_mut(&kind).and_then(VecDeque::pop_front)
    }

    pub(super) fn requests(&self, kind: Kind) -> usize {
        self.0.lock().expect("unbroken").requests.get(&kind).copied().unwrap_or_default()
    }
}
