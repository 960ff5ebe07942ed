//! Defines the name and the value of each rule input, which explanations of a decision show.
//!
//! This module makes no decisions and contains no text for users.

use std::rc::Rc;

use chrono::NaiveDateTime;
use serde::Serialize;

use super::case::Case;
use super::facts::{Facts, ZoneFact};
use super::version_text::VersionText;
use crate::values::{Phase, Timestamp};

/// Input of a rule, such as the mode of the governing policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Input {
    OtherFleets,
    Policy,
    Problems,
    Mode,
    Version,
    StagedVersion,
    Target,
    Withdrawn,
    Available,
    InDoubt,
    AllowDowngrade,
    LastSeen,
    OfflineFrom,
    FailedVersion,
    RetryFrom,
    Suspend,
    TimeZone,
    Windows,
    Exclusions,
    NotBefore,
    NotAfter,
    Phase,
    Exclusion,
    LocalTime,
    NextOpening,
    TargetChain,
    FirstInCircle,
}

/// Value of a rule input.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum InputValue {
    /// The input has no value in this case.
    Absent,
    /// A Boolean value.
    Flag(bool),
    /// A number of windows or exclusions.
    Count(usize),
    /// An instant in UTC.
    Instant(Timestamp),
    /// A local date and time in the client's time zone.
    Local(NaiveDateTime),
    /// A name, a version or an enum value.
    Text(String),
}

impl<T: Into<InputValue>> From<Option<T>> for InputValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

impl From<&str> for InputValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for InputValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&VersionText> for InputValue {
    fn from(version: &VersionText) -> Self {
        version.raw.as_str().into()
    }
}

impl From<Timestamp> for InputValue {
    fn from(instant: Timestamp) -> Self {
        Self::Instant(instant)
    }
}

impl From<bool> for InputValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Condition under which clients of one fleet may share a decision that depends on a given input.
pub(super) enum Sharing {
    /// The clients have the same applicable policies, also at every other version that they could
    /// run, and the same time zone and [`Standing`](super::allot::Standing). A policy whose scope is
    /// in doubt is not the same as one whose scope certainly includes the client.
    SamePolicies,
    /// The condition of [`SamePolicies`](Self::SamePolicies) holds, and the function returns the
    /// same version for all of the clients.
    SameVersion(ReadVersion),
    /// The condition of [`SamePolicies`](Self::SamePolicies) holds, and the predicate returns false
    /// for each client.
    Unless(ReadFlag),
    /// The condition of [`SamePolicies`](Self::SamePolicies) holds, and no client is offline or
    /// goes offline before the decision changes.
    WhilePresent,
}

