//! Which clients a policy is about: its scope, parsed once. Knows what a client looks like, not what
//! is decided for it.
//!
//! A criterion that cannot be read counts as matching in `clients` and `fleetSelector` and as not
//! matching in `exclude`: its policy is invalid, and an invalid policy blocks whom it governs, so
//! that the doubt keeps more clients where they are.

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
    /// The selectors of `scope.clients`; `None`: every client.
    pub clients: Option<Vec<Selector>>,
    /// The selectors of `scope.exclude`.
    pub exclude: Vec<Selector>,
}

/// What a scope says about a client, and by which of its selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeMatch {
    /// In scope, by this one of `clients`; `None` where every client is.
    In(Option<usize>),
    /// Out of scope: no selector of `clients` matches.
    NoneMatches,
    /// Out of scope by this one of `exclude`.
    Excluded(usize),
}

/// What a scope looks at in a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientFields<'a> {
    /// The client's name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Its address, where it can be read.
    pub ip: Option<IpAddr>,
    /// Name, computer, IP and last user in folded case; empty where absent.
    pub folded: [&'a str; 4],
}

impl ClientFields<'_> {
    /// The same client, were nothing known of its address.
    #[must_use]
    pub fn without_ip(mut self) -> Self {
        self.ip = None;
        self.folded[2] = "";
        self
    }

    /// The same client, were nothing known of its last user.
    #[must_use]
    pub fn without_user(mut self) -> Self {
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
    /// Reads a scope; without one, everything is in scope.
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

    /// Whether a fleet of which `label` gives the value of a label's key is in scope.
    pub fn includes_fleet<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let Some(selector) = &self.fleet_selector else { return true };
        selector.matches(true, |requirements| requirements.iter().all(|r| r.holds(&label)))
    }

    /// Whether a client of a fleet that is in scope is in scope too.
    #[must_use]
    pub fn includes_client(&self, subject: &ClientFields<'_>) -> bool {
        matches!(self.match_client(subject), ScopeMatch::In(_))
    }

    /// Which selector decides whether a client of a fleet that is in scope is in scope too.
    #[must_use]
    pub fn match_client(&self, subject: &ClientFields<'_>) -> ScopeMatch {
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

    /// Its selectors: those of `clients`, then those of `exclude`.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.clients.iter().flatten().chain(&self.exclude)
    }

    /// Whether one of its selectors, or one of their values, may match one of these clients; `false`
    /// where a fleet has none of those that it is about.
    #[must_use]
    pub fn may_match(&self, clients: &ClientIndex) -> bool {
        self.clients.is_none() || self.selectors().any(|selector| selector.may_touch(clients))
    }

    /// Whether it looks at anything but the fleet.
    #[must_use]
    pub fn looks_at_clients(&self) -> bool {
        self.clients.is_some() || !self.exclude.is_empty()
    }
}

/// Something that a client is measured by, or that cannot be read.
#[derive(Clone, Debug)]
pub enum Criterion<T> {
    /// It can be asked.
    Readable(T),
    /// It cannot be.
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

/// A parsed client selector: all the criteria that it has must match.
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

/// So many values are looked for in all clients at once: it takes as long for each.
const MAX_SEARCHED_VALUES: usize = 4;

/// One value of a list in a selector, that by itself should match some client.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The list that it stands in.
    pub list: &'static str,
    /// The value as it is written.
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
    /// Whether the value by itself matches a client.
    #[must_use]
    pub fn matches(&self, subject: &ClientFields<'_>) -> bool {
        match &self.test {
            EntryTest::Name(name) => name.as_str() == subject.name,
            EntryTest::Computer(computer) => !computer.is_empty() && computer == subject.computer(),
            EntryTest::User(user) => !user.is_empty() && user == subject.user(),
            EntryTest::Cidr(cidr) => contains(cidr.as_slice(), subject.ip),
        }
    }

    /// Whether it may match one of these clients.
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
        // A criterion that is no list counts here, and is not among them.
        let is_one_list = selector.criteria().count() == 1 && lists.eq([true]);
        Self { is_one_list, ..selector }
    }

    /// The values it lists, in the order written, each once.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a list of values that can be read is all that it has.
    #[must_use]
    pub fn is_one_list(&self) -> bool {
        self.is_one_list
    }

    /// Whether all its criteria match; one that cannot be read counts as `if_unreadable`.
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

    /// Whether it, or one of its values, may match one of these clients, as far as that is told sooner
    /// than by asking each of them.
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

    /// The criteria that it has, by the names of their fields.
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

    /// A selector without criteria says nothing, so that it counts as one that cannot be read.
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
