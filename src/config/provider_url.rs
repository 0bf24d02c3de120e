//! An address at an identity provider, which must be safe to send secrets to and to take keys from.

use std::{fmt, str::FromStr};

use url::{Host, Url};

use super::value::NotAllowed;

/// Longest address; longer ones are a mistake or an attack.
const MOST_BYTES: usize = 2048;

/// An https URL, or an http URL of this machine. It has no user and no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl(Url);

impl ProviderUrl {
    /// The URL.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether anybody between this server and the provider could change what it says: never on
    /// this machine.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it has a query, which no issuer has (`OpenID` Connect Core 1.0, section 2).
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.0.query().is_some()
    }
}

impl FromStr for ProviderUrl {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let url = Some(text).filter(|text| text.len() <= MOST_BYTES);
        let url = url.and_then(|text| Url::parse(text).ok()).ok_or(NotAllowed)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let reachable = match url.scheme() {
            "https" => url.has_host(),
            "http" => is_loopback(&url),
            _ => false,
        };
        if plain && reachable { Ok(Self(url)) } else { Err(NotAllowed) }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_or_at_home() {
        for right in [
            "https://id.example/realms/a",
            "https://id.example:8443/keys?p=policy",
            "http://localhost:3000",
            "http://127.0.0.1:9/jwks",
            "http://127.8.8.8/",
            "http://[::1]:9/",
        ] {
            assert!(right.parse::<ProviderUrl>().is_ok(), "{right}");
        }
        for wrong in [
            "http://id.example/",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "http://0.0.0.0/",
            "https://user:secret@id.example/",
            "https://user@id.example/",
            "https://id.example/#top",
            "file:///etc/passwd",
            "https:///",
            "id.example",
            "https://id.example/\u{a}",
            " https://id.example/",
            "",
        ] {
            assert_eq!(wrong.parse::<ProviderUrl>(), Err(NotAllowed), "{wrong}");
        }
        assert!(format!("https://id.example/{}", "a".repeat(2048)).parse::<ProviderUrl>().is_err());
    }
}
