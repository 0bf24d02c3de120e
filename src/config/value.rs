//! Types of single settings.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};
use url::Url;

/// What a value may not be; the caller says which setting it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word that configures it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NotAllowed;

            fn from_str(text: &str) -> Result<Self, NotAllowed> {
                $(if text.eq_ignore_ascii_case($word) { return Ok(Self::$variant); })+
                Err(NotAllowed)
            }
        }
    };
}

words! {
    /// Who judges a request's token.
    AuthProvider {
        /// Development: any token or none is the same local user.
        None = "none",
        /// Tokens signed with a known secret or key.
        Jwt = "jwt",
        /// Tokens signed with keys that an `OpenID` provider publishes.
        Oidc = "oidc",
        /// The same, as Auth0 does it.
        Auth0 = "auth0",
        /// The same, as Clerk does it.
        Clerk = "clerk",
        /// The same, as Supabase does it, or signed with its legacy secret.
        Supabase = "supabase",
        /// Opaque tokens, which the provider is asked about (RFC 7662).
        Introspection = "introspection",
    }
}

words! {
    /// How the server says who it is at an introspection endpoint (RFC 6749, section 2.3.1).
    ClientMethod {
        /// `client_secret_basic`: in the Authorization header.
        Basic = "basic",
        /// `client_secret_post`: in the form.
        Post = "post",
    }
}

words! {
    /// What the header of a token must say that it is.
    TokenType {
        /// Nothing, `JWT` or `at+jwt`.
        Any = "any",
        /// `at+jwt`, and nothing else (RFC 9068, section 2.1).
        AccessToken = "at+jwt",
    }
}

words! {
    /// What a token without any scope claim may do.
    Scopes {
        /// All that its user may do.
        Optional = "optional",
        /// Nothing that needs a scope.
        Required = "required",
    }
}

words! {
    /// Whether people may register tenants.
    TenantRegistration {
        /// Nobody may.
        Off = "off",
        /// An operator approves each.
        Approval = "approval",
        /// Everyone may.
        Open = "open",
    }
}

/// A name and a number of at least one: `fal=10`.
pub(super) fn named_number(text: &str) -> Result<(String, usize), NotAllowed> {
    let (name, number) = text.split_once('=').ok_or(NotAllowed)?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let number: usize = number.trim().parse().map_err(|_| NotAllowed)?;
    if is_name && number > 0 { Ok((name.to_owned(), number)) } else { Err(NotAllowed) }
}

words! {
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Where ffmpeg and ffprobe are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FfmpegSetting {
    /// On the PATH, if they are there.
    Auto,
    /// Nowhere: they are not used.
    Off,
    /// ffmpeg at this absolute path, ffprobe beside it.
    At(PathBuf),
}

impl FromStr for FfmpegSetting {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            path if Path::new(path).is_absolute() => Ok(Self::At(path.into())),
            _ => Err(NotAllowed),
        }
    }
}

/// An address as browsers send it in `Origin` (RFC 6454 section 6.2); `*` may stand for the first
/// label of its host.
pub(super) fn origin(text: &str) -> Result<String, NotAllowed> {
    let url = web_url(text)?;
    let host = url.host_str().unwrap_or_default();
    let is_pattern_of_one_label = !host.strip_prefix("*.").unwrap_or(host).contains('*');
    if url.path() == "/" && is_pattern_of_one_label {
        Ok(url.origin().ascii_serialization())
    } else {
        Err(NotAllowed)
    }
}

/// A base address without its last slash.
pub(super) fn base_url(text: &str) -> Result<String, NotAllowed> {
    Ok(web_url(text)?.as_str().trim_end_matches('/').to_owned())
}

fn web_url(text: &str) -> Result<Url, NotAllowed> {
    let url = Url::parse(text).map_err(|_| NotAllowed)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(url) } else { Err(NotAllowed) }
}

/// An address or a network of them. IPv4 within IPv6 is IPv4, as which its packets are judged.
pub(super) fn network(text: &str) -> Result<IpNet, NotAllowed> {
    /// Bits before an IPv4 address within IPv6 (RFC 4291 section 2.5.5.2).
    const MAPPED: u8 = 96;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = text.parse().map_err(|_| NotAllowed)?;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED)) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => {
            Ipv4Net::new(address, length).map(IpNet::V4).map_err(|_| NotAllowed)
        }
        _ => Ok(network),
    }
}

