//! Defines a simple oracle for openings, written from the text of the design, and compares the
//! program's results with the oracle's.
//!
//! The oracle evaluates a series of instants one by one, and uses no code of the program except the
//! types of arguments and results.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};
use clientfleet::values::{Exclusion, Phase, TimeRange, Timestamp, WallTime, Window, Zone};

#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// Windows, each with its weekdays and with its start and end in minutes since midnight.
    pub windows: Vec<(Vec<Weekday>, u16, u16)>,
    /// Exclusions, each with its first and last date. Both dates are part of the exclusion.
    pub exclusions: Vec<(NaiveDate, NaiveDate)>,
}

#[derive(Clone, Copy, Debug)]
pub struct LocalTime {
    pub date: NaiveDate,
    pub weekday: Weekday,
    pub minute: u16,
}

pub const WORKDAYS: [Weekday; 5] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
pub const WEEKEND: [Weekday; 2] = [Weekday::Sat, Weekday::Sun];

pub fn every_day() -> Vec<Weekday> {
    [&WORKDAYS[..], &WEEKEND].concat()
}

/// Returns the wall-clock time at `t`. Uses jiff's arithmetic, so that the oracle is independent of
/// the program's lookup of UTC offsets.
pub fn wall(zone: &jiff::tz::TimeZone, t: Timestamp) -> LocalTime {
    let instant = jiff::Timestamp::from_second(t.timestamp()).expect("in range");
    let local = zone.to_datetime(instant);
    let (year, month, day) = (local.year().into(), local.month() as u32, local.day() as u32);
    let date = NaiveDate::from_ymd_opt(year, month, day).expect("a date");
    LocalTime {
        date,
        weekday: date.weekday(),
        minute: local.hour() as u16 * 60 + local.minute() as u16,
    }
}

/// Returns the phase at a local time according to points 2 and 3 of "When distribution is open" in
/// `docs/decision.md`.
fn local_phase(spec: &Spec, now: LocalTime) -> Phase {
    if spec.exclusions.iter().any(|&(start, end)| start <= now.date && now.date <= end) {
        return Phase::Excluded;
    }
    let (d, minute) = (now.date.to_epoch_days(), now.minute);
    let in_a_window = spec.windows.iter().any(|(days, start, end)| {
        // A window that starts on one day can end on the next day, so also check the windows of the
        // previous day.
        [(d, now.weekday), (d - 1, now.weekday.pred())].iter().any(|&(on, weekday)| {
            let ends_on = if end < start { on + 1 } else { on };
            days.contains(&weekday) && (on, *start) <= (d, minute) && (d, minute) < (ends_on, *end)
        })
    });
    if spec.windows.is_empty() || in_a_window { Phase::Open } else { Phase::OutsideWindow }
}

/// Returns the phase at each of the instants `times`, whose wall-clock times are `walls`, according
/// to rules 17 to 20 in `docs/decision.md`.
///
/// The last instant must be later than `not_after`, because the oracle finds no openings after the
/// last instant.
pub fn phases(spec: &Spec, times: &[Timestamp], walls: &[LocalTime]) -> Vec<Phase> {
    let mut open_until_the_end = false;
    let mut phases = vec![Phase::Ended; times.len()];
    for (index, &t) in times.iter().enumerate().rev() {
        if spec.not_after.is_some_and(|end| t >= end) {
            continue;
        }
        let started = spec.not_before.is_none_or(|start| t >= start);
        let local = local_phase(spec, walls[index]);
        open_until_the_end |= started && local == Phase::Open;
        phases[index] = if spec.not_after.is_some() && !open_until_the_end {
            Phase::Ended
        } else if !started {
            Phase::NotStarted
        } else {
            local
        };
    }
    phases
}

pub fn time_range(spec: &Spec) -> TimeRange {
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let windows = spec.windows.iter().map(|(days, start, end)| {
        let start = WallTime::parse_start(&time(*start)).expect("a start");
        let end = WallTime::parse_end(&time(*end)).expect("an end");
        Window::new(days.iter().copied().collect(), start, end).expect("a window")
    });
    let exclusions = spec.exclusions.iter().map(|&(start, end)| Exclusion {
        name: start.to_string(),
        start,
        end,
    });
    TimeRange::new(spec.not_before, spec.not_after, windows.collect(), exclusions.collect())
}

/// Sampling intervals: a comparison checks the phase at every `phase`-th instant, and the results
/// of searches at every `search`-th instant. It always checks the first and the last instant of
/// each phase.
#[derive(Clone, Copy)]
pub struct Every {
    pub phase: usize,
    pub search: usize,
}

/// Compares the program's results with the oracle's at the given instants. Returns the number of
/// compared results.
pub fn compare(
    spec: &Spec,
    zone: &Zone,
    times: &[Timestamp],
    walls: &[LocalTime],
    every: Every,
) -> usize {
    let expected = phases(spec, times, walls);
    let range = time_range(spec);
    let openings = range.in_zone(Some(zone));
    let beyond = *times.last().expect("a walk");
    let (mut answers, mut opening, mut closing, mut phase_end) = (0, None, None, None);
    for index in (0..times.len()).rev() {
        let (t, phase) = (times[index], expected[index]);
        let ends = expected.get(index + 1) != Some(&phase);
        let starts = index == 0 || expected[index - 1] != phase;
        if ends {
            phase_end = times.get(index + 1).copied();
        }
        if phase == Phase::Open {
            opening = Some(t);
        } else {
            closing = Some(t);
        }
        let told = |what: &str| format!("{what} at {t} in {zone} for {spec:?}");
        if ends || starts || index % every.phase == 0 {
            assert_eq!(openings.phase_at(t), phase, "{}", told("phase"));
            answers += 1;
        }
        if ends || starts || index % every.search == 0 {
            // Ignore results of the program that are later than the last instant in `times`,
            // because the oracle evaluates no later instants.
            let seen = |answer: Option<Timestamp>| answer.filter(|&answer| answer <= beyond);
            assert_eq!(seen(openings.next_opening(t)), opening, "{}", told("next_opening"));
            let closing = closing.filter(|_| phase == Phase::Open);
            assert_eq!(seen(openings.next_closing(t)), closing, "{}", told("next_closing"));
            assert_eq!(seen(openings.phase_ends(t)), phase_end, "{}", told("phase_ends"));
            answers += 3;
        }
    }
    answers
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 instant")
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub fn minutes_from(start: Timestamp, count: i64) -> Vec<Timestamp> {
    (0..count).map(|minute| start + TimeDelta::minutes(minute)).collect()
}

pub fn jiff_zone(name: &str) -> jiff::tz::TimeZone {
    jiff::tz::TimeZoneDatabase::bundled().get(name).expect("in the database")
}
