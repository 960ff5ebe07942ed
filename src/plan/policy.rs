//! A policy parsed once into what the rules need, or into why it cannot be. Knows the API types and
//! the values; decides nothing.
//!
//! An invalid policy governs all the same (it fails safe and lets no lower one through), so that its
//! scope and its period are read even then, as far as they can be.

use std::cmp::Reverse;

use chrono::Weekday;

use super::cached::CachedPolicy;
use super::facts::ZoneFact;
use super::scope::Scope;
use super::version_text::VersionText;
use crate::api::Text;
use crate::api::admission;
use crate::api::policy::{Day, Distribution, Mode, UpgradePolicySpec, Window as WindowSpec};
use crate::values::{Days, Exclusion, TimeRange, Timestamp, WallTime, Window, Zone};

/// A policy as the rules see it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: Text,
    /// Tells it from one of the same name that came before it.
    pub uid: Option<String>,
    /// Its generation.
    pub generation: i64,
    /// Whether it is being deleted: then it governs nobody.
    pub deleting: bool,
    /// Why it is invalid: a sentence for each problem. Empty for a valid one.
    pub problems: Vec<String>,
    /// Whether it could not even be deserialised: then it governs every client of its namespace.
    pub unreadable: bool,
    /// Of those that hold a client, the highest governs.
    pub priority: i32,
    /// Whether it distributes nothing new for the time being.
    pub suspended: bool,
    /// From when on it governs.
    pub effective_from: Option<Timestamp>,
    /// From when on it governs no more.
    pub effective_until: Option<Timestamp>,
    /// What it asks for.
    pub mode: Mode,
    /// The locked version, with [`Mode::OnlyUpgradeTo`].
    pub lock: Option<VersionText>,
    /// Whether clients move down to the target.
    pub allow_downgrade: bool,
    /// Seconds after its error until a failed client is offered the version again.
    pub retry_after: i64,
    /// Seconds after it was last seen until a client is offline.
    pub offline_after: Option<i64>,
    /// The zone that holds for every client, where it names one.
    pub zone: Option<ZoneFact>,
    /// When distribution is open.
    pub range: TimeRange,
    /// Which clients it is about.
    pub scope: Scope,
}

impl Policy {
    /// Reads a policy. Never fails: what is wrong with it is in [`Policy::problems`].
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

    /// Whether it can govern at `at`.
    #[must_use]
    pub fn is_effective(&self, at: Timestamp) -> bool {
        !self.deleting
            && self.effective_from.is_none_or(|from| from <= at)
            && self.effective_until.is_none_or(|until| at < until)
    }

    /// The first instant after `at` at which [`Policy::is_effective`] may differ.
    #[must_use]
    pub fn effective_change_after(&self, at: Timestamp) -> Option<Timestamp> {
        [self.effective_from, self.effective_until].into_iter().flatten().filter(|&t| t > at).min()
    }

    /// Whether admission would refuse it, or its zone is unknown.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Policies in this order: the first one that holds a client governs it.
    #[must_use]
    pub fn precedence(&self) -> impl Ord + '_ {
        (Reverse(self.unreadable), Reverse(self.priority), self.name.as_str())
    }
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

/// Says that a time zone is unknown, and what to write instead.
#[must_use]
pub fn unknown_zone(name: &str) -> String {
    let mend = Zone::suggest(name).map_or_else(
        || "write an IANA name, as \"Europe/Berlin\"".to_owned(),
        |suggestion| format!("write \"{suggestion}\""),
    );
    format!("\"{name}\" is no known time zone; {mend}")
}

/// Reads the time range. What cannot be read is left out: admission has refused it, so that the
/// policy is invalid and its range is never asked.
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
    });
    TimeRange::new(distribution.not_before, distribution.not_after, windows, exclusions.collect())
}

fn read_window(window: &WindowSpec) -> Result<Window, String> {
    let days = window.days.as_ref();
    let days = days.map_or(Days::ALL, |days| days.iter().map(|&day| weekday(day)).collect());
    let start = WallTime::parse_start(&window.start).map_err(|error| error.to_string())?;
    let end = WallTime::parse_end(&window.end).map_err(|error| error.to_string())?;
    Window::new(days, start, end).map_err(|error| error.to_string())
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
