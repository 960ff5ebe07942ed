//! Divides local time into weeks, months or years, each of which is of one of a few kinds. Monthly
//! windows and yearly exclusions leave the same times open in periods of the same kind.
//!
//! Periods consist of dates, and must not depend on instants or time zones.

use chrono::{Datelike, NaiveDate};

/// Length of a day on the wall clock, in seconds.
pub(super) const DAY: i64 = 86_400;
/// Length of a week on the wall clock, in seconds.
pub(super) const WEEK: i64 = 7 * DAY;
/// Number of seconds from Monday 1969-12-29 00:00, the start of a week, to 1970-01-01 00:00.
const EPOCH_AFTER_MONDAY: i64 = 3 * DAY;

/// Number of years after which the calendar repeats, on the same weekdays.
const CYCLE_YEARS: i64 = 400;
/// Number of days in [`CYCLE_YEARS`].
pub(super) const CYCLE_DAYS: i64 = 146_097;
/// Number of days from 1970-01-01 to 2000-01-01, the start of a cycle.
const CYCLE_START: i64 = 10_957;
/// Number of months, starting with January 2000, that include every kind of month.
const MONTHS_WITH_EVERY_KIND: u32 = 12 * 40;
/// Returns the date of a day that is given in days since 1970-01-01, moved by a multiple of 400
/// years into the years 2000 to 2399. All days have such a date, however far they are.
pub(super) fn date_of(day: i64) -> NaiveDate {
    let in_cycle = CYCLE_START + (day - CYCLE_START).rem_euclid(CYCLE_DAYS);
    NaiveDate::from_epoch_days(in_cycle as i32).unwrap_or_default()
}

/// A period of local time, in local seconds since 1970-01-01T00:00:00.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub start: i64,
    pub end: i64,
    /// Index in the list of kinds.
    pub kind: usize,
}

/// How local time is divided into periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// Weeks that start on Monday, all of one kind.
    Weeks,
    /// Months. Their kind depends on their length, that of the month before, and the weekday of
    /// their first day.
    Months,
    /// Years. The intervals of a year depend on the exclusions that have started, so each year in
    /// which an exclusion starts is a kind, and so are the years without and those with 29 February
    /// up to the next start. The years before the first start are kind 0.
    Years { starts: Vec<i64> },
}

impl Division {
    /// Returns the period that contains the local time `at`.
    pub fn containing(&self, at: i64) -> Period {
        let day = at.div_euclid(DAY);
        let (first, days, kind) = match self {
            Division::Weeks => {
                let first = day - (day + EPOCH_AFTER_MONDAY / DAY).rem_euclid(7);
                (first, WEEK / DAY, 0)
            }
            Division::Months => {
                let date = date_of(day);
                let first = day - i64::from(date.day0());
                (first, date.num_days_in_month().into(), month_kind(date))
            }
            Division::Years { starts } => {
                let date = date_of(day);
                let cycle = (day - CYCLE_START).div_euclid(CYCLE_DAYS);
                let year = cycle * CYCLE_YEARS + i64::from(date.year());
                let days = if date.leap_year() { 366 } else { 365 };
                let kind = year_kind(starts, year, date.leap_year());
                (day - i64::from(date.ordinal0()), days, kind)
            }
        };
        Period { start: first * DAY, end: (first + days) * DAY, kind }
    }

    /// Returns the next period that may have intervals.
    pub fn after(&self, period: Period) -> Period {
        match self {
            Division::Years { starts } if period.kind == 0 => {
                let first = starts.first().map_or(period.end, |&year| new_year(year));
                self.containing(first.max(period.end))
            }
            _ => self.containing(period.end),
        }
    }
}

/// Returns the kind of the month that contains `date`, less than 49.
fn month_kind(date: NaiveDate) -> usize {
    let lengths = match (date.month(), date.leap_year()) {
        (1 | 8, _) => 0,
        (2, false) => 1,
        (2, true) => 2,
        (3, false) => 3,
        (3, true) => 4,
        (5 | 7 | 10 | 12, _) => 5,
        _ => 6,
    };
    // Counting back whole weeks from `date` to the first week of the month keeps the weekday.
    let first = date.weekday().num_days_from_monday() + 35 - date.day0();
    lengths * 7 + first as usize % 7
}

fn year_kind(starts: &[i64], year: i64, is_leap: bool) -> usize {
    match starts.partition_point(|&start| start <= year) {
        0 => 0,
        started if starts[started - 1] == year => 3 * started - 2,
        started => 3 * started - 1 + usize::from(is_leap),
    }
}

/// Returns the start of 1 January of a year.
pub(super) fn new_year(year: i64) -> i64 {
    let in_cycle = year.rem_euclid(CYCLE_YEARS);
    let first = NaiveDate::from_ymd_opt(2000 + in_cycle as i32, 1, 1).unwrap_or_default();
    let cycles = (year - 2000).div_euclid(CYCLE_YEARS);
    (i64::from(first.to_epoch_days()) + cycles * CYCLE_DAYS) * DAY
}

/// Returns one month of each kind, in the order of the kinds.
pub(super) fn month_samples() -> Vec<Period> {
    let month = |number: u32| {
        let first = NaiveDate::from_ymd_opt(2000 + (number / 12) as i32, number % 12 + 1, 1);
        Division::Months.containing(i64::from(first.unwrap_or_default().to_epoch_days()) * DAY)
    };
    let mut samples: Vec<Period> = (0..MONTHS_WITH_EVERY_KIND).map(month).collect();
    samples.sort_by_key(|period| period.kind);
    samples.dedup_by_key(|period| period.kind);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_49_kinds_of_month() {
        let kinds: Vec<usize> = month_samples().iter().map(|period| period.kind).collect();
        assert_eq!(kinds, (0..49).collect::<Vec<_>>());
    }

    #[test]
    fn periods_follow_each_other() {
        let years = Division::Years { starts: vec![2026, 2028] };
        for division in [Division::Weeks, Division::Months, years] {
            let mut period = division.containing(-700 * 366 * DAY);
            while period.start < 900 * 366 * DAY {
                for at in [period.start, period.end - 1] {
                    assert_eq!(division.containing(at).start, period.start);
                }
                let next = division.containing(period.end);
                assert_eq!(next.start, period.end);
                period = next;
            }
        }
    }

    #[test]
    fn years_are_of_the_kind_of_their_exclusions() {
        let starts = vec![2026, 2028];
        let kind = |year: i64| {
            let years = Division::Years { starts: starts.clone() };
            years.containing(new_year(year)).kind
        };
        let kinds = [2025, 2026, 2027, 2028, 2029, 2032, 2033].map(kind);
        assert_eq!(kinds, [0, 1, 2, 4, 5, 6, 5]);
        assert_eq!([-5000, 12_028].map(kind), [0, 6]);
        let years = Division::Years { starts };
        let first = years.after(years.containing(new_year(-5000)));
        assert_eq!(first.start, new_year(2026));
    }
}
