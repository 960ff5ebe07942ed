//! Judges what the stored versions of an object say about its past: `observedGeneration`,
//! `lastTransitionTime` and `lastOffer`.

use clientfleet::api::fleet::{ClientFleetStatus, ClientStatus, LastOffer};
use serde_json::{Value, json};

use crate::observer::Stored;

/// Returns each version after the first one of its object, with the version before it.
pub fn successions(stored: &[Stored]) -> Vec<(&Stored, &Stored)> {
    let before = |place: usize| {
        let uid = &stored[place].object.metadata.uid;
        stored[..place].iter().rev().find(|other| other.object.metadata.uid == *uid)
    };
    (0..stored.len()).filter_map(|place| before(place).map(|b| (b, &stored[place]))).collect()
}

/// Returns the status of a fleet, which is empty if none was written.
pub fn status_of(stored: &Stored) -> ClientFleetStatus {
    let status = stored.object.data.get("status").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(status).expect("the API server stores only valid statuses")
}

pub fn rows_of(stored: &Stored) -> Vec<ClientStatus> {
    status_of(stored).clients.unwrap_or_default()
}

pub fn observed_generation(stored: &Stored) -> Option<i64> {
    stored.object.data["status"]["observedGeneration"].as_i64()
}

/// Returns whether a policy is in force: its status reports the current generation, and its
/// condition `Ready` is true.
pub fn is_in_force(policy: &Stored) -> bool {
    let is_ready =
        |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let conditions = policy.object.data["status"]["conditions"].as_array();
    observed_generation(policy) == Some(policy.generation())
        && conditions.is_some_and(|conditions| conditions.iter().any(is_ready))
}

/// Returns the places where `observedGeneration` goes back or disappears.
pub fn gone_back(stored: &[Stored]) -> Vec<String> {
    let mut found = vec![];
    for (before, after) in successions(stored) {
        let (was, is) = (observed_generation(before), observed_generation(after));
        if is < was {
            found.push(format!("{} {}: {was:?} to {is:?}", after.name(), after.version));
        }
    }
    found
}

/// Returns the places where a client's `lastTransitionTime` or `lastOffer` is lost: it goes back or
/// disappears, the time changes although the state stays, or an offer is not the last offer.
pub fn lost(fleets: &[Stored]) -> Vec<String> {
    let mut found = vec![];
    for (before, after) in successions(fleets) {
        let rows = rows_of(after);
        for was in rows_of(before) {
            let Some(is) = rows.iter().find(|row| row.name == was.name) else { continue };
            let offered = |row: &ClientStatus| row.last_offer.as_ref().map(|offer| offer.time);
            let goes_back =
                is.last_transition_time < was.last_transition_time || offered(is) < offered(&was);
            // Versions between these two may be missing after a gap.
            let restarts = !after.follows_gap
                && is.state == was.state
                && is.last_transition_time != was.last_transition_time;
            let is_offered = |offer: &LastOffer| Some(&offer.version) == is.target_version.as_ref();
            let lacks_offer = is.state == "Distributing"
                && !is.last_offer.as_ref().is_some_and(|offer| is_offered(offer));
            if goes_back || restarts || lacks_offer {
                let (was, is) = (json!(was), json!(is));
                found.push(format!("{} {}:\n{was}\n{is}", after.name(), after.version));
            }
        }
    }
    found
}
