//! Finds policies that may take over clients of the displayed policy, because they take precedence
//! over it during a part of the listed period. Does no I/O; reads only the labels of fleets.

use chrono::TimeDelta;
use serde::Serialize;

use crate::api::policy::Mode;
use crate::plan::policy::Policy;
use crate::plan::scope::Scope;
use crate::values::Timestamp;

/// A policy that takes precedence over the displayed policy during a part of the listed period.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PrecedingPolicy {
    pub policy: String,
    pub mode: Mode,
    /// Start of the effective period of this policy, if it is in the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// End of the effective period of this policy, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The policies that take precedence over the displayed policy during a part of the listed period.
/// The labels of the fleets determine which of these policies may take over clients.
#[derive(Clone, Debug, Default)]
pub(super) struct PrecedingPolicies {
    /// Selected policies, each with its scope and a flag. The flag is true if the scopes of the
    /// selected policy and of the displayed policy share a fleet.
    found: Vec<(PrecedingPolicy, Scope, bool)>,
    own: Scope,
    saw_fleets: bool,
}

impl PrecedingPolicies {
    /// Selects the policies of higher precedence that start or end after `at` and are effective at
    /// some time in the next `days` days. Omits policies that are already effective and have no
    /// end, because they have already taken over their clients.
    pub(super) fn among(
        policy: &Policy,
        all: impl Iterator<Item = Policy>,
        at: Timestamp,
        days: u16,
    ) -> Self {
        let end = at + TimeDelta::days(days.into());
        let is_of_these_days = |other: &Policy| {
            let from = other.effective_from.filter(|&from| at < from);
            let until = other.effective_until;
            let is_for_a_time = from.is_some() || until.is_some();
            is_for_a_time
                && from.is_none_or(|from| from < end)
                && until.is_none_or(|until| at < until && from.is_none_or(|from| from < until))
        };
        let comes_before = |other: &Policy| {
            other.name != policy.name && !other.deleting && other.precedence() < policy.precedence()
        };
        let found = all.filter(|other| comes_before(other) && is_of_these_days(other));
        let mut found: Vec<_> = found
            .map(|other| {
                let found = PrecedingPolicy {
                    policy: other.name.to_string(),
                    mode: other.mode,
                    from: other.effective_from.filter(|&from| at < from),
                    until: other.effective_until,
                };
                (found, other.scope, false)
            })
            .collect();
        found.sort_by(|(a, ..), (b, ..)| (a.from, &a.policy).cmp(&(b.from, &b.policy)));
        Self { found, own: policy.scope.clone(), saw_fleets: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Marks the selected policies whose scope includes the fleet, if the displayed policy's scope
    /// also includes the fleet. `label` returns the value of a fleet label by key.
    pub(super) fn fleet<'a>(&mut self, label: impl Fn(&str) -> Option<&'a str>) {
        self.saw_fleets = true;
        if self.own.includes_fleet(&label) {
            for (_, scope, shares) in &mut self.found {
                *shares |= scope.includes_fleet(&label);
            }
        }
    }

    /// Returns the policies that may take over clients of the displayed policy. If no fleet was
    /// read, returns all selected policies, because none can be ruled out.
    pub(super) fn finish(self) -> Vec<PrecedingPolicy> {
        let saw_fleets = self.saw_fleets;
        let found = self.found.into_iter().filter(|(.., shares)| *shares || !saw_fleets);
        found.map(|(found, ..)| found).collect()
    }
}
