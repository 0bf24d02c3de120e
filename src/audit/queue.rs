//! What waits to be written, within bounds. Acts that were allowed and those that were not have
//! bounds of their own, so that a flood of refusals pushes no change out of the log; equal refusals
//! become one row with a count, and what still finds no room is counted too.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

use super::AuditEvent;
use crate::{
    domain::{AccessTokenId, Decision, TenantId, UserId},
    store::AuditRecord,
};

/// Allowed acts that may wait: some 10 MB, and several times what an embedded database writes in
/// the time in which it is worth waiting for it.
const ALLOWED_MAX: usize = 20_000;
/// Refusals that may differ in any way, between two times that refusals are written.
const REFUSED_MAX: usize = 200;
/// The same for refusals that found no room there and are told apart roughly.
const ROUGH_MAX: usize = 200;
/// Tenants whose lost events are counted apart.
const TENANTS_MAX: usize = 1_000;

/// Refusals that are one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    rough: RoughKind,
    actor: Option<UserId>,
    access_token: Option<AccessTokenId>,
    address: Option<String>,
    object_id: Option<String>,
}

/// Refusals that are one row when there are too many kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RoughKind {
    tenant: Option<TenantId>,
    action: String,
    decision: Decision,
    reason: Option<String>,
}

impl RoughKind {
    fn of(record: &AuditRecord) -> Self {
        Self {
            tenant: record.tenant,
            action: record.action.clone(),
            decision: record.decision,
            reason: record.reason.clone(),
        }
    }
}

impl Kind {
    fn of(record: &AuditRecord) -> Self {
        Self {
            rough: RoughKind::of(record),
            actor: record.actor,
            access_token: record.access_token,
            address: record.address.clone(),
            object_id: record.object_id.clone(),
        }
    }
}

#[derive(Default)]
pub(super) struct Queue {
    allowed: VecDeque<AuditRecord>,
    refused: HashMap<Kind, AuditRecord>,
    rough: HashMap<RoughKind, AuditRecord>,
    dropped: BTreeMap<Option<TenantId>, u64>,
}

impl Queue {
    /// Takes an event in, however many there are.
    pub(super) fn push(&mut self, record: AuditRecord) {
        if record.decision != Decision::Allowed {
            self.push_refused(record);
        } else if self.allowed.len() < ALLOWED_MAX {
            self.allowed.push_back(record);
        } else {
            self.drop(&record);
        }
    }

    /// Allowed acts that wait.
    pub(super) fn allowed(&self) -> usize {
        self.allowed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.allowed.is_empty()
            && self.refused.is_empty()
            && self.rough.is_empty()
            && self.dropped.is_empty()
    }

    /// The oldest allowed acts, `limit` at most.
    pub(super) fn take_allowed(&mut self, limit: usize) -> Vec<AuditRecord> {
        let count = limit.min(self.allowed.len());
        self.allowed.drain(..count).collect()
    }

    /// Every refusal, and what was lost.
    pub(super) fn take_refused(&mut self) -> Vec<AuditRecord> {
        let refused = std::mem::take(&mut self.refused).into_values();
        let rough = std::mem::take(&mut self.rough).into_values();
        let dropped = std::mem::take(&mut self.dropped).into_iter().map(|(tenant, count)| {
            let event = AuditEvent::new("audit.dropped").counted(count);
            AuditRecord { tenant, ..event.ended(Decision::Failed, "QUEUE_FULL").into_record() }
        });
        refused.chain(rough).chain(dropped).collect()
    }

    fn push_refused(&mut self, record: AuditRecord) {
        let room = self.refused.len() < REFUSED_MAX;
        let Err(record) = coalesce(&mut self.refused, Kind::of(&record), record, room) else {
            return;
        };
        let record = AuditRecord {
            actor: None,
            access_token: None,
            provider: None,
            address: None,
            object_id: None,
            request_id: None,
            ..*record
        };
        let room = self.rough.len() < ROUGH_MAX;
        if let Err(record) = coalesce(&mut self.rough, RoughKind::of(&record), record, room) {
            self.drop(&record);
        }
    }

    fn drop(&mut self, record: &AuditRecord) {
        let room = self.dropped.len() < TENANTS_MAX || self.dropped.contains_key(&record.tenant);
        let tenant = record.tenant.filter(|_| room);
        *self.dropped.entry(tenant).or_default() += record.count;
    }
}

