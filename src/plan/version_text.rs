//! Defines a version as a user has written it or a client has reported it, together with its parsed
//! form if it can be parsed.

use super::facts::non_empty;
use crate::api::Text;
use crate::values::Version;

/// A version in its original spelling for display, together with its parsed form.
#[derive(Clone, Debug)]
pub struct VersionText {
    /// Version as the user has written it or the client has reported it.
    pub raw: Text,
    /// Parsed version; `None` if the text cannot be parsed.
    pub parsed: Option<Version>,
}

impl VersionText {
    /// Parses a version.
    #[must_use]
    pub fn new(text: Text) -> Self {
        let version = Version::parse(&text).ok();
        Self { raw: text, parsed: version }
    }

    /// Parses a version that a client has reported. Returns `None` if `text` is `None` or empty.
    #[must_use]
    pub fn reported(text: Option<&Text>) -> Option<Self> {
        non_empty(text).cloned().map(Self::new)
    }

    /// Returns whether two texts denote the same version, even in different spellings. Two texts
    /// that cannot be parsed denote the same version only if they are equal.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.parsed, &other.parsed) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.raw == other.raw,
            _ => false,
        }
    }

    /// Returns whether `text` denotes the same version as `self`, even in a different spelling.
    #[must_use]
    pub(crate) fn is_same_as_text(&self, text: &Text) -> bool {
        self.raw == *text || self.is_same_as(&Self::new(text.clone()))
    }
}

/// Returns whether two texts denote the same version, even in different spellings.
#[must_use]
pub(crate) fn is_same_version(a: &Text, b: &Text) -> bool {
    a == b || VersionText::new(a.clone()).is_same_as(&VersionText::new(b.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        VersionText::new(a.into()).is_same_as(&VersionText::new(b.into()))
    }

    #[test]
    fn same_compares_versions_else_spellings() {
        assert!(same("3.59", "v3.59.0") && same("v3.59.0", "3.59.0.0+b7"));
        assert!(same("2026.01.05", "2026.1.5"));
        assert!(same("unknown", "unknown") && same("", ""));
        assert!(!same("unknown", "Unknown") && !same("unknown", "1") && !same("1-rc", "1"));
    }
}
