//! Parses the scope of a policy once, and matches clients against it.
//!
//! A criterion that cannot be parsed counts as matching in `clients` and `fleetSelector`, and as
//! not matching in `exclude`. The policy is then invalid and blocks the clients that it governs, so
//! an unclear scope blocks more clients instead of fewer.

use super::client_fields::ClientFields;
use super::client_index::ClientIndex;
use super::criteria::{CRITERIA, Criterion, Read, Test, VERSIONS, ValueTest, read_requirements};
use super::scope_match::{Applies, ListMatch, Match, ScopeMatch};
use crate::api::Text;
use crate::api::policy::{ClientSelector, Scope as ScopeSpec};
use crate::values::Version;
use crate::values::selector::Requirement;

/// The parsed scope of a policy.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Requirements on the fleet's labels. `None` means that the scope has no `fleetSelector`;
    /// `Some(None)` means that the `fleetSelector` cannot be parsed.
    fleet_selector: Option<Option<Vec<Requirement>>>,
    /// Selectors of `scope.clients`. `None` means that the list is missing or empty; the scope then
    /// includes every client.
    pub clients: Option<Vec<Selector>>,
    /// Selectors of `scope.exclude`.
    pub exclude: Vec<Selector>,
    looks_at_versions: bool,
}

/// Results of the selectors of a scope for a client, apart from their criterion `versions`.
///
/// Clients with the same results are in scope at the same versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatchExceptVersion {
    clients: SelectorMatches,
    exclude: SelectorMatches,
}

/// At which versions a policy applies to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppliesAt {
    /// The policy applies in the same way at every version.
    EveryVersion(Applies),
    /// The scope has the criterion `versions`, so the version decides.
    SomeVersions(MatchExceptVersion),
}

/// Results of the selectors of one list, one bit for each selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct SelectorMatches {
    matching: u64,
    in_doubt: u64,
}

impl SelectorMatches {
    /// Returns the bit of the selector at `index`. A scope with more selectors is invalid, so that
    /// it offers nothing; its further selectors share the last bit.
    fn bit(index: usize) -> u64 {
        1 << index.min(63)
    }

    fn add(&mut self, index: usize, result: Match) {
        match result {
            Match::Yes => self.matching |= Self::bit(index),
            Match::InDoubt => self.in_doubt |= Self::bit(index),
            Match::No => {}
        }
    }

    fn of(self, index: usize) -> Match {
        if self.matching & Self::bit(index) != 0 {
            Match::Yes
        } else if self.in_doubt & Self::bit(index) != 0 {
            Match::InDoubt
        } else {
            Match::No
        }
    }
}

impl Scope {
    /// Parses a scope. If `spec` is `None`, every client is in scope.
    #[must_use]
    pub fn read(spec: Option<&ScopeSpec>) -> Self {
        let Some(spec) = spec else { return Self::default() };
        let selectors = |list: &Vec<ClientSelector>| list.iter().map(Selector::read).collect();
        let scope = Self {
            fleet_selector: spec.fleet_selector.as_ref().map(read_requirements),
            clients: spec.clients.as_ref().filter(|list| !list.is_empty()).map(selectors),
            exclude: spec.exclude.as_ref().map(selectors).unwrap_or_default(),
            looks_at_versions: false,
        };
        let by_version = |selector: &Selector| selector.criteria().any(|name| name == VERSIONS);
        let looks_at_versions = scope.selectors().any(by_version);
        Self { looks_at_versions, ..scope }
    }

    /// Returns whether a fleet is in scope. `label` returns the value of the fleet's label with a
    /// given key.
    pub fn includes_fleet<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let requirements = self.fleet_selector.iter().flatten().flatten();
        requirements.into_iter().all(|requirement| requirement.holds(&label))
    }

    /// Matches a client against the scope of a policy. `distributes` is whether the policy offers
    /// versions. Call this only if the client's fleet is in scope.
    #[must_use]
    pub fn match_client(&self, subject: &ClientFields<'_>, distributes: bool) -> ScopeMatch {
        let list = |selectors: &[Selector], if_unreadable| {
            let mut list = ListMatch::default();
            for (index, selector) in selectors.iter().enumerate() {
                list.add(index, selector.matches(subject, if_unreadable));
            }
            list
        };
        let clients = self.clients.as_ref();
        let clients = clients.map_or(ListMatch::EVERY_CLIENT, |clients| list(clients, true));
        ScopeMatch::of(clients, list(&self.exclude, false), distributes)
    }

    /// Matches a client against the scope apart from the version that it runs. Returns `None` if the
    /// client is out of scope at every version.
    #[must_use]
    pub fn match_except_version(&self, subject: &ClientFields<'_>) -> Option<MatchExceptVersion> {
        let list = |selectors: &[Selector], if_unreadable: bool| {
            let mut found = SelectorMatches::default();
            for (index, selector) in selectors.iter().enumerate() {
                found.add(index, selector.matches_except_version(subject, if_unreadable));
            }
            found
        };
        let clients = list(self.clients.as_deref().unwrap_or_default(), true);
        if self.clients.is_some() && clients == SelectorMatches::default() {
            return None;
        }
        Some(MatchExceptVersion { clients, exclude: list(&self.exclude, false) })
    }

    /// Matches a client against the scope while it runs `version`, like [`Scope::match_client`].
    /// `matched` is the result of [`Scope::match_except_version`] for the client.
    #[must_use]
    pub(crate) fn match_at_version(
        &self,
        matched: MatchExceptVersion,
        version: Option<&Version>,
        distributes: bool,
    ) -> ScopeMatch {
        let list = |selectors: &[Selector], matches: SelectorMatches, if_unreadable: bool| {
            let mut list = ListMatch::default();
            for (index, selector) in selectors.iter().enumerate() {
                if selector.matches_version(version, if_unreadable) {
                    list.add(index, matches.of(index));
                }
            }
            list
        };
        let clients = self.clients.as_deref();
        let clients =
            clients.map_or(ListMatch::EVERY_CLIENT, |clients| list(clients, matched.clients, true));
        ScopeMatch::of(clients, list(&self.exclude, matched.exclude, false), distributes)
    }

    /// Returns at which versions the policy of the scope applies to a client; `None` if it applies
    /// at no version. `result` is the result of [`Scope::match_client`] for the client.
    #[must_use]
    pub fn applies_at(
        &self,
        subject: Option<&ClientFields<'_>>,
        result: ScopeMatch,
    ) -> Option<AppliesAt> {
        match subject.filter(|_| self.looks_at_versions) {
            None => result.applies().map(AppliesAt::EveryVersion),
            Some(subject) => self.match_except_version(subject).map(AppliesAt::SomeVersions),
        }
    }

    /// Returns whether a selector of the scope has the criterion `versions`.
    #[must_use]
    pub fn looks_at_versions(&self) -> bool {
        self.looks_at_versions
    }

    /// Returns all selectors: first those of `clients`, then those of `exclude`.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.clients.iter().flatten().chain(&self.exclude)
    }

    /// Returns whether any selector of the scope, or any of its listed values, may match a client
    /// in the index. Always returns true if the scope has no `clients`, because such a scope
    /// includes every client.
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

