//! Defines the error type of the control plane. Each error is one sentence that helps the user find
//! and fix the cause.

use std::fmt;
use std::path::Path;

pub struct Error(String);

impl Error {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Returns a closure for `map_err` that creates an error for a failed file operation. `doing`
    /// names the operation, such as `write`.
    pub fn at<E: fmt::Display>(doing: &str, path: &Path) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing} {}: {cause}", path.display()))
    }

    /// Returns a closure for `map_err` that creates an error for a failed operation without a file.
    /// `doing` names the operation, such as `run sh`.
    pub fn doing<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Formats the error as `Display` does, because a derived `Debug` would print a server's log on one
/// line with escaped `\n`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
