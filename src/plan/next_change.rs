//! Computes the next change of a client's offer, and the instant until which the decision for the
//! client stays the same.
//!
//! The code evaluates the rules again at each instant at which their result can change, so that
//! only the rules decide whether a client has an offer.

use chrono::TimeDelta;

use super::policy_in_zone::ZonedPolicy;

use super::case::Case;
use super::policy::Policy;
use super::rules::{Lasts, Rule, RuleName, decide};
use super::scope_match::Applies;
use super::state::State;
use super::target_chain::PossiblePolicy;
use crate::values::Timestamp;

/// Maximum time from a plan to the next change of an offer. Later changes are not reported.
pub(crate) const NEXT_CHANGE_HORIZON: TimeDelta = TimeDelta::days(731);

/// The next changes of a client's offer and status row if no object changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextChange {
    /// Time of the next change of the client's offer; `None` if no change is expected within
    /// [`NEXT_CHANGE_HORIZON`].
    pub next_transition: Option<Timestamp>,
    /// Earliest instant at which a field of the client's status row may change; `None` if there is
    /// none.
    pub holds_until: Option<Timestamp>,
}

/// Policies whose scope includes one client or may include it, highest precedence first.
#[derive(Clone, Copy, Debug)]
pub struct ApplicablePolicies<'s, 'a> {
    /// The policies, each resolved for the client's fleet and time zone.
    pub policies: &'s [ApplicablePolicy<'a>],
    /// Policies that may apply at some version, if that depends on the version; see
    /// [`Case::possible`].
    pub possible: &'s [PossiblePolicy<'a>],
}

/// A policy that applies to one client.
#[derive(Clone, Copy, Debug)]
pub struct ApplicablePolicy<'a> {
    /// The policy, resolved for the client's fleet and time zone.
    pub zoned: &'a ZonedPolicy<'a>,
    /// Whether the client is in scope with certainty.
    pub applies: Applies,
}

/// The policy that governs a client at an instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Governing<'a> {
    /// The policy; `None` if no policy governs the client.
    pub policy: Option<&'a ZonedPolicy<'a>>,
    /// First policy that would decide instead of `policy`, or would exclude the client, if an
    /// unknown address of the client were in one of its networks. Always `None` if `policy` offers
    /// nothing.
    pub in_doubt: Option<&'a Policy>,
}

impl<'a> Governing<'a> {
    /// Returns the policy that governs a client at `at`. `policies` are those that apply to the
    /// client, highest precedence first.
    pub(super) fn among(
        policies: impl Iterator<Item = ApplicablePolicy<'a>>,
        at: Timestamp,
    ) -> Self {
        let mut in_doubt = None;
        for ApplicablePolicy { zoned, applies } in policies {
            let policy = zoned.policy;
            if !policy.is_effective(at) {
                continue;
            }
            if applies != Applies::Certainly {
                in_doubt = in_doubt.or(Some(policy));
            }
            if applies != Applies::MayHold {
                let in_doubt = in_doubt.filter(|_| policy.distributes());
                return Self { policy: Some(zoned), in_doubt };
            }
        }
        Self::default()
    }
}

impl<'a> ApplicablePolicies<'_, 'a> {
    /// Returns the policy that governs the client at `at`.
    #[must_use]
    pub fn governing(self, at: Timestamp) -> Governing<'a> {
        Governing::among(self.policies.iter().copied(), at)
    }

    /// Returns the first instant after `at` at which another policy may govern the client.
    #[must_use]
    pub(crate) fn effective_change_after(self, at: Timestamp) -> Option<Timestamp> {
        let policies = self.policies.iter().map(|applicable| applicable.zoned.policy);
        let changes = policies.filter_map(|policy| policy.effective_change_after(at));
        changes.min()
    }
}

