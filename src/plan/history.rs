//! Copies history from a stored status into the status that replaces it: the start times of states
//! and conditions, and the last offer to each client.
//!
//! History affects no decision and no digest, so a plan does not depend on written statuses that
//! the watch has not returned yet.

use super::cached_status::{CachedFleetStatus, CachedRow, CachedRows};
use super::row::CurrentOffer;
use crate::api::fleet::LastOffer;
use crate::api::{Condition, Text};
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
        name: &Text,
        state: &str,
        current: Option<CurrentOffer<'_>>,
    ) -> (Timestamp, Option<LastOffer>) {
        let before = self.rows.as_mut().and_then(|rows| rows.find(index, name));
        let same_state =
            before.filter(|before| before.state().is_some_and(|before| before.as_str() == state));
        let since = same_state.and_then(CachedRow::since).unwrap_or(self.at);
        let last = before.and_then(CachedRow::offer);
        let Some(current) = current else { return (since, last.cloned()) };
        // The status keeps an offer that has ended. The current offer is therefore a new one if the
        // client's state has changed.
        let continued = last.filter(|last| same_state.is_some() && current.continues(last));
        (since, Some(continued.cloned().unwrap_or_else(|| current.starting(self.at))))
    }

    /// Copies the last transition time from the replaced status into each condition whose status is
    /// unchanged.
    pub fn carry_conditions(&self, conditions: &mut [Condition]) {
        carry_conditions(conditions, self.conditions);
    }
}

/// Copies the last transition time from the replaced status into each condition whose status is
/// unchanged. `replaced` contains the conditions of the replaced status; `None` if there is no such
/// status.
pub(super) fn carry_conditions(conditions: &mut [Condition], replaced: Option<&[Condition]>) {
    for condition in conditions {
        let is_same = |c: &&Condition| c.r#type == condition.r#type && c.status == condition.status;
        let before = replaced.into_iter().flatten().find(is_same);
        if let Some(before) = before {
            condition.last_transition_time = before.last_transition_time;
        }
    }
}
