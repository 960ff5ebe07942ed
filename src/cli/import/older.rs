//! Compares the rows of an export with the `lastSeen` of existing clients, to find the rows that are
//! older than the known facts.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::Field;
use super::existing_fleet::ExistingFleet;
use super::facts::Fact;
use super::times::MAX_AHEAD;
use crate::api::Text;
use crate::api::fleet::Client;
use crate::values::{Timestamp, parse_rfc3339};

/// The clients that an export must not change, because it is older than their facts.
#[derive(Debug, Default)]
pub(super) struct OlderRows<'a> {
    /// Clients whose row is older than their known `lastSeen`.
    pub older: BTreeSet<&'a str>,
    /// Clients whose row has no `lastSeen` although one is known, so that its age is unknown.
    pub undated: BTreeSet<&'a str>,
    /// True if some rows are older than the known facts and none is newer. The export itself is then
    /// older than the fleets, so a client that is missing from it may be new and not gone.
    pub is_whole_export: bool,
}

impl OlderRows<'_> {
    /// Returns whether the row of a client must not change the client.
    pub fn contains(&self, name: &str) -> bool {
        self.older.contains(name) || self.undated.contains(name)
    }
}

/// Finds the clients whose rows are older than their known facts. Without a column for `lastSeen`,
/// the export says nothing about its age, and counts as current. `older_elsewhere` are the clients
/// whose rows are older than the facts in fleets of other imports.
pub(super) fn older_rows<'a>(
    clients: &BTreeMap<Text, Client>,
    provided: &BTreeSet<Fact>,
    fleets: &'a BTreeMap<u32, ExistingFleet>,
    older_elsewhere: &BTreeSet<Text>,
    now: Timestamp,
) -> OlderRows<'a> {
    let mut rows = OlderRows::default();
    if !provided.contains(&Fact::Field(Field::LastSeen)) {
        return rows;
    }
    let mut is_any_newer = false;
    for (name, known) in fleets.values().flat_map(|fleet| &fleet.last_seen) {
        let Some(row) = clients.get(name) else { continue };
        if !is_plausible(*known, now) {
            continue;
        }
        match last_seen(row, now) {
            None => drop(rows.undated.insert(name)),
            Some(seen) if seen < *known => drop(rows.older.insert(name)),
            Some(seen) => is_any_newer |= seen > *known && !older_elsewhere.contains(name),
        }
    }
    let is_any_older = !(rows.older.is_empty() && older_elsewhere.is_empty());
    rows.is_whole_export = is_any_older && !is_any_newer;
    rows
}

/// Returns when a client was last seen. A time that lies more than a day ahead is an error, and must
/// not keep all later rows out.
pub(super) fn last_seen(client: &Client, now: Timestamp) -> Option<Timestamp> {
    let text = client.reported.as_ref()?.last_seen.as_ref()?;
    parse_rfc3339(text).filter(|seen| is_plausible(*seen, now))
}

fn is_plausible(seen: Timestamp, now: Timestamp) -> bool {
    seen - now <= MAX_AHEAD
}

#[cfg(test)]
mod tests {
    use crate::api::fleet::Reported;

    use super::super::existing_fleet::{WrittenBy, standing};
    use super::*;

    const NOW: &str = "2026-11-24T12:00:00Z";

    fn fleet(clients: &[(&str, &str)]) -> BTreeMap<u32, ExistingFleet> {
        let client = |(name, seen): &(&str, &str)| serde_json::json!({"name": name, "reported": {"lastSeen": seen}});
        let clients: Vec<_> = clients.iter().map(client).collect();
        let fleet =
            serde_json::json!({"metadata": {"name": "a-001"}, "spec": {"clients": clients}});
        let fleet = standing("a-001", &fleet, WrittenBy::LabelWriter).expect("it can be read");
        BTreeMap::from([(1, fleet)])
    }

    fn found(known: &[(&str, &str)], rows: &[(&str, Option<&str>)]) -> (String, bool) {
        let row = |(name, seen): &(&str, Option<&str>)| {
            let reported = Reported { last_seen: seen.map(Text::from), ..Reported::default() };
            let client =
                Client { name: (*name).into(), reported: Some(reported), ..Client::default() };
            (client.name.clone(), client)
        };
        let clients = rows.iter().map(row).collect();
        let provided = BTreeSet::from([Fact::Field(Field::LastSeen)]);
        let fleets = fleet(known);
        let now = NOW.parse().expect("an instant");
        let elsewhere = BTreeSet::new();
        let older = older_rows(&clients, &provided, &fleets, &elsewhere, now);
        let none = older_rows(&clients, &BTreeSet::new(), &fleets, &elsewhere, now);
        assert!(none.older.is_empty() && none.undated.is_empty() && !none.is_whole_export);
        let names = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" ");
        let text = format!("{}, undated {}", names(older.older), names(older.undated));
        (text, older.is_whole_export)
    }

    #[test]
    fn the_time_of_a_row_counts() {
        let known = [
            ("A", "2026-11-20T12:00:00Z"),
            ("B", "2026-11-20T12:00:00.7Z"),
            ("C", "2026-11-20T12:00:00Z"),
            ("D", "2026-11-20T12:00:00Z"),
            ("E", "2099-01-01T00:00:00Z"),
            ("F", "soon"),
            ("G", "2026-11-20T12:00:00Z"),
        ];
        let mut rows = [
            ("A", Some("2026-11-20T12:59:59+01:00")),
            ("B", Some("2026-11-20T12:00:00Z")),
            ("C", Some("2026-11-20T11:59:59.9Z")),
            ("D", None),
            ("E", Some("2026-11-20T12:00:00Z")),
            ("F", Some("2026-11-20T12:00:00Z")),
            ("H", Some("2026-11-01T12:00:00Z")),
        ];
        assert_eq!(found(&known, &rows), ("A C, undated D".to_owned(), true));
        rows[1].1 = Some("2026-11-20T12:00:01Z");
        assert_eq!(found(&known, &rows), ("A C, undated D".to_owned(), false));
        assert_eq!(found(&known, &rows[3..4]), (", undated D".to_owned(), false));
    }

    #[test]
    fn a_report_from_another_fleet_makes_no_row_newer() {
        let row = |seen: &str| {
            let reported = Reported { last_seen: Some(seen.into()), ..Reported::default() };
            Client { reported: Some(reported), ..Client::default() }
        };
        let clients = BTreeMap::from([("A".into(), row("2026-11-21T12:00:00Z"))]);
        let provided = BTreeSet::from([Fact::Field(Field::LastSeen)]);
        let fleets = fleet(&[("A", "2026-11-20T12:00:00Z")]);
        let now = NOW.parse().expect("an instant");
        let is_older = |elsewhere: &[&str]| {
            let elsewhere = elsewhere.iter().map(Text::from).collect();
            older_rows(&clients, &provided, &fleets, &elsewhere, now).is_whole_export
        };
        assert!(!is_older(&[]) && is_older(&["A"]));
    }
}
