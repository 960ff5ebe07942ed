//! What a person's terminal is given: tables, times in the reader's own zone, progress. Knows nothing
//! of the cluster and of what is shown.

pub mod progress;
pub mod table;
pub mod times;

use std::io::{self, BufWriter, IsTerminal, Write};

/// As many bytes of a result are written at once.
const AT_ONCE: usize = 1 << 16;

/// Colours only for eyes, and only for those that want them (<https://no-color.org>).
#[must_use]
pub fn is_colour_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// How many columns the terminal has that results go to; `None` where they go elsewhere.
#[must_use]
pub fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// Writes a result. `false`: the reader has seen enough, as `head` has.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn out(text: &str) -> io::Result<bool> {
    stream(|output| output.write_all(text.as_bytes()))
}

/// Writes a result while it is made, as [`out`].
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let mut output = BufWriter::with_capacity(AT_ONCE, io::stdout().lock());
    match write(&mut output).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says something to the person at the terminal. Where nobody reads it, the exit code still tells.
pub fn remark(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
