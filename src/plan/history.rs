//! Copies history from the replaced status into its successor: the start times of states and
//! conditions, and the last offer of each client.
//!
//! History affects no decision and no digest. A plan therefore does not depend on statuses that the
//! watch has not shown yet, and every written status continues the history of the version that it
//! replaces.

use super::cached_status::{CachedFleetStatus, CachedRow, CachedRows};
use super::row::CurrentOffer;
use super::state::State;
use crate::api::fleet::LastOffer;
use crate::api::{Condition, Text};
use crate::values::Timestamp;

/// History of the status rows of a fleet.
pub(super) struct RowHistory<'a> {
    replaced: Option<CachedRows<'a>>,
    /// Instant of the plan, at which new states and offers begin.
    at: Timestamp,
}

impl<'a> RowHistory<'a> {
    /// Creates the history of a status planned for `at`, which replaces the status `replaced`.
    pub fn new(replaced: Option<&'a CachedFleetStatus>, at: Timestamp) -> Self {
        Self { replaced: replaced.map(CachedFleetStatus::lookup), at }
    }

    /// Returns the start time of a client's state, and the client's current offer; the last offer
    /// if it has no current one. `index` is the position of the client in the spec.
    pub fn of(
        &mut self,
        index: usize,
        name: &Text,
        state: State,
        current: Option<CurrentOffer<'_>>,
    ) -> (Timestamp, Option<LastOffer>) {
        let before = self.replaced.as_mut().and_then(|rows| rows.find(index, name));
        let same_state = before.filter(|before| before.state() == Some(state));
        let since = same_state.and_then(CachedRow::since).unwrap_or(self.at);
        let last = before.and_then(CachedRow::offer);
        let Some(current) = current else { return (since, last.cloned()) };
        // Keep the start time of an offer that has not changed.
        let continued = last.filter(|last| same_state.is_some() && current.continues(last));
        (since, Some(continued.cloned().unwrap_or_else(|| current.starting(self.at))))
    }
}

/// Copies the last transition time from the replaced status into each condition whose status is
/// unchanged.
pub(super) fn carry_conditions(conditions: &mut [Condition], replaced: &[Condition]) {
    for condition in conditions {
        let before =
            replaced.iter().find(|c| c.r#type == condition.r#type && c.status == condition.status);
        if let Some(before) = before {
            condition.last_transition_time = before.last_transition_time;
        }
    }
}
