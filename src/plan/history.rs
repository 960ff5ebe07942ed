//! Copies history from a stored status into the status that replaces it: the start times of states
//! and conditions, and the last offer to each client.
//!
//! History affects no decision and no digest, so a plan does not depend on written statuses that
//! the watch has not returned yet.

use super::cached_status::{CachedFleetStatus, CachedRow, CachedRows};
use super::package_source::is_same_wait;
use super::row::{CurrentOffer, Row, Shared};
use super::state::{Reason, State};
use super::version_text::is_same_version;
use crate::api::Condition;
use crate::api::fleet::LastOffer;
use crate::values::Timestamp;

/// History of the stored status, which the new status continues.
pub(super) struct FleetHistory<'a> {
    rows: Option<CachedRows<'a>>,
    conditions: Option<&'a [Condition]>,
    /// Instant of the plan, at which new states and offers begin.
    at: Timestamp,
}

impl<'a> FleetHistory<'a> {
    /// Creates the history for a status that is planned for `at` and replaces the status
    /// `replaced`.
    pub fn new(replaced: Option<&'a CachedFleetStatus>, at: Timestamp) -> Self {
        Self {
            rows: replaced.map(CachedFleetStatus::lookup),
            conditions: replaced.map(|replaced| &replaced.conditions[..]),
            at,
        }
    }

    /// Returns the start time of a client's state, and the client's current or last offer. `index`
    /// is the position of the client in the spec.
    pub fn row(
        &mut self,
        index: usize,
        row: &Row<'_>,
        current: Option<CurrentOffer<'_>>,
    ) -> (Timestamp, Option<LastOffer>) {
        let before = self.rows.as_mut().and_then(|rows| rows.find(index, row.name));
        let same_state = before.filter(|before| {
            before.state().is_some_and(|state| state.as_str() == row.shared.state)
        });
        let since = same_state.and_then(CachedRow::since).unwrap_or(self.at);
        let last = before.zip(before.and_then(CachedRow::offer));
        let offer = match (current, last) {
            (None, last) => last.map(|(before, last)| kept(before, last, &row.shared)),
            (Some(current), Some((before, last))) if current.continues(last) => {
                // The status keeps an offer that has ended. The current offer is therefore a new
                // one if the client's state has changed.
                Some(if same_state.is_some() {
                    // An earlier release stored the offer without the start of the try.
                    LastOffer { since: last.since.or(Some(last.time)), ..last.clone() }
                } else {
                    let tried_since = last.since.filter(|_| is_trying(before, last));
                    current.opening(self.at, tried_since.unwrap_or(self.at))
                })
            }
            (Some(current), _) => Some(current.opening(self.at, self.at)),
        };
        (since, offer)
    }

    /// Copies the last transition time from the replaced status into each condition whose status is
    /// unchanged.
    pub fn carry_conditions(&self, conditions: &mut [Condition]) {
        carry_conditions(conditions, self.conditions);
    }
}

/// Returns the last offer of a client that has none now. The offer keeps the start of its try while
/// the try is paused, and after the client has arrived at the version.
fn kept(before: CachedRow<'_>, last: &LastOffer, now: &Shared<'_>) -> LastOffer {
    // A duplicate keeps only a try that it has not finished, because nothing shows later whether the
    // client went back meanwhile.
    let is_duplicate = now.reason == Reason::DuplicateClient.as_str();
    let is_at_version = now.version.is_some_and(|version| is_same_version(version, &last.version));
    let has_arrived = is_at_version && !is_duplicate;
    let is_paused = || {
        is_trying(before, last)
            && PAUSES.iter().any(|pause| now.reason == pause.as_str())
            && now.policy == Some(&last.policy)
            && !is_at_version
            && now.target_version.is_none_or(|target| is_same_version(target, &last.version))
    };
    let since = last.since.filter(|_| has_arrived || is_paused());
    LastOffer { since, ..last.clone() }
}

/// Reasons that leave a try unfinished without an offer. A `DuplicateClient` has no target.
const PAUSES: [Reason; 4] =
    [Reason::OutsideWindow, Reason::Excluded, Reason::RestartPending, Reason::DuplicateClient];

/// Returns whether the try of a stored row's last offer is running or paused, so that the client
/// has not arrived yet.
fn is_trying(row: CachedRow<'_>, last: &LastOffer) -> bool {
    let is_open = row.reason().is_some_and(|reason| PAUSES.contains(&reason))
        || row.state() == Some(State::Distributing);
    last.since.is_some()
        && is_open
        && row.policy() == Some(&last.policy)
        && row.target().is_none_or(|target| is_same_version(target, &last.version))
}

/// Copies the last transition time from the replaced status into each condition whose status is
/// unchanged. `replaced` contains the conditions of the replaced status; `None` if there is no such
/// status.
pub(super) fn carry_conditions(conditions: &mut [Condition], replaced: Option<&[Condition]>) {
    for condition in conditions {
        let is_same = |c: &&Condition| {
            c.r#type == condition.r#type
                && c.status == condition.status
                && is_same_wait(c, condition)
        };
        let before = replaced.into_iter().flatten().find(is_same);
        if let Some(before) = before {
            condition.last_transition_time = before.last_transition_time;
        }
    }
}
