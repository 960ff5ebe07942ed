//! Whether a policy does what it is set to: not while it is suspended, invalid, or not effective. Pure.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::policy::Policy;
use crate::values::Timestamp;

/// What keeps a policy from distributing, whatever its setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyBlockers {
    pub suspended: bool,
    pub being_deleted: bool,
    /// What is invalid in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Until when it governs nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_effective_until: Option<Timestamp>,
    /// Since when it governs nobody any more.
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
            // What is over before it begins never does.
            not_effective_until: policy
                .effective_from
                .filter(|&from| now < from && policy.effective_until.is_none_or(|u| from < u)),
            not_effective_since: over,
        }
    }

    /// The moment whose clients tell what a setting does.
    pub fn counted_at(&self, now: Timestamp) -> Timestamp {
        self.not_effective_until.unwrap_or(now)
    }

    /// A line for each, for a person.
    pub fn told(&self, reader: &TimeFormatter) -> String {
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
