//! Decides the state of a client with 26 ordered rules: the first rule that holds decides.
//! Explanations use the same rules, so they always agree with the decision.
//!
//! This module does no I/O and reads no clock.

use super::case::{Case, TargetOrder};
use super::policy::Policy;
use super::rule_input::Input;
use super::state::{Reason, State};
use crate::values::Phase;

/// Name of a rule. The variants are in the order in which the rules are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum RuleName {
    ReportedElsewhere,
    DuplicateClient,
    NoMatchingPolicy,
    PolicyInvalid,
    OtherVersionStagedWithoutUpgrade,
    NoUpgrade,
    ClientVersionUnreadable,
    PackageUnknown,
    PackageWithdrawn,
    OtherVersionStagedAtTarget,
    AtTarget,
    DowngradeNotAllowed,
    NotSeen,
    TargetsInCircle,
    RestartPending,
    AddressUnknown,
    PackageUnavailable,
    InstallFailed,
    PolicySuspended,
    TimeZoneUnknown,
    DistributionEnded,
    NotStarted,
    Excluded,
    OutsideWindow,
    UpgradeOffered,
    DowngradeOffered,
}

impl RuleName {
    /// Returns the number of the rule in the documentation, which is its position in [`RULES`]
    /// counted from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// A rule: a predicate, and the decision that applies if the predicate holds.
#[derive(Debug)]
pub struct Rule {
    /// Name of the rule.
    pub name: RuleName,
    /// Inputs that the rule reads. The decision cache relies on this list: if no earlier rule
    /// holds, only these inputs and the instant affect whether this rule holds.
    pub looks_at: &'static [Input],
    /// Predicate that returns whether the rule holds.
    pub holds: fn(&Case<'_>) -> bool,
    /// Decision for the client if the rule holds.
    pub says: Outcome,
}

/// Decision that a rule makes for a client.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// State of the client.
    pub state: State,
    /// Reason for the state.
    pub reason: Reason,
    /// Period for which the decision stays valid if the governing policy and all objects stay the
    /// same.
    pub lasts: Lasts,
    /// Whether statuses and explanations show the target version, if it is known.
    pub shows_target: bool,
}

impl Outcome {
    const fn new(state: State, reason: Reason) -> Self {
        Self { state, reason, lasts: Lasts::Always, shows_target: false }
    }

    const fn with_target(self) -> Self {
        Self { shows_target: true, ..self }
    }

    const fn lasting(self, lasts: Lasts) -> Self {
        Self { lasts, ..self }
    }
}

/// Period for which a decision stays valid if the governing policy and all objects stay the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Time alone does not end the decision.
    Always,
    /// The decision ends when the client's entry begins to decide by time alone.
    UntilDecided,
    /// The decision ends only when the client counts as offline.
    UntilAbsent,
    /// The decision ends at the retry time of a failed installation, or when the client counts as
    /// offline.
    UntilRetry,
    /// The decision ends when the distribution phase changes, or when the client counts as offline.
    WhilePhase,
}

impl Lasts {
    /// Returns whether the decision may end because the client counts as offline.
    pub(super) const fn depends_on_absence(self) -> bool {
        !matches!(self, Self::Always | Self::UntilDecided)
    }
}

