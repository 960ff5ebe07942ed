//! Chooses the fleet that decides about a client which several fleets of a namespace list.

use super::directory::Found;
use super::fleet::Row;
use crate::plan::Reason;

/// The fleets that list a client.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Fleets to which reports of the client are written.
    pub reports_to: Vec<Found>,
    /// True if exactly one fleet decides about the client. Otherwise, there is no offer.
    pub is_decided: bool,
}

impl Standing {
    /// Returns the standing of a client that was found in these fleets.
    ///
    /// If several fleets list the client, the controller lets the fleet decide that the client
    /// reported to last, and gives the reason in the row of each other one. A fleet without a row is
    /// not planned yet, so no fleet decides.
    #[must_use]
    pub fn of(found: Vec<Found>) -> Self {
        if found.len() <= 1 {
            return Self { is_decided: !found.is_empty(), reports_to: found };
        }
        let row =
            |found: &Found| found.fleet.entry(found.index).and_then(|entry| entry.row.cloned());
        let rows: Vec<Option<Row>> = found.iter().map(row).collect();
        let decides = |row: &&Option<Row>| {
            let reason = row.as_ref().and_then(|row| row.reason);
            reason.is_some_and(|reason| {
                !matches!(reason, Reason::ReportedElsewhere | Reason::DuplicateClient)
            })
        };
        let is_decided =
            rows.iter().all(Option::is_some) && rows.iter().filter(decides).count() == 1;
        if !is_decided {
            return Self { reports_to: found, is_decided };
        }
        let found = found.into_iter().zip(&rows).filter(|(_, row)| decides(row));
        Self { reports_to: found.map(|(found, _)| found).collect(), is_decided }
    }
}
