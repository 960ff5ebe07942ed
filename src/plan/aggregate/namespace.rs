//! Aggregates the plans of all fleets in one namespace: a [`PolicyAggregate`] for each policy, the
//! times at which plans expire, and the counts for the metrics.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, PolicyAggregate, PolicyContribution};
use crate::api::Text;
use crate::plan::cached::Digest;
use crate::plan::trigger::PolicyRevisions;
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// Record of a fleet's plan, with the values that the fleet adds to the aggregates.
#[derive(Debug)]
pub struct PlanRecord {
    /// Digest of the planned status.
    pub status: Digest,
    /// Contribution to each policy whose scope includes the fleet, by policy name.
    pub contributions: BTreeMap<Text, PolicyContribution>,
    /// Revisions of the policies whose scope included the fleet when it was planned.
    pub policy_revisions: PolicyRevisions,
    /// Version of the fleet's package, if it can be parsed and is not withdrawn.
    pub package: Option<VersionText>,
    /// Instant at which the plan expires; `None` if it never expires.
    pub holds_until: Option<Timestamp>,
    /// Number of the fleet's clients that no policy governs.
    pub unmanaged: u32,
    /// True if the planned status of the fleet has the condition `Stalled`.
    pub stalled: bool,
    /// True if the fleet's spec cannot be read.
    pub unreadable: bool,
}

/// Counts over all fleets of a namespace, for the metrics. No policy status contains these counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceCounts {
    /// Number of fleets.
    pub fleets: u32,
    /// Number of fleets with the condition `Stalled`: fleets whose spec cannot be read, that are
    /// too large, whose time zone is unknown, or whose `packageFrom` leads to no package.
    pub stalled_fleets: u32,
    /// Number of fleets whose spec cannot be read.
    pub unreadable_fleets: u32,
    /// Number of clients that no policy governs.
    pub unmanaged_clients: u32,
}

/// Aggregates over the plans of all fleets in one namespace.
#[derive(Debug, Default)]
pub struct NamespaceAggregates {
    policies: BTreeMap<Text, PolicyAggregate>,
    ends: BTreeSet<(Timestamp, Text)>,
    counts: NamespaceCounts,
}

impl NamespaceAggregates {
    /// Adds or removes the plan of a fleet. `applied` contains the policy revisions that the fleet
    /// applies according to its stored status.
    pub fn change(
        &mut self,
        change: Change,
        fleet: &Text,
        plan: &PlanRecord,
        applied: &PolicyRevisions,
    ) {
        for (policy, contribution) in &plan.contributions {
            let is_settled = applied.get(policy) == plan.policy_revisions.get(policy);
            if change == Change::Add && !self.policies.contains_key(policy) {
                self.policies.insert(policy.clone(), PolicyAggregate::default());
            }
            let Some(aggregate) = self.policies.get_mut(policy) else { continue };
            aggregate.change(change, contribution, plan.package.as_ref(), is_settled);
            // Drop the empty aggregate, because a later policy with the same name may have a
            // different scope.
            if aggregate.fleets == 0 {
                self.policies.remove(policy);
            }
        }
        if let Some(until) = plan.holds_until {
            let end = (until, fleet.clone());
            match change {
                Change::Add => self.ends.insert(end),
                Change::Remove => self.ends.remove(&end),
            };
        }
        let NamespaceCounts { fleets, stalled_fleets, unreadable_fleets, unmanaged_clients } =
            &mut self.counts;
        change.count(fleets, 1);
        change.count(stalled_fleets, u32::from(plan.stalled));
        change.count(unreadable_fleets, u32::from(plan.unreadable));
        change.count(unmanaged_clients, plan.unmanaged);
    }

    /// Returns the aggregate over all fleets in a policy's scope; `None` if no fleet is in scope.
    #[must_use]
    pub fn policy(&self, policy: &str) -> Option<&PolicyAggregate> {
        self.policies.get(policy)
    }

    /// Returns the earliest instant at which the plan of a fleet expires; `None` if no plan
    /// expires.
    #[must_use]
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Returns the names of the fleets whose plans expire at or before `at`.
    #[must_use]
    pub fn ended(&self, at: Timestamp) -> Vec<Text> {
        self.ends
            .iter()
            .take_while(|(until, _)| *until <= at)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Returns the counts over all fleets of the namespace.
    #[must_use]
    pub fn counts(&self) -> NamespaceCounts {
        self.counts
    }
}
