//! An act that is going on. It is on record however it ends, also when its caller goes away.

use std::{borrow::Cow, fmt::Display};

use super::{AuditEvent, AuditLog};
use crate::domain::Decision;

/// Recorded when it ends, or, as one that broke off, when it is dropped before: nobody can act
/// without a trace by hanging up, and whether it was done by then is not known.
#[must_use = "an act that is dropped at once counts as broken off"]
pub struct Act {
    log: AuditLog,
    event: Option<AuditEvent>,
}

impl AuditLog {
    /// Begins an act.
    pub fn begin(&self, event: AuditEvent) -> Act {
        Act { log: self.clone(), event: Some(event) }
    }
}

impl Act {
    /// To what it is done, where that was not known at the beginning.
    pub fn on(&mut self, kind: impl Into<Cow<'static, str>>, id: impl Display) {
        self.event = self.event.take().map(|event| event.on(kind, id));
    }

    /// It was allowed and done.
    pub fn done(mut self) {
        if let Some(event) = self.event.take() {
            self.log.record(event);
        }
    }

    /// It ended otherwise, for this reason.
    pub fn ended(mut self, decision: Decision, reason: impl Into<Cow<'static, str>>) {
        if let Some(event) = self.event.take() {
            self.log.record(event.ended(decision, reason));
        }
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.log.record(event.ended(Decision::Failed, "ABORTED"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AuditRecord;

    fn recorded(log: &AuditLog) -> Vec<AuditRecord> {
        let mut queue = log.queue();
        let mut records = queue.take_allowed(10);
        records.extend(queue.take_refused());
        records
    }

    #[test]
    fn an_act_is_recorded_once_however_it_ends() {
        type End = (fn(Act), Decision, Option<&'static str>);
        let log = AuditLog::default();
        let ends: [End; 3] = [
            (Act::done, Decision::Allowed, None),
            (|act| act.ended(Decision::Denied, "FORBIDDEN"), Decision::Denied, Some("FORBIDDEN")),
            (drop, Decision::Failed, Some("ABORTED")),
        ];
        for (end, decision, reason) in ends {
            let mut act = log.begin(AuditEvent::new("createBoard"));
            act.on("board", 7);
            end(act);
            let records = recorded(&log);
            assert_eq!(records.len(), 1);
            let record = &records[0];
            assert_eq!((record.decision, record.reason.as_deref()), (decision, reason));
            assert_eq!(record.object_id.as_deref(), Some("7"));
        }
    }
}
