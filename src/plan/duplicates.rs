//! Decides which entry of a client counts if several fleets of a namespace list a client of the
//! same name. Two inventories may report one computer, and two opposite offers must not result.
//!
//! An *entry* is a client in the spec of one fleet. The entry that was seen at least
//! [`MIN_LEAD`] later than all other entries decides; if there is none, no entry gets an offer.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;

use super::Estate;
use super::allot::Standing;
use super::cached::CachedFleet;
use crate::api::Text;
use crate::api::fleet::Client;
use crate::values::{Timestamp, parse_rfc3339};

/// Minimum time between the `lastSeen` of the deciding entry and that of every other entry.
pub const MIN_LEAD: TimeDelta = TimeDelta::days(7);

/// An entry of a client name: a fleet that lists a client of this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientEntry {
    /// Name of the fleet.
    pub fleet: Text,
    /// Time at which the fleet's client was last seen; absent if `reported.lastSeen` is missing or
    /// invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// True if the fleet is being deleted.
    pub deleting: bool,
    /// True if the fleet's spec cannot be read.
    pub unreadable: bool,
}

/// Result of comparing the entries of one client name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Standing of each entry, in the order of the entries.
    pub standings: Vec<Standing>,
    /// Instant from which one entry decides; `None` if an entry decides already, or if none will
    /// decide without another report.
    pub decides_from: Option<Timestamp>,
}

impl ClientEntry {
    pub(super) fn of(fleet: &CachedFleet, client: &Client) -> Self {
        let reported = client.reported.as_ref();
        Self {
            fleet: fleet.name().into(),
            last_seen: reported.and_then(|reported| parse_rfc3339(reported.last_seen.as_ref()?)),
            deleting: fleet.is_deleting(),
            unreadable: false,
        }
    }

    /// Returns the entry of the client `name` in a fleet; `None` if the fleet does not list it.
    #[must_use]
    pub(super) fn find(fleet: &CachedFleet, name: &str) -> Option<Self> {
        if let Ok(spec) = &fleet.spec {
            let client = spec.clients.iter().flatten().find(|client| client.name.as_str() == name);
            return client.map(|client| Self::of(fleet, client));
        }
        let is_listed = fleet.client_names().any(|listed| listed.as_str() == name);
        is_listed.then(|| Self {
            fleet: fleet.name().into(),
            last_seen: None,
            deleting: fleet.is_deleting(),
            unreadable: true,
        })
    }
}

/// Compares the entries of one client name at an instant.
///
/// A `lastSeen` after `at` counts as `at`, so time alone can make an entry the deciding one. The
/// entries of fleets that are being deleted count only if there are no others.
#[must_use]
pub fn resolve(entries: &[ClientEntry], at: Timestamp) -> Resolution {
    let all_deleting = entries.iter().all(|entry| entry.deleting);
    let counts = |entry: &ClientEntry| all_deleting || !entry.deleting;
    let mut places: Vec<usize> = (0..entries.len()).filter(|&i| counts(&entries[i])).collect();
    let from = leader(entries, &mut places);
    let leader = places.first().copied();
    let decides = places.len() == 1 || from.is_some_and(|from| from <= at);
    let standing = |place: usize, entry: &ClientEntry| match () {
        () if !counts(entry) => Standing::ReportedElsewhere,
        () if decides && leader == Some(place) => Standing::Free,
        () if decides => Standing::ReportedElsewhere,
        () => Standing::Duplicate { decides_from: from.filter(|_| leader == Some(place)) },
    };
    Resolution {
        standings: entries.iter().enumerate().map(|(i, entry)| standing(i, entry)).collect(),
        decides_from: from.filter(|_| !decides),
    }
}

/// Sorts the entries at `places` by `lastSeen`, latest first, and returns the instant from which
/// the first one decides; `None` if it does not decide without another report.
fn leader(entries: &[ClientEntry], places: &mut [usize]) -> Option<Timestamp> {
    let seen = |place: usize| entries[place].last_seen.filter(|_| !entries[place].unreadable);
    places.sort_by_key(|&place| std::cmp::Reverse(seen(place)));
    let [first, second, ..] = *places else { return None };
    // Missing times sort last.
    seen(*places.last()?)?;
    let from = seen(second)?.checked_add_signed(MIN_LEAD)?;
    (from <= seen(first)?).then_some(from)
}

