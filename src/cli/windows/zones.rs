//! Counts the governed clients of a policy by time zone. Stores only the counts and up to five
//! client names, so memory usage does not grow with the number of clients.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::calendar::{Role, Zones};
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus};
use crate::plan::facts::{ZoneFact, non_empty};
use crate::plan::policy::Policy;
use crate::values::Zone;

/// Maximum number of client time zones that are shown if the user requests no zone.
const MAX_SHOWN_ZONES: usize = 3;
/// Maximum number of clients without a known zone that are listed by name.
const MAX_NAMED_CLIENTS: usize = 5;

/// A zone and the number of governed clients in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ZoneCount {
    pub zone: String,
    pub clients: u32,
}

/// Counts of governed clients by time zone.
#[derive(Clone, Debug, Default)]
pub(super) struct ZoneCounts {
    known: BTreeMap<Zone, u32>,
    /// Number of clients whose zone is missing or is not an IANA name.
    unknown: u32,
    unknown_names: Vec<String>,
}

impl ZoneCounts {
    /// Counts those clients of a fleet that `policy` governs.
    pub(super) fn add(&mut self, policy: &str, spec: &ClientFleetSpec, status: &ClientFleetStatus) {
        let own: HashMap<&str, &str> = spec
            .clients
            .iter()
            .flatten()
            .filter_map(|client| {
                Some((client.name.as_str(), non_empty(client.time_zone.as_ref())?.as_str()))
            })
            .collect();
        let mut known: HashMap<Option<&str>, ZoneFact> = HashMap::new();
        let fleets = non_empty(spec.time_zone.as_ref()).map(|name| name.as_str());
        for row in status.clients.iter().flatten() {
            if row.policy.as_deref() != Some(policy) {
                continue;
            }
            let name = own.get(row.name.as_str()).copied().or(fleets);
            let read = || ZoneFact::read(name.map(Into::into).as_ref());
            match known.entry(name).or_insert_with(read).zone() {
                Some(zone) => *self.known.entry(zone.clone()).or_default() += 1,
                None => {
                    self.unknown += 1;
                    if self.unknown_names.len() < MAX_NAMED_CLIENTS {
                        self.unknown_names.push(row.name.to_string());
                    }
                }
            }
        }
    }

    /// Chooses the zones to show, in this order of preference: the policy's own zone, the requested
    /// zones, the zones with the most clients, the user's zone, UTC.
    pub(super) fn choose(
        mut self,
        policy: &Policy,
        asked_for: &[Zone],
        reader: Option<&Zone>,
    ) -> Zones {
        if let Some(zone) = policy.zone.as_ref().and_then(ZoneFact::zone) {
            let clients = self.known.values().sum::<u32>() + self.unknown;
            let shown = vec![(zone.clone(), Role::Policy, Some(clients))];
            return Zones { shown, ..Zones::default() };
        }
        let mut shown: Vec<(Zone, Role, Option<u32>)> = Vec::new();
        for zone in asked_for {
            if !shown.iter().any(|(known, _, _)| known == zone) {
                let clients = self.known.remove(zone).unwrap_or(0);
                shown.push((zone.clone(), Role::AskedFor, Some(clients)));
            }
        }
        let mut counted: Vec<(Zone, u32)> = self.known.into_iter().collect();
        // The sort is stable, so zones with equal counts remain sorted by name.
        counted.sort_by_key(|(_, clients)| std::cmp::Reverse(*clients));
        if shown.is_empty() {
            let rest = counted.split_off(counted.len().min(MAX_SHOWN_ZONES));
            let of_clients = std::mem::replace(&mut counted, rest).into_iter();
            shown.extend(of_clients.map(|(zone, clients)| (zone, Role::Clients, Some(clients))));
        }
        if shown.is_empty() {
            let reader = reader.cloned().or_else(|| Zone::named("UTC"));
            shown.extend(reader.map(|zone| (zone, Role::StandIn, None)));
        }
        let more = counted.into_iter();
        Zones {
            shown,
            more: more
                .map(|(zone, clients)| ZoneCount { zone: zone.name().to_owned(), clients })
                .collect(),
            without_zone: self.unknown,
            without_zone_names: self.unknown_names,
        }
    }
}
