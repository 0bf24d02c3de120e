//! Types of single settings.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

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
    }
}

words! {
    /// The signature algorithm of tokens (RFC 7518 section 3.1, RFC 8037 section 3.1).
    JwtAlgorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
        /// RSA PKCS #1 v1.5 with SHA-256.
        Rs256 = "RS256",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
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

impl JwtAlgorithm {
    /// Whether signer and verifier share a secret.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl From<JwtAlgorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: JwtAlgorithm) -> Self {
        match algorithm {
            JwtAlgorithm::Hs256 => Self::HS256,
            JwtAlgorithm::Hs384 => Self::HS384,
            JwtAlgorithm::Hs512 => Self::HS512,
            JwtAlgorithm::Rs256 => Self::RS256,
            JwtAlgorithm::Es256 => Self::ES256,
            JwtAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// How often callers may ask. Only kept: nothing is limited yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// No limit.
    Off,
    /// A limit as it was written.
    Limit(String),
}

impl FromStr for RateLimit {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        Ok(if text.eq_ignore_ascii_case("off") { Self::Off } else { Self::Limit(text.to_owned()) })
    }
}

/// Where artifacts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// A folder of this machine; a relative one starts at the working directory.
    Directory(PathBuf),
}

impl StorageUrl {
    /// The folder `storage` of the data folder.
    #[must_use]
    pub fn under(data_dir: &Path) -> Self {
        Self::Directory(data_dir.join("storage"))
    }
}

impl FromStr for StorageUrl {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let path =
            text.strip_prefix("file://").filter(|path| !path.is_empty()).ok_or(NotAllowed)?;
        // A URL has no relative paths: `file://./x` would name a host.
        if path.starts_with("./") || path.starts_with("../") {
            return Ok(Self::Directory(PathBuf::from(path)));
        }
        let url = Url::parse(text).map_err(|_| NotAllowed)?;
        url.to_file_path().map(Self::Directory).map_err(|()| NotAllowed)
    }
}

/// An address as browsers send it in `Origin` (RFC 6454 section 6.2).
pub(super) fn origin(text: &str) -> Result<String, NotAllowed> {
    let url = web_url(text)?;
    if url.path() == "/" { Ok(url.origin().ascii_serialization()) } else { Err(NotAllowed) }
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
        assert_eq!("eddsa".parse(), Ok(JwtAlgorithm::EdDsa));
        assert_eq!(JwtAlgorithm::EdDsa.to_string(), "EdDSA");
        assert_eq!("none ".parse::<AuthProvider>(), Err(NotAllowed));
        assert_eq!("HS1".parse::<JwtAlgorithm>(), Err(NotAllowed));
    }

    #[test]
    fn storage_is_a_folder_relative_or_not() {
        let directory = |text: &str| text.parse().map(|StorageUrl::Directory(path)| path);
        assert_eq!(directory("file:///srv/a%20b"), Ok(PathBuf::from("/srv/a b")));
        assert_eq!(directory("file://./store"), Ok(PathBuf::from("./store")));
        for wrong in ["s3://bucket", "file://", "file://host/path", "/srv", ""] {
            assert_eq!(directory(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn origins_have_no_path_and_one_form() {
        assert_eq!(
            origin("HTTPS://App.Example.com:443/"),
            Ok("https://app.example.com".to_owned())
        );
        assert_eq!(origin("http://localhost:3033"), Ok("http://localhost:3033".to_owned()));
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
    fn log_filters_are_levels_or_pairs() {
        for right in ["info", "WARN", "info,boards=debug", "off", "boards[request{x=1}]=trace"] {
            assert!(log_filter(right).is_ok(), "{right}");
        }
        for wrong in ["inof", "info,boards=loud", "boards", "="] {
            assert_eq!(log_filter(wrong), Err(NotAllowed), "{wrong}");
        }
    }
}
