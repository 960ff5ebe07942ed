//! Defines the error type of the control plane. An error is one sentence from which the user can
//! find and fix the cause.

use std::fmt;
use std::path::Path;

pub struct Error(String);

impl Error {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Returns a closure for `map_err` that describes a failed file operation. `doing` is the
    /// operation, such as `write`.
    pub fn at<E: fmt::Display>(doing: &str, path: &Path) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing} {}: {cause}", path.display()))
    }

    /// Returns a closure for `map_err` that describes a failed operation that involves no file.
    /// `doing` is the operation, such as `run sh`.
    pub fn doing<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Formats the error as `Display` does. If a test unwraps the error, the end of a server's log is
/// then printed on separate lines instead of one line with escaped `\n`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
