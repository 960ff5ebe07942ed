//! Tests that admission's pattern for versions accepts exactly the texts that the program can
//! parse. Also tests that the order of versions is total.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use clientfleet::plan::version_text::VersionText;
use clientfleet::values::version::{PATTERN, Version};
use proptest::prelude::*;
use regex::Regex;

/// Generates texts that consist of parts of versions. Some of the texts are valid versions, others
/// are not.
fn near_version() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[0-9]{1,3}",
        1 => "[0-9]{17,20}",
        4 => Just(".".to_owned()),
        2 => Just("-".to_owned()),
        2 => Just("+".to_owned()),
        1 => "v|V|rc|0|00|01|0a|-1|x",
        1 => "\\PC|\n|\r|\u{0}|\u{661}|\u{ff11}",
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn version() -> impl Strategy<Value = String> {
    let identifier = "0|[1-9][0-9]{0,24}|[0-9]{0,2}[a-zA-Z-][0-9a-zA-Z-]{0,2}";
    (
        "v?",
        prop::collection::vec("0{0,2}[0-3]|[0-9]{1,18}", 1..=6),
        prop::collection::vec(identifier, 0..3),
        prop::collection::vec("[0-9a-zA-Z-]{1,3}", 0..3),
    )
        .prop_map(|(v, numbers, prerelease, build)| {
            let mut text = v + &numbers.join(".");
            if !prerelease.is_empty() {
                text = text + "-" + &prerelease.join(".");
            }
            if !build.is_empty() {
                text = text + "+" + &build.join(".");
            }
            text
        })
}

/// Generates versions that differ little, so that equal versions and equal prefixes are common.
fn close_version() -> impl Strategy<Value = String> {
    "v?[0-2](\\.0?[0-2]){0,2}(-(a|b|1|10|2|a\\.1|a\\.b))?(\\+b[0-2])?"
}

fn read(text: &str) -> Result<Version, TestCaseError> {
    Version::parse(text).map_err(|error| TestCaseError::fail(error.to_string()))
}

fn hash(version: &Version) -> u64 {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    hasher.finish()
}

fn pattern_agrees(text: &str) -> Result<(), TestCaseError> {
    thread_local!(static REGEX: Regex = Regex::new(PATTERN).expect("the pattern is one"));
    let matches = REGEX.with(|regex| regex.is_match(text));
    prop_assert_eq!(Version::parse(text).is_ok(), matches, "{:?}", text);
    Ok(())
}

fn same(a: &str, b: &str) -> bool {
    VersionText::new(a.into()).is_same_as(&VersionText::new(b.into()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_pattern_accepts_what_is_read(near in near_version(), any in any::<String>(), good in version()) {
        pattern_agrees(&near)?;
        pattern_agrees(&any)?;
        pattern_agrees(&good)?;
        read(&good)?;
        for addition in ["\n", ".", "-", "+", " ", "\u{661}", ".0", "-0", "+0"] {
            pattern_agrees(&format!("{good}{addition}"))?;
            pattern_agrees(&format!("{addition}{good}"))?;
        }
    }

    /// Checks that the pattern and the parser agree on damaged versions. A version is split at a
    /// random position, or the character at that position is removed.
    #[test]
    fn the_pattern_accepts_what_is_read_of_broken_versions(good in version(), at in any::<prop::sample::Index>()) {
        let at = at.index(good.len());
        pattern_agrees(&good[..at])?;
        pattern_agrees(&good[at..])?;
        pattern_agrees(&[&good[..at], &good[at + 1..]].concat())?;
    }

    #[test]
    fn the_order_is_total(a in close_version(), b in close_version(), c in close_version()) {
        let (a, b, c) = (read(&a)?, read(&b)?, read(&c)?);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn spelling_does_not_count(numbers in prop::collection::vec("[0-9]{1,4}", 1..=5), rest in "(-rc\\.1)?") {
        let plain = numbers.join(".") + &rest;
        for other in [
            format!("v{plain}"),
            format!("{plain}+b7"),
            format!("{}.0{rest}", numbers.join(".")),
            format!("00{}{rest}", numbers.join(".")),
        ] {
            prop_assert_eq!(read(&plain)?, read(&other)?);
            prop_assert!(same(&plain, &other) && same(&other, &plain), "{} {}", plain, other);
        }
    }

    #[test]
    fn a_release_is_above_its_prereleases_and_below_the_next(release in "[0-9]{1,4}(\\.[0-9]{1,4}){0,4}", prerelease in "[a-z]{1,9}(\\.[1-9])?") {
        let (release, prerelease, next) = (
            read(&release)?,
            read(&format!("{release}-{prerelease}"))?,
            read(&format!("{release}.1-{prerelease}"))?,
        );
        prop_assert!(prerelease < release && release < next);
    }
}
