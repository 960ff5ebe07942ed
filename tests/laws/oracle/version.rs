//! Parses and compares versions, as specified in the section "Versions" of `docs/decision.md`.

use std::cmp::Ordering;

/// A version: its numeric parts, padded with zeros to six parts, and its pre-release part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(Vec<u64>, semver::Prerelease);

pub fn read(text: &str) -> Option<Version> {
    let build = |text: &str| semver::BuildMetadata::new(text).is_ok_and(|build| !build.is_empty());
    let text = match text.split_once('+') {
        Some((text, metadata)) if build(metadata) => text,
        Some(_) => return None,
        None => text,
    };
    let (text, pre) = match text.split_once('-') {
        Some((_, "")) => return None,
        Some((text, pre)) => (text, semver::Prerelease::new(pre).ok()?),
        None => (text, semver::Prerelease::EMPTY),
    };
    let mut numbers = Vec::new();
    for part in text.strip_prefix('v').unwrap_or(text).split('.') {
        if part.is_empty() || part.len() > 18 || part.contains(|c: char| !c.is_ascii_digit()) {
            return None;
        }
        numbers.push(part.parse().ok()?);
    }
    if numbers.len() > 6 {
        return None;
    }
    numbers.resize(6, 0);
    Some(Version(numbers, pre))
}

pub fn compare(a: &Version, b: &Version) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1))
}

/// Returns whether two versions are equal. If one of them cannot be parsed, compares the texts.
pub fn same(a: &str, b: &str) -> bool {
    match (read(a), read(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b,
        _ => false,
    }
}