/// Function that returns a version from the facts about a client.
pub(super) type ReadVersion = for<'f> fn(&'f Facts<'_>) -> Option<&'f Rc<VersionText>>;
/// Predicate on the facts about a client.
pub(super) type ReadFlag = fn(&Facts<'_>) -> bool;

impl Input {
    /// Returns the name of the input in structured output. If the input is an API field, this is
    /// the name of the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherFleets => "otherFleets",
            Self::Policy => "policy",
            Self::Problems => "problems",
            Self::Mode => "mode",
            Self::Version => "version",
            Self::StagedVersion => "stagedVersion",
            Self::Target => "targetVersion",
            Self::Withdrawn => "withdrawn",
            Self::Available => "available",
            Self::InDoubt => "inDoubt",
            Self::AllowDowngrade => "allowDowngrade",
            Self::LastSeen => "lastSeen",
            Self::OfflineFrom => "offlineFrom",
            Self::FailedVersion => "failedVersion",
            Self::RetryFrom => "retryFrom",
            Self::Suspend => "suspend",
            Self::TimeZone => "timeZone",
            Self::Windows => "windows",
            Self::Exclusions => "exclusions",
            Self::NotBefore => "notBefore",
            Self::NotAfter => "notAfter",
            Self::Phase => "phase",
            Self::Exclusion => "exclusion",
            Self::LocalTime => "localTime",
            Self::NextOpening => "nextOpening",
            Self::TargetChain => "targetChain",
            Self::FirstInCircle => "firstInCircle",
        }
    }

    /// Returns the condition under which clients of a fleet may share a decision that depends on
    /// this input.
    pub(super) const fn sharing(self) -> Sharing {
        match self {
            Self::Version => Sharing::SameVersion(|facts| facts.version.as_ref()),
            Self::StagedVersion => Sharing::SameVersion(|facts| facts.staged.as_ref()),
            Self::FailedVersion => Sharing::Unless(|facts| facts.failed_version.is_some()),
            Self::RetryFrom => Sharing::Unless(|facts| facts.failed_at.is_some()),
            Self::LastSeen | Self::OfflineFrom => Sharing::WhilePresent,
            Self::OtherFleets
            | Self::Policy
            | Self::Problems
            | Self::Mode
            | Self::Target
            | Self::Withdrawn
            | Self::Available
            | Self::InDoubt
            | Self::AllowDowngrade
            | Self::Suspend
            | Self::TimeZone
            | Self::Windows
            | Self::Exclusions
            | Self::NotBefore
            | Self::NotAfter
            | Self::Phase
            | Self::Exclusion
            | Self::LocalTime
            | Self::NextOpening
            | Self::TargetChain
            | Self::FirstInCircle => Sharing::SamePolicies,
        }
    }

    /// Returns the value of the input in `case`.
    #[must_use]
    pub fn value(self, case: &Case<'_>) -> InputValue {
        let client = case.client;
        match self {
            Self::OtherFleets if case.is_reported_elsewhere() => "Decide".into(),
            Self::OtherFleets if case.is_duplicate() => "Undecided".into(),
            Self::OtherFleets => InputValue::Absent,
            Self::Version => client.version.as_deref().into(),
            Self::StagedVersion => client.staged.as_deref().into(),
            Self::FailedVersion => client.failed_version.as_deref().into(),
            Self::LastSeen => client.last_seen.into(),
            Self::OfflineFrom => case.offline_from().into(),
            Self::RetryFrom => case.retry_from().into(),
            Self::Target => case.target().map(|target| target.version).into(),
            Self::Withdrawn => case.target().map(|target| target.withdrawn).into(),
            Self::Available => case.target().map(|target| target.available).into(),
            Self::TargetChain => case.target_chain().map(|chain| chain.text()).into(),
            Self::FirstInCircle => {
                let first = case.target_chain().and_then(|chain| chain.first_in_circle());
                first.map(|first| first.name.as_str()).into()
            }
            Self::InDoubt => case.in_doubt.map(|policy| policy.name.as_str()).into(),
            _ => self.value_in_policy(case),
        }
    }

    fn value_in_policy(self, case: &Case<'_>) -> InputValue {
        let Some(zoned) = case.governing else { return InputValue::Absent };
        let policy = zoned.policy;
        match self {
            Self::Policy => policy.name.as_str().into(),
            Self::Problems => {
                let all = policy.problems.join("; ");
                Some(all.as_str()).filter(|all| !all.is_empty()).into()
            }
            Self::Mode => policy.mode.as_str().into(),
            Self::AllowDowngrade => policy.allow_downgrade.into(),
            Self::Suspend => case.is_suspended().into(),
            Self::TimeZone => match zoned.zone {
                ZoneFact::Missing => InputValue::Absent,
                ZoneFact::Unknown => "Unknown".into(),
                ZoneFact::Known(zone) => zone.name().into(),
            },
            Self::Windows => InputValue::Count(policy.range.windows().len()),
            Self::Exclusions => InputValue::Count(policy.range.exclusions().len()),
            Self::NotBefore => policy.range.not_before().into(),
            Self::NotAfter => policy.range.not_after().into(),
            Self::Phase => phase_name(zoned.phase_at(case.at)).into(),
            Self::Exclusion => zoned.exclusion_at(case.at).map(|e| e.name.as_str()).into(),
            Self::LocalTime => zoned
                .zone
                .zone()
                .map_or(InputValue::Absent, |zone| InputValue::Local(zone.local(case.at))),
            Self::NextOpening => zoned.next_opening(case.at).into(),
            _ => InputValue::Absent,
        }
    }
}

/// Returns the name of a distribution phase in structured output.
#[must_use]
pub(crate) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "Open",
        Phase::NotStarted => "NotStarted",
        Phase::Excluded => "Excluded",
        Phase::OutsideWindow => "OutsideWindow",
        Phase::Ended => "Ended",
    }
}
