//! HTTP to providers: bounded in time and bytes, without redirects and proxies, exact about whether
//! something may have been begun, and careful with what comes back.

mod call;
mod message;
mod retry_after;

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use reqwest::{Client, Response, redirect::Policy, retry};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::{ApiKey, Patience, ProviderError};

pub(super) use call::{Call, Field};
pub(super) use message::presentable;

/// Most bytes of an answer that names files.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Most bytes of one that may hold them.
pub(super) const MOST_BYTES_WITH_FILES: usize = 64 << 20;
/// Most bytes of a refusal; of longer ones only the status is known.
const MOST_BYTES_OF_A_REFUSAL: usize = 64 << 10;
/// How often a question is asked.
const TRIES: u32 = 3;
/// Who asks to be left alone for longer is not asked again in here.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What happens when a request is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A job is begun, which is paid for.
    BeginsJob,
    /// Nothing that anybody pays for.
    None,
}

/// A whole answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The body, where it is JSON.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn retry_after(&self) -> Option<Duration> {
        retry_after::retry_after(&self.headers, SystemTime::now())
    }

    /// Whether the same request may be answered otherwise after a while.
    pub(super) fn is_passing(&self) -> bool {
        let is_final = self.header("x-should-retry") == Some("false");
        let passes = matches!(self.status.as_u16(), 408 | 409 | 425 | 429 | 500..);
        passes && !is_final
    }

    /// Whether a gateway speaks, who does not know what came of the request behind it.
    fn is_of_gateway(&self) -> bool {
        // 520 to 527 are Cloudflare's.
        let status = self.status.as_u16();
        // A provider's own server answers in its own form.
        matches!(status, 408 | 502 | 504 | 520..=527) || status >= 500 && self.json().is_none()
    }
}

/// Clients for every provider. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http {
    /// Keeps connections.
    asking: Client,
    /// Takes a new connection for each request: one that was kept may have been closed by the other side
    /// meanwhile, and nobody could say then whether the request had arrived.
    submitting: Client,
    patience: Patience,
}

impl Http {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(patience: Patience) -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("boards/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                .retry(retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(patience.connection)
        };
        let submitting = builder().pool_max_idle_per_host(0).build()?;
        Ok(Self { asking: builder().build()?, submitting, patience })
    }
}

/// How one provider is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Api {
    http: Http,
    /// What people call it.
    title: &'static str,
    /// What it says of itself in a refusal.
    words: fn(&Value) -> Option<String>,
}

impl Api {
    pub(super) fn new(
        http: Http,
        title: &'static str,
        words: fn(&Value) -> Option<String>,
    ) -> Self {
        Self { http, title, words }
    }

    pub(super) fn patience(&self) -> Patience {
        self.http.patience
    }

    /// Sends what begins a job, once.
    pub(super) async fn submit(
        &self,
        call: &Call,
        time: Duration,
        most_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let request = call.request(&self.http.submitting);
        self.exchange(request, Effect::BeginsJob, time, most_bytes).await
    }

    /// Sends what may be sent again, a few times if need be, within `time`.
    pub(super) async fn ask(
        &self,
        call: &Call,
        time: Duration,
        most_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let until = Instant::now() + time;
        let mut tries = 1;
        loop {
            let request = call.request(&self.http.asking);
            let left = until.saturating_duration_since(Instant::now());
            let outcome = self.exchange(request, Effect::None, left, most_bytes).await;
            let wanted = match &outcome {
                Ok(answer) if !answer.is_passing() => return outcome,
                Ok(answer) => answer.retry_after(),
                Err(_) => None,
            };
            let pause = wanted.unwrap_or(self.http.patience.pause * tries);
            let in_time = Instant::now() + pause < until && pause <= LONGEST_PAUSE;
            if tries == TRIES || !in_time {
                return outcome;
            }
            sleep(pause).await;
            tries += 1;
        }
    }

    /// The answer's JSON, or what its status means.
    pub(super) fn accept(
        &self,
        answer: &Answer,
        effect: Effect,
        key: Option<&ApiKey>,
    ) -> Result<Value, ProviderError> {
        if answer.status.is_success() {
            answer.json().ok_or_else(|| self.garbage(effect))
        } else {
            Err(self.refusal(answer, effect, key))
        }
    }

