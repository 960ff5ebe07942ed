//! Formats and writes output for a user's terminal: tables, times in the user's time zone, and
//! progress. This module does not access the cluster, and does not use the types of fleets and
//! policies.

pub mod interrupt;
pub mod progress;
pub mod table;
pub mod times;

use std::io::{self, BufWriter, IsTerminal, Write};

const BUFFER_BYTES: usize = 1 << 16;

/// Returns whether to color the output. Colors are used if standard output is a terminal, `TERM` is
/// not `dumb`, and `NO_COLOR` is unset or empty (<https://no-color.org>).
#[must_use]
pub fn is_color_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Returns the width of the terminal, or `None` if standard output is not a terminal.
#[must_use]
pub(crate) fn width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// Writes a result to standard output. Returns `false` if the reading process, such as `head`,
/// closed the pipe.
///
/// # Errors
///
/// Returns an error if writing to standard output fails for another reason.
pub fn out(text: &str) -> io::Result<bool> {
    stream(|output| output.write_all(text.as_bytes()))
}

/// Writes a result to standard output in the parts that `write` generates, without storing the
/// whole result in memory.
///
/// Returns `false` if the reading process, such as `head`, closed the pipe.
///
/// # Errors
///
/// Returns an error if writing to standard output fails for another reason.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    match write(&mut output).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints messages to standard error. Ignores write errors, because the exit code still reports the
/// result.
pub(crate) fn print_remarks(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
