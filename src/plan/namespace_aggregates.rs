//! What the plans of a namespace's fleets add up to: for each policy its total, when which plan ends,
//! and the census. A fleet's plan is added and taken away as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::cached::Digest;
use super::policy_aggregate::{FleetShare, PolicyAggregate};
use super::policy_contribution::PolicyContribution;
use super::trigger::PolicyRevisions;
use super::version_text::VersionText;
use crate::api::Text;
use crate::values::Timestamp;

/// What is kept of a fleet's plan.
#[derive(Debug)]
pub struct PlanRecord {
    /// Of the status that is planned.
    pub status: Digest,
    /// What it adds to the policies in whose scope it is, by name.
    pub contributions: BTreeMap<Text, PolicyContribution>,
    /// The policies that it was planned under.
    pub policy_revisions: PolicyRevisions,
    /// The package it carries.
    pub package: Option<VersionText>,
    /// Until when it holds.
    pub holds_until: Option<Timestamp>,
    /// How many of its clients no policy governs.
    pub unmanaged: u32,
    /// Whether something is wrong with the fleet itself.
    pub stalled: bool,
    /// Whether its spec cannot be read.
    pub unreadable: bool,
}

impl PlanRecord {
    /// What the fleet brings to each of its policies, of which its stored status was seen to carry
    /// out these.
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

/// How many there are of what a namespace's policies do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceCounts {
    /// Fleets.
    pub fleets: u32,
    /// Fleets with which something is wrong: unreadable, too large, or with an unknown zone.
    pub stalled_fleets: u32,
    /// Fleets whose spec cannot be read.
    pub unreadable_fleets: u32,
    /// Clients that no policy governs.
    pub unmanaged_clients: u32,
}

/// The namespace_aggregates.
#[derive(Debug, Default)]
pub struct NamespaceAggregates {
    policies: BTreeMap<Text, PolicyAggregate>,
    ends: BTreeSet<(Timestamp, Text)>,
    counts: NamespaceCounts,
}

impl NamespaceAggregates {
    /// Adds a fleet's plan, of which its stored status was seen to carry out these policies.
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

    /// Takes a fleet's plan away as it was added.
    pub fn remove(&mut self, fleet: &Text, plan: &PlanRecord, carries_out: &PolicyRevisions) {
        for (policy, share) in plan.shares(carries_out) {
            let Some(total) = self.policies.get_mut(policy) else { continue };
            total.remove(share);
            // The next may be a policy with another scope.
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

    /// What the fleets in a policy's scope come to, if there are any.
    #[must_use]
    pub fn policy(&self, policy: &str) -> Option<&PolicyAggregate> {
        self.policies.get(policy)
    }

    /// When the first plan ends.
    #[must_use]
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// The fleets whose plans have ended at `at`.
    #[must_use]
    pub fn ended(&self, at: Timestamp) -> Vec<Text> {
        self.ends
            .iter()
            .take_while(|(until, _)| *until <= at)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// What is counted beside the policies.
    #[must_use]
    pub fn counts(&self) -> NamespaceCounts {
        self.counts
    }
}
