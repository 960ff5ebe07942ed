//! Follows a client from target to target, to find policies that would send it round in a circle.
//!
//! Only a scope with the criterion `versions` can make another policy govern the client once it
//! runs its target. Without such a scope, a chain ends at the first target.

use std::rc::Rc;

use super::case::Case;
use super::facts::Facts;
use super::next_change::{ApplicablePolicy, Governing, earlier};
use super::policy::Policy;
use super::policy_in_zone::ZonedPolicy;
use super::rules::{RULES, RuleName};
use super::scope::AppliesAt;
use super::scope_match::Applies;
use super::version_text::VersionText;
use crate::values::{Timestamp, Version};

/// A policy that applies to a client, at every version or only while the client runs certain
/// versions.
#[derive(Clone, Copy, Debug)]
pub struct PossiblePolicy<'a> {
    /// The policy, resolved for the client's fleet and time zone.
    pub zoned: &'a ZonedPolicy<'a>,
    /// The versions at which the policy applies.
    pub applies: AppliesAt,
}

impl<'a> PossiblePolicy<'a> {
    fn at_version(&self, version: &Version) -> Option<ApplicablePolicy<'a>> {
        let Self { zoned, applies } = *self;
        let applies = match applies {
            AppliesAt::EveryVersion(applies) => applies,
            AppliesAt::SomeVersions(matched) => {
                let Policy { scope, .. } = zoned.policy;
                let distributes = zoned.policy.distributes();
                scope.match_at_version(matched, Some(version), distributes).applies()?
            }
        };
        Some(ApplicablePolicy { zoned, applies })
    }
}

/// The versions that a client would run one after the other if it moved to each target at once.
#[derive(Debug)]
pub(super) struct TargetChain<'a> {
    /// Moves, in order; empty if the client would stay.
    pub moves: Vec<Move<'a>>,
    /// Whether the last move leads back to a version that the client has left.
    pub is_circle: bool,
    /// First instant at which the chain may be another; `None` if there is none.
    pub until: Option<Timestamp>,
}

/// A move of a client from one version to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move<'a> {
    pub from: &'a VersionText,
    pub to: &'a VersionText,
    /// Policy that governs the client at the version `from`.
    pub policy: &'a Policy,
}

impl<'a> TargetChain<'a> {
    /// Follows the client of a case from target to target at the instant of the case. Returns `None`
    /// if no policy depends on the client's version, or if that version cannot be parsed.
    pub fn follow(case: &Case<'a>) -> Option<Self> {
        if case.possible.is_empty() {
            return None;
        }
        let mut from = case.client.version.as_deref()?;
        let mut version = from.parsed.as_ref()?;
        let mut governing = Governing { policy: case.governing, in_doubt: case.in_doubt };
        let mut chain = Self { moves: Vec::new(), is_circle: false, until: None };
        loop {
            chain.until = earlier(chain.until, governing_changes(case, version));
            let Some(zoned) = governing.policy else { break };
            let Some(to) = next_target(governing, case.client, from, case.at) else { break };
            let Some(target) = to.parsed.as_ref() else { break };
            chain.moves.push(Move { from, to, policy: zoned.policy });
            chain.until = earlier(chain.until, zoned.end());
            if chain.moves.iter().any(|passed| passed.from.parsed.as_ref() == Some(target)) {
                chain.is_circle = true;
                break;
            }
            (from, version) = (to, target);
            governing = Governing::among(possible_at(case, version), case.at);
        }
        Some(chain)
    }

    /// Returns the chain in words, such as `3.59 to 3.58 by rollback, 3.58 to 3.59 by everyone`.
    pub fn text(&self) -> String {
        let text = |passed: &Move<'_>| {
            format!("{} to {} by {}", passed.from.raw, passed.to.raw, passed.policy.name)
        };
        self.moves.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// Returns the policy of highest precedence that the chain passes, if the chain is a circle.
    /// Only the clients that this policy governs move.
    pub fn first_in_circle(&self) -> Option<&'a Policy> {
        let policies = self.moves.iter().map(|passed| passed.policy);
        policies.filter(|_| self.is_circle).min_by(|a, b| Policy::by_precedence(a, b))
    }
}

/// Returns the policies that apply to the client of a case while it runs `version`, highest
/// precedence first.
fn possible_at<'a, 'v>(
    case: &Case<'a>,
    version: &'v Version,
) -> impl Iterator<Item = ApplicablePolicy<'a>> + use<'a, 'v> {
    case.possible.iter().filter_map(|possible| possible.at_version(version))
}

/// Returns the first instant after that of the case at which another policy may govern the client,
/// if the client runs `version` then.
fn governing_changes(case: &Case<'_>, version: &Version) -> Option<Timestamp> {
    let mut first = None;
    for ApplicablePolicy { zoned, applies } in possible_at(case, version) {
        first = earlier(first, zoned.policy.effective_change_after(case.at));
        if applies != Applies::MayHold && zoned.policy.is_effective(case.at) {
            break;
        }
    }
    first
}

/// Returns the version to which the governing policy sends a client that runs `from`; `None` if the
/// client would stay.
///
/// The client stays where one of the rules up to `DistributionEnded` holds. A closed window and the
/// reported facts other than the version do not keep it for good, so they do not count.
fn next_target<'a>(
    governing: Governing<'a>,
    client: &Facts<'_>,
    from: &VersionText,
    at: Timestamp,
) -> Option<&'a VersionText> {
    let zoned = governing.policy?;
    let facts = client.running(Rc::new(from.clone()));
    let case = Case {
        client: &facts,
        governing: Some(zoned),
        possible: &[],
        in_doubt: governing.in_doubt,
        at,
        absence_counts: false,
    };
    let mut staying = RULES.iter().take_while(|rule| rule.name < RuleName::DistributionEnded);
    if staying.any(|rule| (rule.holds)(&case)) || zoned.end().is_some_and(|end| end <= at) {
        return None;
    }
    zoned.target.map(|target| target.version)
}