    /// What an answer that is not a success means.
    pub(super) fn refusal(
        &self,
        answer: &Answer,
        effect: Effect,
        key: Option<&ApiKey>,
    ) -> ProviderError {
        let (status, title) = (answer.status, self.title);
        let words = answer.json().and_then(|body| (self.words)(&body));
        let words = words.and_then(|words| presentable(&words, key));
        if answer.is_passing() {
            let what = if status == StatusCode::TOO_MANY_REQUESTS {
                "asks to be asked less often".to_owned()
            } else {
                format!("answered with status {}", status.as_u16())
            };
            let may_have_acted = effect == Effect::BeginsJob && answer.is_of_gateway();
            return self.passing(&what, answer.retry_after(), may_have_acted);
        }
        match status.as_u16() {
            401 | 403 => self.credentials("does not take the key"),
            402 => self.credentials("wants to be paid first"),
            301 | 302 | 307 | 308 => ProviderError::Refused(format!(
                "{title} answered with a redirect, which is not followed"
            )),
            // What a success or a redirect to something new means here is not known.
            ..=399 => self.garbage(effect),
            status => ProviderError::Refused(
                words.unwrap_or_else(|| format!("{title} answered with status {status}")),
            ),
        }
    }

    /// It is about the key. What the provider says of the account behind it is for nobody who sees the
    /// generation.
    pub(super) fn credentials(&self, what: &str) -> ProviderError {
        ProviderError::Credentials(format!("{} {what}", self.title))
    }

    /// The key, where one is needed.
    pub(super) fn needed<'a>(&self, key: Option<&'a ApiKey>) -> Result<&'a ApiKey, ProviderError> {
        key.ok_or_else(|| ProviderError::Credentials(format!("There is no key to {}", self.title)))
    }

    /// An answer that makes no sense.
    pub(super) fn garbage(&self, effect: Effect) -> ProviderError {
        let may_have_acted = effect == Effect::BeginsJob;
        self.passing("gave an answer that makes no sense", None, may_have_acted)
    }

    pub(super) fn passing(
        &self,
        what: &str,
        retry_after: Option<Duration>,
        may_have_acted: bool,
    ) -> ProviderError {
        let message = format!("{} {what}", self.title);
        ProviderError::Passing { message, retry_after, may_have_acted }
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        effect: Effect,
        time: Duration,
        most_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let begins = effect == Effect::BeginsJob;
        let exchange = async {
            let response = request.send().await.map_err(|error| self.judge(&error, begins))?;
            self.read(response, effect, most_bytes).await
        };
        let late = || Err(self.passing("did not answer in time", None, begins));
        timeout(time, exchange).await.unwrap_or_else(|_| late())
    }

    /// Counts, because Content-Length may be absent or wrong.
    async fn read(
        &self,
        mut response: Response,
        effect: Effect,
        most_bytes: usize,
    ) -> Result<Answer, ProviderError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let most = if status.is_success() { most_bytes } else { MOST_BYTES_OF_A_REFUSAL };
        let mut body = BytesMut::new();
        loop {
            let broken = match response.chunk().await {
                Ok(None) => return Ok(Answer { status, headers, body: body.freeze() }),
                Ok(Some(chunk)) if body.len() + chunk.len() <= most => {
                    body.extend_from_slice(&chunk);
                    continue;
                }
                Ok(Some(_)) => self.garbage(effect),
                Err(error) => self.judge(&error, effect == Effect::BeginsJob),
            };
            if status.is_success() {
                return Err(broken);
            }
            return Ok(Answer { status, headers, body: Bytes::new() });
        }
    }

    /// Nothing was sent only where there was no connection.
    fn judge(&self, error: &reqwest::Error, begins: bool) -> ProviderError {
        let is_unsent = error.is_connect() || error.is_builder();
        let what = if is_unsent {
            "cannot be reached"
        } else {
            "ended the connection without a whole answer"
        };
        self.passing(what, None, begins && !is_unsent)
    }
}
