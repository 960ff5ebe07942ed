//! Builds status conditions: the kstatus conditions `Ready`, `Reconciling` and `Stalled`, and the
//! condition `Complete`.

use std::borrow::Cow;

use crate::api::Condition;
use crate::values::Timestamp;

/// Builder for the conditions of one object at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Generation of the spec that the conditions describe.
    pub generation: i64,
    /// Instant of the plan, used as the last transition time.
    pub at: Timestamp,
}

impl Conditions {
    /// Returns a condition whose last transition time is the instant of the plan.
    #[must_use]
    pub fn make(
        &self,
        kind: &'static str,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Condition {
        Condition {
            r#type: Cow::Borrowed(kind),
            status: Cow::Borrowed(status),
            observed_generation: Some(self.generation),
            last_transition_time: self.at,
            reason: Cow::Borrowed(reason),
            message: shortened(message.into()),
        }
    }

    /// Returns the conditions of an object that has been reconciled.
    #[must_use]
    pub fn ready(&self, message: impl Into<String>) -> Vec<Condition> {
        vec![self.make("Ready", "True", "Reconciled", message)]
    }

    /// Returns the conditions of an object that cannot be reconciled until a user changes it.
    #[must_use]
    pub fn stalled(&self, reason: &'static str, message: &str) -> Vec<Condition> {
        vec![
            self.make("Ready", "False", reason, message),
            self.make("Stalled", "True", reason, message),
        ]
    }

    /// Returns the conditions of an object that waits for another object. `Ready` is `False`, because
    /// the object does not work without it.
    #[must_use]
    pub fn waiting(&self, reason: &'static str, message: &str) -> Vec<Condition> {
        vec![
            self.make("Ready", "False", reason, message),
            self.make("Reconciling", "True", reason, message),
        ]
    }

    /// Returns the conditions of an object that is still being reconciled.
    #[must_use]
    pub fn reconciling(&self, message: &str) -> Vec<Condition> {
        vec![
            self.make("Ready", "Unknown", "InProgress", message),
            self.make("Reconciling", "True", "InProgress", message),
        ]
    }
}

/// Maximum length of a condition message in bytes. Longer messages are truncated, so that many
/// problems in one object cannot make its status large.
const MAX_MESSAGE_BYTES: usize = 1024;

fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        let cut = (0..=MAX_MESSAGE_BYTES - 4).rev().find(|&at| message.is_char_boundary(at));
        message.truncate(cut.unwrap_or(0));
        message.push_str(" …");
    }
    message
}
