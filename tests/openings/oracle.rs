//! Defines a simple oracle for openings, written from the text of the design, and compares the
//! program's results with the oracle's.
//!
//! The oracle evaluates a series of instants one by one, and uses no code of the program except the
//! types of arguments and results.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};
use clientfleet::values::{
    Exclusion, Phase, TimeRange, Timestamp, WallTime, WeekOfMonth, Window, Zone,
};

#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// Windows, each with its weekdays and with its start and end in minutes since midnight.
    pub windows: Vec<(Vec<Weekday>, u16, u16)>,
    /// Exclusions, each with its first and last date. Both dates are part of the exclusion.
    pub exclusions: Vec<(NaiveDate, NaiveDate)>,
    /// Windows with `weeksOfMonth`.
    pub monthly: Vec<Monthly>,
    /// Exclusions that recur every year, each with the first and last date of the first occurrence.
    pub yearly: Vec<(NaiveDate, NaiveDate)>,
}

#[derive(Clone, Debug)]
pub struct Monthly {
    pub days: Vec<Weekday>,
    pub weeks: Vec<WeekOfMonth>,
    pub offset: u16,
    /// Start and end in minutes since midnight.
    pub times: (u16, u16),
}

impl Monthly {
    /// Returns whether the window starts on a date, by counting the days of the month on which the
    /// window would start without `offsetDays`.
    fn starts_on(&self, date: NaiveDate) -> bool {
        let unmoved = date - TimeDelta::days(self.offset.into());
        let first = unmoved.with_day(1).expect("a date");
        let of_month = first.iter_days().take_while(|day| day.month() == first.month());
        let same: Vec<NaiveDate> =
            of_month.filter(|day| day.weekday() == unmoved.weekday()).collect();
        let meant = |week: &WeekOfMonth| match week {
            WeekOfMonth::First => same[0] == unmoved,
            WeekOfMonth::Second => same[1] == unmoved,
            WeekOfMonth::Third => same[2] == unmoved,
            WeekOfMonth::Fourth => same[3] == unmoved,
            WeekOfMonth::Last => same[same.len() - 1] == unmoved,
        };
        self.days.contains(&unmoved.weekday()) && self.weeks.iter().any(meant)
    }
}

/// Returns whether a yearly exclusion contains a date, by comparing months and days.
fn in_yearly(&(start, end): &(NaiveDate, NaiveDate), date: NaiveDate) -> bool {
    let day = |day: NaiveDate| match (day.month(), day.day()) {
        (2, 29) if !date.leap_year() => (2, 28),
        day => day,
    };
    let has_started = day(date) >= day(start) && date.year() >= start.year();
    if start.year() == end.year() {
        return has_started && day(date) <= day(end);
    }
    has_started || day(date) <= day(end) && date.year() > start.year()
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

/// What holds during a whole local date.
struct Today {
    date: NaiveDate,
    in_yearly: bool,
    /// For each monthly window, whether it starts on this date, and on the day before.
    starts: Vec<(bool, bool)>,
}

impl Today {
    fn of(spec: &Spec, date: NaiveDate) -> Self {
        let yesterday = date.pred_opt().expect("a date");
        let starts = |window: &Monthly| (window.starts_on(date), window.starts_on(yesterday));
        Self {
            date,
            in_yearly: spec.yearly.iter().any(|dates| in_yearly(dates, date)),
            starts: spec.monthly.iter().map(starts).collect(),
        }
    }
}

/// Returns the phase at a local time according to points 2 and 3 of "When distribution is open" in
/// `docs/decision.md`.
fn local_phase(spec: &Spec, now: LocalTime, today: &Today) -> Phase {
    if spec.exclusions.iter().any(|&(start, end)| start <= now.date && now.date <= end)
        || today.in_yearly
    {
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
    let mut monthly = spec.monthly.iter().zip(&today.starts);
    let in_a_monthly = monthly.any(|(window, &(today, yesterday))| {
        let (start, end) = window.times;
        match start < end {
            true => today && start <= minute && minute < end,
            false => today && start <= minute || yesterday && minute < end,
        }
    });
    let any_hour = spec.windows.is_empty() && spec.monthly.is_empty();
    if any_hour || in_a_window || in_a_monthly { Phase::Open } else { Phase::OutsideWindow }
}

/// Returns the phase at each of the instants `times`, whose wall-clock times are `walls`, according
/// to the rules from `DistributionEnded` to `OutsideWindow` in `docs/decision.md`.
///
/// The last instant must be later than `not_after`, because the oracle finds no openings after the
/// last instant.
pub fn phases(spec: &Spec, times: &[Timestamp], walls: &[LocalTime]) -> Vec<Phase> {
    let mut open_until_the_end = false;
    let mut phases = vec![Phase::Ended; times.len()];
    let mut today = Today::of(spec, walls[0].date);
    for (index, &t) in times.iter().enumerate().rev() {
        if spec.not_after.is_some_and(|end| t >= end) {
            continue;
        }
        let started = spec.not_before.is_none_or(|start| t >= start);
        if today.date != walls[index].date {
            today = Today::of(spec, walls[index].date);
        }
        let local = local_phase(spec, walls[index], &today);
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
    let window = |days: &[Weekday], start: u16, end: u16| {
        let start = WallTime::parse_start(&time(start)).expect("a start");
        let end = WallTime::parse_end(&time(end)).expect("an end");
        Window::new(days.iter().copied().collect(), start, end).expect("a window")
    };
    let weekly = spec.windows.iter().map(|(days, start, end)| window(days, *start, *end));
    let monthly = spec.monthly.iter().map(|monthly| {
        let weekly = window(&monthly.days, monthly.times.0, monthly.times.1);
        let weeks = monthly.weeks.iter().copied().collect();
        weekly.monthly(weeks, monthly.offset.into()).expect("an offset")
    });
    let exclusion = |yearly: bool| {
        move |&(start, end): &(NaiveDate, NaiveDate)| Exclusion {
            name: start.to_string(),
            start,
            end,
            yearly,
        }
    };
    let once = spec.exclusions.iter().map(exclusion(false));
    let exclusions = once.chain(spec.yearly.iter().map(exclusion(true)));
    let windows = weekly.chain(monthly);
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
