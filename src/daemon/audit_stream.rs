//! Writes lines to the audit stream without interpreting them. The stream is standard output or a
//! file, and the file can be reopened on request after a tool such as logrotate has moved it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Target of the tracing events that become lines of the audit stream.
pub const TARGET: &str = "audit";

/// The audit stream with its output.
pub struct Stream {
    path: Option<PathBuf>,
    state: Mutex<StreamState>,
}

struct StreamState {
    sink: Box<dyn Write + Send>,
    /// Lines that could not be written, each with its error message.
    failed: Vec<(String, String)>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Stream {
    /// Creates a stream that writes to an output that cannot be reopened, such as standard output.
    #[must_use]
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        let state = StreamState { sink: Box::new(sink), failed: Vec::new() };
        Self { path: None, state: Mutex::new(state) }
    }

    /// Creates a stream that appends to a file. Creates the file if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns a message if the file cannot be opened.
    pub(crate) fn to_file(path: &Path) -> Result<Self, String> {
        Ok(Self { path: Some(path.to_owned()), ..Self::to(open(path)?) })
    }

    /// Reopens the file, if the stream writes to one. If reopening fails, the stream keeps using
    /// the previously opened file.
    ///
    /// # Errors
    ///
    /// Returns a message if the file cannot be opened.
    pub(crate) fn reopen(&self) -> Result<(), String> {
        if let Some(path) = &self.path {
            let file = open(path)?;
            self.state().sink = Box::new(file);
        }
        Ok(())
    }

    /// Returns the lines that could not be written, each with its error message, and removes them
    /// from the stream.
    pub(crate) fn take_failed(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state().failed)
    }

    fn write(&self, line: &str) {
        let mut state = self.state();
        // Write the line and its line break in one call, so that other processes that read the file
        // see only whole lines.
        let whole = format!("{line}\n");
        let written = state.sink.write_all(whole.as_bytes()).and_then(|()| state.sink.flush());
        if let Err(error) = written {
            state.failed.push((line.to_owned(), error.to_string()));
        }
    }

    fn state(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.map_err(|error| {
        format!(
            "{}: the audit stream cannot be written there: {error}; name a file in a folder that \
             exists, or stdout",
            path.display()
        )
    })
}

/// A tracing layer that writes the field `line` of each event to the stream.
#[derive(Debug)]
pub struct Lines<S>(pub S);

impl<S, T> Layer<T> for Lines<S>
where
    S: AsRef<Stream> + 'static,
    T: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, T>) {
        event.record(&mut Writing(self.0.as_ref()));
    }
}

struct Writing<'a>(&'a Stream);

impl Visit for Writing<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            self.0.write(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Stream;

    #[test]
    fn a_file_that_was_moved_away_is_made_anew_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let [path, moved] = ["audit.log", "audit.log.1"].map(|name| folder.path().join(name));
        fs::write(&path, "before\n").unwrap();
        let stream = Stream::to_file(&path).unwrap();
        stream.write("one");
        fs::rename(&path, &moved).unwrap();
        stream.write("two");
        stream.reopen().unwrap();
        stream.write("three");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(stream.take_failed(), []);
    }

    #[test]
    fn what_cannot_be_written_is_kept_for_the_log() {
        let stream = Stream::to_file(std::path::Path::new("/dev/full")).unwrap();
        stream.write("lost");
        let failed = stream.take_failed();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].0, "lost");
        assert!(stream.take_failed().is_empty());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_told_by_name() {
        let error = Stream::to_file(std::path::Path::new("/nowhere/audit.log")).unwrap_err();
        assert!(error.starts_with("/nowhere/audit.log: the audit stream cannot be written"));
    }
}
