//! Decides the state of one client with a list of 22 rules. The first rule that holds decides.
//! Explanations use the same list, so they show the rules that made the decision.
//!
//! This module reads no clock: the instant is part of the [`Case`].

use super::facts::Facts;
use super::policy::Policy;
use super::policy_in_zone::{Target, ZonedPolicy};
use super::rule_input::Input;
use super::state::{Reason, State};
use super::version_text::VersionText;
use crate::api::policy::Mode;
use crate::values::{Phase, Timestamp};
use std::cmp::Ordering;
use std::time::Duration;

/// Input of a decision: a client under its governing policy, at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Facts about the client.
    pub client: &'a Facts<'a>,
    /// Governing policy in the client's fleet and time zone; `None` if no policy governs the
    /// client.
    pub governing: Option<&'a ZonedPolicy<'a>>,
    /// Instant of the decision.
    pub at: Timestamp,
    /// Whether a client that was not seen for `offline_after` seconds counts as offline. False in
    /// the search for the next opening, because the client may return before the opening.
    pub absence_counts: bool,
}

/// One rule of the decision.
#[derive(Debug)]
pub struct Rule {
    /// Number of the rule in the documentation.
    pub number: u8,
    /// State of a client if this rule decides.
    pub state: State,
    /// Reason for the state.
    pub reason: Reason,
    /// Event that ends the decision while the governing policy and all objects and client reports
    /// are unchanged.
    pub lasts: Lasts,
    /// Predicate that returns whether the rule holds.
    pub holds: fn(&Case<'_>) -> bool,
    /// Inputs that the rule reads. If no earlier rule holds, only these inputs and the instant
    /// affect whether this rule holds.
    pub looks_at: &'static [Input],
}

/// Event that ends a decision as time passes. The governing policy does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Time alone does not end the decision.
    Always,
    /// The decision ends only when the client counts as offline.
    UntilAbsent,
    /// The decision ends at the retry after a failed installation, or when the client counts as
    /// offline.
    UntilRetry,
    /// The decision ends when the distribution phase changes, or when the client counts as offline.
    WhilePhase,
}

