//! Looks up the time zones of a fleet and its clients.

use std::collections::BTreeMap;

use super::facts::{ZoneFact, non_empty};
use crate::api::fleet::ClientFleetSpec;

/// Distinct time zones of a fleet and its clients, each looked up once.
pub(super) struct FleetZones {
    /// The zones; the first is that of the fleet.
    pub zones: Vec<ZoneFact>,
    /// Index into `zones` for each client; empty if all clients use the fleet's time zone.
    of_client: Vec<usize>,
}

impl FleetZones {
    pub fn of(spec: &ClientFleetSpec) -> Self {
        let mut zones = vec![ZoneFact::read(spec.time_zone.as_ref())];
        let clients = spec.clients.as_deref().unwrap_or_default();
        if clients.iter().all(|client| non_empty(client.time_zone.as_ref()).is_none()) {
            return Self { zones, of_client: Vec::new() };
        }
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        // Neighboring clients mostly have the same time zone, so check the zone of the previous
        // client first.
        let mut last: Option<(&str, usize)> = None;
        let of_client = clients.iter().map(|client| {
            let Some(name) = non_empty(client.time_zone.as_ref()) else { return 0 };
            if let Some((_, zone)) = last.filter(|(last, _)| *last == name.as_str()) {
                return zone;
            }
            let zone = *known.entry(name).or_insert_with(|| {
                zones.push(ZoneFact::read(Some(name)));
                zones.len() - 1
            });
            last = Some((name, zone));
            zone
        });
        let of_client = of_client.collect();
        Self { zones, of_client }
    }

    /// Returns the time zone of the client at `index`, or the fleet's time zone if the client has
    /// none.
    pub fn of_client(&self, index: usize) -> &ZoneFact {
        &self.zones[self.zone_index(index)]
    }

    /// Returns the index into `zones` for the client at `index`.
    pub fn zone_index(&self, index: usize) -> usize {
        self.of_client.get(index).copied().unwrap_or(0)
    }
}
