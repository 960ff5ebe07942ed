//! The aggregates of one namespace over its fleets' plans: one aggregate per policy, the instants
//! at which plans expire, and the namespace counts. A fleet's plan is added and removed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::cached::Digest;
use super::policy_aggregate::{FleetShare, PolicyAggregate};
use super::policy_contribution::PolicyContribution;
use super::trigger::PolicyRevisions;
use super::version_text::VersionText;
use crate::api::Text;
use crate::values::Timestamp;

/// The record of a fleet's plan.
#[derive(Debug)]
pub struct PlanRecord {
    /// Digest of the planned status.
    pub status: Digest,
    /// Contribution to each policy whose scope includes the fleet, by policy name.
    pub contributions: BTreeMap<Text, PolicyContribution>,
    /// Revisions of the policies that the fleet was planned under.
    pub policy_revisions: PolicyRevisions,
    /// Version of the fleet's package.
    pub package: Option<VersionText>,
    /// Instant until which the plan holds; `None` if it never expires.
    pub holds_until: Option<Timestamp>,
    /// Number of the fleet's clients that no policy governs.
    pub unmanaged: u32,
    /// Whether the fleet itself has a problem, shown as the condition `Stalled`.
    pub stalled: bool,
    /// Whether the fleet's spec cannot be read.
    pub unreadable: bool,
}

impl PlanRecord {
    /// Returns the fleet's share in the status of each of its policies. `carries_out` lists the
    /// policy revisions that the fleet's stored status was seen to apply.
    fn shares<'a>(
        &'a self,
        carries_out: &'a PolicyRevisions,
    ) -> impl Iterator<Item = (&'a Text, FleetShare<'a>)> {
        self.contributions.iter().map(|(policy, tally)| {
            let settled = carries_out.get(policy) == self.policy_revisions.get(policy);
            (policy, FleetShare { contribution: tally, package: self.package.as_ref(), settled })
        })
    }
}

/// Counts of a namespace that no policy's status contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceCounts {
    /// Number of fleets.
    pub fleets: u32,
    /// Number of fleets with a problem of their own: unreadable, too large, or with an unknown time
    /// zone.
    pub stalled_fleets: u32,
    /// Number of fleets whose spec cannot be read.
    pub unreadable_fleets: u32,
    /// Number of clients that no policy governs.
    pub unmanaged_clients: u32,
}

/// The aggregates of one namespace over the plans of its fleets.
#[derive(Debug, Default)]
pub struct NamespaceAggregates {
    policies: BTreeMap<Text, PolicyAggregate>,
    ends: BTreeSet<(Timestamp, Text)>,
    counts: NamespaceCounts,
}

impl NamespaceAggregates {
    /// Adds a fleet's plan. `carries_out` lists the policy revisions that the fleet's stored status
    /// was seen to apply.
    pub fn add(&mut self, fleet: &Text, plan: &PlanRecord, carries_out: &PolicyRevisions) {
        for (policy, share) in plan.shares(carries_out) {
            if let Some(total) = self.policies.get_mut(policy) {
                total.add(share);
            } else {
                self.policies.entry(policy.clone()).or_default().add(share);
            }
        }
        self.ends.extend(plan.holds_until.map(|until| (until, fleet.clone())));
        self.counts.fleets += 1;
        self.counts.stalled_fleets += u32::from(plan.stalled);
        self.counts.unreadable_fleets += u32::from(plan.unreadable);
        self.counts.unmanaged_clients += plan.unmanaged;
    }

    /// Removes a fleet's plan; the arguments must be those with which it was added.
    pub fn remove(&mut self, fleet: &Text, plan: &PlanRecord, carries_out: &PolicyRevisions) {
        for (policy, share) in plan.shares(carries_out) {
            let Some(total) = self.policies.get_mut(policy) else { continue };
            total.remove(share);
            // Drop the empty aggregate: the next policy of this name may have another scope.
            if total.fleets == 0 {
                self.policies.remove(policy);
            }
        }
        if let Some(until) = plan.holds_until {
            self.ends.remove(&(until, fleet.clone()));
        }
        self.counts.fleets -= 1;
        self.counts.stalled_fleets -= u32::from(plan.stalled);
        self.counts.unreadable_fleets -= u32::from(plan.unreadable);
        self.counts.unmanaged_clients -= plan.unmanaged;
    }

    /// Returns the aggregate of the fleets in a policy's scope, if there are any.
    #[must_use]
    pub fn policy(&self, policy: &str) -> Option<&PolicyAggregate> {
        self.policies.get(policy)
    }

    /// Returns the earliest instant at which the plan of a fleet expires.
    #[must_use]
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Returns the fleets whose plans have expired at `at`.
    #[must_use]
    pub fn ended(&self, at: Timestamp) -> Vec<Text> {
        self.ends
            .iter()
            .take_while(|(until, _)| *until <= at)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Returns the namespace counts.
    #[must_use]
    pub fn counts(&self) -> NamespaceCounts {
        self.counts
    }
}
