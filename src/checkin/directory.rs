//! Finds the fleets that have a client, by the namespace and the name of the client.
//!
//! With hundreds of thousands of clients, the index must be small: it holds positions only, and a
//! lookup compares the name in the fleet itself.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use super::fleet::DeliveryFleet;
use crate::api::Text;

/// The fleets of all namespaces, with an index of their clients.
#[derive(Debug, Default)]
pub struct Directory {
    fleets: Vec<Option<Arc<DeliveryFleet>>>,
    /// Positions of the fleets by namespace and name.
    positions: std::collections::HashMap<(String, String), u32, RandomState>,
    free: Vec<u32>,
    clients: HashTable<Place>,
    hasher: RandomState,
}

/// Place of a client: the position of its fleet and its index in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    fleet: u32,
    index: u16,
    /// Part of the hash, so that most lookups compare no other names.
    tag: u16,
}

/// A client in one fleet.
#[derive(Clone, Debug)]
pub struct Found {
    /// Fleet that has the client.
    pub fleet: Arc<DeliveryFleet>,
    /// Index of the client in the spec of the fleet.
    pub index: usize,
}

impl Directory {
    /// Adds a fleet, or replaces its preceding version.
    pub fn apply(&mut self, fleet: Arc<DeliveryFleet>) {
        let key = fleet.key();
        let position = self.positions.get(&key).copied();
        let position = position.unwrap_or_else(|| self.add_position(key));
        let Some(place) = self.fleets.get_mut(position as usize) else { return };
        let before = place.replace(Arc::clone(&fleet));
        if before.as_ref().is_some_and(|before| has_same_clients(before, &fleet)) {
            return;
        }
        if let Some(before) = before {
            self.remove_clients(position, &before);
        }
        self.add_clients(position, &fleet);
    }

    /// Removes a fleet.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(position) = self.positions.remove(&key) else { return };
        let fleet = self.fleets.get_mut(position as usize).and_then(Option::take);
        if let Some(fleet) = fleet {
            self.remove_clients(position, &fleet);
        }
        self.free.push(position);
    }

    /// Removes all fleets that `keeps` does not hold for. Returns their namespaces and names.
    pub fn retain(&mut self, keeps: impl Fn(&str, &str) -> bool) -> Vec<(String, String)> {
        let is_gone = |key: &&(String, String)| !keeps(&key.0, &key.1);
        let gone: Vec<_> = self.positions.keys().filter(is_gone).cloned().collect();
        gone.iter().for_each(|(namespace, name)| self.remove(namespace, name));
        gone
    }

    /// Returns the fleet with this name.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<DeliveryFleet>> {
        let position = self.positions.get(&(namespace.to_owned(), name.to_owned()))?;
        self.fleet(*position)
    }

    /// Returns all fleets.
    pub fn fleets(&self) -> impl Iterator<Item = &Arc<DeliveryFleet>> {
        self.fleets.iter().flatten()
    }

    /// Returns the client in each fleet of the namespace that has it.
    #[must_use]
    pub fn find(&self, namespace: &str, client: &str) -> Vec<Found> {
        let hash = self.hash(namespace, client);
        let places = self.clients.iter_hash(hash).filter(|place| place.tag == tag(hash));
        let found = places.filter_map(|place| {
            let fleet = self.fleet(place.fleet)?;
            let index = usize::from(place.index);
            let is_it = fleet.namespace() == namespace
                && fleet.client_name(index).is_some_and(|name| name.as_str() == client);
            is_it.then(|| Found { fleet: Arc::clone(fleet), index })
        });
        found.collect()
    }

    /// Returns the number of clients, counting a client once for each fleet that has it.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    fn fleet(&self, position: u32) -> Option<&Arc<DeliveryFleet>> {
        self.fleets.get(position as usize)?.as_ref()
    }

    fn add_position(&mut self, key: (String, String)) -> u32 {
        let position = self.free.pop().unwrap_or_else(|| {
            self.fleets.push(None);
            u32::try_from(self.fleets.len() - 1).unwrap_or(u32::MAX)
        });
        self.positions.insert(key, position);
        position
    }

    fn add_clients(&mut self, position: u32, fleet: &DeliveryFleet) {
        let Self { clients, fleets, hasher, .. } = self;
        // A table that grows must hash its entries again, so it reads their names.
        let rehash = |place: &Place| {
            let known = fleets.get(place.fleet as usize).and_then(Option::as_deref);
            let name = known.and_then(|known| known.client_name(usize::from(place.index)));
            hash_with(
                hasher,
                known.map_or("", DeliveryFleet::namespace),
                name.map_or("", Text::as_str),
            )
        };
        for (index, name) in (0..).zip(fleet.client_names()) {
            let hash = hash_with(hasher, fleet.namespace(), name);
            let place = Place { fleet: position, index, tag: tag(hash) };
            clients.insert_unique(hash, place, rehash);
        }
    }

    fn remove_clients(&mut self, position: u32, fleet: &DeliveryFleet) {
        for (index, name) in (0_u16..).zip(fleet.client_names()) {
            let hash = self.hash(fleet.namespace(), name);
            let is_it = |place: &Place| place.fleet == position && place.index == index;
            if let Ok(entry) = self.clients.find_entry(hash, is_it) {
                entry.remove();
            }
        }
    }

    fn hash(&self, namespace: &str, client: &str) -> u64 {
        hash_with(&self.hasher, namespace, client)
    }
}

