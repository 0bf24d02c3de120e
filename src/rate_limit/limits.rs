//! The four limits together.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use governor::Quota;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{
    attempts::{Attempts, Trial, Turn},
    buckets::Buckets,
    clock::LimitClock,
    key::{Key, Token},
    meter::Payer,
    points::Points,
};
use crate::error::{Error, Result};

/// Of what a minute allows, the part that may be used at once: six seconds' worth.
const BURST_PART: u32 = 10;
/// How often those who have been idle are forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// How many points a key may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
}

impl Allowance {
    /// So many points a minute, evenly, and a tenth of them at once.
    #[must_use]
    pub fn even(per_minute: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(per_minute.get() / BURST_PART).unwrap_or(NonZeroU32::MIN);
        Self { per_minute, burst }
    }

    /// So many points a minute, all of them at once if need be.
    #[must_use]
    pub fn at_once(per_minute: NonZeroU32) -> Self {
        Self { per_minute, burst: per_minute }
    }

    fn quota(self) -> Quota {
        Quota::per_minute(self.per_minute).allow_burst(self.burst)
    }
}

/// How much is allowed of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// Of each user.
    pub user: Allowance,
    /// Of each token.
    pub token: Allowance,
    /// Of each address, for callers who are not signed in.
    pub address: Allowance,
    /// Of each address, of failed authentications: a point each.
    pub failures: Allowance,
}

/// Counts what callers ask for. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct RateLimits(Option<Arc<Limits>>);

struct Limits {
    users: Buckets,
    tokens: Buckets,
    addresses: Buckets,
    failures: Buckets,
    attempts: Attempts,
    /// What tokens are hashed with, so that their keys say nothing outside this process.
    seed: [u8; 32],
}

impl Limits {
    fn sweep(&self) {
        for buckets in [&self.users, &self.tokens, &self.addresses, &self.failures] {
            buckets.sweep();
        }
    }
}

/// A token that is being judged. The point that it took, if it took one, is gone unless the token is
/// found good: who hangs up meanwhile has tried, too.
#[derive(Default)]
#[must_use]
pub struct Attempt(Option<Paid>);

struct Paid {
    limits: Arc<Limits>,
    address: Key,
    trial: Trial,
}

impl Attempt {
    /// Whether it took the point of a failure.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.0.is_some()
    }

    /// The token was good: the point is given back.
    pub fn succeeded(self) {
        if let Some(Paid { limits, address, trial }) = self.0 {
            limits.failures.give_back(address);
            trial.succeeded();
        }
    }
}

