//! Downloads a file from a URL that a user gave, without letting the user reach through the server
//! into its own network (server-side request forgery).
//!
//! Every host is judged where it is used: a literal address before each request, a name by the
//! resolver that the connection itself uses, so that a name cannot change between the check and
//! the connection. Redirects are followed by hand and judged again.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, ClientBuilder, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT_ENCODING, LOCATION},
    redirect::Policy,
};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use url::{Host, Origin, Url};

use crate::error::Error;

use super::{MediaScanner, ScannedMedia, address::is_public};

/// The longest URL that is fetched, in bytes.
const MAX_URL_BYTES: usize = 4096;

/// What one download may cost.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// The longest file that is taken, in bytes.
    pub max_bytes: u64,
    /// For each connection, with its TLS handshake.
    pub connect_timeout: Duration,
    /// For everything: names, redirects and the body.
    pub total_timeout: Duration,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

impl FetchLimits {
    /// Files of at most `max_bytes`, within 10 seconds to connect, 2 minutes in all and 5 redirects.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_mins(2),
            max_redirects: 5,
        }
    }
}

/// Why a URL was not fetched. The messages are for the user and tell nothing about the server's
/// own network: a host that does not exist looks like one that is not public.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no URL that is ever fetched; the reason is part of a sentence.
    #[error("The URL {0}")]
    Url(&'static str),
    /// The host has an address that is not public, or none.
    #[error("The URL's host does not exist or is not on the public internet")]
    HostNotPublic,
    /// No connection, or one that broke.
    #[error("The URL could not be fetched")]
    Unreachable,
    /// Another answer than 200.
    #[error("The URL was answered with status {0} instead of 200")]
    Status(u16),
    /// Redirected in circles, or too often.
    #[error("The URL redirects too often")]
    TooManyRedirects,
    /// The file is too long.
    #[error("The file behind the URL is longer than {0} bytes")]
    TooLarge(u64),
    /// The time was up.
    #[error("The URL could not be fetched in time")]
    TimedOut,
    /// The download could not be written, or the client not be set up.
    #[error("The download failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FetchError {
    fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The error of the API, where the URL was the argument at `path`.
    #[must_use]
    pub fn into_error(self, path: &str) -> Error {
        match self {
            Self::Internal(cause) => Error::Internal(cause),
            error => Error::bad_input(path, error.to_string()),
        }
    }
}

/// A file that was downloaded. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Fetched {
    /// Where it is.
    pub file: NamedTempFile,
    /// Its length in bytes.
    pub length: u64,
    /// What it is, by its bytes.
    pub media: ScannedMedia,
}

/// Downloads files. Made once; cheap to clone.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    /// Judges no address; for the origins that an operator trusts.
    trusting: Client,
    limits: FetchLimits,
    directory: PathBuf,
    rules: Arc<Rules>,
}

impl Fetcher {
    /// A fetcher that reaches public addresses only.
    ///
    /// # Errors
    /// [`FetchError::Internal`] when the TLS client cannot be set up.
    pub fn new(limits: FetchLimits) -> Result<Self, FetchError> {
        Self::with_rules(limits, Rules::default())
    }

    /// For tests: a fetcher that also reaches these addresses, each with its port and only when a
    /// URL names them in digits. Addresses other than loopback are left out. No configuration
    /// leads here.
    ///
    /// # Errors
    /// As [`Fetcher::new`].
    pub fn allowing_loopback(
        limits: FetchLimits,
        addresses: &[SocketAddr],
    ) -> Result<Self, FetchError> {
        let loopback = addresses.iter().copied().filter(|address| address.ip().is_loopback());
        let rules = Rules { allowed: loopback.collect(), names: HashMap::new() };
        Self::with_rules(limits, rules)
    }

    fn with_rules(limits: FetchLimits, rules: Rules) -> Result<Self, FetchError> {
        let rules = Arc::new(rules);
        let client = self::client(limits)
            .dns_resolver(CheckedResolver(Arc::clone(&rules)))
            .build()
            .map_err(FetchError::internal)?;
        let trusting = self::client(limits).build().map_err(FetchError::internal)?;
        Ok(Self { client, trusting, limits, directory: std::env::temp_dir(), rules })
    }

    /// The same, with the downloads in `directory` instead of the system's temporary folder.
    #[must_use]
    pub fn in_directory(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }

