//! Indexes the client names of all fleets in a namespace, to find the names that several fleets
//! list. The index takes at most 24 bytes a client, and a report costs only the names that changed.
//!
//! The index stores a hash and a fleet for each entry; the names themselves are in the specs.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use crate::api::Text;
use crate::plan::allot::Standing;
use crate::plan::cached::{CachedFleet, Digest};
use crate::plan::duplicates::{ClientEntry, resolve};
use crate::values::Timestamp;

/// The client names of all fleets in a namespace.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    entries: HashTable<IndexedEntry>,
    numbers: BTreeMap<Text, u32>,
    /// Names of the fleets by number; `None` if the number is free.
    fleets: Vec<Option<Text>>,
    free: Vec<u32>,
    /// The names that several fleets list, as of the last resolution.
    duplicates: BTreeMap<Text, Duplicate>,
    /// Names that other fleets list since the last resolution, or no longer.
    changed: BTreeSet<Text>,
    /// Duplicate names whose `lastSeen` has changed since the last resolution.
    reported: BTreeSet<Text>,
    /// Instants at which an entry begins to decide by time alone.
    due: BTreeSet<(Timestamp, Text)>,
}

/// An entry: the hash of the client's name, and the number of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IndexedEntry {
    hash: u32,
    fleet: u32,
}

#[derive(Debug)]
struct Duplicate {
    /// The entries of the name, by fleet name. Stored here so that a report does not search all
    /// fleets that list the name.
    entries: Vec<ClientEntry>,
    decides_from: Option<Timestamp>,
}

/// A standing that results from the entries of one client name.
pub(super) struct EntryStanding {
    pub fleet: Text,
    pub client: Text,
    pub standing: Standing,
}

impl IndexedEntry {
    fn new(name: &Text, fleet: u32) -> Self {
        Self { hash: Digest::of(name).low_bits(), fleet }
    }

    /// Returns the hash for the table, which uses the high and the low bits.
    fn spread(&self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl NameIndex {
    /// Updates the index when a fleet changes from `before` to `now`; `None` means that the fleet
    /// does not exist.
    pub fn update(
        &mut self,
        fleet: &Text,
        before: Option<&CachedFleet>,
        now: Option<&CachedFleet>,
    ) {
        if let (Some(before), Some(now)) = (before, now)
            && has_same_entries(before, now)
        {
            return self.note_reports(before, now);
        }
        let number = self.number(fleet);
        for name in before.into_iter().flat_map(CachedFleet::client_names) {
            self.remove(name, number);
        }
        for name in now.into_iter().flat_map(CachedFleet::client_names) {
            self.insert(name, number);
        }
        if now.is_none() {
            self.release(fleet, number);
        }
    }

    /// Marks the duplicate names whose `lastSeen` differs. Both fleets must list the same names.
    fn note_reports(&mut self, before: &CachedFleet, now: &CachedFleet) {
        let (Ok(old), Ok(new)) = (&before.spec, &now.spec) else { return };
        if self.duplicates.is_empty() || std::sync::Arc::ptr_eq(old, new) {
            return;
        }
        for (old, client) in old.clients.iter().flatten().zip(new.clients.iter().flatten()) {
            let seen =
                [old, client].map(|c| c.reported.as_ref().and_then(|r| r.last_seen.as_ref()));
            if seen[0] == seen[1] {
                continue;
            }
            let Some(duplicate) = self.duplicates.get_mut(&client.name) else { continue };
            let entry = ClientEntry::of(now, client);
            if let Ok(place) = duplicate.entries.binary_search_by(|e| e.fleet.cmp(&entry.fleet)) {
                duplicate.entries[place] = entry;
                self.reported.insert(client.name.clone());
            }
        }
    }

    fn insert(&mut self, name: &Text, fleet: u32) {
        let entry = IndexedEntry::new(name, fleet);
        self.mark(name, entry);
        self.entries.insert_unique(entry.spread(), entry, IndexedEntry::spread);
    }

    fn remove(&mut self, name: &Text, fleet: u32) {
        let entry = IndexedEntry::new(name, fleet);
        if let Ok(found) = self.entries.find_entry(entry.spread(), |known| *known == entry) {
            found.remove();
        }
        self.mark(name, entry);
    }

    /// Marks a name as changed if another fleet may list it.
    fn mark(&mut self, name: &Text, entry: IndexedEntry) {
        let is_other = |known: &IndexedEntry| known.hash == entry.hash && *known != entry;
        if self.entries.find(entry.spread(), is_other).is_some() {
            self.changed.insert(name.clone());
        }
    }

    fn number(&mut self, fleet: &Text) -> u32 {
        if let Some(&number) = self.numbers.get(fleet) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.fleets.push(None);
            u32::try_from(self.fleets.len() - 1).unwrap_or(u32::MAX)
        });
        self.fleets[number as usize] = Some(fleet.clone());
        self.numbers.insert(fleet.clone(), number);
        number
    }

