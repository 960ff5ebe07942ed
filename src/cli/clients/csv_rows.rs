//! Prints clients as CSV by RFC 4180, for spreadsheets and other programs.
//!
//! The titles of the columns are an interface: scripts read them by name. New columns come last.

use std::io::{self, Write};

use super::row::Row;
use crate::api::Text;
use crate::values::{Timestamp, rfc3339};

/// Titles of the columns, with the names of the fields in JSON.
const TITLES: [&str; 23] = [
    "namespace",
    "fleet",
    "name",
    "computer",
    "ip",
    "lastUser",
    "labels",
    "timeZone",
    "version",
    "stagedVersion",
    "lastSeen",
    "state",
    "reason",
    "targetVersion",
    "policy",
    "lastTransitionTime",
    "nextTransitionTime",
    "lastOfferVersion",
    "lastOfferPolicy",
    "lastOfferGeneration",
    "lastOfferTime",
    "lastOfferSince",
    "statusIsCurrent",
];

/// Writes a record for each client. Writes the values as they are: a program that reads them must
/// get the text that was reported.
pub(super) fn write(rows: &[Row], with_titles: bool, output: &mut dyn Write) -> io::Result<()> {
    let mut records = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(io::BufWriter::new(output));
    if with_titles {
        records.write_record(TITLES)?;
    }
    for row in rows {
        records.write_record(record(row))?;
    }
    records.flush()
}

fn record(row: &Row) -> [String; TITLES.len()] {
    let text = |text: Option<&Text>| text.map(ToString::to_string).unwrap_or_default();
    let decided = row.decided.as_deref();
    let offer = decided.and_then(|decided| decided.last_offer.as_deref());
    let labels: Vec<String> =
        row.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        row.fleet.namespace.clone(),
        row.fleet.name.clone(),
        row.name.to_string(),
        text(row.computer.as_ref()),
        text(row.ip.as_ref()),
        text(row.last_user.as_ref()),
        labels.join(";"),
        text(row.time_zone.as_ref()),
        text(row.version.as_ref()),
        text(row.staged_version.as_ref()),
        time(row.last_seen),
        decided.map(|decided| decided.state.to_string()).unwrap_or_default(),
        decided.map(|decided| decided.reason.to_string()).unwrap_or_default(),
        text(decided.and_then(|decided| decided.target_version.as_ref())),
        text(decided.and_then(|decided| decided.policy.as_ref())),
        time(decided.and_then(|decided| decided.last_transition_time)),
        time(decided.and_then(|decided| decided.next_transition_time)),
        text(offer.map(|offer| &offer.version)),
        text(offer.map(|offer| &offer.policy)),
        offer.map(|offer| offer.generation.to_string()).unwrap_or_default(),
        time(offer.map(|offer| offer.time)),
        time(offer.and_then(|offer| offer.since)),
        row.status_is_current.to_string(),
    ]
}

fn time(at: Option<Timestamp>) -> String {
    at.map(rfc3339).unwrap_or_default()
}
