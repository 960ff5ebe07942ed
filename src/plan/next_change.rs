//! When a client's offer changes next, and how long what is decided for it stays as it is. Found by
//! asking the rules again at the instants at which their answer can change, so that there is one
//! source of what is offered.

use chrono::TimeDelta;

use super::policy_in_zone::ZonedPolicy;
use super::rules::{Case, Lasts, Rule, decide};
use super::state::State;
use crate::values::Timestamp;

/// How far ahead the next change of an offer is told.
pub const NEXT_CHANGE_HORIZON: TimeDelta = TimeDelta::days(731);

/// What is ahead of a client if nothing is written or reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NextChange {
    /// When its offer changes next, up to [`HORIZON`] from now.
    pub next_transition: Option<Timestamp>,
    /// Until when its whole entry, this outlook included, stays the same. It may be an instant too
    /// early, never too late.
    pub holds_until: Option<Timestamp>,
}

/// The policies that hold one client in scope, the one that comes first by precedence first.
#[derive(Clone, Copy, Debug)]
pub struct ApplicablePolicies<'s, 'a> {
    /// What each of them means for the client.
    pub zoned: &'s [&'a ZonedPolicy<'a>],
}

impl<'a> ApplicablePolicies<'_, 'a> {
    /// The one that governs the client at `at`.
    #[must_use]
    pub fn governing(self, at: Timestamp) -> Option<&'a ZonedPolicy<'a>> {
        self.zoned.iter().find(|zoned| zoned.policy.is_effective(at)).copied()
    }

    /// The first instant after `at` at which another may govern.
    #[must_use]
    pub fn effective_change_after(self, at: Timestamp) -> Option<Timestamp> {
        let changes = self.zoned.iter().filter_map(|t| t.policy.effective_change_after(at));
        changes.min()
    }
}

/// The earlier of two instants that may not come.
#[must_use]
pub fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// Looks ahead from a case that `rule` has decided.
#[must_use]
pub fn look_ahead<'a>(
    now: &Case<'a>,
    rule: &'static Rule,
    applicable: ApplicablePolicies<'_, 'a>,
) -> NextChange {
    let ahead = if rule.state == State::Offline {
        // Nobody knows whether it comes back: no opening is promised.
        SearchResult::Nothing
    } else {
        next_transition(now, rule, applicable)
    };
    let here = earlier(lasts_until(now, rule), applicable.effective_change_after(now.at));
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
    /// Something may change at this instant, which comes into sight later.
    BeyondHorizon(Timestamp),
}

fn next_transition<'a>(
    now: &Case<'a>,
    rule: &'static Rule,
    applicable: ApplicablePolicies<'_, 'a>,
) -> SearchResult {
    let offered = offer(now, rule);
    // Going offline counts only as the end of an offer.
    let mut case = Case { absence_counts: offered.is_some(), ..*now };
    let mut rule = rule;
    loop {
        let event = earlier(offer_event(&case, rule), applicable.effective_change_after(case.at));
        let Some(event) = event else { return SearchResult::Nothing };
        if event.signed_duration_since(now.at) > NEXT_CHANGE_HORIZON {
            return SearchResult::BeyondHorizon(event);
        }
        case = Case { at: event, governing: applicable.governing(event), ..case };
        rule = decide(&case);
        if offer(&case, rule) != offered {
            return SearchResult::Transition(event);
        }
    }
}

/// The policy by which a client is offered its target; a policy has one target in a fleet, so that
/// this is all of the offer that time can change.
fn offer<'a>(case: &Case<'a>, rule: &Rule) -> Option<&'a str> {
    let zoned = case.governing.filter(|_| rule.state == State::Distributing)?;
    Some(zoned.policy.name.as_str())
}

/// The first instant after the case's at which its offer can be another under the same policy.
fn offer_event(case: &Case<'_>, rule: &Rule) -> Option<Timestamp> {
    match rule.lasts {
        Lasts::Always | Lasts::UntilAbsent => None,
        Lasts::UntilRetry => case.retry_from(),
        Lasts::WhilePhase if rule.state == State::Distributing => {
            let absent = case.offline_from().filter(|_| case.absence_counts);
            earlier(case.governing?.next_closing(case.at), absent)
        }
        Lasts::WhilePhase => case.governing?.next_opening(case.at),
    }
}

/// The first instant after the case's at which another rule can decide under the same policy.
fn lasts_until(case: &Case<'_>, rule: &Rule) -> Option<Timestamp> {
    let ends = match rule.lasts {
        Lasts::Always => return None,
        Lasts::UntilAbsent => None,
        Lasts::UntilRetry => case.retry_from(),
        Lasts::WhilePhase => case.governing.and_then(|zoned| zoned.phase_ends(case.at)),
    };
    earlier(ends, case.offline_from())
}
