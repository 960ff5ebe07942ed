//! Plans one policy: builds the policy's status from the contributions of the fleets in its scope.

use std::borrow::Cow;

use super::aggregate::PolicyAggregate;
use super::conditions::Conditions;
use super::facts::ZoneFact;
use super::next_change::earlier;
use super::policy::Policy;
use super::settings::available_settings;
use super::version_text::VersionText;
use crate::api::policy::{Mode, UpgradePolicyStatus};
use crate::api::{Condition, Summary};
use crate::values::{Phase, Timestamp};

/// Maximum number of selectors and listed values that the status reports as matching no client.
const MAX_UNMATCHED: usize = 20;

/// The plan for one policy at one instant.
#[derive(Clone, Debug, Default)]
pub struct PolicyPlan {
    /// Planned status.
    pub status: UpgradePolicyStatus,
    /// Next instant at which the policy's time range or effective period may change the plan;
    /// `None` if there is none.
    pub holds_until: Option<Timestamp>,
}

/// Plans a policy for the instant `at` from the aggregate of the fleets in its scope and the last
/// observed generation `was_observed` (-1 if there is none).
///
/// `packages` contains the package versions of these fleets, in order of fleet name if a version
/// occurs in several spellings.
#[must_use]
pub(crate) fn plan_policy<'a>(
    was_observed: i64,
    policy: &'a Policy,
    total: &PolicyAggregate,
    packages: impl Iterator<Item = &'a VersionText>,
    at: Timestamp,
) -> PolicyPlan {
    let distribution = Distribution::of(policy, total, at);
    let own_change = policy.effective_change_after(at);
    let unmatched = total.unmatched(&policy.scope).take(MAX_UNMATCHED).collect();
    let (observed_generation, conditions) = conditions(was_observed, policy, total, at);
    let status = UpgradePolicyStatus {
        observed_generation: Some(observed_generation),
        conditions,
        distribution_state: Some(Cow::Borrowed(distribution.state)),
        next_transition_time: earlier(total.next_transition(), own_change),
        matched_fleets: Some(total.fleets),
        matched_clients: Some(total.matched_clients),
        address_unknown_clients: Some(total.address_unknown_clients),
        governed_clients: Some(total.governed.total),
        withdrawn_clients: Some(total.withdrawn.clients),
        summary: Some(total.governed),
        unmatched,
        available_settings: available_settings(policy, packages),
    };
    PolicyPlan { status, holds_until: earlier(distribution.holds_until, own_change) }
}

struct Distribution {
    state: &'static str,
    holds_until: Option<Timestamp>,
}

impl Distribution {
    fn of(policy: &Policy, total: &PolicyAggregate, at: Timestamp) -> Self {
        let off = policy.mode == Mode::NoUpgrade
            || policy.suspended
            || policy.is_invalid()
            || !policy.is_effective(at);
        if off {
            return Self { state: "Off", holds_until: None };
        }
        let own = policy.zone.clone().unwrap_or(ZoneFact::Missing);
        let mut zones: Vec<&ZoneFact> = total.zones().collect();
        if zones.is_empty() {
            zones.push(&own);
        }
        let openings = zones.iter().map(|zone| policy.range.in_zone(zone.zone()));
        let mut open = 0;
        let mut holds_until = None;
        for openings in openings {
            open += usize::from(openings.phase_at(at) == Phase::Open);
            holds_until = earlier(holds_until, openings.phase_ends(at));
        }
        let state = match open {
            0 => "Closed",
            all if all == zones.len() => "Open",
            _ => "Mixed",
        };
        Self { state, holds_until }
    }
}

/// Returns the observed generation of the policy, and the status conditions.
///
/// An invalid generation becomes the observed generation immediately, a valid one when all fleets
/// in scope have applied it.
fn conditions(
    was_observed: i64,
    policy: &Policy,
    total: &PolicyAggregate,
    at: Timestamp,
) -> (i64, Vec<Condition>) {
    let make = Conditions { generation: policy.generation, at };
    let is_in_force = total.unsettled == 0;
    let (generation, mut conditions) = if policy.is_invalid() {
        let reason = if policy.unreadable { "ObjectUnreadable" } else { "PolicyInvalid" };
        (policy.generation, make.stalled(reason, &policy.problems.join("; ")))
    } else if was_observed == policy.generation || is_in_force {
        // After all fleets have applied a generation, it remains the observed generation. If a
        // fleet changes later, only the status of that fleet shows the change.
        let fleets = total.fleets;
        (policy.generation, make.ready(format!("In force in {fleets} fleets.")))
    } else {
        // Leave the number of fleets out of the message. Otherwise, each fleet that applies the
        // generation would cause another write of the policy's status.
        (was_observed, make.reconciling("Some of its fleets do not say so yet."))
    };
    conditions.push(complete(&make, policy, total));
    (generation, conditions)
}

/// Returns the condition `Complete`, which reports whether every governed client is at its target,
/// ahead of it, or offline. A client that is ahead with a withdrawn version does not count.
fn complete(make: &Conditions, policy: &Policy, all: &PolicyAggregate) -> Condition {
    let governed = all.governed;
    let Summary { total, up_to_date, ahead, offline, .. } = governed;
    let done = up_to_date + ahead.saturating_sub(all.withdrawn.ahead) + offline;
    let (status, reason, message) = if policy.is_invalid() {
        ("Unknown", "PolicyInvalid", "The policy is invalid.".to_owned())
    } else if policy.mode == Mode::NoUpgrade {
        ("Unknown", "NoUpgrade", "The policy distributes nothing.".to_owned())
    } else if total == 0 {
        ("False", "NoClients", "The policy governs no client.".to_owned())
    } else if done == total {
        ("True", "AllClientsAtTarget", arrived(governed))
    } else {
        ("False", "InProgress", format!("{done} of {total} clients are done."))
    };
    make.make("Complete", status, reason, message)
}

fn arrived(governed: Summary) -> String {
    let Summary { up_to_date, ahead, offline, .. } = governed;
    format!("{up_to_date} clients are at their target, {ahead} ahead of it, {offline} offline.")
}