impl RateLimits {
    /// Limits nobody.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Limits callers to `allowances`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the machine has no randomness.
    pub fn new(allowances: Allowances, clock: &LimitClock) -> Result<Self> {
        let buckets = |allowance: Allowance| Buckets::new(allowance.quota(), clock.clone());
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| Error::internal("no randomness"))?;
        Ok(Self(Some(Arc::new(Limits {
            users: buckets(allowances.user),
            tokens: buckets(allowances.token),
            addresses: buckets(allowances.address),
            failures: buckets(allowances.failures),
            attempts: Attempts::default(),
            seed,
        }))))
    }

    /// What a token is counted under. Only for one that was found good: whatever anyone sends would
    /// fill the memory that is for those.
    #[must_use]
    pub fn token(&self, token: &str) -> Option<Token> {
        self.0.as_ref().map(|limits| Token::of(&limits.seed, token))
    }

    /// Whom an identity provider names, of no tenant.
    #[must_use]
    pub fn subject(&self, provider: &str, subject: &str) -> Payer {
        match &self.0 {
            // No name of a provider holds a line break.
            Some(limits) => {
                Payer::Subject(Token::of(&limits.seed, &format!("{provider}\n{subject}")))
            }
            None => Payer::Address(None),
        }
    }

    /// Takes points from whoever pays.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there are not as many left.
    pub fn charge(&self, payer: &Payer, points: Points) -> Result<()> {
        let Some(limits) = &self.0 else { return Ok(()) };
        match payer {
            Payer::Address(address) => {
                limits.addresses.take(Key::of_address(*address), points.get())
            }
            Payer::Subject(subject) => limits.users.take(Key::of_token(*subject), points.get()),
            Payer::User { user, token } => {
                // The token first: one that asks for too much shall not use up what the user's
                // other tokens may ask for.
                if let Some(token) = token {
                    limits.tokens.take(Key::of_token(*token), points.get())?;
                }
                limits.users.take(Key::of_user(*user), points.get())
            }
        }
    }

    /// Whether whoever pays has a point left. Takes nothing.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there is none.
    pub fn may_ask(&self, payer: &Payer) -> Result<()> {
        let Some(limits) = &self.0 else { return Ok(()) };
        match payer {
            Payer::Address(address) => limits.addresses.has_some(Key::of_address(*address)),
            Payer::Subject(subject) => limits.users.has_some(Key::of_token(*subject)),
            Payer::User { user, token } => {
                if let Some(token) = token {
                    limits.tokens.has_some(Key::of_token(*token))?;
                }
                limits.users.has_some(Key::of_user(*user))
            }
        }
    }

    /// Counts a failed authentication.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there were too many from the address: what to answer instead of
    /// saying that the token is not valid.
    pub fn failed(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(limits) = &self.0 else { return Ok(()) };
        limits.failures.take(Key::of_address(address), Points::FAILURE.get())
    }

    /// Lets an address have a token judged that costs something to judge, such as a question to an
    /// identity provider. It takes the point of a failure beforehand, so that many tries at once are
    /// no more than as many in turn. A token that was found good within the last minute always may,
    /// and takes none; one that is being judged is waited for.
    ///
    /// # Errors
    /// [`Error::RateLimited`] after too many failures.
    pub async fn may_try(&self, address: Option<IpAddr>, token: &str) -> Result<Attempt> {
        let Some(limits) = &self.0 else { return Ok(Attempt::default()) };
        let token = Key::of_token(Token::of(&limits.seed, token));
        if limits.tokens.knows(token) {
            return Ok(Attempt::default());
        }
        let address = Key::of_address(address);
        match limits.attempts.turn(address, token).await {
            Turn::Good => Ok(Attempt::default()),
            Turn::First(trial) => {
                limits.failures.take(address, Points::FAILURE.get())?;
                Ok(Attempt(Some(Paid { limits: Arc::clone(limits), address, trial })))
            }
        }
    }

    /// Forgets who has been idle, every now and then, until the server stops.
    pub async fn sweep_until(self, stopping: CancellationToken) {
        let Some(limits) = &self.0 else { return };
        let mut due = tokio::time::interval(SWEEP_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stopping.run_until_cancelled(due.tick()).await.is_some() {
            limits.sweep();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use uuid::Uuid;

    use super::*;
    use crate::domain::UserId;

    /// For each user 30 points at once, for each token 20, for each address 10, and 5 failures.
    fn limits() -> (RateLimits, FakeRelativeClock) {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        let allowances = Allowances {
            user: Allowance::even(number(300)),
            token: Allowance::even(number(200)),
            address: Allowance::even(number(100)),
            failures: Allowance::at_once(number(5)),
        };
        let clock = FakeRelativeClock::default();
        let limits = RateLimits::new(allowances, &LimitClock::Fake(clock.clone()));
        (limits.expect("randomness"), clock)
    }

    /// How often a point can be taken at once.
    fn left(limits: &RateLimits, payer: &Payer) -> usize {
        let ever = std::iter::repeat_with(|| {
            let may = limits.may_ask(payer);
            let charged = limits.charge(payer, Points::FILE);
            assert_eq!(may.is_ok(), charged.is_ok(), "who may ask can pay");
            charged
        });
        ever.take(1_000).take_while(Result::is_ok).count()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn users_tokens_and_addresses_are_counted_apart() {
        let (limits, _) = limits();
        let (ada, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let payer = |user, token: &str| Payer::User { user, token: limits.token(token) };
        assert_eq!(left(&limits, &payer(ada, "one")), 20, "the token's");
        assert_eq!(left(&limits, &payer(ada, "two")), 10, "the rest of the user's");
        assert_eq!(left(&limits, &payer(bob, "three")), 20);
        assert_eq!(left(&limits, &Payer::User { user: bob, token: None }), 10);
        assert_eq!(left(&limits, &Payer::Address(Some(address("192.0.2.1")))), 10);
        assert_eq!(left(&limits, &Payer::Address(Some(address("::ffff:192.0.2.1")))), 0);
        assert_eq!(left(&limits, &Payer::Address(Some(address("192.0.2.2")))), 10);
        assert_eq!(left(&limits, &Payer::Address(None)), 10);
        assert_eq!(left(&limits, &Payer::Address(None)), 0);
    }

    #[tokio::test]
    async fn failures_end_further_tries_until_some_time_has_passed() {
        let (limits, clock) = limits();
        let (flood, other) = (Some(address("2001:db8::1")), Some(address("2001:db8:0:1::1")));
        for _ in 0..3 {
            limits.failed(flood).expect("not yet");
        }
        for _ in 0..9 {
            limits.may_try(flood, "a").await.expect("not yet").succeeded();
        }
        let attempts = [limits.may_try(flood, "a").await, limits.may_try(flood, "b").await];
        assert!(attempts.iter().flatten().all(Attempt::is_paid));
        assert!(attempts.iter().all(Result::is_ok), "as many at once as there are points");
        assert!(limits.may_try(flood, "c").await.is_err() && limits.failed(flood).is_err());
        let neighbour = Some(address("2001:db8::2"));
        assert!(limits.may_try(neighbour, "c").await.is_err(), "the same /64");
        limits.may_try(other, "a").await.expect("another address").succeeded();
        drop(attempts);
        assert!(limits.may_try(flood, "a").await.is_err(), "neither was good");
        clock.advance(Duration::from_secs(12));
        limits.may_try(flood, "a").await.expect("one more").succeeded();
        limits.failed(flood).expect("one more");
        assert!(limits.may_try(flood, "a").await.is_err());
        let ada = Payer::User { user: UserId(Uuid::from_u128(1)), token: limits.token("ada's") };
        limits.charge(&ada, Points::FILE).expect("she has some");
        let known = limits.may_try(flood, "ada's").await.expect("it was good a moment ago");
        assert!(!known.is_paid());
    }

    #[tokio::test]
    async fn a_good_token_is_one_try_however_many_bring_it_at_once() {
        let (limits, _) = limits();
        let first = limits.may_try(None, "a").await.expect("points");
        let others = futures_util::future::join_all((0..99).map(|_| limits.may_try(None, "a")));
        let settle = async { first.succeeded() };
        let (others, ()) = tokio::join!(others, settle);
        assert!(others.iter().all(|other| other.as_ref().is_ok_and(|other| !other.is_paid())));
    }

    #[tokio::test]
    async fn off_is_off() {
        let limits = RateLimits::off();
        assert_eq!(left(&limits, &Payer::Address(None)), 1_000);
        assert!((0..1_000).all(|_| limits.failed(None).is_ok()));
        limits.may_try(None, "a").await.expect("off").succeeded();
        assert!(limits.token("a").is_none());
    }

    #[test]
    fn a_small_allowance_still_lets_one_in() {
        let one = Allowance::even(NonZeroU32::MIN);
        assert_eq!(one.burst, NonZeroU32::MIN);
    }
}
