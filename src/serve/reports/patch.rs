//! Computes the JSON Patch that stores the reports of a fleet. It changes only the facts that differ,
//! so the facts of other writers stay, and `managedFields` shows which facts `serve` has written.
//!
//! A JSON Patch finds a client by its index, which another writer may change at any time. So the
//! patch tests what it was computed from, and the API server applies all of it or nothing:
//!
//! - [`Guard::Spec`] tests the generation of the fleet. The patch then means exactly what it meant
//!   for the seen spec, and of two replicas that write at the same time, only one succeeds.
//! - [`Guard::Clients`] tests the name at each index, for a fleet that others change all the time.
//!   A fact that the client has reported is written whatever it was. Facts of the client that the
//!   patch must not lose are tested: if it has none, the whole client, because `add` would replace
//!   the facts that another writer has added since; the seen `lastSeen`, which must not go back, or
//!   all facts if none was seen; and a staged version that is removed because the client runs it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::basis::{Basis, BasisClient};
use crate::api::Text;
use crate::api::fleet::Reported;
use crate::checkin::queue::Reports;
use crate::checkin::report::Report;
use crate::values::{Timestamp, parse_rfc3339};

/// Minimum difference between the stored `lastSeen` of a client and the one that is written along
/// with the reports of other clients. A smaller difference would enlarge each write for nothing.
pub const MIN_SEEN_STEP: TimeDelta = TimeDelta::minutes(15);

/// When clients were last heard of that have reported nothing else, by their names.
pub type HeardTimes = BTreeMap<Text, Timestamp>;

/// What a patch tests before it changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The spec is the one that the patch was computed from.
    Spec,
    /// The clients are those that the patch was computed from.
    Clients,
}

/// An operation of a JSON Patch (RFC 6902).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Fails unless the value at the path equals `value`.
    Test {
        /// Place in the fleet, as a JSON Pointer.
        path: String,
        /// Expected value.
        value: Value,
    },
    /// Sets the member of an object, whether it exists or not.
    Add {
        /// Place in the fleet, as a JSON Pointer.
        path: String,
        /// New value.
        value: Value,
    },
    /// Removes the member of an object, which must exist.
    Remove {
        /// Place in the fleet, as a JSON Pointer.
        path: String,
    },
}

/// The patch of a fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetPatch {
    /// Operations, in order. Empty if the fleet has all facts already.
    pub operations: Vec<Operation>,
    /// Names of the clients that the patch writes, by their indexes in the spec.
    pub clients: BTreeMap<usize, Text>,
    /// Clients with reports that the fleet does not have.
    pub absent: Vec<Text>,
}

impl FleetPatch {
    /// Computes the patch that stores the reports of a fleet, and when its other clients were last
    /// heard of.
    #[must_use]
    pub fn new(basis: &Basis, reports: &Reports, heard: &HeardTimes, guard: Guard) -> Self {
        let mut patch = Self::default();
        let mut found = 0;
        for (index, client) in basis.clients().enumerate() {
            let report = reports.get(client.name);
            found += usize::from(report.is_some());
            let Some(report) = with_heard(report, heard.get(client.name), client.reported) else {
                continue;
            };
            patch.add_client(basis, (index, client), &report, guard);
        }
        if found < reports.len() {
            patch.absent = absent(basis, reports);
        }
        if guard == Guard::Spec && !patch.operations.is_empty() {
            let tests = spec_tests(basis);
            patch.operations.splice(0..0, tests);
        }
        patch
    }