/// Builds one entry of the rule table.
const fn rule(
    number: u8,
    state: State,
    reason: Reason,
    lasts: Lasts,
    holds: fn(&Case<'_>) -> bool,
    looks_at: &'static [Input],
) -> Rule {
    Rule { number, state, reason, lasts, holds, looks_at }
}

/// All rules. The first rule that holds decides, and the last rule always holds.
#[rustfmt::skip]
pub static RULES: [Rule; 22] = {
    use Lasts::{Always, UntilAbsent, UntilRetry, WhilePhase};
    use State::*;
    use Input as F;
    [
        rule( 1, Unmanaged,       Reason::NoMatchingPolicy,        Always,      |c| c.governing.is_none(),
             &[F::Policy]),
        rule( 2, Blocked,         Reason::PolicyInvalid,           Always,      |c| c.policy(Policy::is_invalid),
             &[F::Problems]),
        rule( 3, Blocked,         Reason::OtherVersionStaged,      Always,      |c| c.is_no_upgrade() && c.client.other_version_is_staged(),
             &[F::Mode, F::Version, F::StagedVersion]),
        rule( 4, Held,            Reason::NoUpgrade,               Always,      |c| c.is_no_upgrade(),
             &[F::Mode]),
        rule( 5, Blocked,         Reason::ClientVersionUnreadable, Always,      |c| c.compare_to_target() == TargetOrder::VersionUnreadable,
             &[F::Version]),
        rule( 6, Blocked,         Reason::PackageUnknown,          Always,      |c| c.target().is_none(),
             &[F::Mode, F::Target]),
        rule( 7, Blocked,         Reason::PackageWithdrawn,        Always,      |c| c.target().is_some_and(|t| t.withdrawn),
             &[F::Target, F::Withdrawn]),
        rule( 8, Blocked,         Reason::OtherVersionStaged,      Always,      |c| c.has_arrived() && c.client.other_version_is_staged(),
             &[F::Version, F::Target, F::AllowDowngrade, F::StagedVersion]),
        rule( 9, UpToDate,        Reason::AtTarget,                Always,      |c| c.compare_to_target() == TargetOrder::Same,
             &[F::Version, F::Target]),
        rule(10, Ahead,           Reason::DowngradeNotAllowed,     Always,      |c| c.has_arrived(),
             &[F::Version, F::Target, F::AllowDowngrade]),
        rule(11, Offline,         Reason::NotSeen,                 Always,      |c| c.absence_counts && c.offline_from().is_some_and(|t| c.at >= t),
             &[F::LastSeen, F::OfflineFrom]),
        rule(12, RestartRequired, Reason::RestartPending,          UntilAbsent, |c| c.is_target_staged(),
             &[F::StagedVersion, F::Target]),
        rule(13, Blocked,         Reason::PackageUnavailable,      UntilAbsent, |c| !c.target().is_some_and(|t| t.available),
             &[F::Target, F::Available]),
        rule(14, Failed,          Reason::InstallFailed,           UntilRetry,  |c| c.has_failed() && c.retry_from().is_none_or(|t| c.at < t),
             &[F::FailedVersion, F::Target, F::RetryFrom]),
        rule(15, Held,            Reason::PolicySuspended,         UntilAbsent, |c| c.policy(|p| p.suspended),
             &[F::Suspend]),
        rule(16, Blocked,         Reason::TimeZoneUnknown,         UntilAbsent, |c| c.lacks_zone(),
             &[F::TimeZone, F::Windows, F::Exclusions]),
        rule(17, Held,            Reason::DistributionEnded,       UntilAbsent, |c| c.phase() == Phase::Ended,
             &[F::NotAfter, F::Phase]),
        rule(18, Waiting,         Reason::NotStarted,              WhilePhase,  |c| c.phase() == Phase::NotStarted,
             &[F::NotBefore, F::Phase]),
        rule(19, Waiting,         Reason::Excluded,                WhilePhase,  |c| c.phase() == Phase::Excluded,
             &[F::Exclusion, F::Phase]),
        rule(20, Waiting,         Reason::OutsideWindow,           WhilePhase,  |c| c.phase() == Phase::OutsideWindow,
             &[F::LocalTime, F::Windows, F::Phase]),
        rule(21, Distributing,    Reason::UpgradeOffered,          WhilePhase,  |c| c.compare_to_target() == TargetOrder::Older,
             &[F::Version, F::Target]),
        rule(22, Distributing,    Reason::DowngradeOffered,        WhilePhase,  |_| true,
             &[F::Version, F::Target]),
    ]
};

/// Number of the first rule that requires a known target. Statuses and explanations show the target
/// from this rule on.
pub(crate) const TARGET_KNOWN_FROM: u8 = 7;

/// Returns the rule that decides a case.
#[must_use]
pub fn decide(case: &Case<'_>) -> &'static Rule {
    RULES.iter().find(|rule| (rule.holds)(case)).unwrap_or(&RULES[RULES.len() - 1])
}

/// Result of comparing the version that a client runs with its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TargetOrder {
    VersionUnreadable,
    TargetUnknown,
    Older,
    Same,
    Newer,
}

impl Case<'_> {
    fn policy(&self, question: impl Fn(&Policy) -> bool) -> bool {
        self.governing.is_some_and(|zoned| question(zoned.policy))
    }

    fn is_no_upgrade(&self) -> bool {
        self.policy(|policy| policy.mode == Mode::NoUpgrade)
    }

    /// Returns the version that the client should run, if it is known.
    #[must_use]
    pub fn target(&self) -> Option<Target<'_>> {
        self.governing.and_then(|zoned| zoned.target)
    }

    fn compare_to_target(&self) -> TargetOrder {
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

    /// Returns whether the client runs its target, or runs a newer version that the policy does not
    /// allow to downgrade.
    fn has_arrived(&self) -> bool {
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

    fn is_target_staged(&self) -> bool {
        self.is_target(self.client.staged.as_deref())
    }

    fn has_failed(&self) -> bool {
        self.is_target(self.client.failed_version.as_deref())
    }

    /// Returns the instant from which the client counts as offline unless it is seen earlier;
    /// `None` if it never counts as offline.
    #[must_use]
    pub fn offline_from(&self) -> Option<Timestamp> {
        add_seconds(self.client.last_seen?, self.governing?.policy.offline_after?)
    }

    /// Returns the instant from which the target is offered again after a failed installation;
    /// `None` if there is no automatic retry.
    #[must_use]
    pub(crate) fn retry_from(&self) -> Option<Timestamp> {
        add_seconds(self.client.failed_at?, self.governing?.policy.retry_after)
    }

    fn lacks_zone(&self) -> bool {
        self.governing.is_some_and(|t| t.policy.range.needs_zone() && t.zone.zone().is_none())
    }

    /// Returns the distribution phase; `Ended` if no policy governs the client.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.governing.map_or(Phase::Ended, |zoned| zoned.phase_at(self.at))
    }
}

/// Returns `start` plus `seconds`; a negative number counts as 0. Returns `None` if the result is
/// out of range; callers read that as "never".
pub(super) fn add_seconds(start: Timestamp, seconds: i64) -> Option<Timestamp> {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    start.checked_add_signed(chrono::Duration::from_std(Duration::from_secs(seconds)).ok()?)
}
