//! Who is next: tenants take turns, in a tenant its users do, and nobody has more at once than they may.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// How many generations may run at once, over all workers.
#[derive(Clone, Debug, Default)]
pub struct ConcurrencyLimits {
    /// Of one tenant; none for as many as there is room for.
    pub tenant: Option<usize>,
    /// Of one user.
    pub user: Option<usize>,
    /// At a provider, by its name; for the others there is no limit.
    pub providers: HashMap<String, usize>,
}

/// What jobs are told apart by when it is decided who is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) tenant: Uuid,
    pub(super) user: Uuid,
    /// Empty for generators of this process.
    pub(super) provider: String,
}

/// A job that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) generation: Uuid,
    pub(super) lane: Lane,
    pub(super) created_at: DateTime<Utc>,
}

/// How many run, by who and where.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    tenants: HashMap<Uuid, usize>,
    users: HashMap<(Uuid, Uuid), usize>,
    providers: HashMap<String, usize>,
}

impl Running {
    /// Counts `number` more of `lane`.
    pub(super) fn add(&mut self, lane: &Lane, number: usize) {
        *self.tenants.entry(lane.tenant).or_default() += number;
        *self.users.entry((lane.tenant, lane.user)).or_default() += number;
        *self.providers.entry(lane.provider.clone()).or_default() += number;
    }

    fn of_tenant(&self, lane: &Lane) -> usize {
        self.tenants.get(&lane.tenant).copied().unwrap_or_default()
    }

    fn of_user(&self, lane: &Lane) -> usize {
        self.users.get(&(lane.tenant, lane.user)).copied().unwrap_or_default()
    }

    fn at_provider(&self, lane: &Lane) -> usize {
        self.providers.get(&lane.provider).copied().unwrap_or_default()
    }

    fn has_room_for(&self, lane: &Lane, limits: &ConcurrencyLimits) -> bool {
        limits.tenant.is_none_or(|most| self.of_tenant(lane) < most)
            && limits.user.is_none_or(|most| self.of_user(lane) < most)
            && limits
                .providers
                .get(&lane.provider)
                .is_none_or(|most| self.at_provider(lane) < *most)
    }
}

/// At most `room` of those that wait: of the tenant that has the fewest running, of its user who has the
/// fewest, the oldest; and again, with what was chosen counted as running.
pub(super) fn choose(
    mut waiting: Vec<Waiting>,
    mut running: Running,
    limits: &ConcurrencyLimits,
    room: usize,
) -> Vec<Uuid> {
    let mut chosen = Vec::new();
    while chosen.len() < room {
        waiting.retain(|job| running.has_room_for(&job.lane, limits));
        let next = waiting.iter().enumerate().min_by_key(|(_, job)| {
            let lane = &job.lane;
            (running.of_tenant(lane), running.of_user(lane), job.created_at, job.generation)
        });
        let Some((place, _)) = next else { break };
        let job = waiting.swap_remove(place);
        running.add(&job.lane, 1);
        chosen.push(job.generation);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tenant.user@provider` for each that waits, in the order of their times.
    fn waiting(names: &[&str]) -> Vec<Waiting> {
        (0..).zip(names).map(|(number, name)| job(number, name)).collect()
    }

    fn job(number: i64, name: &str) -> Waiting {
        let created_at = DateTime::from_timestamp(number, 0).expect("a time");
        let generation = Uuid::from_u128(u128::try_from(number).expect("small"));
        Waiting { generation, lane: lane(name), created_at }
    }

    fn lane(name: &str) -> Lane {
        let (who, provider) = name.split_once('@').unwrap_or((name, ""));
        let (tenant, user) = who.split_once('.').expect("tenant.user");
        let id = |text: &str| Uuid::from_u128(u128::from(text.as_bytes()[0]));
        Lane { tenant: id(tenant), user: id(user), provider: provider.to_owned() }
    }

    fn running(names: &[&str]) -> Running {
        let mut running = Running::default();
        for name in names {
            running.add(&lane(name), 1);
        }
        running
    }

    fn places(chosen: &[Uuid]) -> Vec<u128> {
        chosen.iter().map(Uuid::as_u128).collect()
    }

    #[test]
    fn the_oldest_of_one_user_goes_first() {
        let chosen = choose(waiting(&["a.u", "a.u", "a.u"]), running(&[]), &no_limits(), 2);
        assert_eq!(places(&chosen), [0, 1]);
    }

    #[test]
    fn tenants_take_turns_and_in_a_tenant_its_users() {
        let many = ["a.u", "a.u", "a.u", "a.v", "b.u", "b.u"];
        let chosen = choose(waiting(&many), running(&[]), &no_limits(), 5);
        assert_eq!(places(&chosen), [0, 4, 3, 5, 1]);
    }

    #[test]
    fn who_has_nothing_running_goes_before_who_has() {
        let chosen = choose(waiting(&["a.u", "b.u"]), running(&["a.u", "a.v"]), &no_limits(), 1);
        assert_eq!(places(&chosen), [1]);
    }

    #[test]
    fn limits_hold_together_with_what_runs() {
        let limits = ConcurrencyLimits {
            tenant: Some(3),
            user: Some(2),
            providers: [("fal".to_owned(), 1)].into(),
        };
        let many = ["a.u@fal", "a.u@fal", "a.u", "a.u", "a.v", "a.v", "b.w@fal"];
        let chosen = choose(waiting(&many), running(&["a.u"]), &limits, 10);
        // Of a.u only one more; of a only two more; at fal only one at all.
        assert_eq!(places(&chosen), [6, 4, 2]);
        assert!(choose(waiting(&["c.u@fal"]), running(&["b.w@fal"]), &limits, 1).is_empty());
    }

    fn no_limits() -> ConcurrencyLimits {
        ConcurrencyLimits::default()
    }
}
