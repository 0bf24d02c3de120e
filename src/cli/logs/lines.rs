//! Log lines are gathered and written together: a call to the system for each would cost a short request
//! a twentieth of its time.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may lie: a crash loses no more. Warnings and errors are written at once.
const GATHERED_FOR: Duration = Duration::from_millis(50);
/// Bytes that may lie. Whoever logs more waits for the reader of the log, as without gathering.
const GATHERED_MAX: usize = 64 * 1024;

/// Where lines are gathered. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    gathered: Mutex<Gathered>,
    /// Told when the first line lies there, or none will come any more.
    changed: Condvar,
    /// Held from taking lines out until they are written, so that they stay in order.
    output: Mutex<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct Gathered {
    text: Vec<u8>,
    closed: bool,
}

/// Writes what is gathered until it is dropped, and then the rest.
pub(crate) struct LineWriter {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Lines that are written to `output`.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<(Self, LineWriter)> {
        let shared = Shared {
            gathered: Mutex::default(),
            changed: Condvar::new(),
            output: Mutex::new(Box::new(output)),
        };
        let lines = Self(Arc::new(shared));
        let writing = lines.clone();
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || writing.run())?;
        Ok((lines.clone(), LineWriter { lines, thread: Some(thread) }))
    }

    fn run(&self) {
        loop {
            let lying = |gathered: &mut Gathered| gathered.text.is_empty() && !gathered.closed;
            let waited = self.0.changed.wait_while(self.gathered(), lying);
            if waited.unwrap_or_else(PoisonError::into_inner).closed {
                return self.write_out();
            }
            thread::sleep(GATHERED_FOR);
            self.write_out();
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cannot be written is lost: there is nowhere to say so.
    fn write_out(&self) {
        let mut output = self.0.output.lock().unwrap_or_else(PoisonError::into_inner);
        let text = mem::take(&mut self.gathered().text);
        let _ = output.write_all(&text).and_then(|()| output.flush());
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, is_urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { lines: self, is_urgent: *metadata.level() <= Level::WARN }
    }
}

/// A line that is being written.
pub(super) struct Line<'a> {
    lines: &'a Lines,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut gathered = self.lines.gathered();
        if gathered.text.is_empty() {
            self.lines.0.changed.notify_one();
        }
        gathered.text.extend_from_slice(text);
        let is_due = self.is_urgent || gathered.closed || gathered.text.len() > GATHERED_MAX;
        drop(gathered);
        if is_due {
            self.lines.write_out();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.lines.gathered().closed = true;
        self.lines.0.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Output {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("a lock").clone()).expect("UTF-8")
        }
    }

    impl Write for Output {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(lines: &Lines, text: &str, is_urgent: bool) {
        Line { lines, is_urgent }.write_all(text.as_bytes()).expect("written");
    }

    #[test]
    fn every_line_is_written_in_its_order() {
        let output = Output::default();
        let (lines, writer) = Lines::start(output.clone()).expect("a thread");
        let text = |number| format!("line {number}\n");
        for number in 0..20_000 {
            say(&lines, &text(number), number % 1_000 == 0);
        }
        drop(writer);
        say(&lines, "after the end\n", false);
        let expected: String = (0..20_000).map(text).collect();
        assert_eq!(output.text(), expected + "after the end\n");
    }

    #[test]
    fn what_is_urgent_does_not_lie() {
        let output = Output::default();
        let (lines, _writer) = Lines::start(output.clone()).expect("a thread");
        say(&lines, "before\n", false);
        say(&lines, "urgent\n", true);
        assert_eq!(output.text(), "before\nurgent\n");
    }

    #[test]
    fn no_more_lies_than_may() {
        let output = Output::default();
        let (lines, _writer) = Lines::start(output.clone()).expect("a thread");
        let line = "x".repeat(GATHERED_MAX + 1);
        say(&lines, &line, false);
        assert_eq!(output.text(), line);
    }
}