/// A client name that several fleets of a namespace list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateClient {
    /// Name of the client.
    pub name: Text,
    /// Entries of the name, sorted by fleet name.
    pub entries: Vec<ClientEntry>,
}

/// Client names that the same fleets list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateGroup {
    /// Names of the fleets, sorted.
    pub fleets: Vec<Text>,
    /// Names of the clients, sorted.
    pub clients: Vec<Text>,
    /// Number of the clients of which no entry decides.
    pub undecided: usize,
}

/// Maximum number of names in the text of a group.
const MAX_NAMED_CLIENTS: usize = 3;

impl DuplicateGroup {
    /// Groups client names by the fleets that list them. The fleets that are being deleted do not
    /// count, unless no other fleet lists the client.
    #[must_use]
    pub fn all(duplicates: &[DuplicateClient], at: Timestamp) -> Vec<Self> {
        let mut groups: BTreeMap<Vec<Text>, Self> = BTreeMap::new();
        for DuplicateClient { name, entries } in duplicates {
            let resolution = resolve(entries, at);
            let is_open = |standing: &Standing| matches!(standing, Standing::Duplicate { .. });
            let all_deleting = entries.iter().all(|entry| entry.deleting);
            let counts = |entry: &&ClientEntry| all_deleting || !entry.deleting;
            let fleets: Vec<Text> =
                entries.iter().filter(counts).map(|entry| entry.fleet.clone()).collect();
            if fleets.len() < 2 {
                continue;
            }
            let empty = || Self { fleets: fleets.clone(), clients: Vec::new(), undecided: 0 };
            let group = groups.entry(fleets.clone()).or_insert_with(empty);
            group.clients.push(name.clone());
            group.undecided += usize::from(resolution.standings.iter().any(is_open));
        }
        groups.into_values().collect()
    }
}

impl fmt::Display for DuplicateGroup {
    /// Writes the group as a sentence, such as `1 name in two fleets, berlin and new-york: lt-1; 1
    /// gets no offer until it is removed from all but one of them`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fleets, clients, undecided } = self;
        let names = if clients.len() == 1 { "name" } else { "names" };
        let shown: Vec<&str> = clients.iter().map(Text::as_str).take(MAX_NAMED_CLIENTS).collect();
        write!(f, "{} {names} in {}: {}", clients.len(), in_fleets(fleets), shown.join(", "))?;
        if clients.len() > shown.len() {
            write!(f, " and {} more", clients.len() - shown.len())?;
        }
        match *undecided {
            0 => f.write_str("; the fleet that saw a client last decides for it"),
            1 => write!(f, "; 1 gets no offer until it is removed from all but one of them"),
            several => {
                write!(
                    f,
                    "; {several} get no offer until they are removed from all but one of them"
                )
            }
        }
    }
}

/// Returns the number and the names of fleets, such as `two fleets, berlin and new-york`.
#[must_use]
pub fn in_fleets(fleets: &[impl Deref<Target = str>]) -> String {
    let names: Vec<&str> = fleets.iter().map(Deref::deref).collect();
    let count = match names.len() {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        count => count.to_string(),
    };
    let list = match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.join(", "),
    };
    format!("{count} fleets, {list}")
}

impl Estate {
    /// Returns the entries of the client `name` in all fleets, sorted by fleet name.
    #[must_use]
    pub fn entries_of(&self, name: &str) -> Vec<ClientEntry> {
        let mut entries: Vec<ClientEntry> =
            self.fleets.iter().filter_map(|fleet| ClientEntry::find(fleet, name)).collect();
        entries.sort_by(|a, b| a.fleet.cmp(&b.fleet));
        entries
    }

