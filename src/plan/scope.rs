//! Parses the scope of a policy once, and matches clients against it. This module knows the fields
//! of a client, but not the decision for it.
//!
//! A criterion that cannot be parsed counts as matching in `clients` and `fleetSelector`, and as
//! not matching in `exclude`. Such a policy is invalid and blocks the clients that it governs, so
//! an unclear scope blocks more clients instead of fewer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::client_index::ClientIndex;
use crate::api::policy::{ClientSelector, LabelSelector, Scope as ScopeSpec};
use crate::api::{Labels, Text};
use crate::values::selector::{Keywords, Requirement, fold_case, parse_cidr};

/// A parsed scope.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    fleet_selector: Option<Criterion<Vec<Requirement>>>,
    /// Selectors of `scope.clients`; `None` if every client is included.
    pub clients: Option<Vec<Selector>>,
    /// Selectors of `scope.exclude`.
    pub exclude: Vec<Selector>,
}

/// Result of matching a client against a scope, with the index of the selector that decided the
/// result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeMatch {
    /// The client is in scope. The index is that of the matching selector in `clients`; `None` if
    /// the scope has no `clients`.
    In(Option<usize>),
    /// The client is out of scope, because no selector of `clients` matches it.
    NoneMatches,
    /// The client is out of scope. The index is that of the matching selector in `exclude`.
    Excluded(usize),
}

/// The fields of a client that selectors can match.
#[derive(Clone, Copy, Debug)]
pub struct ClientFields<'a> {
    /// Name of the client.
    pub name: &'a str,
    /// Labels of the client.
    pub labels: &'a Labels,
    /// IP address of the client, if it can be parsed.
    pub ip: Option<IpAddr>,
    /// Case-folded name, computer, IP and last user; empty if absent.
    pub folded: [&'a str; 4],
}

impl ClientFields<'_> {
    /// Returns the same client without its IP address.
    #[must_use]
    pub(crate) fn without_ip(mut self) -> Self {
        self.ip = None;
        self.folded[2] = "";
        self
    }

    /// Returns the same client without its last user.
    #[must_use]
    pub(crate) fn without_user(mut self) -> Self {
        self.folded[3] = "";
        self
    }

    fn computer(&self) -> &str {
        self.folded[1]
    }
    fn user(&self) -> &str {
        self.folded[3]
    }
}

impl Scope {
    /// Parses a scope. If `spec` is `None`, every client is in scope.
    #[must_use]
    pub fn read(spec: Option<&ScopeSpec>) -> Self {
        let Some(spec) = spec else { return Self::default() };
        let selectors = |list: &Vec<ClientSelector>| list.iter().map(Selector::read).collect();
        Self {
            fleet_selector: spec.fleet_selector.as_ref().map(read_labels),
            clients: spec.clients.as_ref().filter(|list| !list.is_empty()).map(selectors),
            exclude: spec.exclude.as_ref().map(selectors).unwrap_or_default(),
        }
    }

    /// Returns whether a fleet is in scope. `label` returns the value of a label of the fleet.
    pub fn includes_fleet<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let Some(selector) = &self.fleet_selector else { return true };
        selector.matches(true, |requirements| requirements.iter().all(|r| r.holds(&label)))
    }

    /// Returns whether a client is in scope. The client's fleet must be in scope.
    #[must_use]
    pub fn includes_client(&self, subject: &ClientFields<'_>) -> bool {
        matches!(self.match_client(subject), ScopeMatch::In(_))
    }

    /// Returns whether a client is in scope, and which selector decided this. The client's fleet
    /// must be in scope.
    #[must_use]
    pub(crate) fn match_client(&self, subject: &ClientFields<'_>) -> ScopeMatch {
        let included = match &self.clients {
            None => None,
            Some(selectors) => match selectors.iter().position(|s| s.matches(subject, true)) {
                None => return ScopeMatch::NoneMatches,
                found => found,
            },
        };
        match self.exclude.iter().position(|s| s.matches(subject, false)) {
            Some(selector) => ScopeMatch::Excluded(selector),
            None => ScopeMatch::In(included),
        }
    }

    /// Returns all selectors: first those of `clients`, then those of `exclude`.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.clients.iter().flatten().chain(&self.exclude)
    }

    /// Returns whether a selector of the scope, or one of its listed values, may match at least one
    /// of these clients. Always true without `clients`, because the scope then includes every
    /// client.
    #[must_use]
    pub(crate) fn may_match(&self, clients: &ClientIndex) -> bool {
        self.clients.is_none() || self.selectors().any(|selector| selector.may_touch(clients))
    }

    /// Returns whether the scope selects individual clients, not only whole fleets.
    #[must_use]
    pub(crate) fn looks_at_clients(&self) -> bool {
        self.clients.is_some() || !self.exclude.is_empty()
    }
}

