//! What happens to the workers and the database.

use super::{JOBS, PATIENCE, SEED, accounts::Accounts};
use crate::support::{ChildWorker, Cluster, OwnPostgres, eventually_within};

const WORKERS: usize = 3;

/// One of the things that go wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blow {
    /// A worker is killed, and another started.
    Kill,
    /// A worker stands still until others have taken its jobs over, and then goes on.
    StandStill,
    /// All connections to the database are cut.
    Cut,
    /// The database crashes and starts again.
    Crash,
}

/// The workers, and what they have to bear.
pub(super) struct Crew<'a> {
    cluster: &'a Cluster,
    postgres: Option<&'a OwnPostgres>,
    accounts: &'a Accounts,
    workers: Vec<ChildWorker>,
    chance: fastrand::Rng,
}

impl<'a> Crew<'a> {
    pub(super) async fn start(
        cluster: &'a Cluster,
        postgres: Option<&'a OwnPostgres>,
        accounts: &'a Accounts,
    ) -> Self {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(cluster.worker().await);
        }
        Self { cluster, postgres, accounts, workers, chance: fastrand::Rng::with_seed(SEED) }
    }

    /// Lets the blows fall one after the other, spread over the work, so that each finds some of it.
    pub(super) async fn suffer(&mut self, blows: &[Blow]) {
        let step = JOBS * 4 / 5 / blows.len();
        for (number, blow) in blows.iter().enumerate() {
            let from = number * step;
            self.accounts.so_many_have_ended(self.chance.usize(from..from + step)).await;
            self.strike(*blow).await;
        }
    }

    async fn strike(&mut self, blow: Blow) {
        let chosen = self.chance.usize(..WORKERS);
        match blow {
            Blow::Kill => {
                self.workers.swap_remove(chosen).kill();
                self.workers.push(self.cluster.worker().await);
            }
            Blow::StandStill => {
                let before = self.accounts.lost().await;
                self.workers[chosen].signal("STOP");
                eventually_within(PATIENCE, "its jobs are taken over", async || {
                    (self.accounts.lost().await > before).then_some(())
                })
                .await;
                self.workers[chosen].signal("CONT");
            }
            Blow::Cut => self.accounts.cut_all_connections().await,
            Blow::Crash => self.postgres.expect("one's own").crash().await,
        }
    }
}