    fn add_client(
        &mut self,
        basis: &Basis,
        (index, client): (usize, BasisClient<'_>),
        report: &Report,
        guard: Guard,
    ) {
        let before = client.reported.map(facts).unwrap_or_default();
        let after = facts(&report.apply(client.reported));
        if before == after {
            return;
        }
        let path = format!("/spec/clients/{index}");
        self.test(format!("{path}/name"), json!(client.name));
        let reported = format!("{path}/reported");
        if client.reported.is_none() {
            if guard == Guard::Clients
                && let Some(value) = basis.value(index)
            {
                self.test(path, value);
            }
            self.operations.push(Operation::Add { path: reported, value: Value::Object(after) });
        } else {
            if guard == Guard::Clients {
                let seen = basis.value(index).and_then(|client| client.get("reported").cloned());
                self.test_facts(&reported, report, (&before, &after), seen);
            }
            self.add_facts(&reported, &before, after);
        }
        self.clients.insert(index, client.name.clone());
    }

    /// Tests the facts that the new ones depend on.
    fn test_facts(
        &mut self,
        reported: &str,
        report: &Report,
        (before, after): (&Map<String, Value>, &Map<String, Value>),
        seen: Option<Value>,
    ) {
        let changed = |field: &str| before.get(field) != after.get(field);
        // No operation tests that a member is missing, and another writer may have added a later one.
        if changed("lastSeen")
            && !before.contains_key("lastSeen")
            && let Some(seen) = seen
        {
            self.test(reported.to_owned(), seen);
            return;
        }
        let is_derived = report.staged_version.is_none() && changed("stagedVersion");
        let tested = [
            ("lastSeen", changed("lastSeen")),
            ("stagedVersion", is_derived),
            ("version", is_derived && report.version.is_none()),
        ];
        for (field, _) in tested.into_iter().filter(|(_, is_tested)| *is_tested) {
            if let Some(value) = before.get(field) {
                self.test(format!("{reported}/{field}"), value.clone());
            }
        }
    }

    fn add_facts(
        &mut self,
        reported: &str,
        before: &Map<String, Value>,
        after: Map<String, Value>,
    ) {
        let gone = before.keys().filter(|field| !after.contains_key(*field));
        let gone = gone.map(|field| Operation::Remove { path: format!("{reported}/{field}") });
        self.operations.extend(gone);
        for (field, value) in after {
            if before.get(&field) != Some(&value) {
                let path = format!("{reported}/{field}");
                self.operations.push(Operation::Add { path, value });
            }
        }
    }

    fn test(&mut self, path: String, value: Value) {
        self.operations.push(Operation::Test { path, value });
    }

    /// Returns the body of the request.
    ///
    /// The API server compares the bytes of texts (`evanphx/json-patch`), and Go escapes some
    /// characters that `serde_json` does not, so these are escaped as Go does.
    ///
    /// # Errors
    ///
    /// Returns an error if the patch cannot be written as JSON.
    pub fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_string(&self.operations)?;
        for (character, escaped) in ESCAPED_BY_GO {
            if text.contains(character) {
                text = text.replace(character, escaped);
            }
        }
        Ok(text.into_bytes())
    }
}

/// Characters that Go's JSON encoder escapes. They occur only in strings.
const ESCAPED_BY_GO: [(char, &str); 5] = [
    ('<', "\\u003c"),
    ('>', "\\u003e"),
    ('&', "\\u0026"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
];

/// Returns the report of a client, with the time when it was last heard of. `None` if there is
/// nothing to write.
fn with_heard(
    report: Option<&Report>,
    heard: Option<&Timestamp>,
    reported: Option<&Reported>,
) -> Option<Report> {
    let heard = heard.copied();
    match report {
        Some(report) => {
            let mut report = report.clone();
            report.last_seen = report.last_seen.max(heard);
            Some(report)
        }
        None => heard.filter(|heard| is_news(*heard, reported)).map(Report::seen),
    }
}

/// Returns whether the stored `lastSeen` is so much older than `heard` that it is replaced.
fn is_news(heard: Timestamp, reported: Option<&Reported>) -> bool {
    let stored = reported.and_then(|reported| reported.last_seen.as_deref());
    stored.and_then(parse_rfc3339).is_none_or(|stored| heard - stored >= MIN_SEEN_STEP)
}

fn absent(basis: &Basis, reports: &Reports) -> Vec<Text> {
    let names: std::collections::BTreeSet<&Text> =
        basis.clients().map(|client| client.name).collect();
    reports.keys().filter(|client| !names.contains(client)).cloned().collect()
}

fn spec_tests(basis: &Basis) -> Vec<Operation> {
    let test = |path: &str, value| Operation::Test { path: path.to_owned(), value };
    let uid = basis.uid.iter().map(|uid| test("/metadata/uid", json!(uid)));
    let generation = basis.generation.iter();
    let generation = generation.map(|number| test("/metadata/generation", json!(number)));
    uid.chain(generation).collect()
}

/// Returns the facts by their names in the API.
fn facts(reported: &Reported) -> Map<String, Value> {
    match serde_json::to_value(reported) {
        Ok(Value::Object(facts)) => facts,
        // Facts are texts, and a struct is an object, so this cannot happen.
        _ => Map::new(),
    }
}
