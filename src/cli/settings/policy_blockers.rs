//! Finds the conditions that prevent a policy from distributing versions in any upgrade mode: the
//! policy is suspended, invalid, being deleted, or not effective. Does no I/O.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::policy::Policy;
use crate::values::Timestamp;

/// The conditions that prevent a policy from distributing versions in any upgrade mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyBlockers {
    pub suspended: bool,
    pub being_deleted: bool,
    /// Validation errors of the policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Start of the effective period, if it is in the future. The policy governs no clients until
    /// then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_effective_until: Option<Timestamp>,
    /// End of the effective period, if it is in the past. The policy has governed no clients since
    /// then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_effective_since: Option<Timestamp>,
}

impl PolicyBlockers {
    pub fn of(policy: &Policy, now: Timestamp) -> Self {
        let over = policy.effective_until.filter(|&until| until <= now);
        Self {
            suspended: policy.suspended,
            being_deleted: policy.deleting,
            problems: policy.problems.clone(),
            // Ignore the start of a policy that ends before it starts, because such a policy never
            // takes effect.
            not_effective_until: policy
                .effective_from
                .filter(|&from| now < from && policy.effective_until.is_none_or(|u| from < u)),
            not_effective_since: over,
        }
    }

    /// Returns the instant at which to count the clients: the start of the effective period if it
    /// is in the future, otherwise `now`.
    pub(crate) fn counted_at(&self, now: Timestamp) -> Timestamp {
        self.not_effective_until.unwrap_or(now)
    }

    /// Returns a description of the conditions for a user, one condition per line.
    pub fn describe(&self, reader: &TimeFormatter) -> String {
        let mut text = String::new();
        if self.being_deleted {
            text.push_str("It is being deleted, so it distributes nothing.\n");
        }
        if !self.problems.is_empty() {
            text.push_str("It is INVALID, so it distributes nothing and blocks its clients:\n");
            for problem in &self.problems {
                let _ = writeln!(text, "  {}", printable(problem));
            }
        }
        if self.suspended {
            text.push_str("It is suspended, so it distributes nothing (spec.suspend: true).\n");
        }
        if let Some(from) = self.not_effective_until {
            let from = reader.moment(from);
            let _ = writeln!(text, "It is not effective until {from} (effectiveFrom).");
        }
        if let Some(until) = self.not_effective_since {
            let until = reader.moment(until);
            let _ = writeln!(text, "It is not effective any more since {until} (effectiveUntil).");
        }
        text
    }
}
