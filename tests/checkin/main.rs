//! Tests the decisions of `clientfleet::checkin`: whether an offer counts, the answers to polls, and
//! what the messages of a client change. Each test changes one thing in a case that is otherwise the
//! same.

mod messages;
mod poll;
mod validity;

use clientfleet::api::ClientFleetStatus;
use clientfleet::checkin::fleet::DecidedStatus;
use serde_json::Value;

/// Returns a status as check-in keeps it.
fn decided(status: Value) -> DecidedStatus {
    serde_json::from_value::<ClientFleetStatus>(status).unwrap().into()
}
