//! Shows the progress of slow operations on standard error. The progress line appears only on a
//! terminal and only after 1 s.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time before the progress line is first shown. Faster operations show no progress.
const SHOW_DELAY: Duration = Duration::from_secs(1);
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// Escape sequence that moves the cursor to the start of the line and clears the line.
const CLEAR: &str = "\r\x1b[2K";

/// A progress line, which is cleared on drop.
#[derive(Debug)]
pub struct Progress {
    what: String,
    started: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    /// Starts a progress line with the label `what`, such as `Reading fleets`.
    #[must_use]
    pub fn start(what: &str) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { what: what.to_owned(), started: Instant::now(), drawn: None, is_terminal }
    }

    /// Updates the progress line with the number of finished items, and with the total number if it
    /// is known.
    pub fn update(&mut self, done: usize, total: Option<usize>) {
        let (last, wait) = match self.drawn {
            Some(drawn) => (drawn, REDRAW_INTERVAL),
            None => (self.started, SHOW_DELAY),
        };
        if !self.is_terminal || last.elapsed() < wait {
            return;
        }
        self.drawn = Some(Instant::now());
        let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
        // Ignore write errors, because the operation does not depend on the progress line.
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
