//! HTTP to identity providers: short, bounded, without redirects or proxies, and suspicious of
//! what comes back.

use std::time::Duration;

use axum::http::{
    HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE},
};
use headers::{CacheControl, HeaderMapExt};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect::Policy};

use crate::config::ProviderUrl;

/// How long one exchange may take, from the name of the host to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of it connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of an answer. Key sets of large providers have some ten thousand.
const BODY_MAX_BYTES: usize = 512 * 1024;

/// Why a provider could not be understood; nothing of what it said is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Outage {
    #[error("no connection")]
    Unreachable,
    #[error("no whole answer in time")]
    TimedOut,
    #[error("an answer with status {0}")]
    Status(u16),
    #[error("an answer larger than 512 KiB")]
    TooLarge,
    #[error("{0}")]
    Garbage(&'static str),
}

impl Outage {
    /// Whether the next request would end the same way, whatever it asks.
    pub(super) fn is_general(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut)
    }
}

/// An answer with status 200.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) cache_control: Option<CacheControl>,
}

/// Asks identity providers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct ProviderClient {
    client: Client,
    timeout: Duration,
}

impl ProviderClient {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("boards/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(Self { client, timeout })
    }

    /// How long one exchange may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The document at `url`.
    pub(super) async fn get(&self, url: &ProviderUrl) -> Result<Answer, Outage> {
        self.exchange(self.client.get(url.as_url().clone())).await
    }

    /// The answer to a form, sent with `authorization` where there is one.
    pub(super) async fn post(
        &self,
        url: &ProviderUrl,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Outage> {
        let mut request = self.client.post(url.as_url().clone());
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Answer, Outage> {
        let request =
            request.header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "identity");
        let exchange = async {
            let response = request.send().await.map_err(|error| judge(&error))?;
            if response.status() != StatusCode::OK {
                return Err(Outage::Status(response.status().as_u16()));
            }
            let cache_control = response.headers().typed_get();
            Ok(Answer { cache_control, body: read(response).await? })
        };
        tokio::time::timeout(self.timeout, exchange).await.unwrap_or(Err(Outage::TimedOut))
    }
}

/// Counts, because Content-Length may be absent or wrong.
async fn read(mut response: Response) -> Result<Vec<u8>, Outage> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| judge(&error))? {
        if body.len() + chunk.len() > BODY_MAX_BYTES {
            return Err(Outage::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn judge(error: &reqwest::Error) -> Outage {
    if error.is_timeout() { Outage::TimedOut } else { Outage::Unreachable }
}
