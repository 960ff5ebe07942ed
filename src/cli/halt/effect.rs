//! What pulling the brake stops, and what it cannot stop: counted fleet by fleet, so that any number
//! of them can pass by. Pure.

use crate::api::ClientFleet;
use crate::plan::facts::Facts;
use crate::plan::{Parsed, State};
use crate::values::Timestamp;

/// The counts of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HaltEffect {
    pub clients: u32,
    /// Clients that are offered a version now, by a status that is still valid.
    pub offers: u32,
    /// Those of them that a policy offers which comes before the brake.
    pub offers_beyond: u32,
    /// Clients whose next restart brings another version than they run.
    pub staged: u32,
    /// When the last of the offers ends by itself.
    pub offers_end: Option<Timestamp>,
    /// Whether one of them does not end by itself.
    pub some_never_end: bool,
}

impl HaltEffect {
    /// Counts a fleet. `comes_before` says whether a policy comes before the brake.
    pub fn add(
        &mut self,
        fleet: &Parsed<ClientFleet>,
        now: Timestamp,
        comes_before: impl Fn(&str) -> bool,
    ) {
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
            if row.policy.as_deref().is_some_and(&comes_before) {
                self.offers_beyond += 1;
                continue;
            }
            self.offers += 1;
            self.offers_end = self.offers_end.max(ends);
            self.some_never_end |= ends.is_none();
        }
    }
}
