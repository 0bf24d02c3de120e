//! Opaque tokens, which only their issuer can read: it is asked about each (RFC 7662), and its
//! answers are kept for seconds.

mod answer;
mod client;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use moka::future::Cache;
use tokio::sync::Semaphore;

use super::{
    TokenVerifier,
    client::{Answer, Outage, TIMEOUT},
    jwt::Fault,
    locked,
    patience::{Patience, is_within},
};
use crate::{
    auth::{bearer::TOKEN_MAX_BYTES, claims::VerifiedIdentity},
    error::Result,
};

pub(super) use answer::AnswerRules;
pub(super) use client::IntrospectionClient;

/// How long a good answer is believed; never beyond the token's own end.
const GOOD_AGE: TimeDelta = TimeDelta::seconds(30);
/// The same of a bad one.
const BAD_AGE: TimeDelta = TimeDelta::seconds(10);
/// The same of none.
const OUTAGE_AGE: TimeDelta = TimeDelta::seconds(5);
/// Most answers that are kept.
const ANSWERS_MAX: u64 = 100_000;
/// Most questions under way at once; others wait.
const QUESTIONS_MAX: usize = 64;

/// The token's name in the cache: whoever reads memory learns no token from it.
type Fingerprint = [u8; 32];

fn fingerprint(token: &str) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    fingerprint
}

/// What is known of a token.
#[derive(Clone)]
struct Verdict {
    outcome: Result<Arc<VerifiedIdentity>, Fault>,
    since: DateTime<Utc>,
    age: TimeDelta,
}

impl Verdict {
    fn holds(&self, now: DateTime<Utc>) -> bool {
        is_within(now, self.since, self.age)
    }
}

/// Verifies tokens by asking their issuer.
pub(super) struct IntrospectionVerifier(Arc<Shared>);

struct Shared {
    provider: Arc<str>,
    client: IntrospectionClient,
    rules: AnswerRules,
    verdicts: Cache<Fingerprint, Verdict>,
    questions: Semaphore,
    patience: Mutex<Patience>,
}

impl IntrospectionVerifier {
    pub(super) fn new(provider: Arc<str>, client: IntrospectionClient, rules: AnswerRules) -> Self {
        let verdicts = Cache::builder()
            .max_capacity(ANSWERS_MAX)
            // Memory's sake; what may be believed is decided by the time that callers give.
            .time_to_live(GOOD_AGE.to_std().unwrap_or_default())
            .build();
        Self(Arc::new(Shared {
            provider,
            client,
            rules,
            verdicts,
            questions: Semaphore::new(QUESTIONS_MAX),
            patience: Mutex::default(),
        }))
    }

    async fn judge(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity, Fault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Fault::TooLong);
        }
        let identity = self.verdict(token, now).await?.outcome?;
        if identity.expires_at.is_some_and(|end| now >= end) {
            return Err(Fault::Expired);
        }
        Ok(identity.as_ref().clone())
    }

    /// What is known of the token, or else what its issuer says.
    async fn verdict(&self, token: &str, now: DateTime<Utc>) -> Result<Verdict, Fault> {
        let known = self.0.verdicts.get(&fingerprint(token)).await;
        if let Some(verdict) = known.filter(|verdict| verdict.holds(now)) {
            return Ok(verdict);
        }
        let (shared, token) = (Arc::clone(&self.0), token.to_owned());
        // In a task of its own: a caller that hangs up must not take the others' answer along.
        let asking = tokio::spawn(async move { shared.asked_once(&token, now).await });
        asking.await.map_err(|_| Fault::Unavailable)
    }
}

impl Shared {
    /// One question for all who wait for the same answer.
    async fn asked_once(&self, token: &str, now: DateTime<Utc>) -> Verdict {
        let entry = self.verdicts.entry(fingerprint(token));
        let entry = entry.or_insert_with_if(self.ask(token, now), |verdict| !verdict.holds(now));
        entry.await.into_value()
    }

    async fn ask(&self, token: &str, now: DateTime<Utc>) -> Verdict {
        let (outcome, age) = match self.question(token, now).await {
            Err(outage) => {
                self.remember(outage, now);
                (Err(Fault::Unavailable), OUTAGE_AGE)
            }
            Ok(None) => (Err(Fault::Unavailable), OUTAGE_AGE),
            Ok(Some(answer)) => match self.rules.judge(&answer.body, now) {
                Ok(Ok((identity, left))) => (Ok(Arc::new(identity)), left.min(GOOD_AGE)),
                Ok(Err(fault)) => (Err(fault), BAD_AGE),
                Err(outage) => {
                    self.remember(outage, now);
                    (Err(Fault::Unavailable), OUTAGE_AGE)
                }
            },
        };
        Verdict { outcome, since: now, age }
    }

    /// The answer; `None` when the provider is not to be asked now.
    async fn question(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Answer>, Outage> {
        let turn = tokio::time::timeout(TIMEOUT, self.questions.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Ok(None) };
        if locked(&self.patience).is_waiting(now) {
            return Ok(None);
        }
        let answer = self.client.ask(token).await?;
        locked(&self.patience).succeeded(&self.provider);
        Ok(Some(answer))
    }

    /// Only what would happen to every token keeps others from being asked about: who can make the
    /// provider stumble over a token must not close the door for all.
    fn remember(&self, outage: Outage, now: DateTime<Utc>) {
        let mut patience = locked(&self.patience);
        if outage.is_general() {
            patience.failed(&self.provider, outage, now);
        } else {
            patience.warn(&self.provider, outage, now);
        }
    }
}

#[async_trait]
impl TokenVerifier for IntrospectionVerifier {
    async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        Ok(self.judge(token, now).await?)
    }

    async fn would_ask(&self, token: &str, now: DateTime<Utc>) -> bool {
        let verdict = self.0.verdicts.get(&fingerprint(token)).await;
        token.len() <= TOKEN_MAX_BYTES && !verdict.is_some_and(|verdict| verdict.holds(now))
    }
}

#[cfg(test)]
mod tests;