/// A parsed client selector. It matches a client if all of its criteria match.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    criteria: Vec<(&'static str, Test)>,
    entries: Vec<Entry>,
    is_one_list: bool,
}

/// Maximum number of values to look up in the client index. Each value needs a separate lookup.
const MAX_SEARCHED_VALUES: usize = 4;

/// One value of a list in a selector. The policy's status reports values that match no client.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Name of the list that contains the value.
    pub list: &'static str,
    /// Value as written in the policy.
    pub value: Text,
    test: ValueTest,
}

impl Entry {
    /// Returns whether the value certainly matches a client, regardless of the selector's other criteria.
    #[must_use]
    pub fn matches(&self, client: &ClientFields<'_>) -> bool {
        self.test.matches(client)
    }
}

impl Selector {
    fn read(spec: &ClientSelector) -> Self {
        let mut selector = Self::default();
        for Criterion { name, read } in &CRITERIA {
            let Some(Read { test, values }) = read(spec) else { continue };
            selector.is_one_list = values.is_some() && !matches!(test, Test::Unreadable);
            let entry = |(value, test)| Entry { list: name, value, test };
            selector.entries.extend(values.into_iter().flatten().map(entry));
            selector.criteria.push((name, test));
        }
        selector.is_one_list &= selector.criteria.len() == 1;
        selector
    }

    /// Returns the listed values in the order written, without duplicates.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns whether the only criterion of the selector is a list that could be parsed.
    #[must_use]
    pub(crate) fn is_one_list(&self) -> bool {
        self.is_one_list
    }

    /// Returns whether the client meets all criteria of the selector. A criterion that cannot be
    /// parsed and a selector without criteria count as met if `if_unreadable` is true.
    ///
    /// The result is in doubt if the client meets all criteria except for networks, and its address
    /// is unknown.
    #[must_use]
    pub fn matches(&self, client: &ClientFields<'_>, if_unreadable: bool) -> Match {
        if self.criteria.is_empty() {
            return if_unreadable.into();
        }
        weakest(self.criteria.iter().map(|(_, test)| test), client, if_unreadable)
    }

    /// Returns the result of [`Selector::matches`] as if the criterion `versions` matched.
    fn matches_except_version(&self, client: &ClientFields<'_>, if_unreadable: bool) -> Match {
        if self.criteria.is_empty() {
            return if_unreadable.into();
        }
        let others = self.criteria.iter().filter(|(name, _)| *name != VERSIONS);
        weakest(others.map(|(_, test)| test), client, if_unreadable)
    }

    /// Returns whether `version` meets the criterion `versions`. Always returns true if the selector
    /// has no such criterion.
    fn matches_version(&self, version: Option<&Version>, if_unreadable: bool) -> bool {
        let mut versions = self.criteria.iter().filter(|(name, _)| *name == VERSIONS);
        versions.all(|(_, test)| test.matches_version(version, if_unreadable))
    }

    /// Returns whether the selector, or any of its listed values, may match a client in the index.
    /// Also returns true if a search in the index would not be faster than matching each client.
    fn may_touch(&self, clients: &ClientIndex) -> bool {
        match &self.criteria[..] {
            _ if self.is_one_list => {
                self.entries.len() > MAX_SEARCHED_VALUES
                    || self.entries.iter().any(|entry| entry.test.may_match(clients))
            }
            [(_, Test::Contains(keywords))] => keywords.all(|keyword| clients.may_contain(keyword)),
            _ => true,
        }
    }

    /// Returns the names of the fields that the selector sets.
    pub fn criteria(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        self.criteria.iter().map(|(name, _)| *name)
    }
}

/// Returns the result for a client that must pass all `tests`.
fn weakest<'t>(
    tests: impl Iterator<Item = &'t Test>,
    client: &ClientFields<'_>,
    if_unreadable: bool,
) -> Match {
    let mut result = Match::Yes;
    for test in tests {
        result = result.min(test.matches(client, if_unreadable));
        if result == Match::No {
            break;
        }
    }
    result
}