/// A criterion of a selector, which may have failed to parse.
#[derive(Clone, Debug)]
pub enum Criterion<T> {
    /// The criterion was parsed.
    Readable(T),
    /// The criterion cannot be parsed.
    Unreadable,
}

impl<T> Criterion<T> {
    fn is_readable(&self) -> bool {
        matches!(self, Self::Readable(_))
    }

    fn matches(&self, if_unreadable: bool, holds: impl FnOnce(&T) -> bool) -> bool {
        match self {
            Self::Readable(criterion) => holds(criterion),
            Self::Unreadable => if_unreadable,
        }
    }
}

/// A parsed client selector. It matches a client if all of its criteria match.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    names: Option<Criterion<Listed>>,
    computers: Option<Criterion<Listed>>,
    users: Option<Criterion<Listed>>,
    cidrs: Option<Criterion<Vec<IpNet>>>,
    labels: Option<Criterion<Vec<Requirement>>>,
    search: Option<Criterion<Keywords>>,
    entries: Vec<Entry>,
    is_one_list: bool,
}

type Listed = BTreeSet<String>;

/// Maximum number of values to look up in the client index. Each value needs a separate lookup.
const MAX_SEARCHED_VALUES: usize = 4;

/// One listed value of a selector. The status reports a value that matches no client.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name of the list that contains the value.
    pub list: &'static str,
    /// Value as written.
    pub value: Text,
    test: EntryTest,
}

#[derive(Clone, Debug)]
enum EntryTest {
    Name(Text),
    Computer(String),
    User(String),
    Cidr(Option<IpNet>),
}

impl Entry {
    /// Returns whether the value matches a client, regardless of the selector's other criteria.
    #[must_use]
    pub fn matches(&self, subject: &ClientFields<'_>) -> bool {
        match &self.test {
            EntryTest::Name(name) => name.as_str() == subject.name,
            EntryTest::Computer(computer) => !computer.is_empty() && computer == subject.computer(),
            EntryTest::User(user) => !user.is_empty() && user == subject.user(),
            EntryTest::Cidr(cidr) => contains(cidr.as_slice(), subject.ip),
        }
    }

    /// Returns whether the value may match at least one of these clients.
    fn may_match(&self, clients: &ClientIndex) -> bool {
        match &self.test {
            EntryTest::Name(name) => clients.may_contain(&fold_case(name)),
            EntryTest::Computer(value) | EntryTest::User(value) => clients.may_contain(value),
            EntryTest::Cidr(cidr) => cidr.is_some_and(|cidr| clients.may_contain_address(&cidr)),
        }
    }
}

impl Selector {
    fn read(spec: &ClientSelector) -> Self {
        let exact = |value: &Text| value.to_string();
        let folded = |value: &Text| fold_case(value);
        let search =
            |text: &Text| Keywords::parse(text).map_or(Criterion::Unreadable, Criterion::Readable);
        let selector = Self {
            names: spec.names.as_ref().map(|list| read_list(list, exact)),
            computers: spec.computers.as_ref().map(|list| read_list(list, folded)),
            users: spec.users.as_ref().map(|list| read_list(list, folded)),
            cidrs: spec.cidrs.as_ref().map(|list| read_cidrs(list)),
            labels: spec.label_selector.as_ref().map(read_labels),
            search: spec.search.as_ref().map(search),
            entries: read_entries(spec),
            is_one_list: false,
        };
        let Self { names, computers, users, cidrs, .. } = &selector;
        let lists = [names, computers, users].map(|list| list.as_ref().map(Criterion::is_readable));
        let lists = lists.into_iter().chain([cidrs.as_ref().map(Criterion::is_readable)]).flatten();
        // `criteria` includes criteria that are not lists, such as `search`; `lists` does not
        // include them.
        let is_one_list = selector.criteria().count() == 1 && lists.eq([true]);
        Self { is_one_list, ..selector }
    }

    /// Returns the listed values in the order written, without duplicates.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns whether the selector has only one criterion, and this criterion is a list that was
    /// parsed.
    #[must_use]
    pub(crate) fn is_one_list(&self) -> bool {
        self.is_one_list
    }

