//! Where log lines go: standard error, as text or JSON.

mod lines;

use std::{
    fmt::{self, Write as _},
    io::IsTerminal,
};

use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::format::{Writer, debug_fn},
};

use self::lines::{LineWriter, Lines};
use super::Failure;
use crate::config::{Config, LogFormat};

/// Would bury the banner of the first start under a dozen lines.
const QUIET: &str = "sea_orm_migration=warn";

/// Starts logging; the last lines are written when what this returns is dropped.
pub(super) fn start(config: &Config) -> Result<LineWriter, Failure> {
    // A level that is set for the target comes later and wins.
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log_level))
        .map_err(|error| Failure::new(format!("BOARDS_LOG_LEVEL: {error}")))?;
    let (lines, writer) = Lines::start(std::io::stderr())?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    let started = match config.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text if std::io::stderr().is_terminal() => subscriber.try_init(),
        LogFormat::Text => {
            subscriber.with_ansi(false).fmt_fields(debug_fn(plain).delimited(" ")).try_init()
        }
    };
    started.map_err(|error| Failure::new(format!("logging cannot start: {error}")))?;
    Ok(writer)
}

/// A field as it is shown in colours, without their codes: looking for colours that are not there takes
/// longer than the rest of the line.
fn plain(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Writes control characters as escapes: what others have a hand in must not move a terminal's cursor or
/// begin a line.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.chars().any(char::is_control) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|character| match character {
            character if character.is_control() => write!(self.0, "{}", character.escape_default()),
            character => self.0.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let mut line = String::new();
        writeln!(Escaped(&mut line), "a text ä\u{1b}[2J").expect("written");
        assert_eq!(line, "a text ä\\u{1b}[2J\\n");
    }
}
