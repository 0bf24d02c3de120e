//! What is wrong with generator files.

use std::fmt;

/// Something that is wrong in a generator's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: u64,
    /// What is wrong, for the author of the file.
    pub reason: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file, self.reason),
            line => write!(formatter, "{}:{line}: {}", self.file, self.reason),
        }
    }
}

/// Everything that is wrong in some generator files: at least one thing, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Flaws(pub Vec<Flaw>);