    /// Downloads `url` into a temporary file.
    ///
    /// # Errors
    /// [`FetchError`]; nothing is left on disk then.
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let download = async { self.save(self.follow(url).await?).await };
        let timed = tokio::time::timeout(self.limits.total_timeout, download);
        timed.await.unwrap_or(Err(FetchError::TimedOut))
    }

    /// The same within other limits of length and time.
    #[must_use]
    pub fn within(self, max_bytes: u64, total_timeout: Duration) -> Self {
        Self { limits: FetchLimits { max_bytes, total_timeout, ..self.limits }, ..self }
    }

    /// Downloads what a provider has made. Where `url` is of the very origin that an operator has
    /// configured as the provider's, its address is not judged: it may be on the operator's own network.
    ///
    /// # Errors
    /// As [`Fetcher::fetch`].
    pub async fn fetch_output(
        &self,
        url: &Url,
        trusted: Option<&Origin>,
    ) -> Result<Fetched, FetchError> {
        if trusted != Some(&url.origin()) {
            return self.fetch(url.as_str()).await;
        }
        let download = async {
            let request = self.trusting.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let response = request.send().await.map_err(|error| judge(&error))?;
            match response.status() {
                StatusCode::OK => self.save(response).await,
                status => Err(FetchError::Status(status.as_u16())),
            }
        };
        let timed = tokio::time::timeout(self.limits.total_timeout, download);
        timed.await.unwrap_or(Err(FetchError::TimedOut))
    }

    /// The answer with 200 behind `url` and its redirects.
    async fn follow(&self, url: &str) -> Result<Response, FetchError> {
        if url.len() > MAX_URL_BYTES {
            return Err(FetchError::Url("is too long"));
        }
        let mut target = Url::parse(url).map_err(|_| FetchError::Url("is not a valid URL"))?;
        for _ in 0..=self.limits.max_redirects {
            self.rules.check_url(&target)?;
            let response = self.request(target.clone()).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    let location = response.headers().get(LOCATION);
                    let location = location.and_then(|location| location.to_str().ok());
                    target = redirect_target(&target, location)?;
                }
                status => return Err(FetchError::Status(status.as_u16())),
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn request(&self, target: Url) -> Result<Response, FetchError> {
        let request = self.client.get(target).header(ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(|error| judge(&error))?;
        // Cannot happen; but if it ever does, nothing of the answer gets out.
        if response.remote_addr().is_some_and(|address| !self.rules.allow(address)) {
            return Err(FetchError::HostNotPublic);
        }
        Ok(response)
    }

    /// Writes the body to a file, counting, because Content-Length may be absent.
    async fn save(&self, mut response: Response) -> Result<Fetched, FetchError> {
        let max = self.limits.max_bytes;
        if response.content_length().is_some_and(|length| length > max) {
            return Err(FetchError::TooLarge(max));
        }
        let (file, mut writer) =
            create_file(self.directory.clone()).await.map_err(FetchError::internal)?;
        let mut scanner = MediaScanner::new();
        let mut length = 0_u64;
        while let Some(chunk) = response.chunk().await.map_err(|error| judge(&error))? {
            length = length.saturating_add(chunk.len() as u64);
            if length > max {
                return Err(FetchError::TooLarge(max));
            }
            scanner.push(&chunk);
            writer.write_all(&chunk).await.map_err(FetchError::internal)?;
        }
        writer.flush().await.map_err(FetchError::internal)?;
        Ok(Fetched { file, length, media: scanner.finish() })
    }
}

/// What both clients have in common.
fn client(limits: FetchLimits) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("boards/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        // A connection kept open would be one that nobody judges again.
        .pool_max_idle_per_host(0)
        .connect_timeout(limits.connect_timeout)
}

async fn create_file(directory: PathBuf) -> io::Result<(NamedTempFile, tokio::fs::File)> {
    let created = tokio::task::spawn_blocking(move || {
        let file = NamedTempFile::new_in(directory)?;
        let writer = file.reopen()?;
        Ok((file, tokio::fs::File::from_std(writer)))
    });
    created.await.map_err(io::Error::other)?
}

/// Where a redirect leads. The result has yet to be checked as the first URL was.
fn redirect_target(from: &Url, location: Option<&str>) -> Result<Url, FetchError> {
    let invalid = FetchError::Url("redirects to something that is not a URL");
    let Some(location) = location.filter(|location| location.len() <= MAX_URL_BYTES) else {
        return Err(invalid);
    };
    let target = from.join(location).map_err(|_| invalid)?;
    if from.scheme() == "https" && target.scheme() != "https" {
        return Err(FetchError::Url("redirects from https to an insecure address"));
    }
    Ok(target)
}

/// Tells refusals of the resolver from failures of the network.
fn judge(error: &reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<HostRefused>() {
            return FetchError::HostNotPublic;
        }
        cause = error.source();
    }
    FetchError::Unreachable
}

/// Which hosts may be reached. Empty outside tests.
#[derive(Debug, Default)]
struct Rules {
    /// Addresses that are allowed although they are not public.
    allowed: Vec<SocketAddr>,
    /// Names that are not looked up.
    names: HashMap<String, Vec<SocketAddr>>,
}

impl Rules {
    fn allow(&self, address: SocketAddr) -> bool {
        is_public(address.ip()) || self.allowed.contains(&address)
    }

    /// All that can be told from the URL itself. The `url` crate has already brought every
    /// spelling of an IPv4 address (octal, hexadecimal, one number) into the usual one.
    fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Url("must begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Url("must not contain a user name or password"));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        // Below 1024 live mail, remote shells and the like, for which a request could be forged.
        if !matches!(port, 80 | 443 | 1024..) {
            return Err(FetchError::Url("must not name a port below 1024 other than 80 and 443"));
        }
        let address: IpAddr = match url.host() {
            None => return Err(FetchError::Url("must name a host")),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
        };
        if self.allow(SocketAddr::new(address, port)) {
            Ok(())
        } else {
            Err(FetchError::HostNotPublic)
        }
    }

    /// The addresses of a name, all of them or none: one bad address spoils the name, because
    /// nobody could say which of them the connection would take.
    async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, HostRefused> {
        let addresses: Vec<SocketAddr> = match self.names.get(name) {
            Some(addresses) => addresses.clone(),
            None => tokio::net::lookup_host((name, 0)).await.map_err(|_| HostRefused)?.collect(),
        };
        let good = !addresses.is_empty() && addresses.iter().all(|&address| self.allow(address));
        if good { Ok(addresses) } else { Err(HostRefused) }
    }
}

/// The resolver found no address, or one that is not public.
#[derive(Debug, thiserror::Error)]
#[error("the host does not exist or is not public")]
struct HostRefused;

/// Gives the client only addresses that were checked.
struct CheckedResolver(Arc<Rules>);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = rules.look_up(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
