//! Counts, without I/O, the offers that a halt stops and the upgrades that it cannot stop.
//!
//! Processes one fleet at a time, so that memory does not grow with the number of fleets.

use crate::api::ClientFleet;
use crate::plan::facts::Facts;
use crate::plan::{Parsed, State};
use crate::values::Timestamp;

/// Effect of a halt on one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HaltEffect {
    pub clients: u32,
    /// Number of clients with a currently valid offer that the halt stops.
    pub offers: u32,
    /// Number of clients whose next restart installs a version other than the running one.
    pub staged: u32,
    /// Time when the last of the offers counted in `offers` expires. Ignores offers that never
    /// expire.
    pub offers_end: Option<Timestamp>,
    /// True if at least one of the offers counted in `offers` never expires.
    pub some_never_end: bool,
}

impl HaltEffect {
    /// Adds the clients of a fleet to the counts.
    pub fn add(&mut self, fleet: &Parsed<ClientFleet>, now: Timestamp) {
        if let Ok(spec) = &fleet.spec {
            let clients = spec.clients.as_deref().unwrap_or_default();
            self.clients += u32::try_from(clients.len()).unwrap_or(u32::MAX);
            let staged =
                clients.iter().filter(|client| Facts::read(client).other_version_is_staged());
            self.staged += u32::try_from(staged.count()).unwrap_or(u32::MAX);
        }
        let status = fleet.status.as_ref();
        let Some(status) = status.filter(|status| {
            status.observed_generation == Some(fleet.metadata.generation.unwrap_or(1))
        }) else {
            return;
        };
        for row in status.clients.iter().flatten() {
            let ends = row.next_transition_time;
            if row.state != State::Distributing.as_str() || ends.is_some_and(|ends| ends <= now) {
                continue;
            }
            self.offers += 1;
            self.offers_end = self.offers_end.max(ends);
            self.some_never_end |= ends.is_none();
        }
    }
}
