//! Defines the matchers that select clients, without the types of clients and policies: keywords,
//! networks and label requirements.
//!
//! Parsers return `None` for an unreadable value, and the caller decides how to treat the value.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Converts text to lower case for searching, character by character and without Unicode
/// normalization.
///
/// Unlike `str::to_lowercase`, converts the Greek final sigma to a regular sigma, so that a keyword
/// that ends with a sigma also matches in the middle of a text.
#[must_use]
pub fn fold_case(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_case_into(text, &mut folded);
    folded
}

/// Appends `text` to `folded`, converted as in [`fold_case`].
pub fn fold_case_into(text: &str, folded: &mut String) {
    if text.is_ascii() {
        let start = folded.len();
        folded.push_str(text);
        folded[start..].make_ascii_lowercase();
    } else {
        let lower = text.chars().flat_map(char::to_lowercase);
        folded.extend(lower.map(|c| if c == 'ς' { 'σ' } else { c }));
    }
}

/// Case-folded keywords of a search. A search matches a client only if all of its keywords occur in
/// the client's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keywords(Vec<String>);

impl Keywords {
    /// Splits a search text into keywords at white space. Returns `None` if the text contains no
    /// keyword, because such a search would match everything.
    #[must_use]
    pub fn parse(search: &str) -> Option<Self> {
        let keywords: Vec<String> = search.split_whitespace().map(fold_case).collect();
        (!keywords.is_empty()).then_some(Self(keywords))
    }

    /// Returns whether `holds` returns true for every keyword. The keywords are in the form that
    /// [`fold_case`] returns.
    pub fn all(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.0.iter().all(|keyword| holds(keyword))
    }

    /// Returns whether each keyword occurs in at least one of `fields`. The fields must already be
    /// converted by [`fold_case`]; `*` and `?` are ordinary characters, not wildcards.
    #[must_use]
    pub fn occur_in(&self, fields: &[&str]) -> bool {
        self.all(|keyword| fields.iter().any(|field| field.contains(keyword)))
    }
}

/// Parses a network such as `10.20.0.0/16` or `fd00:20::/32`. Returns `None` if the text is
/// malformed or has bits set after its prefix; admission refuses such networks too.
#[must_use]
pub fn parse_cidr(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok()?;
    (network.addr() == network.network()).then_some(network)
}

/// Parses the addresses in a text, appends those that can be read to `readable`, and returns
/// whether the text gives all addresses of a client.
///
/// Commas and blanks separate the addresses. An IPv4-mapped address is appended as its IPv4
/// address. An address with a zone ID is valid only on one network link: it is passed over, and a
/// text without any other address gives none.
pub fn read_addresses(text: &str, readable: &mut Vec<IpAddr>) -> bool {
    let before = readable.len();
    let mut is_complete = true;
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        match word.parse::<IpAddr>() {
            Ok(address) => readable.push(address.to_canonical()),
            Err(_) => is_complete &= has_zone_id(word),
        }
    }
    is_complete && readable.len() > before
}

/// Returns whether a word is an IPv6 address with a zone ID, such as `fe80::1%eth0`.
fn has_zone_id(word: &str) -> bool {
    word.split_once('%').is_some_and(|(address, zone)| {
        address.parse::<Ipv6Addr>().is_ok()
            && !zone.is_empty()
            && zone.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%')
    })
}

/// One requirement of a Kubernetes label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label exists, and its value is in the list.
    In(String, Vec<String>),
    /// The label does not exist, or its value is not in the list.
    NotIn(String, Vec<String>),
    /// The label exists.
    Exists(String),
    /// The label does not exist.
    DoesNotExist(String),
}