    /// Returns the client names that several fleets list, sorted by name.
    #[must_use]
    pub fn duplicate_clients(&self) -> Vec<DuplicateClient> {
        let mut fleets: Vec<&Arc<CachedFleet>> = self.fleets.iter().collect();
        fleets.sort_by(|a, b| a.name().cmp(b.name()));
        let listed = fleets.iter().enumerate();
        let mut names: Vec<(&Text, usize)> = listed
            .flat_map(|(place, fleet)| fleet.client_names().map(move |name| (name, place)))
            .collect();
        names.sort_unstable();
        names.dedup();
        let several = names.chunk_by(|a, b| a.0 == b.0).filter(|entries| entries.len() > 1);
        let duplicate = |entries: &[(&Text, usize)]| DuplicateClient {
            name: entries[0].0.clone(),
            entries: entries
                .iter()
                .filter_map(|(name, place)| ClientEntry::find(fleets[*place], name))
                .collect(),
        };
        several.map(duplicate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_000_000;
    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn seen(days: impl Into<Option<i64>>) -> ClientEntry {
        let last_seen = days.into().map(|days| at(AT + days * DAY));
        ClientEntry { fleet: "f".into(), last_seen, deleting: false, unreadable: false }
    }

    fn deleting(entry: ClientEntry) -> ClientEntry {
        ClientEntry { deleting: true, ..entry }
    }

    fn unreadable(entry: ClientEntry) -> ClientEntry {
        ClientEntry { unreadable: true, ..entry }
    }

    /// Returns one letter for each entry: `D` decides, `E` reported elsewhere, `?` undecided, `+`
    /// undecided but decides at a later instant.
    fn letters(entries: &[ClientEntry]) -> String {
        let letter = |standing: &Standing| match standing {
            Standing::Free => 'D',
            Standing::ReportedElsewhere => 'E',
            Standing::Duplicate { decides_from: None } => '?',
            Standing::Duplicate { decides_from: Some(_) } => '+',
            Standing::Withheld => '!',
        };
        resolve(entries, at(AT)).standings.iter().map(letter).collect()
    }

    #[test]
    fn the_entry_seen_seven_days_after_all_others_decides() {
        assert_eq!(letters(&[seen(0)]), "D");
        assert_eq!(letters(&[seen(-1), seen(-8)]), "DE");
        assert_eq!(letters(&[seen(-30), seen(-9), seen(-2)]), "EED");
        assert_eq!(letters(&[seen(-1), seen(-7)]), "??");
        assert_eq!(letters(&[seen(-1), seen(-8), seen(-2)]), "???");
        assert_eq!(letters(&[seen(-1), seen(-1)]), "??");
    }

    #[test]
    fn an_entry_without_a_time_neither_decides_nor_lets_another_decide() {
        assert_eq!(letters(&[seen(None), seen(-100)]), "??");
        assert_eq!(letters(&[seen(0), seen(-100), seen(None)]), "???");
        assert_eq!(letters(&[seen(None)]), "D");
        assert_eq!(letters(&[seen(0), unreadable(seen(-100))]), "??");
    }

    #[test]
    fn entries_of_deleted_fleets_stand_aside() {
        assert_eq!(letters(&[deleting(seen(0)), seen(None)]), "ED");
        assert_eq!(letters(&[deleting(seen(0)), unreadable(seen(None))]), "ED");
        assert_eq!(letters(&[deleting(seen(0)), seen(-1), seen(-2)]), "E??");
        assert_eq!(letters(&[deleting(seen(0)), deleting(seen(-1))]), "??");
        assert_eq!(letters(&[deleting(seen(0)), deleting(seen(-9))]), "DE");
    }

    #[test]
    fn a_time_to_come_decides_when_it_is_seven_days_ahead() {
        assert_eq!(letters(&[seen(400), seen(0)]), "+?");
        assert_eq!(letters(&[seen(400), seen(-7)]), "DE");
        assert_eq!(letters(&[seen(3), seen(-3)]), "??");
        assert_eq!(letters(&[seen(400), seen(396)]), "??");
        let entries = [seen(400), seen(-3), seen(-8)];
        let from = resolve(&entries, at(AT)).decides_from.unwrap();
        assert_eq!(from, at(AT + 4 * DAY));
        let before = resolve(&entries, from - TimeDelta::seconds(1));
        assert_eq!(before.standings[0], Standing::Duplicate { decides_from: Some(from) });
        assert_eq!(resolve(&entries, from).standings[0], Standing::Free);
    }
}
