//! The address of the database, whose password is never shown.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::{ExposeSecret, SecretString};
use url::{
    Url,
    form_urlencoded::{byte_serialize, parse},
};

use super::value::NotAllowed;

/// The address of the database. `Display` and `Debug` leave out the password and all parameters.
#[derive(Clone)]
pub struct DatabaseUrl {
    secret: SecretString,
    shown: String,
    sqlite: bool,
}

impl DatabaseUrl {
    /// The embedded database in the data folder, made when it is not there.
    #[must_use]
    pub fn embedded(data_dir: &Path) -> Self {
        let path = encode(&data_dir.join("boards.db").to_string_lossy());
        let shown = format!("sqlite://{path}");
        Self { secret: format!("{shown}?mode=rwc").into(), shown, sqlite: true }
    }

    /// Whether it is the embedded database, rather than `PostgreSQL`.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Whether it takes its share of this machine: the embedded one, and a server behind a loopback
    /// address or a socket in the file system.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let Ok(url) = Url::parse(self.expose()) else { return self.sqlite };
        // A parameter names the folder of the socket.
        let socket =
            url.query_pairs().any(|(name, value)| name == "host" && value.starts_with('/'));
        let is_loopback = match url.host_str() {
            None | Some("" | "localhost") => true,
            Some(host) => host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback()),
        };
        self.sqlite || socket || is_loopback
    }

    /// All of it, for the connection alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The file of the embedded database; none with `PostgreSQL`.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        if !self.sqlite {
            return None;
        }
        let rest = self.expose().strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        Some(decode(rest.split('?').next()?).into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let url = Url::parse(text).map_err(|_| NotAllowed)?;
        match url.scheme() {
            "sqlite" => sqlite(text),
            "postgres" | "postgresql" => postgres(text, &url),
            _ => Err(NotAllowed),
        }
    }
}

/// Only a file: each connection to a database in memory would open one of its own.
fn sqlite(text: &str) -> Result<DatabaseUrl, NotAllowed> {
    let shown = text.split('?').next().unwrap_or(text).to_owned();
    let url = DatabaseUrl { secret: text.into(), shown, sqlite: true };
    let in_memory = text.contains(":memory:") || text.contains("mode=memory");
    let names_file = url.sqlite_path().is_some_and(|path| path.file_name().is_some());
    if names_file && !in_memory { Ok(url) } else { Err(NotAllowed) }
}

/// An `@` behind the host means that a password with an unencoded `/`, `?` or `#` was split there:
/// such an address cannot work, and showing it would show the password.
fn postgres(text: &str, url: &Url) -> Result<DatabaseUrl, NotAllowed> {
    let behind_host = [Some(url.path()), url.query(), url.fragment()];
    let split = behind_host.into_iter().flatten().any(|part| part.contains('@'));
    if split || url.cannot_be_a_base() {
        return Err(NotAllowed);
    }
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    if url.password().is_some() && shown.set_password(Some("***")).is_err() {
        return Err(NotAllowed);
    }
    Ok(DatabaseUrl { secret: text.into(), shown: shown.into(), sqlite: false })
}

/// Percent-encodes what a URL's path cannot hold (RFC 3986 section 2.3).
fn encode(path: &str) -> String {
    let segment = |text: &str| {
        // Form encoding writes a space as `+`, and a `+` as `%2B`.
        byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn decode(text: &str) -> String {
    // What a form would give a meaning of its own stands for itself in a path.
    let plain = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    parse(plain.as_bytes()).next().map(|(path, _)| path.into_owned()).unwrap_or_default()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().expect(text)
    }

    #[test]
    fn whether_it_is_on_this_machine() {
        for here in [
            "sqlite://boards.db",
            "postgres://me@127.0.0.1/boards",
            "postgres://me@[::1]:5433/boards",
            "postgres://localhost/boards",
            "postgresql:///boards?host=/run/postgresql",
        ] {
            assert!(url(here).is_on_this_machine(), "{here}");
        }
        for elsewhere in ["postgres://db.example/boards", "postgres://10.0.0.1/boards"] {
            assert!(!url(elsewhere).is_on_this_machine(), "{elsewhere}");
        }
    }

    #[test]
    fn passwords_are_exposed_but_never_shown() {
        for text in [
            "postgres://me:s3cr3t@db.example:5433/boards?sslmode=require",
            "postgresql:///boards?host=/run/postgresql&password=s3cr3t",
        ] {
            let url = url(text);
            assert!(!url.is_sqlite());
            assert_eq!(url.expose(), text);
            assert!(!format!("{url} {url:?}").contains("s3cr3t"), "{url}");
        }
        assert_eq!(
            url("postgres://me:s3cr3t@db/boards").to_string(),
            "postgres://me:***@db/boards"
        );
    }

    #[test]
    fn unencoded_passwords_are_refused() {
        for text in [
            "postgres://me:1/s3cr3t@db/b",
            "postgres://me:1#s3cr3t@db/b",
            "postgres://me:1?s3cr3t@db/b",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_files_and_postgres() {
        for text in [
            "mysql://a/b",
            "boards.db",
            "",
            "sqlite::memory:",
            "sqlite://a.db?mode=memory",
            "sqlite://",
            "postgres:x",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
        assert!(url("sqlite:boards.db").is_sqlite());
    }

    #[test]
    fn the_embedded_address_survives_any_folder() {
        for folder in ["./data", "data", "/srv/my boards?/50%", "../Äpfel/#1", "/a=b&c+d"] {
            let url = DatabaseUrl::embedded(Path::new(folder));
            assert!(Url::parse(url.expose()).is_ok(), "{}", url.expose());
            assert_eq!(url.sqlite_path(), Some(Path::new(folder).join("boards.db")));
            assert!(url.expose().ends_with("?mode=rwc"));
        }
    }
}
