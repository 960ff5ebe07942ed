//! Computes the times of upcoming events for a client under its policy: the periods in which
//! distribution is open, the retry after a failed installation, and the time from which the client
//! counts as offline.

use serde::Serialize;

use super::scenario::ScenarioView;
use crate::api::policy::Mode;
use crate::plan::Reason;
use crate::plan::fleet::Decided;
use crate::plan::next_change::{ApplicablePolicies, NEXT_CHANGE_HORIZON, earlier};
use crate::plan::policy_in_zone::ZonedPolicy;
use crate::plan::rule_input::phase_name;
use crate::plan::state::State;
use crate::values::Timestamp;

/// Current phase and upcoming events for a client under its policy. `openings` is empty if no
/// policy governs the client, the policy is invalid, or its mode is `NoUpgrade`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextChanges {
    /// Current phase of the policy's time range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// Name of the exclusion that contains the client's local date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<String>,
    /// Current and upcoming openings. If an opening is in progress, its `from` is the instant of
    /// the decision.
    pub openings: Vec<Opening>,
    /// Time at which a failed installation is retried; absent if there is no automatic retry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_from: Option<Timestamp>,
    /// Time from which the client counts as offline, unless it is seen before that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline_from: Option<Timestamp>,
}

/// A period during which distribution is open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opening {
    /// First instant at which distribution is open.
    pub from: Timestamp,
    /// First instant at which distribution is closed again; absent if distribution never closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

const MAX_OPENINGS: usize = 5;

/// Returns the current phase and the upcoming events for a client.
pub(super) fn next_changes(view: &ScenarioView<'_>, decided: &Decided<'_>) -> NextChanges {
    let case = view.case();
    let Some(zoned) = decided.governing else { return NextChanges::default() };
    let policy = zoned.policy;
    let offline_from = case.offline_from();
    if policy.is_invalid() || policy.mode == Mode::NoUpgrade {
        return NextChanges { offline_from, ..NextChanges::default() };
    }
    let has_failed = decided.rule.says.reason == Reason::InstallFailed;
    NextChanges {
        phase: Some(phase_name(case.phase())),
        exclusion: zoned.exclusion_at(case.at).map(|exclusion| exclusion.name.clone()),
        openings: openings(view.applicable, zoned, case.at),
        retry_from: case.retry_from().filter(|_| has_failed),
        offline_from: offline_from.filter(|_| decided.rule.says.state != State::UpToDate),
    }
}

/// Returns the next openings within [`NEXT_CHANGE_HORIZON`], without the periods in which another
/// policy governs the client.
fn openings(
    applicable: ApplicablePolicies<'_, '_>,
    zoned: &ZonedPolicy<'_>,
    at: Timestamp,
) -> Vec<Opening> {
    let in_sight = |from: &Timestamp| from.signed_duration_since(at) <= NEXT_CHANGE_HORIZON;
    let openings = zoned.openings_from(at).take_while(|(from, _)| in_sight(from));
    let governed = openings.flat_map(|(from, until)| governed(applicable, zoned, from, until));
    governed.filter(|opening| in_sight(&opening.from)).take(MAX_OPENINGS).collect()
}

/// Returns the parts of an opening during which the policy `zoned` governs the client.
fn governed(
    applicable: ApplicablePolicies<'_, '_>,
    zoned: &ZonedPolicy<'_>,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Vec<Opening> {
    let mut parts: Vec<Opening> = Vec::new();
    let mut next = Some(from);
    while let Some(from) = next.filter(|from| until.is_none_or(|until| *from < until)) {
        next = applicable.effective_change_after(from);
        let governing = applicable.governing(from).policy;
        let governs = governing.is_some_and(|t| std::ptr::eq(t, zoned));
        let end = earlier(next, until);
        match parts.last_mut() {
            Some(part) if governs && part.until == Some(from) => part.until = end,
            _ if governs => parts.push(Opening { from, until: end }),
            _ => {}
        }
    }
    parts
}
