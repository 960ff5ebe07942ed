//! Defines the name of a file in a package.

use std::fmt;

use super::{MD5_SUFFIX, SIGNATURE_SUFFIX};

/// Name of a file in a package: 1 to 128 ASCII letters, digits, `.`, `_`, `+` and `-`.
///
/// `.` and `..` are no files, and a name that ends in `.MD5SUM` or `.minisig` would be the path of
/// another file's sum or signature. With these characters, agents that put the name into a command or a path do no harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Maximum length of a name in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Parses a name; returns `None` if the service does not distribute files of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_accepted =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
        let is_name = (1..=Self::MAX_BYTES).contains(&text.len())
            && text.bytes().all(is_accepted)
            && !matches!(text, "." | "..")
            && ![MD5_SUFFIX, SIGNATURE_SUFFIX].iter().any(|suffix| text.ends_with(suffix));
        is_name.then(|| Self(text.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
