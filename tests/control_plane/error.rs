//! What went wrong with a control plane, as a sentence for the person who can mend it.

use std::fmt;
use std::path::Path;

pub struct Error(String);

impl Error {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// For `map_err`: what was being done to which file when the operating system refused.
    pub fn at<E: fmt::Display>(doing: &str, path: &Path) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing} {}: {cause}", path.display()))
    }

    /// For `map_err`, where no file is concerned.
    pub fn doing<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> Self {
        move |cause| Self(format!("cannot {doing}: {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same as `Display`: a test that unwraps it then shows the tail of a server's log as lines, not as one line
/// full of `\n`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
