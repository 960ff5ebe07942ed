//! Defines the trigger of a planned status: the instant and the causes of the plan.
//!
//! The controller uses triggers to prioritize status writes, and to log and report status changes;
//! a trigger affects no decision.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::api::Text;
use crate::values::Timestamp;

/// Revision of a policy: its UID and generation, which together identify one version of its spec.
pub type PolicyRevision = (Option<String>, i64);

/// Revision of each policy whose scope includes a fleet, by policy name.
pub type PolicyRevisions = Arc<BTreeMap<Text, PolicyRevision>>;

/// Trigger of a planned status: the instant and the causes of the plan.
#[derive(Clone, Debug, Default)]
pub struct PlanTrigger {
    /// Instant for which the status was planned.
    pub at: Timestamp,
    /// Causes of the plan, and of earlier plans whose statuses were replaced before they were
    /// written.
    pub causes: BTreeSet<Cause>,
    /// Revisions of the policies whose scope includes the fleet; empty for a policy's own status.
    pub policies: PolicyRevisions,
}

impl PlanTrigger {
    /// Returns whether there are causes, and each of them may also affect many other objects, as a
    /// policy change does.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let is_own = |cause: &Cause| {
            matches!(cause, Cause::Spec | Cause::Metadata | Cause::Status | Cause::Duplicate)
        };
        !self.causes.is_empty() && !self.causes.iter().any(is_own)
    }

    /// Returns the causes as a comma-separated list for a log line.
    #[must_use]
    pub fn causes(&self) -> String {
        self.causes.iter().map(Cause::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Reason why a fleet is planned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The fleet was observed for the first time, because the fleet is new or the controller has
    /// started.
    Seen,
    /// The fleet's spec has changed.
    Spec,
    /// The fleet's labels have changed, or the fleet is being deleted.
    Metadata,
    /// A policy that applies or applied to the fleet was changed, created or deleted.
    Policy(Text),
    /// The fleet named in `packageFrom` was changed, created or deleted.
    Package(Text),
    /// The allotment now withholds offers to a client, or allows them again.
    Allotment,
    /// Another fleet lists a client of the same name, and which of the entries decides has changed.
    Duplicate,
    /// The fleet's plan has expired.
    Time,
    /// The clock was set back.
    Clock,
    /// The fleet's stored status differs from the planned one.
    Status,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen => f.write_str("Seen"),
            Self::Spec => f.write_str("Spec"),
            Self::Metadata => f.write_str("Metadata"),
            Self::Policy(name) => write!(f, "Policy/{name}"),
            Self::Package(name) => write!(f, "Package/{name}"),
            Self::Allotment => f.write_str("Allotment"),
            Self::Duplicate => f.write_str("Duplicate"),
            Self::Time => f.write_str("Time"),
            Self::Clock => f.write_str("Clock"),
            Self::Status => f.write_str("Status"),
        }
    }
}
