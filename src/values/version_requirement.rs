//! Parses and evaluates requirements on the version that a client runs, such as `3.59.127` or
//! `>=3.50 <3.59.127`.
//!
//! This is the only parser of this grammar: client selectors and `clientfleet clients --version`
//! use it.

use std::cmp::Ordering;

use super::version::{self, Version, VersionError};

/// Maximum number of comparisons in a requirement: one lower and one upper limit.
const MAX_COMPARISONS: usize = 2;

/// A requirement on a version: equal to a given version, or within one or two comparisons.
///
/// Comparisons use the plain order of [`Version`], so `<3.60` also holds for `3.60-rc.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRequirement {
    /// The version is equal to the given one.
    Equal(Version),
    /// All comparisons hold.
    Within(Vec<Comparison>),
}

/// A comparison with one version, such as `<3.59`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    operator: Operator,
    limit: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    const fn is_lower_limit(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual)
    }
}

/// Operators as written. An operator comes before its own prefixes, because the parser uses the
/// first one that matches.
const OPERATORS: [(&str, Operator); 4] = [
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// An error in a requirement; its message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// The text is a single word that is neither a version nor a comparison.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// Some of several words are no comparisons, or there are more than two words.
    #[error(
        "{0:?} is neither a version nor one or two comparisons with <, <=, > or >=: write, for \
         example, 3.59.127, <3.59.127 or \">=3.50 <3.59.127\", without a blank after the operator"
    )]
    NotComparisons(String),
}

impl VersionRequirement {
    /// Parses a requirement.
    ///
    /// # Errors
    /// Returns a [`RequirementError`] if `text` is neither a version nor one or two comparisons with
    /// blanks between.
    pub fn parse(text: &str) -> Result<Self, RequirementError> {
        if !text.starts_with(['<', '>']) {
            return match Version::parse(text) {
                Ok(version) => Ok(Self::Equal(version)),
                Err(_) if text.contains([' ', '<', '=', '>']) => {
                    Err(RequirementError::NotComparisons(text.to_owned()))
                }
                Err(error) => Err(error.into()),
            };
        }
        // `split` returns an empty word between two blanks. A trailing blank is an error.
        let words = text.split(' ').filter(|word| !word.is_empty());
        let comparisons: Option<Vec<Comparison>> = words.map(Comparison::parse).collect();
        comparisons
            .filter(|all| all.len() <= MAX_COMPARISONS && !text.ends_with(' '))
            .map(Self::Within)
            .ok_or_else(|| RequirementError::NotComparisons(text.to_owned()))
    }

    /// Returns whether at least one version can meet the requirement: the lower limit is not above
    /// the upper one.
    #[must_use]
    pub fn can_hold(&self) -> bool {
        let Self::Within(comparisons) = self else { return true };
        let is_lower = |c: &&Comparison| c.operator.is_lower_limit();
        let mut lower = comparisons.iter().filter(is_lower);
        lower.all(|lower| {
            let mut upper = comparisons.iter().filter(|c| !is_lower(c));
            upper.all(|upper| match lower.limit.cmp(&upper.limit) {
                Ordering::Less => true,
                Ordering::Equal => lower.holds(&upper.limit) && upper.holds(&lower.limit),
                Ordering::Greater => false,
            })
        })
    }

    /// Returns whether `version` meets the requirement.
    #[must_use]
    pub fn holds(&self, version: &Version) -> bool {
        match self {
            Self::Equal(wanted) => wanted == version,
            Self::Within(comparisons) => comparisons.iter().all(|c| c.holds(version)),
        }
    }
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        let (operator, limit) = OPERATORS.iter().find_map(|(written, operator)| {
            text.strip_prefix(written).map(|limit| (*operator, limit))
        })?;
        Some(Self { operator, limit: Version::parse(limit).ok()? })
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp(&self.limit);
        match self.operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// Returns the regular expression that matches exactly the texts that
/// [`VersionRequirement::parse`] accepts. It is anchored at both ends and uses RE2 syntax, like
/// [`version::PATTERN`].
#[must_use]
pub fn pattern() -> String {
    let version = version::PATTERN.trim_start_matches('^').trim_end_matches('$');
    format!("^({version}|[<>]=?{version}( +[<>]=?{version})?)$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_exclude_every_version_are_found() {
        for (requirement, can_hold) in [
            ("3", true),
            ("<2 <3", true),
            (">=3 <=3.0", true),
            (">=3 <3.0", false),
            (">3 <2", false),
            ("<2 >=2.0.1", false),
            (">2 <2.0.1", true),
        ] {
            let read = VersionRequirement::parse(requirement).expect(requirement);
            assert_eq!(read.can_hold(), can_hold, "{requirement}");
        }
    }

    fn holds(requirement: &str, version: &str) -> bool {
        let requirement = VersionRequirement::parse(requirement).expect(requirement);
        requirement.holds(&Version::parse(version).expect(version))
    }

    #[test]
    fn a_requirement_holds_by_the_order_of_versions() {
        for (requirement, version, expected) in [
            ("3.59", "v3.59.0+b7", true),
            ("3.59", "3.59-rc.1", false),
            ("<3.60", "3.60-rc.1", true),
            ("<3.60", "3.60", false),
            ("<=3.60", "3.60.0.0", true),
            ("<=3.60", "3.60.0.1", false),
            (">3.60", "3.60", false),
            (">3.60", "3.60.0.1", true),
            (">=v3.60", "3.60", true),
            (">=3.60", "3.60-rc.1", false),
            (">=3.50 <3.59.127", "3.50", true),
            (">=3.50   <3.59.127", "3.59.126", true),
            (">=3.50 <3.59.127", "3.59.127", false),
            ("<3.59 >=3.50", "3.49", false),
            (">3.60 <3.50", "3.55", false),
        ] {
            assert_eq!(holds(requirement, version), expected, "{requirement} {version}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "unknown",
            "=3.59",
            "==3.59",
            "< 3.59",
            "<",
            "<=",
            "<>3.59",
            "=>3.59",
            "<3.59 ",
            " <3.59",
            "3.59 ",
            "3.59 3.60",
            ">=3.50 3.59",
            "3.50 <3.59",
            ">3.5<3.6",
            "~3.59",
            "3.*",
            ">3.50\t<3.60",
            ">1 <2 <3",
            "<3.59,>3.50",
            ">3.50 \u{a0}<3.60",
        ] {
            assert!(VersionRequirement::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            VersionRequirement::parse("< 3.59").unwrap_err().to_string(),
            "\"< 3.59\" is neither a version nor one or two comparisons with <, <=, > or >=: \
             write, for example, 3.59.127, <3.59.127 or \">=3.50 <3.59.127\", without a blank \
             after the operator"
        );
    }
}
