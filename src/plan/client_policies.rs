//! Defines the policies that matter for the decision for one client. Clients of a fleet that have
//! the same policies can share a decision.

use super::scope::MatchExceptVersion;

/// The policies of one client as indexes into the fleet's policies, highest precedence first.
///
/// A policy that governs permanently shadows all policies of lower precedence, so the lists end with
/// the first such policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ClientPolicies {
    applicable: Vec<usize>,
    possible: Vec<(usize, Option<MatchExceptVersion>)>,
    /// Whether the list ends with a policy that governs permanently.
    applicable_is_complete: bool,
    possible_is_complete: bool,
    /// Whether a policy in `possible` depends on the version that the client runs.
    depends_on_version: bool,
}

impl ClientPolicies {
    /// Removes all policies, to reuse the memory for the next client.
    pub fn clear(&mut self) {
        let Self { applicable, possible, .. } = self;
        applicable.clear();
        possible.clear();
        let (applicable, possible) = (std::mem::take(applicable), std::mem::take(possible));
        *self = Self { applicable, possible, ..Self::default() };
    }

    /// Adds a policy whose scope includes the client now.
    pub fn add_applicable(&mut self, policy: usize, governs_permanently: bool) {
        if !self.applicable_is_complete {
            self.applicable.push(policy);
            self.applicable_is_complete = governs_permanently;
        }
    }

    /// Adds a policy whose scope includes the client at every version.
    pub fn add_at_every_version(&mut self, policy: usize, governs_permanently: bool) {
        if !self.possible_is_complete {
            self.possible.push((policy, None));
            self.possible_is_complete = governs_permanently;
        }
    }

    /// Adds a policy whose scope includes the client only while it runs certain versions.
    pub fn add_by_version(&mut self, policy: usize, matched: MatchExceptVersion) {
        if !self.possible_is_complete {
            self.possible.push((policy, Some(matched)));
            self.depends_on_version = true;
        }
    }

    /// Returns the policies whose scope includes the client now.
    pub fn applicable(&self) -> &[usize] {
        &self.applicable
    }

    /// Returns the policies whose scope includes the client at some version; empty if none of them
    /// depends on the version.
    pub fn possible(&self) -> &[(usize, Option<MatchExceptVersion>)] {
        if self.depends_on_version { &self.possible } else { &[] }
    }
}
