//! Parses a policy into the values that the rules need, and collects the problems that make the
//! policy invalid.
//!
//! An invalid policy still governs clients, and offers them nothing. Its scope and its effective
//! period are therefore parsed as far as possible.

use std::cmp::{Ordering, Reverse};

use chrono::Weekday;

use super::cached::CachedPolicy;

use super::facts::ZoneFact;
use super::scope::Scope;
use super::version_text::VersionText;
use crate::api::Text;
use crate::api::admission;
use crate::api::policy::{Day, Distribution, Mode, UpgradePolicySpec, Week, Window as WindowSpec};
use crate::values::{
    Days, Exclusion, TimeRange, Timestamp, WallTime, WeekOfMonth, Window, WindowError, Zone,
};

/// A parsed policy, in the form that the rules use.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Name of the policy.
    pub name: Text,
    /// UID, which distinguishes the policy from an earlier one of the same name.
    pub uid: Option<String>,
    /// Generation of the policy.
    pub generation: i64,
    /// Whether the policy is being deleted. If so, it governs no client.
    pub deleting: bool,
    /// Problems that make the policy invalid, one sentence each; empty if it is valid.
    pub problems: Vec<String>,
    /// Whether the spec could not be deserialized. If so, the policy governs every client of its
    /// namespace.
    pub unreadable: bool,
    /// Priority of the policy. Among the applicable policies of a client, the one with the highest
    /// priority governs.
    pub priority: i32,
    /// Whether the policy is suspended. A suspended policy offers no upgrades.
    pub suspended: bool,
    /// Start of the effective period; `None` if the period has no start.
    pub effective_from: Option<Timestamp>,
    /// First instant after the effective period; `None` if the period has no end.
    pub effective_until: Option<Timestamp>,
    /// Upgrade mode of the policy.
    pub mode: Mode,
    /// Version that the policy locks clients to; always `None` in modes other than
    /// [`Mode::OnlyUpgradeTo`].
    pub lock: Option<VersionText>,
    /// Whether clients may be downgraded to the target.
    pub allow_downgrade: bool,
    /// Seconds from a client's installation error until the failed version is offered again.
    pub retry_after: i64,
    /// Seconds without contact after which a client counts as offline; `None` if clients never
    /// count as offline.
    pub offline_after: Option<i64>,
    /// Time zone that the policy sets for all clients; `None` if the policy sets no time zone.
    pub zone: Option<ZoneFact>,
    /// Time range in which distribution is open.
    pub range: TimeRange,
    /// Scope, which selects the clients that the policy applies to.
    pub scope: Scope,
}

impl Policy {
    /// Parses a policy. Never fails: all errors are added to [`Policy::problems`].
    #[must_use]
    pub fn read(observed: &CachedPolicy) -> Self {
        let unreadable = UpgradePolicySpec::default();
        let (spec, mut problems) = match observed.spec.as_deref() {
            Ok(spec) => (spec, admission_problems(spec)),
            Err(why) => (&unreadable, vec![format!("the object cannot be read: {why}")]),
        };
        let distribution = spec.distribution.clone().unwrap_or_default();
        let zone = read_zone(distribution.time_zone.as_ref(), &mut problems);
        let range = read_range(&distribution, &mut problems);
        let lock =
            spec.upgrade.version.clone().filter(|_| spec.upgrade.mode == Mode::OnlyUpgradeTo);
        Self {
            name: observed.name().into(),
            uid: observed.metadata.uid.clone(),
            generation: observed.generation(),
            deleting: observed.is_deleting(),
            unreadable: observed.spec.is_err(),
            priority: spec.priority,
            suspended: spec.suspend,
            effective_from: spec.effective_from,
            effective_until: spec.effective_until,
            mode: spec.upgrade.mode,
            lock: lock.map(VersionText::new),
            allow_downgrade: spec.upgrade.allow_downgrade,
            retry_after: spec.upgrade.retry_after_hours.saturating_mul(3600),
            offline_after: spec.offline_after_days.map(|days| days.saturating_mul(24 * 3600)),
            zone,
            range,
            scope: Scope::read(spec.scope.as_ref()),
            problems,
        }
    }

    /// Returns whether the policy is effective at `at`: it is not being deleted, and `at` is within
    /// its effective period.
    #[must_use]
    pub fn is_effective(&self, at: Timestamp) -> bool {
        !self.deleting
            && self.effective_from.is_none_or(|from| from <= at)
            && self.effective_until.is_none_or(|until| at < until)
    }

    /// Returns the first instant after `at` at which the result of [`Policy::is_effective`] may
    /// change; `None` if there is none.
    #[must_use]
    pub(crate) fn effective_change_after(&self, at: Timestamp) -> Option<Timestamp> {
        [self.effective_from, self.effective_until].into_iter().flatten().filter(|&t| t > at).min()
    }

