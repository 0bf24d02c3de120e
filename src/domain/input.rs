//! Collecting what is wrong with an input, all of it at once.

use serde::Serialize;

use crate::error::Error;

/// One thing that is wrong with one argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: the argument's name, with dots and indexes below it (`input.settings`).
    pub path: String,
    /// What is wrong, for a person.
    pub message: String,
}

/// Gathers violations; [`Validator::finish`] turns them into one error.
#[derive(Debug, Default)]
pub struct Validator {
    violations: Vec<Violation>,
}

impl Validator {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a violation unless `holds`.
    pub fn check(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.report(path, message());
        }
    }

    /// Notes a violation.
    pub fn report(&mut self, path: &str, message: impl Into<String>) {
        self.violations.push(Violation { path: path.to_owned(), message: message.into() });
    }

    /// The trimmed text of 1 to `max` characters (Unicode scalar values), without control characters.
    pub fn text(&mut self, path: &str, value: &str, max: usize) -> String {
        let trimmed = value.trim();
        let length = trimmed.chars().count();
        self.check(length > 0, path, || format!("{} must not be empty", last_name(path)));
        self.check(length <= max, path, || {
            format!("{} must be at most {max} characters long", last_name(path))
        });
        self.no_control_characters(path, trimmed);
        trimmed.to_owned()
    }

    /// The trimmed text of at most `max` characters, or none where nothing is left of it.
    pub fn optional_text(&mut self, path: &str, value: &str, max: usize) -> Option<String> {
        let trimmed = value.trim();
        if trimmed.is_empty() {
            return None;
        }
        Some(self.text(path, trimmed, max))
    }

    /// PostgreSQL cannot store NUL, and other control characters have no business in a name.
    fn no_control_characters(&mut self, path: &str, value: &str) {
        let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        self.check(value.chars().all(allowed), path, || {
            format!("{} must not contain control characters", last_name(path))
        });
    }

    /// All violations as one `BAD_USER_INPUT`, or nothing.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] when anything was reported.
    pub fn finish(self) -> Result<(), Error> {
        if self.violations.is_empty() { Ok(()) } else { Err(Error::violations(self.violations)) }
    }
}

fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A change to one field: left alone, cleared, or set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Edit<T> {
    /// The field was omitted.
    #[default]
    Keep,
    /// The field was null.
    Clear,
    /// The field has a new value.
    Set(T),
}
