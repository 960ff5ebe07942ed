//! A version as somebody wrote it, and what it means, if anything.

use super::facts::given;
use crate::api::Text;
use crate::values::Version;

/// A version with its spelling, which is what is shown.
#[derive(Clone, Debug)]
pub struct Spelled {
    /// What was written.
    pub text: Text,
    /// What it means; `None` when it cannot be read.
    pub version: Option<Version>,
}

impl Spelled {
    /// Reads a version.
    #[must_use]
    pub fn new(text: Text) -> Self {
        let version = Version::parse(&text).ok();
        Self { text, version }
    }

    /// Reads a reported version; an empty string counts as absent.
    #[must_use]
    pub fn reported(text: Option<&Text>) -> Option<Self> {
        given(text).cloned().map(Self::new)
    }

    /// Whether both are the same version, however spelled. Two that cannot be read are the same only
    /// when spelled alike.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.version, &other.version) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.text == other.text,
            _ => false,
        }
    }

    /// The same for a version of which only the text is known.
    #[must_use]
    pub fn is_same_as_text(&self, text: &Text) -> bool {
        self.text == *text || self.is_same_as(&Self::new(text.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Spelled::new(a.into()).is_same_as(&Spelled::new(b.into()))
    }

    #[test]
    fn same_compares_versions_else_spellings() {
        assert!(same("3.59", "v3.59.0") && same("v3.59.0", "3.59.0.0+b7"));
        assert!(same("2026.01.05", "2026.1.5"));
        assert!(same("unknown", "unknown") && same("", ""));
        assert!(!same("unknown", "Unknown") && !same("unknown", "1") && !same("1-rc", "1"));
    }
}
