//! The base address of a provider's API, which keys are sent to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use url::{Host, Origin, Url};

use super::value::NotAllowed;

/// Longest address; longer ones are a mistake.
const MOST_BYTES: usize = 2048;
/// Names that are only known on a network of one's own: containers, the local network (RFC 6762),
/// reserved for private use (ICANN, RFC 8375), this machine (RFC 6761), clusters.
const PRIVATE_SUFFIXES: [&str; 5] = [".internal", ".local", ".home.arpa", ".localhost", ".lan"];

/// An https URL, or an http URL of a host on a network of one's own. It has no user, no query and no
/// fragment, and its path does not end with a slash.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUrl(Url);

impl ApiUrl {
    /// The URL of the resource with this path below the base, such as `/images/generations`.
    #[must_use]
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// The same with each segment given by itself: none can lead out of its place.
    #[must_use]
    pub fn below<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// Whether the host is this machine, or on a network that the internet does not reach.
    #[must_use]
    pub fn is_private(&self) -> bool {
        is_private(&self.0)
    }

    /// The host, as the URL has it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl FromStr for ApiUrl {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let url = Some(text).filter(|text| text.len() <= MOST_BYTES);
        let url = url.and_then(|text| Url::parse(text).ok()).ok_or(NotAllowed)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let safe = match url.scheme() {
            "https" => url.has_host(),
            "http" => is_private(&url),
            _ => false,
        };
        if !(plain && safe) {
            return Err(NotAllowed);
        }
        let mut base = url;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self(base))
    }
}

fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        }
        Some(Host::Ipv4(address)) => is_private_address(address.into()),
        Some(Host::Ipv6(address)) => is_private_address(IpAddr::from(address).to_canonical()),
        None => false,
    }
}

/// Link-local addresses are left out: clouds keep the credentials of their machines there.
fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || is_shared_space(address)
        }
        IpAddr::V6(address) => address.is_loopback() || is_unique_local(address),
    }
}

/// RFC 6598; overlay networks take it.
fn is_shared_space(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (64..128).contains(&second)
}

/// RFC 4193.
fn is_unique_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xfe00 == 0xfc00
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for ApiUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> ApiUrl {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn keys_travel_encrypted_or_at_home() {
        for right in [
            "https://queue.fal.run",
            "https://api.openai.com/v1/",
            "http://localhost:8080/v1",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://192.168.1.20:1234/v1",
            "http://100.64.0.9",
            "http://[fd00::1]/v1",
            "http://ollama:11434/v1",
            "http://host.docker.internal:1234",
        ] {
            assert!(right.parse::<ApiUrl>().is_ok(), "{right}");
        }
        for wrong in [
            "http://api.openai.com/v1",
            "http://8.8.8.8",
            "http://169.254.169.254/v1",
            "http://0.0.0.0",
            "http://[2001:db8::1]",
            "https://user:secret@api.example",
            "https://api.example/?key=1",
            "https://api.example/#top",
            "ftp://api.example",
            "api.example",
            "https://",
            " https://api.example",
            "",
        ] {
            assert_eq!(wrong.parse::<ApiUrl>(), Err(NotAllowed), "{wrong}");
        }
        assert!(format!("https://a.example/{}", "a".repeat(2048)).parse::<ApiUrl>().is_err());
    }

    #[test]
    fn paths_stand_below_the_base() {
        for text in ["https://a.example/v1", "https://a.example/v1/"] {
            assert_eq!(base(text).at("/images").as_str(), "https://a.example/v1/images");
            assert_eq!(base(text).below(["a", "b"]).as_str(), "https://a.example/v1/a/b");
            assert_eq!(base(text).to_string(), "https://a.example/v1");
        }
        assert_eq!(base("https://a.example").at("/images").as_str(), "https://a.example/images");
        assert_eq!(base("https://a.example").below(["a"]).as_str(), "https://a.example/a");
        assert_eq!(base("https://a.example").to_string(), "https://a.example");
    }

    #[test]
    fn no_segment_leads_out_of_its_place() {
        let url = base("https://a.example/v1").below(["jobs", "../../x?y#z", "state"]);
        assert_eq!(url.as_str(), "https://a.example/v1/jobs/..%2F..%2Fx%3Fy%23z/state");
    }

    #[test]
    fn the_network_of_ones_own_is_told_from_the_internet() {
        assert!(base("https://10.0.0.7").is_private());
        assert!(base("https://gpu.lan/v1").is_private());
        assert!(!base("https://api.openai.com/v1").is_private());
        assert!(!base("https://internal.example").is_private());
    }
}
