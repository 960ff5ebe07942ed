//! Parses and compares client versions, independently of where a version comes from or how it is
//! displayed.
//!
//! A [`Version`] contains only the parts that are compared, so callers display the original text.

use semver::{BuildMetadata, Prerelease};

/// Maximum number of numeric parts in a version; for example, `3.59.127.0.12.1` has 6 parts.
const MAX_PARTS: usize = 6;
/// Maximum number of digits of a numeric part. All numbers with up to 18 digits fit into 64 bits.
const MAX_DIGITS: usize = 18;

/// Regular expression that matches exactly the texts that [`Version::parse`] accepts, for the CEL
/// function `matches()` on the API server.
///
/// The expression uses RE2 syntax, is anchored at both ends, and does not limit the total length.
pub const PATTERN: &str = concat!(
    r"^v?[0-9]{1,18}(\.[0-9]{1,18}){0,5}",
    r"(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?",
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$",
);

/// A client version of the form `[v]N(.N)*[-prerelease][+build]`, with one to six numeric parts of
/// at most 18 digits, which may have leading zeros.
///
/// Missing parts count as 0, pre-releases are compared by Semantic Versioning 2.0.0 (section 11),
/// and build metadata is ignored, so `3.59`, `v3.59.0` and `3.59.0.0+b7` are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    // The derived comparison compares the fields in this order, so do not reorder them.
    numbers: [u64; MAX_PARTS],
    prerelease: Prerelease,
}

/// An error in a version; its message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A part is not a number.
    #[error(
        "version {0:?} has a part that is not a number: write numbers separated by dots, \
         as 3.59.127.0"
    )]
    NotANumber(String),
    /// The version has more than six numeric parts.
    #[error("version {0:?} has more than 6 numeric parts: write at most 6, as 3.59.127.0")]
    TooManyParts(String),
    /// A numeric part has more than 18 digits.
    #[error("version {0:?} has a numeric part of more than 18 digits: write at most 18")]
    TooManyDigits(String),
    /// The pre-release is invalid according to Semantic Versioning.
    #[error(
        "version {0:?} has a bad pre-release: write, after the hyphen, letters, digits and \
         hyphens separated by dots, numbers without leading zeros, as 3.59.0-rc.1"
    )]
    BadPrerelease(String),
    /// The build metadata is invalid according to Semantic Versioning.
    #[error(
        "version {0:?} has bad build metadata: write, after the plus sign, letters, digits and \
         hyphens separated by dots, as 3.59.0+b7"
    )]
    BadBuild(String),
}

impl Version {
    /// Parses a version.
    ///
    /// # Errors
    /// Returns a [`VersionError`] if `text` does not have the form described at [`Version`].
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        // Split off the build metadata before the pre-release, because build metadata may contain
        // hyphens.
        let (rest, build) = cut(rest, '+');
        let (numbers, prerelease) = cut(rest, '-');
        let numbers = parse_numbers(numbers).map_err(|error| error(text.to_owned()))?;
        let prerelease = match prerelease {
            None => Prerelease::EMPTY,
            Some(written) => Prerelease::new(written)
                .ok()
                .filter(|read| !read.is_empty())
                .ok_or_else(|| VersionError::BadPrerelease(text.to_owned()))?,
        };
        let build_is_bad =
            |written| !BuildMetadata::new(written).is_ok_and(|read| !read.is_empty());
        if build.is_some_and(build_is_bad) {
            return Err(VersionError::BadBuild(text.to_owned()));
        }
        Ok(Version { numbers, prerelease })
    }
}

fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn parse_numbers(text: &str) -> Result<[u64; MAX_PARTS], fn(String) -> VersionError> {
    let mut numbers = [0; MAX_PARTS];
    for (index, part) in text.split('.').enumerate() {
        // Check explicitly that all characters are digits, because `u64::from_str` would also
        // accept a plus sign.
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(VersionError::NotANumber);
        }
        if part.len() > MAX_DIGITS {
            return Err(VersionError::TooManyDigits);
        }
        let number = numbers.get_mut(index).ok_or(VersionError::TooManyParts as fn(_) -> _)?;
        *number = part.parse().map_err(|_| VersionError::NotANumber as fn(_) -> _)?;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn reads_what_is_a_version() {
        for text in [
            "3",
            "0",
            "3.59",
            "v3.59.0",
            "3.59.127.0",
            "2026.01.05",
            "1.2.3.4.5.6",
            "999999999999999999.000000000000000001",
            "1.0-rc.1",
            "1.0-0",
            "1.0--",
            "1.0-0a.00b.-1",
            "1.0-99999999999999999999999999",
            "1.0+001.b-7",
            "1.0-rc-1+b-7",
        ] {
            assert!(Version::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_and_says_why() {
        use VersionError::*;
        type Case = (&'static str, fn(String) -> VersionError);
        let cases: [Case; 26] = [
            ("", NotANumber),
            ("v", NotANumber),
            ("vv1", NotANumber),
            ("V1", NotANumber),
            ("unknown", NotANumber),
            (" 1", NotANumber),
            ("1 ", NotANumber),
            ("1\n", NotANumber),
            ("1.", NotANumber),
            (".1", NotANumber),
            ("1..2", NotANumber),
            ("1.x", NotANumber),
            ("\u{661}", NotANumber),
            ("+1", NotANumber),
            ("-1", NotANumber),
            ("1.2.3.4.5.6.7", TooManyParts),
            ("1.0000000000000000000", TooManyDigits),
            ("1-", BadPrerelease),
            ("1-rc.", BadPrerelease),
            ("1-rc..1", BadPrerelease),
            ("1-01", BadPrerelease),
            ("1-\u{e9}", BadPrerelease),
            ("1-+b", BadPrerelease),
            ("1+", BadBuild),
            ("1+b..7", BadBuild),
            ("1+b+c", BadBuild),
        ];
        for (text, error) in cases {
            assert_eq!(Version::parse(text), Err(error(text.to_owned())), "{text:?}");
        }
        assert_eq!(
            Version::parse("un\nknown").unwrap_err().to_string(),
            "version \"un\\nknown\" has a part that is not a number: write numbers separated by \
             dots, as 3.59.127.0"
        );
    }

    #[test]
    fn orders_as_the_design_says() {
        let ascending = [
            "0.0-a",
            "0",
            "3.9",
            "3.10",
            // The versions from `3.59-alpha` to `3.59` follow the example in Semantic Versioning
            // 2.0.0, section 11.4.4.
            "3.59-alpha",
            "3.59-alpha.1",
            "3.59-alpha.beta",
            "3.59-beta",
            "3.59-beta.2",
            "3.59-beta.11",
            "3.59-rc.1",
            "3.59",
            "3.59.0.1-9",
            "3.59.0.1-10",
            "3.59.0.1",
            "3.59.127.0",
            "2026.01.05",
            "2026.1.6",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }
}
