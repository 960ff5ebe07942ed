//! Defines the body of a cancellation.

use serde::Serialize;

use crate::ddi::ActionId;

/// Asks an agent to stop an action. The id of the cancellation is the id of the action, as in
/// hawkBit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CancelAnswer {
    id: ActionId,
    #[serde(rename = "cancelAction")]
    cancel: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    stop_id: ActionId,
}

impl CancelAnswer {
    /// Returns the body that asks an agent to stop the action `id`.
    #[must_use]
    pub fn new(id: ActionId) -> Self {
        Self { id, cancel: Stop { stop_id: id } }
    }
}
