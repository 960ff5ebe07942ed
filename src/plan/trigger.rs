//! When and why something was planned, for whoever tells what a status write has changed. Nothing is
//! decided by it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::api::Text;
use crate::values::Timestamp;

/// What tells one spec of a policy from all others: its object and its generation.
pub type PolicyRevision = (Option<String>, i64);

/// The policies that a fleet was planned under, by name.
pub type PolicyRevisions = Arc<BTreeMap<Text, PolicyRevision>>;

/// When and why a status was planned.
#[derive(Clone, Debug, Default)]
pub struct PlanTrigger {
    /// The instant it was planned for.
    pub at: Timestamp,
    /// What called for a plan since the last one that was written.
    pub causes: BTreeSet<Cause>,
    /// The policies in whose scope the fleet is; none for a policy's own status.
    pub policies: PolicyRevisions,
}

impl PlanTrigger {
    /// Whether everything that called for it calls for many others' plans as well.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let is_own = |cause: &Cause| matches!(cause, Cause::Spec | Cause::Metadata | Cause::Status);
        !self.causes.is_empty() && !self.causes.iter().any(is_own)
    }

    /// The causes, as a line of a log has them.
    #[must_use]
    pub fn causes(&self) -> String {
        self.causes.iter().map(Cause::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Why a fleet was planned again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It was seen for the first time: it is new, or the controller is.
    Seen,
    /// Its spec has changed.
    Spec,
    /// Its labels have changed, or it is being deleted.
    Metadata,
    /// A policy that is or was about it has changed, come or gone.
    Policy(Text),
    /// The fleet that it takes its package from has changed, come or gone.
    Package(Text),
    /// The moment has come until which its plan held.
    Time,
    /// The clock was set back.
    Clock,
    /// Its stored status says something else than what was planned.
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
            Self::Time => f.write_str("Time"),
            Self::Clock => f.write_str("Clock"),
            Self::Status => f.write_str("Status"),
        }
    }
}
