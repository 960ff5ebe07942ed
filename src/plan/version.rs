//! A version as somebody wrote it, and what it means, if anything.

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
        text.filter(|text| !text.is_empty()).cloned().map(Self::new)
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
}
