//! Chooses the fleet that decides about a client which several fleets of a namespace list.

use super::directory::Found;
use crate::plan::Reason;
use crate::values::Timestamp;

/// The fleets that list a client.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Fleet whose row decides; `None` if it is not clear which one it is, so that nothing is
    /// started or stopped.
    pub decides: Option<Found>,
    /// Fleets to which reports of the client are written: the one that decides, or all of them.
    pub reports_to: Vec<Found>,
}

/// What the row of one fleet says about a client that several fleets list.
struct Claim {
    /// True if the row is a decision; false if another fleet decides, or none.
    is_decision: bool,
    /// Time of the last offer.
    offered: Option<Timestamp>,
}

impl Standing {
    /// Returns the standing of a client that was found in these fleets.
    ///
    /// If several fleets list the client, the controller lets the fleet decide that the client
    /// reported to last, and gives a reason in each other row. If none decides, the row with the
    /// latest offer shows what the client may still work on.
    #[must_use]
    pub fn of(found: Vec<Found>) -> Self {
        if let [only] = found.as_slice() {
            return Self { decides: Some(only.clone()), reports_to: found };
        }
        // A fleet without a row is not planned yet, so the rows of the others may be out of date.
        let Some(claims) = found.iter().map(claim).collect::<Option<Vec<_>>>() else {
            return Self { decides: None, reports_to: found };
        };
        let deciding: Vec<usize> =
            (0..).zip(&claims).filter(|(_, claim)| claim.is_decision).map(|(at, _)| at).collect();
        match deciding.as_slice() {
            [] => {
                let latest = (0..).zip(&claims).max_by_key(|(_, claim)| claim.offered);
                let decides = latest.and_then(|(at, _): (usize, _)| found.get(at).cloned());
                Self { decides, reports_to: found }
            }
            [at] => {
                let decides = found.get(*at).cloned();
                Self { reports_to: decides.iter().cloned().collect(), decides }
            }
            _ => Self { decides: None, reports_to: found },
        }
    }
}

fn claim(found: &Found) -> Option<Claim> {
    let row = found.fleet.entry(found.index)?.row?;
    let is_decision = row.reason.is_some_and(|reason| {
        !matches!(reason, Reason::ReportedElsewhere | Reason::DuplicateClient)
    });
    Some(Claim { is_decision, offered: row.last_offer.as_ref().map(|offer| offer.time) })
}