/// Returns the earlier of two instants; `None` means never.
#[must_use]
pub fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// Returns the next changes for a client whose current case `now` is decided by `rule`.
#[must_use]
pub(crate) fn look_ahead<'a>(
    now: &Case<'a>,
    rule: &'static Rule,
    applicable: ApplicablePolicies<'_, 'a>,
) -> NextChange {
    let ahead = if rule.says.state == State::Offline {
        // An offline client may never return, so report no next opening for it.
        SearchResult::Nothing
    } else {
        next_transition(now, rule, applicable)
    };
    let here = earlier(lasts_until(now, rule), applicable.effective_change_after(now.at));
    let here = earlier(here, chain_event(now, rule));
    match ahead {
        SearchResult::Nothing => NextChange { next_transition: None, holds_until: here },
        SearchResult::Transition(t) => NextChange { next_transition: Some(t), holds_until: here },
        SearchResult::BeyondHorizon(t) => NextChange {
            next_transition: None,
            holds_until: earlier(here, t.checked_sub_signed(NEXT_CHANGE_HORIZON)),
        },
    }
}

enum SearchResult {
    Nothing,
    Transition(Timestamp),
    BeyondHorizon(Timestamp),
}

fn next_transition<'a>(
    now: &Case<'a>,
    rule: &'static Rule,
    applicable: ApplicablePolicies<'_, 'a>,
) -> SearchResult {
    let offered = offer(now, rule);
    // A client loses its offer when it goes offline, so consider this event only for a client that
    // has an offer now.
    let mut case = Case { absence_counts: offered.is_some(), ..*now };
    let mut rule = rule;
    loop {
        let event = earlier(offer_event(&case, rule), applicable.effective_change_after(case.at));
        let event = earlier(event, chain_event(&case, rule));
        let Some(event) = event else { return SearchResult::Nothing };
        if event.signed_duration_since(now.at) > NEXT_CHANGE_HORIZON {
            return SearchResult::BeyondHorizon(event);
        }
        let Governing { policy: governing, in_doubt } = applicable.governing(event);
        case = Case { at: event, governing, in_doubt, ..case };
        rule = decide(&case);
        if offer(&case, rule) != offered {
            return SearchResult::Transition(event);
        }
    }
}

/// Returns the name of the offering policy; `None` if there is no offer. The name identifies the
/// offer, because a policy has one target in a fleet.
fn offer<'a>(case: &Case<'a>, rule: &Rule) -> Option<&'a str> {
    let zoned = case.governing.filter(|_| rule.says.state == State::Distributing)?;
    Some(zoned.policy.name.as_str())
}

/// Returns the first instant after `case.at` at which the chain of targets may be another. It cannot
/// change a decision that an earlier rule than `TargetsInCircle` makes.
fn chain_event(case: &Case<'_>, rule: &Rule) -> Option<Timestamp> {
    if rule.name < RuleName::TargetsInCircle {
        return None;
    }
    case.target_chain()?.until
}

/// Returns the first instant after `case.at` at which the offer may change, assuming that the
/// governing policy stays the same.
fn offer_event(case: &Case<'_>, rule: &Rule) -> Option<Timestamp> {
    match rule.says.lasts {
        Lasts::Always | Lasts::UntilAbsent => None,
        Lasts::UntilDecided => case.decides_from(),
        Lasts::UntilRetry => case.retry_from(),
        Lasts::WhilePhase if rule.says.state == State::Distributing => {
            let absent = case.offline_from().filter(|_| case.absence_counts);
            earlier(case.governing?.next_closing(case.at), absent)
        }
        Lasts::WhilePhase => case.governing?.next_opening(case.at),
    }
}

/// Returns the first instant after `case.at` at which another rule may decide, assuming that the
/// governing policy stays the same.
fn lasts_until(case: &Case<'_>, rule: &Rule) -> Option<Timestamp> {
    let ends = match rule.says.lasts {
        Lasts::Always => return None,
        Lasts::UntilDecided => return case.decides_from(),
        Lasts::UntilAbsent => None,
        Lasts::UntilRetry => case.retry_from(),
        Lasts::WhilePhase => case.governing.and_then(|zoned| zoned.phase_ends(case.at)),
    };
    earlier(ends, case.offline_from())
}
