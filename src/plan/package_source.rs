//! Checks whether the `packageFrom` of a fleet leads to a package, and for how long a fleet waits
//! for a missing one before it is stalled.

use chrono::TimeDelta;

use super::cached::CachedFleet;
use super::conditions::Conditions;
use crate::api::Condition;
use crate::api::fleet::ClientFleetSpec;
use crate::values::Timestamp;

/// Reason of the conditions of a fleet whose `packageFrom` leads to no package.
pub(super) const PACKAGE_UNKNOWN: &str = "PackageUnknown";

/// Time for which a fleet waits for the fleet that `packageFrom` names. A tool that applies both
/// fleets may apply this one first.
const SOURCE_TIMEOUT: TimeDelta = TimeDelta::minutes(2);

/// Reason why `packageFrom` leads to no package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeadEnd {
    /// The named fleet does not exist, or its spec cannot be read. The fleet may still appear.
    Missing {
        message: String,
        /// Instant at which the fleet is stalled; `None` if no stored status shows when the wait
        /// began.
        deadline: Option<Timestamp>,
        /// True if the stored status is already stalled for this reason.
        was_stalled: bool,
    },
    /// The named fleet has a `packageFrom` of its own, which only a user can change.
    Chain { message: String },
}

impl DeadEnd {
    /// Returns why the `packageFrom` of a fleet leads to no package; `None` if it leads to one, or
    /// if the spec has no `packageFrom`. `source` is the fleet that `packageFrom` names.
    pub fn of(
        fleet: &CachedFleet,
        spec: &ClientFleetSpec,
        source: Option<&CachedFleet>,
    ) -> Option<Self> {
        let name = &spec.package_from.as_ref()?.name;
        let missing = |why: String| {
            let message = format!("spec.packageFrom.name: {why}");
            // A condition with another message is about another fleet, or another problem.
            let wait = stored_wait(fleet).filter(|(_, stored)| *stored == message);
            let is_stall = |c: &Condition| c.message == message && is_stalled_without_package(c);
            Self::Missing {
                deadline: wait.and_then(|(since, _)| since.checked_add_signed(SOURCE_TIMEOUT)),
                was_stalled: stored_conditions(fleet).any(is_stall),
                message,
            }
        };
        match source.map(|source| &source.spec) {
            None => Some(missing(format!(
                "there is no fleet \"{name}\" in this namespace; create it, or name a fleet that \
                 has a packageVersion"
            ))),
            Some(Err(_)) => Some(missing(format!(
                "the fleet \"{name}\" cannot be read; its condition Stalled says why"
            ))),
            Some(Ok(source)) if source.package_from.is_some() => Some(Self::Chain {
                message: format!(
                    "spec.packageFrom.name: the fleet \"{name}\" has a packageFrom too; name the \
                     fleet that has the packageVersion"
                ),
            }),
            Some(Ok(_)) => None,
        }
    }

    /// Returns what is wrong and what to write instead.
    pub fn message(&self) -> &str {
        let (Self::Missing { message, .. } | Self::Chain { message }) = self;
        message
    }

    /// Returns the conditions of the fleet.
    pub fn conditions(&self, make: Conditions) -> Vec<Condition> {
        if self.is_stalled(make.at) {
            make.stalled(PACKAGE_UNKNOWN, self.message())
        } else {
            make.waiting(PACKAGE_UNKNOWN, self.message())
        }
    }

    /// Returns the instant at which the conditions change if no object changes.
    pub fn holds_until(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Missing { deadline, .. } if !self.is_stalled(at) => *deadline,
            Self::Missing { .. } | Self::Chain { .. } => None,
        }
    }

    fn is_stalled(&self, at: Timestamp) -> bool {
        match self {
            Self::Missing { deadline, was_stalled, .. } => {
                *was_stalled || deadline.is_some_and(|deadline| deadline <= at)
            }
            Self::Chain { .. } => true,
        }
    }
}

/// Returns the instant from which on a fleet has been waiting for its package, and the message that
/// names what it waits for, according to its stored status. A wait for anything else does not count.
///
/// A plan must not count from its own instant: the deadline would then depend on when the fleet was
/// last planned. The deadline is known as soon as the stored status shows the wait.
pub(super) fn stored_wait(fleet: &CachedFleet) -> Option<(Timestamp, &str)> {
    let wait = stored_conditions(fleet).find(|condition| is_wait_for_package(condition))?;
    Some((wait.last_transition_time, &wait.message))
}

fn is_stalled_without_package(condition: &Condition) -> bool {
    condition.r#type == "Stalled"
        && condition.status == "True"
        && condition.reason == PACKAGE_UNKNOWN
}

fn stored_conditions(fleet: &CachedFleet) -> impl Iterator<Item = &Condition> {
    fleet.status.iter().flat_map(|stored| &stored.kept.conditions)
}

/// Returns whether `before` and `now` are the same wait or the same other state. A wait for the
/// package starts again after a wait for something else, such as another fleet, so that it does not
/// end at once.
pub(super) fn is_same_wait(before: &Condition, now: &Condition) -> bool {
    match (is_wait_for_package(before), is_wait_for_package(now)) {
        (true, true) => before.message == now.message,
        (before, now) => before == now,
    }
}

/// Returns whether a condition says that a fleet waits for the fleet that `packageFrom` names.
#[must_use]
pub fn is_wait_for_package(condition: &Condition) -> bool {
    condition.r#type == "Reconciling"
        && condition.status == "True"
        && condition.reason == PACKAGE_UNKNOWN
}
