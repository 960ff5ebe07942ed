//! Defines the input of a decision: a client with its governing policy at an instant. The methods
//! of [`Case`] compute the values that the rules test.

use std::cmp::Ordering;
use std::time::Duration;

use super::allot::Standing;
use super::facts::Facts;
use super::policy::Policy;
use super::policy_in_zone::{Target, ZonedPolicy};
use super::target_chain::{PossiblePolicy, TargetChain};
use super::version_text::VersionText;
use crate::api::policy::Mode;
use crate::values::{Phase, Timestamp};

/// Input of a decision: a client with its governing policy at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Facts about the client.
    pub client: &'a Facts<'a>,
    /// Governing policy, resolved for the client's fleet and time zone; `None` if no policy governs
    /// the client.
    pub governing: Option<&'a ZonedPolicy<'a>>,
    /// Policies that may govern the client at some version, highest precedence first; empty if none
    /// of them depends on the version.
    pub possible: &'a [PossiblePolicy<'a>],
    /// Policy whose effect on the client is in doubt, because the client's address is unknown;
    /// `None` if the doubt is irrelevant or there is none.
    pub in_doubt: Option<&'a Policy>,
    /// Instant of the decision.
    pub at: Timestamp,
    /// Whether the client counts as offline if it was not seen for `offline_after` seconds. The
    /// search for the next opening sets this field to false, because the client may be seen again
    /// before the opening.
    pub absence_counts: bool,
}

/// Result of comparing a client's version with its target version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetOrder {
    VersionUnreadable,
    TargetUnknown,
    Older,
    Same,
    Newer,
}

impl<'a> Case<'a> {
    /// Returns the chain of the client's targets; `None` if no policy depends on its version.
    pub(super) fn target_chain(&self) -> Option<TargetChain<'a>> {
        TargetChain::follow(self)
    }

    /// Returns whether the client's targets form a circle in which another policy than the governing
    /// one has the highest precedence.
    pub(super) fn is_held_in_circle(&self) -> bool {
        let first = self.target_chain().and_then(|chain| chain.first_in_circle());
        first.is_some_and(|first| !self.policy(|policy| policy.name == first.name))
    }

    pub(super) fn policy(&self, question: impl Fn(&Policy) -> bool) -> bool {
        self.governing.is_some_and(|zoned| question(zoned.policy))
    }

    /// Returns whether the governing policy is suspended, or the allotment withholds offers from
    /// the client.
    pub(super) fn is_suspended(&self) -> bool {
        self.policy(|policy| policy.suspended) || self.client.standing == Standing::Withheld
    }

    /// Returns whether the entry of another fleet decides for the client.
    pub(super) fn is_reported_elsewhere(&self) -> bool {
        self.client.standing == Standing::ReportedElsewhere
    }

    /// Returns whether several fleets list the client and none of their entries decides.
    pub(super) fn is_duplicate(&self) -> bool {
        let is_duplicate = matches!(self.client.standing, Standing::Duplicate { .. });
        is_duplicate && self.decides_from().is_none_or(|from| self.at < from)
    }

    /// Returns the instant from which this entry of a duplicate client decides, if time alone makes
    /// it decide.
    pub(super) fn decides_from(&self) -> Option<Timestamp> {
        match self.client.standing {
            Standing::Duplicate { decides_from } => decides_from,
            Standing::Free | Standing::Withheld | Standing::ReportedElsewhere => None,
        }
    }

    pub(super) fn is_no_upgrade(&self) -> bool {
        self.policy(|policy| policy.mode == Mode::NoUpgrade)
    }

    /// Returns the version that the client should run, if it is known.
    #[must_use]
    pub fn target(&self) -> Option<Target<'_>> {
        self.governing.and_then(|zoned| zoned.target)
    }

    pub(super) fn compare_to_target(&self) -> TargetOrder {
        let Some(version) = self.client.version.as_ref().and_then(|v| v.parsed.as_ref()) else {
            return TargetOrder::VersionUnreadable;
        };
        let target = self.governing.and_then(|zoned| zoned.target.as_ref());
        match target.and_then(|target| target.version.parsed.as_ref()) {
            None => TargetOrder::TargetUnknown,
            Some(target) => match version.cmp(target) {
                Ordering::Less => TargetOrder::Older,
                Ordering::Equal => TargetOrder::Same,
                Ordering::Greater => TargetOrder::Newer,
            },
        }
    }

    /// Returns whether the client runs its target version, or a newer version while the policy
    /// allows no downgrade.
    pub(super) fn has_arrived(&self) -> bool {
        match self.compare_to_target() {
            TargetOrder::Same => true,
            TargetOrder::Newer => !self.policy(|policy| policy.allow_downgrade),
            TargetOrder::Older | TargetOrder::VersionUnreadable | TargetOrder::TargetUnknown => {
                false
            }
        }
    }

    fn is_target(&self, version: Option<&VersionText>) -> bool {
        let target = self.governing.and_then(|zoned| zoned.target.as_ref());
        target.zip(version).is_some_and(|(target, version)| target.version.is_same_as(version))
    }

    pub(super) fn is_target_staged(&self) -> bool {
        self.is_target(self.client.staged.as_deref())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.is_target(self.client.failed_version.as_deref())
    }

    /// Returns the instant from which the client counts as offline if it is not seen again; `None`
    /// if it never counts as offline.
    #[must_use]
    pub fn offline_from(&self) -> Option<Timestamp> {
        add_seconds(self.client.last_seen?, self.governing?.policy.offline_after?)
    }

    /// Returns the instant from which the target version is offered again after a failed
    /// installation; `None` if there is no automatic retry.
    #[must_use]
    pub(crate) fn retry_from(&self) -> Option<Timestamp> {
        add_seconds(self.client.failed_at?, self.governing?.policy.retry_after)
    }

    pub(super) fn lacks_zone(&self) -> bool {
        self.governing.is_some_and(|t| t.policy.range.needs_zone() && t.zone.zone().is_none())
    }

    /// Returns the distribution phase of the governing policy at the instant of the decision;
    /// `Ended` if no policy governs the client.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.governing.map_or(Phase::Ended, |zoned| zoned.phase_at(self.at))
    }
}

/// Returns `start` plus `seconds`, where a negative number of seconds counts as 0. Returns `None`
/// if the result is out of range; callers treat `None` as "never".
pub(super) fn add_seconds(start: Timestamp, seconds: i64) -> Option<Timestamp> {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    start.checked_add_signed(chrono::Duration::from_std(Duration::from_secs(seconds)).ok()?)
}
