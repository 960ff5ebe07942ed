//! Compares resourceVersions. All objects of a cluster share one sequence of revisions, so the
//! versions of one kind are ordered (KEP-5504).

use std::fmt;

/// Returns whether the resourceVersion `version` is older than `other`. Returns false if either is
/// not a number, because the API server then defines no order.
#[must_use]
pub fn is_before(version: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    number(version).zip(number(other)).is_some_and(|(version, other)| version < other)
}

/// A resourceVersion of an object or of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// Returns whether this version is older than `other`.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        is_before(&self.0, &other.0)
    }

    /// Returns the text of the version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Revision {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_before("9", "10"));
        assert!(!is_before("10", "9"));
        assert!(!is_before("10", "10"));
        assert!(!is_before("a", "b"), "no numbers, no order");
        assert!(!is_before("", "1"));
    }
}