/// A domain in lower case, without a last dot (RFC 1123 section 2.1).
pub(super) fn domain(text: &str) -> Result<String, NotAllowed> {
    let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        label.len() <= 63
            && label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let is_address = domain.parse::<IpAddr>().is_ok();
    let fits = domain.len() <= 253 && domain.split('.').all(is_label) && !is_address;
    if fits { Ok(domain) } else { Err(NotAllowed) }
}

/// A filter for `tracing_subscriber::EnvFilter`. A lone word must be a level: `EnvFilter` would
/// take a misspelt one for a target and silence everything else.
pub(super) fn log_filter(text: &str) -> Result<String, NotAllowed> {
    let level = |part: &str| part.trim().parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    let words_are_levels =
        text.contains('[') || text.split(',').all(|part| part.contains('=') || level(part));
    let parses = tracing_subscriber::EnvFilter::builder().parse(text).is_ok();
    if words_are_levels && parses { Ok(text.to_owned()) } else { Err(NotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_written_in_one() {
        assert_eq!("AT+JWT".parse(), Ok(TokenType::AccessToken));
        assert_eq!(TokenType::AccessToken.to_string(), "at+jwt");
        assert_eq!("none ".parse::<AuthProvider>(), Err(NotAllowed));
    }

    #[test]
    fn ffmpeg_is_looked_for_switched_off_or_at_a_path() {
        assert_eq!("auto".parse(), Ok(FfmpegSetting::Auto));
        assert_eq!("off".parse(), Ok(FfmpegSetting::Off));
        assert_eq!("/opt/ffmpeg".parse(), Ok(FfmpegSetting::At("/opt/ffmpeg".into())));
        for wrong in ["ffmpeg", "./ffmpeg", "on"] {
            assert_eq!(wrong.parse::<FfmpegSetting>(), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn origins_have_no_path_and_one_form() {
        assert_eq!(
            origin("HTTPS://App.Example.com:443/"),
            Ok("https://app.example.com".to_owned())
        );
        assert_eq!(origin("http://localhost:3033"), Ok("http://localhost:3033".to_owned()));
        let pattern = "https://*.boards.example.com";
        assert_eq!(origin(pattern), Ok(pattern.to_owned()));
        for wrong in ["https://*", "https://a*.b", "https://*.*.b", "https://a.*.b"] {
            assert_eq!(origin(wrong), Err(NotAllowed), "{wrong}");
        }
        for wrong in ["*", "null", "localhost:3033", "https://a.b/c", "https://u@a.b", "ftp://a.b"]
        {
            assert_eq!(origin(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn base_urls_keep_their_path_and_lose_the_slash() {
        assert_eq!(base_url("https://a.b/boards/"), Ok("https://a.b/boards".to_owned()));
        assert_eq!(base_url("https://a.b"), Ok("https://a.b".to_owned()));
        assert_eq!(base_url("https://a.b/?x=1"), Err(NotAllowed));
    }

    #[test]
    fn networks_are_addresses_too_and_have_one_form() {
        let text = |text| network(text).map(|network| network.to_string());
        for (written, read) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text(written).as_deref(), Ok(read));
        }
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.1:80", "[::1]", "*"] {
            assert_eq!(text(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn named_numbers_are_at_least_one() {
        assert_eq!(named_number("fal=10"), Ok(("fal".to_owned(), 10)));
        assert_eq!(named_number(" open-ai = 1 "), Ok(("open-ai".to_owned(), 1)));
        for wrong in ["", "fal", "fal=", "fal=0", "=3", "Fal=1", "fal=-1", "fal=1=2"] {
            assert_eq!(named_number(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn domains_have_labels_and_one_form() {
        assert_eq!(domain("Boards.Example.com."), Ok("boards.example.com".to_owned()));
        assert_eq!(domain("localhost"), Ok("localhost".to_owned()));
        let long = format!("{}.example", "a".repeat(64));
        for wrong in [
            "",
            ".",
            "*.example.com",
            "https://a.b",
            "a.b:80",
            ".a.b",
            "a..b",
            "-a.b",
            "127.0.0.1",
            &long,
        ] {
            assert_eq!(domain(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn log_filters_are_levels_or_pairs() {
        for right in ["info", "WARN", "info,boards=debug", "off", "boards[request{x=1}]=trace"] {
            assert!(log_filter(right).is_ok(), "{right}");
        }
        for wrong in ["inof", "info,boards=loud", "boards", "="] {
            assert_eq!(log_filter(wrong), Err(NotAllowed), "{wrong}");
        }
    }
}
