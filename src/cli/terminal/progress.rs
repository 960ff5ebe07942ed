//! How far something is that takes its time: drawn on standard error, only on a terminal, and only
//! once it has taken a second.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What is faster than this goes without a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn anew.
const INTERVAL: Duration = Duration::from_millis(100);
/// Back to the start of the line, and nothing on it.
const CLEAR: &str = "\r\x1b[2K";

/// A line that tells how far something is, until it is dropped.
#[derive(Debug)]
pub struct Progress {
    what: String,
    started: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    /// Begins to tell of `what`, as `Reading fleets`.
    #[must_use]
    pub fn start(what: &str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { what: what.to_owned(), started: Instant::now(), drawn: None, is_terminal }
    }

    /// So many are done, of so many if that is known.
    pub fn at(&mut self, done: usize, total: Option<usize>) {
        let (last, wait) = match self.drawn {
            Some(drawn) => (drawn, INTERVAL),
            None => (self.started, PATIENCE),
        };
        if !self.is_terminal || last.elapsed() < wait {
            return;
        }
        self.drawn = Some(Instant::now());
        let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
        // Where it cannot be told, the work goes on all the same.
        let _ = write!(io::stderr().lock(), "{CLEAR}{}: {done}{total}", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr().lock(), "{CLEAR}");
        }
    }
}