/// All rules, in order. The first rule that holds decides, and the last rule always holds.
pub static RULES: [Rule; 26] = [
    Rule {
        name: RuleName::ReportedElsewhere,
        looks_at: &[Input::OtherFleets],
        holds: |case| case.is_reported_elsewhere(),
        says: Outcome::new(State::Held, Reason::ReportedElsewhere),
    },
    Rule {
        name: RuleName::DuplicateClient,
        looks_at: &[Input::OtherFleets],
        holds: |case| case.is_duplicate(),
        says: Outcome::new(State::Blocked, Reason::DuplicateClient).lasting(Lasts::UntilDecided),
    },
    Rule {
        name: RuleName::NoMatchingPolicy,
        looks_at: &[Input::Policy],
        holds: |case| case.governing.is_none(),
        says: Outcome::new(State::Unmanaged, Reason::NoMatchingPolicy),
    },
    Rule {
        name: RuleName::PolicyInvalid,
        looks_at: &[Input::Problems],
        holds: |case| case.policy(Policy::is_invalid),
        says: Outcome::new(State::Blocked, Reason::PolicyInvalid),
    },
    Rule {
        name: RuleName::OtherVersionStagedWithoutUpgrade,
        looks_at: &[Input::Mode, Input::Version, Input::StagedVersion],
        holds: |case| case.is_no_upgrade() && case.client.other_version_is_staged(),
        says: Outcome::new(State::Blocked, Reason::OtherVersionStaged),
    },
    Rule {
        name: RuleName::NoUpgrade,
        looks_at: &[Input::Mode],
        holds: |case| case.is_no_upgrade(),
        says: Outcome::new(State::Held, Reason::NoUpgrade),
    },
    Rule {
        name: RuleName::ClientVersionUnreadable,
        looks_at: &[Input::Version],
        holds: |case| case.compare_to_target() == TargetOrder::VersionUnreadable,
        says: Outcome::new(State::Blocked, Reason::ClientVersionUnreadable),
    },
    Rule {
        name: RuleName::PackageUnknown,
        looks_at: &[Input::Mode, Input::Target],
        holds: |case| case.target().is_none(),
        says: Outcome::new(State::Blocked, Reason::PackageUnknown),
    },
    Rule {
        name: RuleName::PackageWithdrawn,
        looks_at: &[Input::Target, Input::Withdrawn],
        holds: |case| case.target().is_some_and(|t| t.withdrawn),
        says: Outcome::new(State::Blocked, Reason::PackageWithdrawn).with_target(),
    },
    Rule {
        name: RuleName::OtherVersionStagedAtTarget,
        looks_at: &[Input::Version, Input::Target, Input::AllowDowngrade, Input::StagedVersion],
        holds: |case| case.has_arrived() && case.client.other_version_is_staged(),
        says: Outcome::new(State::Blocked, Reason::OtherVersionStaged).with_target(),
    },
    Rule {
        name: RuleName::AtTarget,
        looks_at: &[Input::Version, Input::Target],
        holds: |case| case.compare_to_target() == TargetOrder::Same,
        says: Outcome::new(State::UpToDate, Reason::AtTarget).with_target(),
    },
    Rule {
        name: RuleName::DowngradeNotAllowed,
        looks_at: &[Input::Version, Input::Target, Input::AllowDowngrade],
        holds: |case| case.has_arrived(),
        says: Outcome::new(State::Ahead, Reason::DowngradeNotAllowed).with_target(),
    },
    Rule {
        name: RuleName::NotSeen,
        looks_at: &[Input::LastSeen, Input::OfflineFrom],
        holds: |case| case.absence_counts && case.offline_from().is_some_and(|t| case.at >= t),
        says: Outcome::new(State::Offline, Reason::NotSeen).with_target(),
    },
    Rule {
        name: RuleName::TargetsInCircle,
        looks_at: &[Input::Policy, Input::TargetChain, Input::FirstInCircle],
        holds: |case| case.is_held_in_circle(),
        says: Outcome::new(State::Blocked, Reason::TargetsInCircle)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::RestartPending,
        looks_at: &[Input::StagedVersion, Input::Target],
        holds: |case| case.is_target_staged(),
        says: Outcome::new(State::RestartRequired, Reason::RestartPending)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::AddressUnknown,
        looks_at: &[Input::InDoubt],
        holds: |case| case.in_doubt.is_some(),
        says: Outcome::new(State::Blocked, Reason::AddressUnknown)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::PackageUnavailable,
        looks_at: &[Input::Target, Input::Available],
        holds: |case| !case.target().is_some_and(|t| t.available),
        says: Outcome::new(State::Blocked, Reason::PackageUnavailable)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::InstallFailed,
        looks_at: &[Input::FailedVersion, Input::Target, Input::RetryFrom],
        holds: |case| case.has_failed() && case.retry_from().is_none_or(|t| case.at < t),
        says: Outcome::new(State::Failed, Reason::InstallFailed)
            .with_target()
            .lasting(Lasts::UntilRetry),
    },
    Rule {
        name: RuleName::PolicySuspended,
        looks_at: &[Input::Suspend],
        holds: |case| case.is_suspended(),
        says: Outcome::new(State::Held, Reason::PolicySuspended)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::TimeZoneUnknown,
        looks_at: &[Input::TimeZone, Input::Windows, Input::Exclusions],
        holds: |case| case.lacks_zone(),
        says: Outcome::new(State::Blocked, Reason::TimeZoneUnknown)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::DistributionEnded,
        looks_at: &[Input::NotAfter, Input::Phase],
        holds: |case| case.phase() == Phase::Ended,
        says: Outcome::new(State::Held, Reason::DistributionEnded)
            .with_target()
            .lasting(Lasts::UntilAbsent),
    },
    Rule {
        name: RuleName::NotStarted,
        looks_at: &[Input::NotBefore, Input::Phase],
        holds: |case| case.phase() == Phase::NotStarted,
        says: Outcome::new(State::Waiting, Reason::NotStarted)
            .with_target()
            .lasting(Lasts::WhilePhase),
    },
    Rule {
        name: RuleName::Excluded,
        looks_at: &[Input::Exclusion, Input::Phase],
        holds: |case| case.phase() == Phase::Excluded,
        says: Outcome::new(State::Waiting, Reason::Excluded)
            .with_target()
            .lasting(Lasts::WhilePhase),
    },
    Rule {
        name: RuleName::OutsideWindow,
        looks_at: &[Input::LocalTime, Input::Windows, Input::Phase],
        holds: |case| case.phase() == Phase::OutsideWindow,
        says: Outcome::new(State::Waiting, Reason::OutsideWindow)
            .with_target()
            .lasting(Lasts::WhilePhase),
    },
    Rule {
        name: RuleName::UpgradeOffered,
        looks_at: &[Input::Version, Input::Target],
        holds: |case| case.compare_to_target() == TargetOrder::Older,
        says: Outcome::new(State::Distributing, Reason::UpgradeOffered)
            .with_target()
            .lasting(Lasts::WhilePhase),
    },
    Rule {
        name: RuleName::DowngradeOffered,
        looks_at: &[Input::Version, Input::Target],
        holds: |_| true,
        says: Outcome::new(State::Distributing, Reason::DowngradeOffered)
            .with_target()
            .lasting(Lasts::WhilePhase),
    },
];

/// Returns the first rule that holds for a case.
#[must_use]
pub fn decide(case: &Case<'_>) -> &'static Rule {
    RULES.iter().find(|rule| (rule.holds)(case)).unwrap_or(&RULES[RULES.len() - 1])
}
