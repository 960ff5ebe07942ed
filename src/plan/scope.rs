//! Parses the scope of a policy once, and matches clients against it.
//!
//! A criterion that cannot be parsed counts as matching in `clients` and `fleetSelector`, and as
//! not matching in `exclude`. The policy is then invalid and blocks the clients that it governs, so
//! an unclear scope blocks more clients instead of fewer.

use super::client_fields::ClientFields;
use super::client_index::ClientIndex;
use super::criteria::{CRITERIA, Criterion, Read, Test, VERSIONS, ValueTest, read_requirements};
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

/// Result of matching a client against a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeMatch {
    /// The client is in scope. The value is the index of the first matching selector in `clients`;
    /// `None` if the scope has no `clients`.
    In(Option<usize>),
    /// The client is out of scope, because no selector of `clients` matches it.
    NoneMatches,
    /// The client is out of scope. The value is the index of the first matching selector in
    /// `exclude`.
    Excluded(usize),
}

/// Selectors of a scope that match a client apart from their criterion `versions`, one bit for each
/// selector of `clients` and of `exclude`.
///
/// Clients with the same bits are in scope at the same versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatchExceptVersion {
    clients: u64,
    exclude: u64,
}

/// Returns the bit of the selector at `index`. A scope with more selectors is invalid, so that it
/// offers nothing; its further selectors share the last bit.
fn bit(index: usize) -> u64 {
    1 << index.min(63)
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

    /// Returns whether a client is in scope. Call this only if the client's fleet is in scope.
    #[must_use]
    pub fn includes_client(&self, subject: &ClientFields<'_>) -> bool {
        matches!(self.match_client(subject), ScopeMatch::In(_))
    }

    /// Matches a client against the scope. Call this only if the client's fleet is in scope.
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

    /// Matches a client against the scope apart from the version that it runs. Returns `None` if the
    /// client is out of scope at every version.
    #[must_use]
    pub fn match_except_version(&self, subject: &ClientFields<'_>) -> Option<MatchExceptVersion> {
        let matching = |selectors: &[Selector], if_unreadable: bool| {
            let matching = selectors
                .iter()
                .enumerate()
                .filter(|(_, selector)| selector.matches_except_version(subject, if_unreadable));
            matching.fold(0, |bits, (index, _)| bits | bit(index))
        };
        let clients = matching(self.clients.as_deref().unwrap_or_default(), true);
        if self.clients.is_some() && clients == 0 {
            return None;
        }
        Some(MatchExceptVersion { clients, exclude: matching(&self.exclude, false) })
    }

    /// Returns whether a client is in scope while it runs `version`. `matched` is the result of
    /// [`Scope::match_except_version`] for the client.
    #[must_use]
    pub(crate) fn includes_version(
        &self,
        matched: MatchExceptVersion,
        version: Option<&Version>,
    ) -> bool {
        let any = |selectors: &[Selector], bits: u64, if_unreadable: bool| {
            selectors.iter().enumerate().any(|(index, selector)| {
                bits & bit(index) != 0 && selector.matches_version(version, if_unreadable)
            })
        };
        self.clients.as_deref().is_none_or(|selectors| any(selectors, matched.clients, true))
            && !any(&self.exclude, matched.exclude, false)
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
    /// Returns whether the value matches a client, regardless of the selector's other criteria.
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
    #[must_use]
    pub fn matches(&self, client: &ClientFields<'_>, if_unreadable: bool) -> bool {
        if self.criteria.is_empty() {
            return if_unreadable;
        }
        self.criteria.iter().all(|(_, test)| test.matches(client, if_unreadable))
    }

    /// Returns the result of [`Selector::matches`] as if the criterion `versions` matched.
    fn matches_except_version(&self, client: &ClientFields<'_>, if_unreadable: bool) -> bool {
        if self.criteria.is_empty() {
            return if_unreadable;
        }
        let others = self.criteria.iter().filter(|(name, _)| *name != VERSIONS);
        others.into_iter().all(|(_, test)| test.matches(client, if_unreadable))
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
