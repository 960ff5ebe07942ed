//! A version as written by a user or reported by a client, with its parsed form if there is one.

use super::facts::non_empty;
use crate::api::Text;
use crate::values::Version;

/// A version with its original spelling, which is the one displayed.
#[derive(Clone, Debug)]
pub struct VersionText {
    /// Version as written.
    pub raw: Text,
    /// Parsed version; `None` if it cannot be parsed.
    pub parsed: Option<Version>,
}

impl VersionText {
    /// Parses a version.
    #[must_use]
    pub fn new(text: Text) -> Self {
        let version = Version::parse(&text).ok();
        Self { raw: text, parsed: version }
    }

    /// Parses a reported version; an empty string counts as absent.
    #[must_use]
    pub fn reported(text: Option<&Text>) -> Option<Self> {
        non_empty(text).cloned().map(Self::new)
    }

    /// Returns whether both are the same version, in any spelling. Two versions that cannot be
    /// parsed are the same only if their texts are equal.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.parsed, &other.parsed) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.raw == other.raw,
            _ => false,
        }
    }

    /// Returns whether `text` is the same version, in any spelling.
    #[must_use]
    pub(crate) fn is_same_as_text(&self, text: &Text) -> bool {
        self.raw == *text || self.is_same_as(&Self::new(text.clone()))
    }
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