fn hash_with(hasher: &RandomState, namespace: &str, client: &str) -> u64 {
    hasher.hash_one((namespace, client))
}

/// Returns bits of the hash that the table does not use itself: it takes the position from the low
/// bits and compares the highest 7.
fn tag(hash: u64) -> u16 {
    (hash >> 40) as u16
}

fn has_same_clients(a: &DeliveryFleet, b: &DeliveryFleet) -> bool {
    a.client_names().eq(b.client_names())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::checkin::fleet::DecidedStatus;

    fn fleet(namespace: &str, name: &str, clients: &[String]) -> Arc<DeliveryFleet> {
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        let clients: Vec<_> = clients.iter().map(|name| json!({"name": name})).collect();
        let spec = serde_json::from_value(json!({"clients": clients})).unwrap();
        let received = "2026-11-29T12:00:00Z".parse().unwrap();
        Arc::new(DeliveryFleet::new(
            metadata,
            Some(Arc::new(spec)),
            DecidedStatus::default(),
            None,
            received,
        ))
    }

    proptest! {
        #[test]
        fn it_finds_what_the_fleets_hold(
            changes in prop::collection::vec(
                (0..2_usize, 0..6_usize, prop::option::of(prop::collection::btree_set(0..40_u8, 0..30))),
                1..40,
            )
        ) {
            let mut directory = Directory::default();
            let mut expected: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
            for (namespace, name, clients) in changes {
                let (of, fleet_name) = (format!("ns{namespace}"), format!("fleet{name}"));
                match clients {
                    Some(clients) => {
                        let clients: Vec<_> = clients.iter().map(|c| format!("pc{c}")).collect();
                        directory.apply(fleet(&of, &fleet_name, &clients));
                        expected.insert((namespace, name), clients);
                    }
                    None => {
                        directory.remove(&of, &fleet_name);
                        expected.remove(&(namespace, name));
                    }
                }
                for namespace in 0..2 {
                    for client in (0..40).map(|c| format!("pc{c}")) {
                        let mut found: Vec<_> = directory
                            .find(&format!("ns{namespace}"), &client)
                            .into_iter()
                            .map(|found| (found.fleet.metadata.name.clone().unwrap(), found.index))
                            .collect();
                        found.sort();
                        let of_namespace = expected.iter().filter(|((of, _), _)| *of == namespace);
                        let expected: Vec<_> = of_namespace
                            .filter_map(|((_, name), clients)| {
                                let index = clients.iter().position(|c| *c == client)?;
                                Some((format!("fleet{name}"), index))
                            })
                            .collect();
                        prop_assert_eq!(found, expected);
                    }
                }
                let clients: usize = expected.values().map(Vec::len).sum();
                prop_assert_eq!(directory.clients(), clients);
            }
        }
    }

    #[test]
    fn an_entry_takes_8_bytes() {
        assert_eq!(size_of::<Place>(), 8);
    }
}