/// Adds to the row of the same kind, or begins one where there is room; else gives the record back.
fn coalesce<K: Eq + Hash>(
    rows: &mut HashMap<K, AuditRecord>,
    kind: K,
    record: AuditRecord,
    room: bool,
) -> Result<(), Box<AuditRecord>> {
    match rows.entry(kind) {
        Entry::Occupied(mut row) => row.get_mut().count += record.count,
        Entry::Vacant(row) if room => {
            row.insert(record);
        }
        Entry::Vacant(_) => return Err(Box::new(record)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use uuid::Uuid;

    use super::*;
    use crate::{audit::Actor, domain::RequestOrigin};

    fn refusal(tenant: Option<TenantId>, address: u128, action: String) -> AuditRecord {
        let address = Some(IpAddr::V6(Ipv6Addr::from_bits(address)));
        let origin = RequestOrigin { address, request_id: "request".to_owned() };
        let actor = Actor { tenant, ..Actor::unknown(origin) };
        AuditEvent::new(action).by(&actor).ended(Decision::Denied, "FORBIDDEN").into_record()
    }

    fn change() -> AuditRecord {
        AuditEvent::new("createBoard").into_record()
    }

    fn counts(records: &[AuditRecord]) -> u64 {
        records.iter().map(|record| record.count).sum()
    }

    #[test]
    fn equal_refusals_are_one_row_and_others_are_not() {
        let mut queue = Queue::default();
        for _ in 0..10_000 {
            queue.push(refusal(None, 1, "board".to_owned()));
        }
        queue.push(refusal(None, 2, "board".to_owned()));
        queue.push(refusal(None, 1, "generation".to_owned()));
        queue.push(refusal(Some(TenantId::new()), 1, "board".to_owned()));
        let mut failed = refusal(None, 1, "board".to_owned());
        failed.decision = Decision::Failed;
        queue.push(failed);
        let mut other_object = refusal(None, 1, "board".to_owned());
        other_object.object_id = Some(Uuid::new_v4().to_string());
        queue.push(other_object);
        let mut other_actor = refusal(None, 1, "board".to_owned());
        other_actor.actor = Some(UserId::new());
        queue.push(other_actor);
        let mut counts: Vec<u64> = queue.take_refused().iter().map(|row| row.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 10_000]);
        assert!(queue.is_empty());
    }

    #[test]
    fn allowed_acts_are_never_coalesced() {
        let mut queue = Queue::default();
        queue.push(change());
        queue.push(change());
        assert_eq!(queue.allowed(), 2);
        let taken = queue.take_allowed(1);
        assert_eq!((taken.len(), queue.allowed()), (1, 1));
    }

    #[test]
    fn a_flood_from_everywhere_is_told_apart_roughly_and_counted_in_full() {
        let mut queue = Queue::default();
        let tenant = TenantId::new();
        for address in 0..100_000 {
            queue.push(refusal(Some(tenant), address, "board".to_owned()));
        }
        let rows = queue.take_refused();
        assert_eq!(rows.len(), REFUSED_MAX + 1);
        assert_eq!(counts(&rows), 100_000);
        let rough = rows.iter().find(|row| row.address.is_none()).expect("a rough row");
        assert_eq!((rough.tenant, rough.action.as_str()), (Some(tenant), "board"));
        assert_eq!(rough.request_id, None);
    }

    #[test]
    fn a_flood_of_refusals_pushes_no_change_out() {
        let mut queue = Queue::default();
        queue.push(change());
        for number in 0..100_000_u128 {
            queue.push(refusal(None, number, format!("action{number}")));
        }
        queue.push(change());
        assert_eq!(queue.take_allowed(10).len(), 2);
        let rows = queue.take_refused();
        assert_eq!(rows.len(), REFUSED_MAX + ROUGH_MAX + 1);
        assert_eq!(counts(&rows), 100_000);
        let dropped = rows.iter().find(|row| row.action == "audit.dropped").expect("a count");
        let kept = REFUSED_MAX + ROUGH_MAX;
        assert_eq!(dropped.count, 100_000 - u64::try_from(kept).expect("few"));
    }

    #[test]
    fn what_finds_no_room_is_counted_for_its_tenant() {
        let mut queue = Queue::default();
        let tenant = TenantId::new();
        for _ in 0..ALLOWED_MAX + 7 {
            queue.push(AuditRecord { tenant: Some(tenant), ..change() });
        }
        assert_eq!(queue.take_allowed(usize::MAX).len(), ALLOWED_MAX);
        let rows = queue.take_refused();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].action.as_str(), rows[0].count), ("audit.dropped", 7));
        assert_eq!((rows[0].tenant, rows[0].reason.as_deref()), (Some(tenant), Some("QUEUE_FULL")));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_million_tenants_do_not_grow_it() {
        let mut queue = Queue::default();
        for number in 0..10_000_u128 {
            queue.push(refusal(Some(TenantId::new()), number, "board".to_owned()));
        }
        let rows = queue.take_refused();
        assert_eq!(rows.len(), REFUSED_MAX + ROUGH_MAX + TENANTS_MAX + 1);
        assert_eq!(counts(&rows), 10_000);
    }
}