    /// Returns whether the policy is invalid: it cannot be read, admission would refuse it, or its
    /// time zone is unknown.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Returns whether the policy may offer versions: it is valid, not suspended, and its mode is
    /// not [`Mode::NoUpgrade`].
    #[must_use]
    pub fn distributes(&self) -> bool {
        !self.is_invalid() && !self.suspended && self.mode != Mode::NoUpgrade
    }

    /// Returns the key that sorts policies by precedence, highest first. Unreadable policies come
    /// first, then policies with a higher priority; equal priorities are sorted by
    /// [`Caution`], then by name.
    #[must_use]
    pub fn precedence(&self) -> impl Ord + '_ {
        (Reverse(self.unreadable), Reverse(self.priority), self.caution(), self.name.as_str())
    }

    /// Compares two policies by [`Policy::precedence`].
    #[must_use]
    pub(super) fn by_precedence(a: &Self, b: &Self) -> Ordering {
        a.precedence().cmp(&b.precedence())
    }

    /// Returns how cautious the policy is.
    pub(super) fn caution(&self) -> Caution {
        if self.is_invalid() {
            Caution::Invalid
        } else if self.mode == Mode::NoUpgrade {
            Caution::NoUpgrade
        } else if self.suspended {
            Caution::Suspended
        } else {
            Caution::Distributes
        }
    }
}

/// How cautious a policy is, most cautious first. Of policies with equal priority, the most
/// cautious one governs, so that a tie distributes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caution {
    Invalid,
    NoUpgrade,
    Suspended,
    Distributes,
}

fn admission_problems(spec: &UpgradePolicySpec) -> Vec<String> {
    let problems = admission::check_policy_spec(spec);
    problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

fn read_zone(name: Option<&Text>, problems: &mut Vec<String>) -> Option<ZoneFact> {
    let name = name?;
    let zone = Zone::named(name).map_or(ZoneFact::Unknown, ZoneFact::Known);
    if zone == ZoneFact::Unknown {
        problems.push(format!("spec.distribution.timeZone: {}", unknown_zone(name)));
    }
    Some(zone)
}

/// Returns the error message for the unknown time zone `name`. The message suggests a valid name.
#[must_use]
pub(crate) fn unknown_zone(name: &str) -> String {
    let mend = Zone::suggest(name).map_or_else(
        || "write an IANA name, as \"Europe/Berlin\"".to_owned(),
        |suggestion| format!("write \"{suggestion}\""),
    );
    format!("\"{name}\" is no known time zone; {mend}")
}

/// Parses the time range and skips invalid windows. Such windows make the policy invalid, so the
/// rules never use its time range.
fn read_range(distribution: &Distribution, problems: &mut Vec<String>) -> TimeRange {
    let mut windows = Vec::new();
    for (index, window) in distribution.windows.iter().flatten().enumerate() {
        match read_window(window) {
            Ok(window) => windows.push(window),
            Err(why) if problems.is_empty() => {
                problems.push(format!("spec.distribution.windows[{index}]: {why}"));
            }
            Err(_) => {}
        }
    }
    let exclusions = distribution.exclusions.iter().flatten().map(|exclusion| Exclusion {
        name: exclusion.name.to_string(),
        start: exclusion.start_date,
        end: exclusion.end_date,
        yearly: exclusion.yearly == Some(true),
    });
    TimeRange::new(distribution.not_before, distribution.not_after, windows, exclusions.collect())
}

fn read_window(window: &WindowSpec) -> Result<Window, WindowError> {
    let days = window.days.as_ref();
    let days = days.map_or(Days::ALL, |days| days.iter().map(|&day| weekday(day)).collect());
    let start = WallTime::parse_start(&window.start)?;
    let end = WallTime::parse_end(&window.end)?;
    let weekly = Window::new(days, start, end)?;
    let Some(weeks) = &window.weeks_of_month else { return Ok(weekly) };
    let weeks = weeks.iter().map(|&week| week_of_month(week)).collect();
    weekly.monthly(weeks, window.offset_days.unwrap_or(0))
}

fn week_of_month(week: Week) -> WeekOfMonth {
    match week {
        Week::First => WeekOfMonth::First,
        Week::Second => WeekOfMonth::Second,
        Week::Third => WeekOfMonth::Third,
        Week::Fourth => WeekOfMonth::Fourth,
        Week::Last => WeekOfMonth::Last,
    }
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Mon,
        Day::Tuesday => Weekday::Tue,
        Day::Wednesday => Weekday::Wed,
        Day::Thursday => Weekday::Thu,
        Day::Friday => Weekday::Fri,
        Day::Saturday => Weekday::Sat,
        Day::Sunday => Weekday::Sun,
    }
}
