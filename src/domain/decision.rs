//! How an act ended, for the audit log.

use std::str::FromStr;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It was allowed and done.
    Allowed,
    /// It was refused for who asked, or for how often.
    Denied,
    /// It was not refused for who asked, and failed or broke off.
    Failed,
}

impl Decision {
    /// The upper-case name that the database and exports hold.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOWED",
            Self::Denied => "DENIED",
            Self::Failed => "FAILED",
        }
    }
}

impl FromStr for Decision {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Allowed, Self::Denied, Self::Failed]
            .into_iter()
            .find(|decision| decision.as_str() == name)
            .ok_or(())
    }
}
