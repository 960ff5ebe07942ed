//! Lists the criteria of a client selector, and parses each criterion into a [`Test`].

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::client_fields::{ClientFields, Field};
use super::client_index::ClientIndex;
use super::scope_match::Match;
use crate::api::policy::{ClientSelector, LabelSelector};
use crate::api::{Labels, Text};
use crate::values::selector::{Keywords, Requirement, fold_case, parse_cidr};
use crate::values::{Version, VersionRequirement};

/// A criterion that a client selector can set.
pub(super) struct Criterion {
    /// Name of the selector field that contains the criterion.
    pub name: &'static str,
    /// Function that parses the criterion of a selector, or returns `None` if the selector does not
    /// set the criterion.
    pub read: fn(&ClientSelector) -> Option<Read>,
}

/// Name of the criterion on the version that a client runs.
pub(super) const VERSIONS: &str = "versions";

/// All criteria of a client selector. A selector matches a client if every criterion that the
/// selector sets matches.
pub(super) static CRITERIA: [Criterion; 7] = [
    Criterion { name: "names", read: |s| s.names.as_ref().map(|list| one_of(Field::Name, list)) },
    Criterion {
        name: "computers",
        read: |s| s.computers.as_ref().map(|list| one_of(Field::Computer, list)),
    },
    Criterion {
        name: "users",
        read: |s| s.users.as_ref().map(|list| one_of(Field::LastUser, list)),
    },
    Criterion { name: "cidrs", read: |s| s.cidrs.as_ref().map(|list| in_network(list)) },
    Criterion { name: VERSIONS, read: |s| s.versions.as_ref().map(|list| runs_version(list)) },
    Criterion {
        name: "labelSelector",
        read: |s| s.label_selector.as_ref().map(|labels| Read::alone(read_labels(labels))),
    },
    Criterion {
        name: "search",
        read: |s| {
            s.search.as_ref().map(|text| Read::alone(Keywords::parse(text).map(Test::Contains)))
        },
    },
];

/// Parsed criterion of one selector.
pub(super) struct Read {
    /// Test of the criterion; [`Test::Unreadable`] if the criterion cannot be parsed.
    pub test: Test,
    /// Listed values with their tests, in the original order and without duplicates; `None` if the
    /// criterion is not a list.
    pub values: Option<Vec<(Text, ValueTest)>>,
}

impl Read {
    fn alone(test: Option<Test>) -> Self {
        Self { test: test.unwrap_or(Test::Unreadable), values: None }
    }

    fn listed(list: &[Text], test: Option<Test>, of: impl Fn(&Text) -> ValueTest) -> Self {
        let mut seen = BTreeSet::new();
        let distinct = list.iter().filter(|value| seen.insert(value.as_str()));
        let values = distinct.map(|value| (value.clone(), of(value))).collect();
        Self { test: test.unwrap_or(Test::Unreadable), values: Some(values) }
    }
}

/// Test that decides whether a client meets a criterion.
#[derive(Clone, Debug)]
pub(super) enum Test {
    OneOf(Field, BTreeSet<String>),
    InNetwork(Vec<IpNet>),
    /// Test that the client runs a version that meets at least one of the requirements.
    RunsVersion(Vec<VersionRequirement>),
    HasLabels(Vec<Requirement>),
    /// Test that each keyword occurs in at least one searchable field of the client.
    Contains(Keywords),
    Unreadable,
}

impl Test {
    /// Returns whether a client passes the test. If the criterion cannot be parsed, the result is
    /// `if_unreadable`.
    pub fn matches(&self, client: &ClientFields<'_>, if_unreadable: bool) -> Match {
        match self {
            Self::OneOf(field, values) => values.contains(client.compared(*field)).into(),
            Self::InNetwork(networks) if contain(networks, client) => Match::Yes,
            Self::InNetwork(_) if client.address_unknown => Match::InDoubt,
            Self::InNetwork(_) => Match::No,
            Self::RunsVersion(_) => self.matches_version(client.version, if_unreadable).into(),
            Self::HasLabels(requirements) => {
                requirements.iter().all(|r| r.holds(|key| client.labels.get(key))).into()
            }
            Self::Contains(keywords) => keywords.occur_in(&client.folded).into(),
            Self::Unreadable => if_unreadable.into(),
        }
    }
}

