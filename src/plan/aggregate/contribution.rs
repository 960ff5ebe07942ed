//! Computes the contribution of one fleet to the status of one policy.

use crate::api::Summary;
use crate::plan::client_fields::ClientFields;
use crate::plan::facts::ZoneFact;
use crate::plan::next_change::earlier;
use crate::plan::policy::Policy;
use crate::plan::scope::{Scope, Selector};
use crate::plan::scope_match::{Doubt, ListMatch, Match, ScopeMatch};
use crate::plan::state::State;
use crate::values::Timestamp;

/// Contribution of one fleet to the status of one policy: sums and other facts about the clients of
/// the fleet. The fleet must be in the policy's scope.
#[derive(Clone, Debug, Default)]
pub struct PolicyContribution {
    /// Number of clients in the policy's scope, whether or not the policy governs them. Clients
    /// that the policy may exclude, because their address is unknown, count as in scope.
    pub matched_clients: u32,
    /// Number of clients that are out of scope only because their address is unknown; 0 if the
    /// policy offers nothing.
    pub address_unknown_clients: u32,
    /// Number of clients that the policy governs, by state.
    pub governed: Summary,
    /// Numbers of the governed clients that run a withdrawn version.
    pub withdrawn: WithdrawnCounts,
    /// Earliest time at which the offer of a governed client changes.
    pub next_transition: Option<Timestamp>,
    /// Distinct time zones of the governed clients.
    pub zones: Vec<ZoneFact>,
    /// Match results: which selectors of the scope, and which of their listed values, match a
    /// client of the fleet.
    pub hits: Hits,
}

/// Numbers of governed clients that run a version that is withdrawn for their fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WithdrawnCounts {
    /// Number of clients in any state.
    pub clients: u32,
    /// Number of clients in the state `Ahead`. The policy is not complete because of them.
    pub ahead: u32,
}

impl WithdrawnCounts {
    /// Adds clients that have the same state.
    pub(crate) fn count(&mut self, state: State, clients: u32) {
        self.clients += clients;
        self.ahead += if state == State::Ahead { clients } else { 0 };
    }
}

impl PolicyContribution {
    /// Returns the contribution to the status of `policy` before any client is added.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self { hits: Hits::none(&policy.scope), ..Self::default() }
    }

    /// Counts a client by its match against the policy's scope.
    pub(crate) fn count_match(&mut self, result: ScopeMatch) {
        match result {
            ScopeMatch::In(_) | ScopeMatch::InDoubt(Doubt::MayExclude, _) => {
                self.matched_clients += 1;
            }
            ScopeMatch::InDoubt(Doubt::NotIncluded, _) => self.address_unknown_clients += 1,
            ScopeMatch::InDoubt(Doubt::MayHold, _)
            | ScopeMatch::NoneMatches
            | ScopeMatch::Excluded(_) => {}
        }
    }

    /// Adds `clients` governed clients that have the same state, the same time zone and the same
    /// time of the next offer change.
    pub(crate) fn govern(
        &mut self,
        clients: u32,
        state: State,
        zone: &ZoneFact,
        next_transition: Option<Timestamp>,
    ) {
        self.governed.count(state, clients);
        self.next_transition = earlier(self.next_transition, next_transition);
        if !self.zones.contains(zone) {
            self.zones.push(zone.clone());
        }
    }
}

/// Match results of all selectors of a scope: first the selectors in `clients`, then those in
/// `exclude`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(pub(super) Box<[SelectorHits]>);

/// Match results of one selector: whether the selector has matched a client, and which of its
/// listed values have matched a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SelectorHits {
    pub selector: bool,
    pub entries: Box<[bool]>,
}

impl SelectorHits {
    fn none(selector: &Selector) -> Self {
        Self { selector: false, entries: vec![false; selector.entries().len()].into() }
    }

    /// Records whether the selector and each of its values certainly match a client. Returns the
    /// result for the selector.
    fn note(
        &mut self,
        selector: &Selector,
        client: &ClientFields<'_>,
        if_unreadable: bool,
    ) -> Match {
        let result = selector.matches(client, if_unreadable);
        self.selector |= result == Match::Yes;
        // Skip the values of a selector that is a single list and does not match, because none of
        // its values can match.
        if result == Match::Yes || !selector.is_one_list() {
            for (entry, hit) in selector.entries().iter().zip(&mut self.entries) {
                *hit = *hit || entry.matches(client);
            }
        }
        result
    }
}

impl Hits {
    fn none(scope: &Scope) -> Self {
        scope.selectors().map(SelectorHits::none).collect::<Vec<_>>().into_boxed_slice().into()
    }

    /// Records which selectors and values match a client whose fleet is in scope. Returns the
    /// result for the scope, like [`Scope::match_client`].
    pub fn record(
        &mut self,
        scope: &Scope,
        client: &ClientFields<'_>,
        distributes: bool,
    ) -> ScopeMatch {
        let (clients, exclude) = self.0.split_at_mut(scope.clients.as_ref().map_or(0, Vec::len));
        let mut included = match scope.clients {
            None => ListMatch::EVERY_CLIENT,
            Some(_) => ListMatch::default(),
        };
        let selectors = scope.clients.iter().flatten().zip(clients).enumerate();
        for (index, (selector, hits)) in selectors {
            included.add(index, hits.note(selector, client, true));
        }
        let mut excluded = ListMatch::default();
        for (index, (selector, hits)) in scope.exclude.iter().zip(exclude).enumerate() {
            excluded.add(index, hits.note(selector, client, false));
        }
        ScopeMatch::of(included, excluded, distributes)
    }
}

impl From<Box<[SelectorHits]>> for Hits {
    fn from(hits: Box<[SelectorHits]>) -> Self {
        Self(hits)
    }
}
