//! Defines the policies that matter for the decision for one client. Clients of a fleet that have
//! the same policies can share a decision.

use super::scope::AppliesAt;
use super::scope_match::Applies;

/// A policy that applies to a client, by its index into the fleet's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub policy: usize,
    pub applies: Applies,
}

/// The policies of one client as indexes into the fleet's policies, highest precedence first.
///
/// A policy that governs permanently shadows all policies of lower precedence, so the lists end with
/// the first such policy. A policy that only may hold the client back shadows none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ClientPolicies {
    applicable: Vec<Candidate>,
    possible: Vec<(usize, AppliesAt)>,
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

    /// Adds a policy that applies to the client now.
    pub fn add_applicable(&mut self, candidate: Candidate, governs_permanently: bool) {
        if !self.applicable_is_complete {
            self.applicable.push(candidate);
            self.applicable_is_complete =
                governs_permanently && candidate.applies != Applies::MayHold;
        }
    }

    /// Adds a policy that applies to the client at some version.
    pub fn add_possible(&mut self, policy: usize, applies: AppliesAt, governs_permanently: bool) {
        if self.possible_is_complete {
            return;
        }
        self.possible.push((policy, applies));
        match applies {
            AppliesAt::EveryVersion(applies) => {
                self.possible_is_complete = governs_permanently && applies != Applies::MayHold;
            }
            AppliesAt::SomeVersions(_) => self.depends_on_version = true,
        }
    }

    /// Returns the policies that apply to the client now.
    pub fn applicable(&self) -> &[Candidate] {
        &self.applicable
    }

    /// Returns the policies that apply to the client at some version; empty if none of them depends
    /// on the version.
    pub fn possible(&self) -> &[(usize, AppliesAt)] {
        if self.depends_on_version { &self.possible } else { &[] }
    }
}