    /// Returns whether all criteria match. A criterion that cannot be parsed counts as
    /// `if_unreadable`.
    #[must_use]
    pub fn matches(&self, subject: &ClientFields<'_>, if_unreadable: bool) -> bool {
        let listed = |criterion: &Option<Criterion<Listed>>, value: &str| {
            criterion.as_ref().is_none_or(|c| c.matches(if_unreadable, |list| list.contains(value)))
        };
        let holds_labels = |requirements: &Vec<Requirement>| {
            requirements.iter().all(|r| r.holds(|key| subject.labels.get(key)))
        };
        if self.is_empty() {
            return if_unreadable;
        }
        listed(&self.names, subject.name)
            && listed(&self.computers, subject.computer())
            && listed(&self.users, subject.user())
            && self
                .cidrs
                .as_ref()
                .is_none_or(|c| c.matches(if_unreadable, |cidrs| contains(cidrs, subject.ip)))
            && self.labels.as_ref().is_none_or(|c| c.matches(if_unreadable, holds_labels))
            && self.search.as_ref().is_none_or(|c| {
                c.matches(if_unreadable, |keywords| keywords.occur_in(&subject.folded))
            })
    }

    /// Returns whether the selector, or one of its listed values, may match at least one of these
    /// clients. Also returns true if a search in the client index would not be faster than matching
    /// each client.
    fn may_touch(&self, clients: &ClientIndex) -> bool {
        if self.is_one_list {
            return self.entries.len() > MAX_SEARCHED_VALUES
                || self.entries.iter().any(|entry| entry.may_match(clients));
        }
        match &self.search {
            Some(Criterion::Readable(keywords)) if self.criteria().eq(["search"]) => {
                keywords.all(|keyword| clients.may_contain(keyword))
            }
            _ => true,
        }
    }

    /// Returns the names of the fields that the selector sets.
    pub fn criteria(&self) -> impl Iterator<Item = &'static str> + use<> {
        let criteria = [
            ("names", self.names.is_some()),
            ("computers", self.computers.is_some()),
            ("users", self.users.is_some()),
            ("cidrs", self.cidrs.is_some()),
            ("labelSelector", self.labels.is_some()),
            ("search", self.search.is_some()),
        ];
        criteria.into_iter().filter(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Returns whether the selector has no criteria. Such a selector counts as unreadable.
    fn is_empty(&self) -> bool {
        self.names.is_none()
            && self.computers.is_none()
            && self.users.is_none()
            && self.cidrs.is_none()
            && self.labels.is_none()
            && self.search.is_none()
    }
}

fn contains(cidrs: &[IpNet], ip: Option<IpAddr>) -> bool {
    ip.is_some_and(|ip| cidrs.iter().any(|cidr| cidr.contains(&ip)))
}

fn read_list(list: &[Text], key: impl Fn(&Text) -> String) -> Criterion<Listed> {
    if list.is_empty() || list.iter().any(|value| value.is_empty()) {
        return Criterion::Unreadable;
    }
    Criterion::Readable(list.iter().map(key).collect())
}

fn read_cidrs(list: &[Text]) -> Criterion<Vec<IpNet>> {
    let networks: Option<Vec<IpNet>> = list.iter().map(|cidr| parse_cidr(cidr)).collect();
    networks.filter(|list| !list.is_empty()).map_or(Criterion::Unreadable, Criterion::Readable)
}

fn read_labels(selector: &LabelSelector) -> Criterion<Vec<Requirement>> {
    let equal = selector.match_labels.iter().flat_map(Labels::iter);
    let equal = equal.map(|(key, value)| Requirement::parse(key, "In", &[value]));
    let expressions = selector.match_expressions.iter().flatten().map(|expression| {
        let values: Vec<&str> = expression.values.iter().flatten().map(Text::as_str).collect();
        Requirement::parse(&expression.key, &expression.operator, &values)
    });
    let requirements: Option<Vec<Requirement>> = equal.chain(expressions).collect();
    requirements.filter(|all| !all.is_empty()).map_or(Criterion::Unreadable, Criterion::Readable)
}

fn read_entries(spec: &ClientSelector) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |list: &'static str, values: &Option<Vec<Text>>, test: fn(&Text) -> EntryTest| {
        let mut seen = BTreeSet::new();
        for value in values.iter().flatten().filter(|value| seen.insert(value.as_str())) {
            entries.push(Entry { list, value: value.clone(), test: test(value) });
        }
    };
    add("names", &spec.names, |value| EntryTest::Name(value.clone()));
    add("computers", &spec.computers, |value| EntryTest::Computer(fold_case(value)));
    add("users", &spec.users, |value| EntryTest::User(fold_case(value)));
    add("cidrs", &spec.cidrs, |value| EntryTest::Cidr(parse_cidr(value)));
    entries
}
