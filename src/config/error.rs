//! Why the server does not start, in one line.

use std::path::PathBuf;

/// A configuration that cannot be used. `Display` is one line that says what to change; it never
/// holds the value of a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// One value is wrong.
    #[error("{name} ({origin}) must be {allowed}{got}")]
    Wrong {
        /// The variable, `BOARDS_API_PORT`.
        name: &'static str,
        /// Where the value came from.
        origin: String,
        /// What is allowed.
        allowed: String,
        /// `, not "abc"`; empty for secrets.
        got: String,
    },
    /// The file has a key that is no setting.
    #[error("{} has the unknown setting {key}{hint}", file.display())]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The key.
        key: String,
        /// What may have been meant, or where to read on.
        hint: String,
    },
    /// The file cannot be read, or is not TOML.
    #[error("the configuration file {} {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the end of the sentence.
        problem: String,
    },
    /// An issuer of tokens is not described as it must be.
    #[error("{place}{key} {problem}")]
    Issuer {
        /// `boards.toml: auth_issuers entry 2 ("work"): `; empty for the one of the environment.
        place: String,
        /// The key of the entry, or the variable.
        key: String,
        /// What is wrong with it, as the end of the sentence.
        problem: String,
    },
    /// Values that are right by themselves do not fit together.
    #[error("{0}")]
    Combination(String),
}
