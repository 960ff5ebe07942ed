//! Conditions as they are planned: kstatus's three and `Complete`. Keeps the time of their last
//! change while their status stays.

use std::borrow::Cow;

use crate::api::Condition;
use crate::values::Timestamp;

/// Builds the conditions of one object at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// What was stored before.
    pub previous: &'a [Condition],
    /// The generation they speak of.
    pub generation: i64,
    /// The instant that is planned for.
    pub at: Timestamp,
}

impl Conditions<'_> {
    /// A condition, with the time at which its status last changed.
    #[must_use]
    pub fn make(
        &self,
        kind: &'static str,
        status: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Condition {
        let before = self.previous.iter().find(|c| c.r#type == kind && c.status == status);
        Condition {
            r#type: Cow::Borrowed(kind),
            status: Cow::Borrowed(status),
            observed_generation: Some(self.generation),
            last_transition_time: before.map_or(self.at, |c| c.last_transition_time),
            reason: Cow::Borrowed(reason),
            message: shortened(message.into()),
        }
    }

    /// The object is as it should be.
    #[must_use]
    pub fn ready(&self, message: impl Into<String>) -> Vec<Condition> {
        vec![self.make("Ready", "True", "Reconciled", message)]
    }

    /// The object cannot be handled until somebody changes it.
    #[must_use]
    pub fn stalled(&self, reason: &'static str, message: &str) -> Vec<Condition> {
        vec![
            self.make("Ready", "False", reason, message),
            self.make("Stalled", "True", reason, message),
        ]
    }

    /// The object is on its way.
    #[must_use]
    pub fn reconciling(&self, message: &str) -> Vec<Condition> {
        vec![
            self.make("Ready", "Unknown", "InProgress", message),
            self.make("Reconciling", "True", "InProgress", message),
        ]
    }
}

/// The longest message, in bytes; what follows is cut, so that many problems in one object cannot
/// make its status large.
const MAX_MESSAGE_BYTES: usize = 1024;

fn shortened(mut message: String) -> String {
    if message.len() > MAX_MESSAGE_BYTES {
        let cut = (0..=MAX_MESSAGE_BYTES - 4).rev().find(|&at| message.is_char_boundary(at));
        message.truncate(cut.unwrap_or(0));
        message.push_str(" …");
    }
    message
}
