//! Aggregates the contributions of all fleets in a policy's scope.

use super::{Change, Hits, MultiSet, PolicyContribution, WithdrawnCounts};
use crate::api::{Summary, Text};
use crate::plan::facts::ZoneFact;
use crate::plan::scope::{Scope, Selector};
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// The sum of the contributions of all fleets in a policy's scope.
#[derive(Clone, Debug, Default)]
pub struct PolicyAggregate {
    /// Number of fleets in the policy's scope.
    pub fleets: u32,
    /// Number of fleets whose stored status does not show yet that they apply the current revision
    /// of the policy.
    pub unsettled: u32,
    /// Number of clients in the policy's scope.
    pub matched_clients: u32,
    /// Number of clients that are out of scope only because their address is unknown.
    pub address_unknown_clients: u32,
    /// Number of clients that the policy governs, by state.
    pub governed: Summary,
    /// Numbers of the governed clients that run a withdrawn version.
    pub withdrawn: WithdrawnCounts,
    transitions: MultiSet<Timestamp>,
    zones: MultiSet<ZoneFact>,
    /// Number of fleets with a match, for each selector of the scope and, in the inner list, for
    /// each listed value of the selector.
    hits: Vec<(u32, Vec<u32>)>,
    /// Package versions of the fleets in scope. Each spelling of a version is counted separately.
    packages: MultiSet<Text>,
}

impl PolicyAggregate {
    /// Adds or removes the contribution of one fleet with the package version `package`.
    /// `is_settled` is true if the stored status of the fleet shows that the fleet applies the
    /// current revision of the policy.
    pub fn change(
        &mut self,
        change: Change,
        contribution: &PolicyContribution,
        package: Option<&VersionText>,
        is_settled: bool,
    ) {
        let PolicyContribution {
            matched_clients,
            address_unknown_clients,
            governed,
            withdrawn,
            next_transition,
            zones,
            hits,
        } = contribution;
        change.count(&mut self.fleets, 1);
        change.count(&mut self.unsettled, u32::from(!is_settled));
        change.count(&mut self.matched_clients, *matched_clients);
        change.count(&mut self.withdrawn.clients, withdrawn.clients);
        change.count(&mut self.withdrawn.ahead, withdrawn.ahead);
        change.count(&mut self.address_unknown_clients, *address_unknown_clients);
        match change {
            Change::Add => self.governed.add(*governed),
            Change::Remove => self.governed.subtract(*governed),
        }
        next_transition.iter().for_each(|at| self.transitions.change(change, at));
        zones.iter().for_each(|zone| self.zones.change(change, zone));
        self.count_hits(hits, |counter, hit| change.count(counter, u32::from(hit)));
        package.iter().for_each(|package| self.packages.change(change, &package.raw));
    }

    fn count_hits(&mut self, hits: &Hits, count: impl Fn(&mut u32, bool)) {
        if self.hits.is_empty() {
            self.hits = hits.0.iter().map(|hits| (0, vec![0; hits.entries.len()])).collect();
        }
        for ((selector, entries), hits) in self.hits.iter_mut().zip(&hits.0) {
            count(selector, hits.selector);
            entries.iter_mut().zip(&hits.entries).for_each(|(entry, &hit)| count(entry, hit));
        }
    }

    /// Returns the earliest time at which the offer of a governed client changes.
    #[must_use]
    pub fn next_transition(&self) -> Option<Timestamp> {
        self.transitions.0.keys().next().copied()
    }

    /// Returns the distinct time zones of the governed clients.
    #[must_use]
    pub fn zones(&self) -> impl ExactSizeIterator<Item = &ZoneFact> {
        self.zones.0.keys()
    }

    /// Returns the package versions of the fleets in scope, each spelling once.
    #[must_use]
    pub fn packages(&self) -> Vec<VersionText> {
        self.packages.0.keys().cloned().map(VersionText::new).collect()
    }

    /// Returns the selectors and the listed values of the scope that match no client, in the order
    /// of the scope.
    ///
    /// A value is returned as `scope.clients[0].names: LT-VIP7`, and a selector as
    /// `scope.exclude[1]`, unless one of the selector's values is returned.
    pub fn unmatched<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = String> + 'a {
        placed(scope).enumerate().flat_map(|(place, (list, index, selector))| {
            let hits = self.hits.get(place);
            let is_missed = |entry| hits.is_none_or(|(_, entries)| entries[entry] == 0);
            let missed =
                selector.entries().iter().enumerate().filter(|(entry, _)| is_missed(*entry));
            let mut lines: Vec<String> = missed
                .map(|(_, entry)| format!("scope.{list}[{index}].{}: {}", entry.list, entry.value))
                .collect();
            if lines.is_empty() && hits.is_none_or(|(selector, _)| *selector == 0) {
                lines.push(format!("scope.{list}[{index}]"));
            }
            lines
        })
    }
}

/// Returns the selectors of a scope, each with the name of the list that contains it and its index
/// in that list.
fn placed(scope: &Scope) -> impl Iterator<Item = (&'static str, usize, &Selector)> {
    let clients = scope.clients.iter().flatten().enumerate();
    let exclude = scope.exclude.iter().enumerate();
    clients
        .map(|(index, selector)| ("clients", index, selector))
        .chain(exclude.map(|(index, selector)| ("exclude", index, selector)))
}
