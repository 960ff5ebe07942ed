//! Finds the clients that several fleets list, and the computers that are reported under several
//! client names. Keeps a hash for each client, but names only for the duplicates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::needs::Sample;
use super::overview::namespace_of;
use crate::api::fleet::Client;
use crate::api::{ClientFleet, Text};
use crate::plan::Parsed;
use crate::plan::facts::non_empty;
use crate::values::selector::fold_case;

/// Client names that the same fleets list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct DuplicateNames {
    /// Names of the fleets.
    pub fleets: Vec<String>,
    /// Number of the client names, and some of them.
    #[serde(flatten)]
    pub clients: Sample,
}

/// Searches fleets for duplicates, one fleet at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct DuplicateSearch {
    fleets: Vec<ListedFleet>,
    /// Index of the first fleet with each client name, by the hash of namespace and name.
    names: HashMap<u64, u32>,
    duplicates: BTreeMap<(String, Text), BTreeSet<u32>>,
    /// First client of each computer, by the hash of namespace and computer.
    computers: HashMap<u64, FirstClient>,
    /// Name and fleets of each computer with several clients, by namespace and case-folded name.
    shared_computers: BTreeMap<(String, String), (Text, BTreeSet<u32>)>,
    hasher: ahash::RandomState,
}

#[derive(Clone, Debug)]
struct ListedFleet {
    namespace: String,
    name: String,
}

#[derive(Clone, Copy, Debug)]
struct FirstClient {
    fleet: u32,
    name: u64,
}

impl DuplicateSearch {
    /// Adds a fleet. The clients of a fleet that is being deleted do not count.
    pub fn add(&mut self, fleet: &Parsed<ClientFleet>) {
        if fleet.metadata.deletion_timestamp.is_some() {
            return;
        }
        let namespace = namespace_of(fleet);
        let number = u32::try_from(self.fleets.len()).unwrap_or(u32::MAX);
        let name = fleet.metadata.name.clone().unwrap_or_default();
        self.fleets.push(ListedFleet { namespace: namespace.clone(), name });
        if let Ok(spec) = &fleet.spec {
            for client in spec.clients.iter().flatten() {
                self.name(&namespace, &client.name, number);
                self.computer(&namespace, client, number);
            }
        }
        for name in fleet.listed.as_deref().unwrap_or_default() {
            self.name(&namespace, name, number);
        }
    }

    fn name(&mut self, namespace: &str, name: &Text, fleet: u32) {
        let hash = self.hasher.hash_one((namespace, name));
        let first = *self.names.entry(hash).or_insert(fleet);
        if first != fleet {
            let key = (namespace.to_owned(), name.clone());
            self.duplicates.entry(key).or_default().extend([first, fleet]);
        }
    }

    fn computer(&mut self, namespace: &str, client: &Client, fleet: u32) {
        let computer = client.reported.as_ref().and_then(|reported| reported.computer.as_ref());
        let Some(computer) = non_empty(computer) else { return };
        let folded = fold_case(computer);
        let own = FirstClient { fleet, name: self.hasher.hash_one(&client.name) };
        let hash = self.hasher.hash_one((namespace, &folded));
        let first = *self.computers.entry(hash).or_insert(own);
        if first.name != own.name {
            let empty = || (computer.clone(), BTreeSet::new());
            let key = (namespace.to_owned(), folded);
            let (_, fleets) = self.shared_computers.entry(key).or_insert_with(empty);
            fleets.extend([first.fleet, fleet]);
        }
    }

    /// Returns the names that several fleets list, by fleets.
    pub fn duplicate_names(&self, is_everywhere: bool) -> Vec<DuplicateNames> {
        let mut groups: BTreeMap<&BTreeSet<u32>, Sample> = BTreeMap::new();
        for ((_, name), fleets) in &self.duplicates {
            groups.entry(fleets).or_default().add(|| name.to_string());
        }
        let group = |(fleets, clients)| DuplicateNames {
            fleets: self.fleet_names(fleets, is_everywhere),
            clients,
        };
        let mut found: Vec<DuplicateNames> = groups.into_iter().map(group).collect();
        found.sort_by(|a, b| a.fleets.cmp(&b.fleets));
        found
    }

    /// Returns the computers that are reported under several client names, with their fleets.
    pub fn shared_computers(&self, is_everywhere: bool) -> Sample {
        let mut found = Sample::default();
        for (computer, fleets) in self.shared_computers.values() {
            let fleets = || self.fleet_names(fleets, is_everywhere).join(", ");
            found.add(|| format!("{computer} ({})", fleets()));
        }
        found
    }

    fn fleet_names(&self, fleets: &BTreeSet<u32>, is_everywhere: bool) -> Vec<String> {
        let fleets = fleets.iter().filter_map(|&fleet| self.fleets.get(fleet as usize));
        let name = |fleet: &ListedFleet| match is_everywhere {
            true => format!("{}/{}", fleet.namespace, fleet.name),
            false => fleet.name.clone(),
        };
        let mut names: Vec<String> = fleets.map(name).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn search(fleets: &[(&str, &[(&str, &str)])]) -> DuplicateSearch {
        let mut search = DuplicateSearch::default();
        for (name, clients) in fleets {
            let client = |(name, computer): &(&str, &str)| json!({"name": name, "reported": {"computer": computer}});
            let clients: Vec<_> = clients.iter().map(client).collect();
            let metadata = json!({"name": name, "namespace": "clients"});
            let object = json!({"metadata": metadata, "spec": {"clients": clients}});
            search.add(&serde_json::from_str(&object.to_string()).unwrap());
        }
        search
    }

    #[test]
    fn names_are_counted_by_the_fleets_that_list_them() {
        let found = search(&[
            ("c", &[("x", ""), ("y", "")]),
            ("b", &[("v", ""), ("w", ""), ("x", ""), ("y", ""), ("z", "")]),
            ("a", &[("u", ""), ("v", ""), ("w", ""), ("x", ""), ("z", "")]),
        ]);
        let groups = found.duplicate_names(false).into_iter();
        let groups: Vec<_> =
            groups.map(|group| (group.fleets.join(" "), group.clients.names.join(" "))).collect();
        let expected = [("a b", "v w z"), ("a b c", "x"), ("b c", "y")];
        assert_eq!(groups, expected.map(|(fleets, names)| (fleets.to_owned(), names.to_owned())));
    }

    #[test]
    fn a_computer_under_two_names_is_found() {
        let found = search(&[
            ("a", &[("1", "PC-1"), ("2", "pc-1"), ("3", "PC-3"), ("4", ""), ("5", "")]),
            ("b", &[("3", "PC-3"), ("6", "PC-6"), ("7", "PC-1")]),
            ("c", &[("8", "PC-6")]),
        ]);
        let shared = found.shared_computers(true);
        assert_eq!(shared.names, ["pc-1 (clients/a, clients/b)", "PC-6 (clients/b, clients/c)"]);
        assert_eq!(shared.count, 2);
    }
}
