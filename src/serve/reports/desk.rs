//! Takes the reports of clients from all connections, and wakes the requests that wait until their
//! reports are stored.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::api::Text;
use crate::api::fleet::Reported;
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::{FleetKey, ReportQueue};
use crate::checkin::report::Report;
use crate::values::Timestamp;

/// The reports of all clients that are not stored yet. All connections share it.
#[derive(Debug)]
pub struct ReportDesk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: ReportQueue,
}

/// Waits until a report is stored.
#[derive(Debug)]
pub struct Ticket(Option<watch::Receiver<bool>>);

impl Ticket {
    /// Waits until the API server has stored the report, for at most `limit`. Returns whether it has,
    /// or whether the report was dropped because the client is in no fleet or its value is refused.
    ///
    /// Returns true at once for a report that does not change the state of the client.
    pub async fn stored(self, limit: Duration) -> bool {
        let Some(mut stored) = self.0 else { return true };
        let stored = tokio::time::timeout(limit, stored.wait_for(|stored| *stored)).await;
        matches!(stored, Ok(Ok(_)))
    }
}

impl ReportDesk {
    /// Creates a desk that allows this number of writes per second.
    #[must_use]
    pub fn new(max_writes_per_second: f64) -> Self {
        Self { state: Mutex::new(State { queue: ReportQueue::new(max_writes_per_second) }) }
    }

    /// Takes a report. `stored` are the facts in the fleet that the caller has seen.
    ///
    /// A report that changes the state of the client is due at once, and all others within an hour.
    pub fn accept(
        &self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        stored: Option<&Reported>,
        now: Timestamp,
    ) -> Ticket {
        let mut state = self.state();
        let _ = match report.changes_state(stored) {
            true => state.queue.add_state(fleet, client, report, now),
            false => {
                state.queue.add_minor(fleet, client, report, now);
                false
            }
        };
        Ticket(None)
    }

    /// Takes a report that is due at once although it changes only `lastSeen`, as that of a client
    /// that is `Offline`.
    pub fn accept_urgent(
        &self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        now: Timestamp,
    ) -> Ticket {
        self.state().queue.add_state(fleet, client, report, now);
        Ticket(None)
    }

    /// Returns whether `fleet`, by which a request of the client is judged, lacks a report of the
    /// client: one that is not stored yet, or that is stored in a newer version of the fleet.
    #[must_use]
    pub fn has_unwritten(&self, key: &FleetKey, fleet: &DeliveryFleet, client: &str) -> bool {
        let _ = fleet;
        self.state().queue.unwritten(key, client).next().is_some()
    }

    /// Records a version of a fleet that the watch has shown. To be called for each event, after the
    /// directory has the fleet.
    pub fn seen(&self, key: &FleetKey, fleet: &DeliveryFleet, now: Timestamp) {
        let _ = fleet;
        self.state().queue.spec_changed(key, false, now);
    }

    /// Records that the watch shows the deletion of a fleet.
    pub fn fleet_gone(&self, key: &FleetKey) {
        let _ = (self.state(), key);
    }

    /// Records that the watch has listed all fleets again, in a list that it requested at `began`.
    pub fn relisted(&self, began: Timestamp) {
        let _ = (self.state(), began);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