    fn release(&mut self, fleet: &Text, number: u32) {
        self.numbers.remove(fleet);
        self.fleets[number as usize] = None;
        self.free.push(number);
        // Keep the promise of 24 bytes a client after most clients are gone.
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to_fit(IndexedEntry::spread);
        }
    }

    /// Resolves the names whose entries have changed, and those whose resolution changes by `at`;
    /// all duplicate names if `all` is true. Returns the standing of each of their entries.
    pub fn resolve<'f>(
        &mut self,
        at: Timestamp,
        all: bool,
        observed: impl Fn(&Text) -> Option<&'f CachedFleet>,
    ) -> Vec<EntryStanding> {
        let changed = std::mem::take(&mut self.changed);
        let mut known = std::mem::take(&mut self.reported);
        let due = self.due.iter().take_while(|(from, _)| *from <= at);
        known.extend(due.map(|(_, name)| name.clone()));
        if all {
            known.extend(self.duplicates.keys().cloned());
        }
        let mut found = Vec::new();
        for name in known.difference(&changed) {
            let Some(duplicate) = self.duplicates.get(name) else { continue };
            self.resolve_name(name, duplicate.entries.clone(), at, &mut found);
        }
        for name in changed {
            let fleets = self.fleets_with(&name);
            let entries = fleets.iter().filter_map(|f| ClientEntry::find(observed(f)?, &name));
            self.resolve_name(&name, entries.collect(), at, &mut found);
        }
        found
    }

    fn resolve_name(
        &mut self,
        name: &Text,
        entries: Vec<ClientEntry>,
        at: Timestamp,
        found: &mut Vec<EntryStanding>,
    ) {
        let before = self.duplicates.remove(name);
        if let Some(from) = before.as_ref().and_then(|before| before.decides_from) {
            self.due.remove(&(from, name.clone()));
        }
        let mut add = |fleet: &Text, standing| {
            found.push(EntryStanding { fleet: fleet.clone(), client: name.clone(), standing });
        };
        for fleet in before.iter().flat_map(|before| &before.entries).map(|entry| &entry.fleet) {
            let is_listed = entries.binary_search_by(|entry| entry.fleet.cmp(fleet)).is_ok();
            if entries.len() < 2 || !is_listed {
                add(fleet, Standing::Free);
            }
        }
        if entries.len() < 2 {
            return;
        }
        let resolution = resolve(&entries, at);
        for (entry, standing) in entries.iter().zip(resolution.standings) {
            add(&entry.fleet, standing);
        }
        let decides_from = resolution.decides_from;
        self.due.extend(decides_from.map(|from| (from, name.clone())));
        self.duplicates.insert(name.clone(), Duplicate { entries, decides_from });
    }

    /// Returns the fleets that may list `name`, sorted by name. Other names can have the same hash.
    fn fleets_with(&self, name: &Text) -> Vec<Text> {
        let wanted = IndexedEntry::new(name, 0);
        let same = self.entries.iter_hash(wanted.spread());
        let same = same.filter(|entry| entry.hash == wanted.hash);
        let fleets: BTreeSet<&Text> =
            same.filter_map(|entry| self.fleets[entry.fleet as usize].as_ref()).collect();
        fleets.into_iter().cloned().collect()
    }

    /// Returns the earliest instant at which the standing of an entry changes by time alone.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(from, _)| *from)
    }
}

/// Returns whether two versions of a fleet list the same names in the same order, and their entries
/// count in the same way.
fn has_same_entries(before: &CachedFleet, now: &CachedFleet) -> bool {
    before.is_deleting() == now.is_deleting()
        && match (&before.spec, &now.spec) {
            (Ok(a), Ok(b)) if std::sync::Arc::ptr_eq(a, b) => true,
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => before.client_names().eq(now.client_names()),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet(name: &str, clients: impl Iterator<Item = usize>) -> CachedFleet {
        let clients: Vec<_> =
            clients.map(|number| json!({"name": format!("lt-{number:07}")})).collect();
        let object = json!({"metadata": {"name": name}, "spec": {"clients": clients}});
        serde_json::from_str(&object.to_string()).unwrap()
    }

    #[test]
    fn the_index_takes_at_most_24_bytes_a_client() {
        let mut index = NameIndex::default();
        let mut clients = 0;
        for number in 0..800 {
            let one = fleet(&format!("f{number}"), number * 250..(number + 1) * 250);
            index.update(&one.name().into(), None, Some(&one));
            clients += 250;
            // Small tables may be larger; their memory is negligible.
            let bytes = index.entries.allocation_size();
            assert!(clients < 10_000 || bytes <= clients * 24, "{bytes} bytes for {clients}");
        }
        assert!(index.changed.len() < 10, "few names have the hash of another");
        for number in 0..790 {
            let one = fleet(&format!("f{number}"), number * 250..(number + 1) * 250);
            index.update(&one.name().into(), Some(&one), None);
        }
        assert!(index.entries.allocation_size() <= 4 * 2500 * 24);
    }

    #[test]
    fn equal_hashes_of_other_names_are_no_duplicates() {
        let (one, two) = (fleet("one", 0..3), fleet("two", 2..5));
        let mut index = NameIndex::default();
        index.update(&"one".into(), None, Some(&one));
        index.update(&"two".into(), None, Some(&two));
        index.changed.extend((0..5).map(|number| Text::from(format!("lt-{number:07}").as_str())));
        let observed = |name: &Text| Some(if name.as_str() == "one" { &one } else { &two });
        let found = index.resolve(Timestamp::UNIX_EPOCH, false, observed);
        let found: Vec<_> = found.iter().map(|f| (f.fleet.as_str(), f.client.as_str())).collect();
        assert_eq!(found, [("one", "lt-0000002"), ("two", "lt-0000002")]);
        index.update(&"two".into(), Some(&two), None);
        let found = index.resolve(Timestamp::UNIX_EPOCH, false, |name| {
            Some(&one).filter(|_| name.as_str() == "one")
        });
        assert!(found.iter().all(|found| found.standing == Standing::Free));
        assert!(index.duplicates.is_empty() && index.changed.is_empty());
    }
}