impl Test {
    /// Returns whether `version` passes a test of the criterion `versions`.
    pub fn matches_version(&self, version: Option<&Version>, if_unreadable: bool) -> bool {
        match self {
            Self::RunsVersion(requirements) => runs(requirements, version),
            _ => if_unreadable,
        }
    }
}

/// Test that decides whether a client matches one listed value of a criterion.
#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    Is(Field, String),
    /// Network that must contain an address of the client; `None` if the network cannot be parsed.
    InNetwork(Option<IpNet>),
    /// Requirement that the client's version must meet; `None` if it cannot be parsed.
    RunsVersion(Option<VersionRequirement>),
}

impl ValueTest {
    /// Returns whether a client certainly passes the test.
    pub fn matches(&self, client: &ClientFields<'_>) -> bool {
        match self {
            Self::Is(field, value) => !value.is_empty() && value == client.compared(*field),
            Self::InNetwork(network) => contain(network.as_slice(), client),
            Self::RunsVersion(requirement) => runs(requirement.as_slice(), client.version),
        }
    }

    /// Returns whether at least one client in the index may pass the test.
    pub fn may_match(&self, clients: &ClientIndex) -> bool {
        match self {
            Self::Is(Field::Name, value) => clients.may_contain(&fold_case(value)),
            Self::Is(_, value) => clients.may_contain(value),
            Self::InNetwork(network) => {
                network.is_some_and(|network| clients.may_contain_address(&network))
            }
            Self::RunsVersion(requirement) => {
                requirement.as_ref().is_some_and(|requirement| clients.may_run(requirement))
            }
        }
    }
}

/// Returns whether one of `networks` contains a known address of the client.
fn contain(networks: &[IpNet], client: &ClientFields<'_>) -> bool {
    client.addresses.iter().any(|ip| networks.iter().any(|network| network.contains(ip)))
}

fn runs(requirements: &[VersionRequirement], version: Option<&Version>) -> bool {
    version.is_some_and(|version| requirements.iter().any(|r| r.holds(version)))
}

fn one_of(field: Field, list: &[Text]) -> Read {
    let is_readable = !list.is_empty() && list.iter().all(|value| !value.is_empty());
    let values = || list.iter().map(|value| field.normalized(value)).collect();
    let test = is_readable.then(|| Test::OneOf(field, values()));
    Read::listed(list, test, |value| ValueTest::Is(field, field.normalized(value)))
}

fn in_network(list: &[Text]) -> Read {
    let networks: Option<Vec<IpNet>> = list.iter().map(|cidr| parse_cidr(cidr)).collect();
    let test = networks.filter(|networks| !networks.is_empty()).map(Test::InNetwork);
    Read::listed(list, test, |value| ValueTest::InNetwork(parse_cidr(value)))
}

fn runs_version(list: &[Text]) -> Read {
    let read = |text: &Text| VersionRequirement::parse(text).ok();
    let requirements: Option<Vec<VersionRequirement>> = list.iter().map(read).collect();
    let test = requirements.filter(|all| !all.is_empty()).map(Test::RunsVersion);
    Read::listed(list, test, |value| ValueTest::RunsVersion(read(value)))
}

fn read_labels(selector: &LabelSelector) -> Option<Test> {
    read_requirements(selector).map(Test::HasLabels)
}

/// Parses the requirements of a label selector. Returns `None` if a requirement cannot be parsed or
/// if there are no requirements.
pub(super) fn read_requirements(selector: &LabelSelector) -> Option<Vec<Requirement>> {
    let equal = selector.match_labels.iter().flat_map(Labels::iter);
    let equal = equal.map(|(key, value)| Requirement::parse(key, "In", &[value]));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values: Vec<&str> = expression.values.iter().flatten().map(Text::as_str).collect();
        Requirement::parse(&expression.key, &expression.operator, &values)
    });
    let requirements: Option<Vec<Requirement>> = equal.chain(expressions).collect();
    requirements.filter(|all| !all.is_empty())
}