impl Requirement {
    /// Returns the key of the label.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::In(key, _)
            | Self::NotIn(key, _)
            | Self::Exists(key)
            | Self::DoesNotExist(key) => key,
        }
    }

    /// Parses a requirement. Returns `None` if the operator is unknown, if it takes no values but
    /// `values` is not empty, or if it needs values but `values` is empty.
    #[must_use]
    pub fn parse(key: &str, operator: &str, values: &[&str]) -> Option<Self> {
        let owned = || values.iter().map(ToString::to_string).collect();
        match (operator, values.is_empty()) {
            ("In", false) => Some(Self::In(key.to_owned(), owned())),
            ("NotIn", false) => Some(Self::NotIn(key.to_owned(), owned())),
            ("Exists", true) => Some(Self::Exists(key.to_owned())),
            ("DoesNotExist", true) => Some(Self::DoesNotExist(key.to_owned())),
            _ => None,
        }
    }

    /// Returns whether an object's labels meet the requirement. `label` returns the value of a
    /// label by its key.
    pub fn holds<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let one_of = |values: &[String], value: &str| values.iter().any(|v| v == value);
        match self {
            Self::In(key, values) => label(key).is_some_and(|value| one_of(values, value)),
            Self::NotIn(key, values) => !label(key).is_some_and(|value| one_of(values, value)),
            Self::Exists(key) => label(key).is_some(),
            Self::DoesNotExist(key) => label(key).is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_inside_a_word_is_found_in_any_case() {
        for (search, field, found) in [
            ("müll", "CORP\\MÜLLER", true),
            ("ΟΔΟΣ", "οδοσ7", true),
            ("οδυσσευς", "ΟΔΥΣΣΕΥΣ", true),
            ("lt-*", "LT-100", false),
            ("lt 10.0", "LT-100", false),
            ("i", "İ", true),
        ] {
            let keywords = Keywords::parse(search).unwrap();
            assert_eq!(keywords.occur_in(&[&fold_case(field)]), found, "{search} in {field}");
        }
        assert!(Keywords::parse(" \t\u{3000}").is_none());
        assert!(Keywords::parse("a b").unwrap().occur_in(&["xa", "b"]));
    }

    #[test]
    fn a_network_has_no_host_bits() {
        assert!(parse_cidr("10.20.0.0/16").is_some());
        assert!(parse_cidr("fd00:20::/32").is_some());
        assert!(parse_cidr("10.20.0.1/16").is_none());
        assert!(parse_cidr("10.20.0.0").is_none());
    }

    #[test]
    fn addresses_are_complete_when_each_can_be_read() {
        for (text, wanted, is_complete) in [
            ("10.1.2.3", "10.1.2.3", true),
            (" 10.1.2.3,,fd00::1 10.1.2.4, ", "10.1.2.3 fd00::1 10.1.2.4", true),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("fe80::1%eth0 10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3, fe80::1%12", "10.1.2.3", true),
            ("fe80::1%eth0", "", false),
            ("fe80::1%eth0 fe80::2%eth1", "", false),
            ("10.1.2.3, fe80::1%", "10.1.2.3", false),
            ("10.1.2.3, 10.1.2.4%eth0", "10.1.2.3", false),
            ("10.1.2.3, ...", "10.1.2.3", false),
            ("10.1.2.3 unknown", "10.1.2.3", false),
            ("10.1.2.3\u{a0}10.1.2.4", "", false),
            ("10.1.2.3 １0.1.2.4", "10.1.2.3", false),
            ("10.1.2.3/24", "", false),
            ("010.1.2.3", "", false),
            (" , ", "", false),
            ("", "", false),
        ] {
            let mut readable = Vec::new();
            assert_eq!(read_addresses(text, &mut readable), is_complete, "{text}");
            let readable: Vec<String> = readable.iter().map(ToString::to_string).collect();
            assert_eq!(readable.join(" "), wanted, "{text}");
        }
    }

    #[test]
    fn requirements_follow_kubernetes() {
        let label = |key: &str| (key == "ring").then_some("canary");
        for (operator, values, holds) in [
            ("In", vec!["canary", "x"], true),
            ("In", vec!["x"], false),
            ("NotIn", vec!["x"], true),
            ("NotIn", vec!["canary"], false),
            ("Exists", vec![], true),
            ("DoesNotExist", vec![], false),
        ] {
            let requirement = Requirement::parse("ring", operator, &values).unwrap();
            assert_eq!(requirement.holds(label), holds, "{operator} {values:?}");
        }
        assert!(Requirement::parse("other", "NotIn", &["x"]).unwrap().holds(label));
        for (operator, values) in [
            ("in", vec!["x"]),
            ("In", vec![]),
            ("NotIn", vec![]),
            ("Exists", vec!["x"]),
            ("", vec![]),
        ] {
            assert!(Requirement::parse("ring", operator, &values).is_none(), "{operator}");
        }
    }
}
