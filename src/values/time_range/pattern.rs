//! Computes recurring intervals of the wall clock: the windows of each week or month, and the
//! yearly exclusions of each year.
//!
//! Periods of the same kind contain the same intervals, so the intervals of each kind are computed
//! only once.

use chrono::{Datelike, NaiveDate};

use super::{
    Exclusion, Window,
    period::{DAY, Division, Period, month_samples, new_year},
};

/// A year without and a year with 29 February.
const SAMPLE_YEARS: [i32; 2] = [2003, 2004];

/// Sorted intervals as pairs of an included start and an excluded end. They do not touch each
/// other.
type Intervals = Vec<(i64, i64)>;

/// Sorts intervals and merges those that overlap or touch each other.
pub(super) fn merged(mut pieces: Vec<(i64, i64)>) -> Intervals {
    pieces.sort_unstable();
    let mut merged: Intervals = Vec::with_capacity(pieces.len());
    for (start, end) in pieces {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged.shrink_to_fit();
    merged
}

/// Intervals of local time that recur in every period of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    division: Division,
    /// Intervals of each kind of period, in seconds since the start of the period. They end at the
    /// latest with the period.
    kinds: Vec<Intervals>,
    /// Local time, the start of a period, from which on every local time is inside an interval, or
    /// none is; `None` if there is no such time.
    constant_from: Option<i64>,
}

impl Pattern {
    /// Returns the local times at which one of the windows is open.
    pub fn of_windows(windows: &[Window]) -> Pattern {
        let is_monthly = windows.iter().any(Window::is_monthly);
        let division = if is_monthly { Division::Months } else { Division::Weeks };
        let samples = if is_monthly { month_samples() } else { vec![division.containing(0)] };
        let intervals = |period: &Period| {
            let pieces = windows.iter().flat_map(|w| w.intervals(period.start, period.end));
            clipped(pieces, period.start, period.end)
        };
        let kinds: Vec<Intervals> = samples.iter().map(intervals).collect();
        let is_full = |(period, intervals): (&Period, &Intervals)| {
            intervals[..] == [(0, period.end - period.start)]
        };
        let is_constant =
            kinds.iter().all(Vec::is_empty) || samples.iter().zip(&kinds).all(is_full);
        Pattern { division, kinds, constant_from: is_constant.then_some(i64::MIN) }
    }

    /// Returns the local times that yearly exclusions contain; `None` if no exclusion is yearly.
    pub fn of_yearly(exclusions: &[Exclusion]) -> Option<Pattern> {
        let is_yearly = |e: &&Exclusion| e.yearly && e.start <= e.end;
        let yearly: Vec<&Exclusion> = exclusions.iter().filter(is_yearly).collect();
        let mut starts: Vec<i32> = yearly.iter().map(|exclusion| exclusion.start.year()).collect();
        starts.sort_unstable();
        starts.dedup();
        let mut kinds = vec![Vec::new()];
        let mut constant_from = None;
        for &start in &starts {
            let all = yearly.iter().copied();
            kinds
                .push(excluded_in(start, all.clone().map(|e| (e, Exclusion::occurrence as Dates))));
            let started = all.filter(|exclusion| exclusion.start.year() <= start);
            let started = started.map(|e| (e, Exclusion::recurrence as Dates));
            let [common, leap] = SAMPLE_YEARS.map(|year| excluded_in(year, started.clone()));
            if constant_from.is_none() && common == [(0, 365 * DAY)] && leap == [(0, 366 * DAY)] {
                constant_from = Some(new_year(i64::from(start) + 1));
            }
            kinds.extend([common, leap]);
        }
        let division = Division::Years { starts: starts.into_iter().map(i64::from).collect() };
        (!yearly.is_empty()).then_some(Pattern { division, kinds, constant_from })
    }

    /// Returns a local time from which on the pattern of each year depends only on the length of
    /// the year and on its weekdays.
    pub fn regular_from(&self) -> i64 {
        match &self.division {
            Division::Weeks | Division::Months => i64::MIN,
            Division::Years { starts } => {
                starts.last().map_or(i64::MIN, |&last| new_year(last + 1))
            }
        }
    }

    /// Returns whether the local time `at` is inside an interval, and the first later local time at
    /// which this is different (`None` if there is none).
    pub fn state(&self, at: i64) -> (bool, Option<i64>) {
        let mut period = self.division.containing(at);
        let (inside, mut change) = self.within(period, at);
        // This ends, because every kind of period occurs within 40 years.
        while change.is_none() {
            if self.constant_from.is_some_and(|from| from <= period.start) {
                return (inside, None);
            }
            period = self.division.after(period);
            let (still_inside, next_change) = self.within(period, period.start);
            change = if still_inside == inside { next_change } else { Some(period.start) };
        }
        (inside, change)
    }

    /// Returns the same as [`Pattern::state`], but `None` for a change at or after the end of the
    /// period.
    fn within(&self, period: Period, at: i64) -> (bool, Option<i64>) {
        let (at, length) = (at - period.start, period.end - period.start);
        let intervals = &self.kinds[period.kind];
        let passed = intervals.partition_point(|interval| interval.1 <= at);
        let Some(&(start, end)) = intervals.get(passed) else { return (false, None) };
        let inside = start <= at;
        let change = if inside { end } else { start };
        (inside, Some(period.start + change).filter(|_| change < length))
    }
}

/// Function that returns the first and the last date of the occurrence of an exclusion that starts
/// in a year.
type Dates = fn(&Exclusion, i32) -> Option<(NaiveDate, NaiveDate)>;

/// Returns the intervals of a year that exclusions contain. An occurrence that started in the year
/// before may extend into it.
fn excluded_in<'a>(
    year: i32,
    exclusions: impl Iterator<Item = (&'a Exclusion, Dates)>,
) -> Intervals {
    let (start, end) = (new_year(year.into()), new_year(i64::from(year) + 1));
    let days = exclusions
        .flat_map(|(exclusion, dates)| [year - 1, year].map(|year| dates(exclusion, year)));
    let midnight = |date: NaiveDate| i64::from(date.to_epoch_days()) * DAY;
    let pieces = days.flatten().map(|(first, last)| (midnight(first), midnight(last) + DAY));
    clipped(pieces, start, end)
}

/// Returns the parts of intervals between `start` and `end`, in seconds since `start`.
fn clipped(pieces: impl Iterator<Item = (i64, i64)>, start: i64, end: i64) -> Intervals {
    let parts = pieces.map(|piece| (piece.0.max(start) - start, piece.1.min(end) - start));
    merged(parts.filter(|part| part.0 < part.1).collect())
}

#[cfg(test)]
mod tests {
    use super::super::period::{CYCLE_DAYS, WEEK};
    use super::super::{Days, WallTime, WeekOfMonth};
    use super::*;
    use chrono::Weekday;

    const HOUR: i64 = 3600;

    fn window(days: &[Weekday], start: &str, end: &str) -> Window {
        let start = WallTime::parse_start(start).expect(start);
        let end = WallTime::parse_end(end).expect(end);
        Window::new(days.iter().copied().collect(), start, end).expect("a window")
    }

    fn monthly(window: Window, weeks: &[WeekOfMonth], offset: i64) -> Window {
        window.monthly(weeks.iter().copied().collect(), offset).expect("a window")
    }

    fn all_days() -> Vec<Weekday> {
        Days::ALL.iter(Weekday::Mon).collect()
    }

    fn yearly(start: &str, end: &str) -> Exclusion {
        let date = |text: &str| text.parse().expect("a date");
        Exclusion { name: "a".to_owned(), start: date(start), end: date(end), yearly: true }
    }

    /// Returns a local time, given as a date or as a date and an hour.
    fn at(text: &str) -> i64 {
        let (date, hour) = text.split_once('T').unwrap_or((text, "0"));
        let date: NaiveDate = date.parse().expect("a date");
        i64::from(date.to_epoch_days()) * DAY + hour.parse::<i64>().expect("an hour") * HOUR
    }

    /// Returns the states that follow each other from a local time on, as pairs of a start and the
    /// state from then on.
    fn changes(pattern: &Pattern, from: &str, count: usize) -> Vec<(i64, bool)> {
        let mut at = Some(at(from));
        let next = || {
            let from = at?;
            let (inside, change) = pattern.state(from);
            at = change;
            Some((from, inside))
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn windows_become_a_week() {
        use Weekday::{Mon, Sun, Tue, Wed};
        let monday = at("2026-11-23");
        let always = [
            vec![window(&all_days(), "00:00", "24:00")],
            // Two windows, one of which crosses midnight, together cover every day.
            vec![window(&all_days(), "20:00", "08:00"), window(&all_days(), "07:00", "20:00")],
        ];
        for windows in always {
            assert_eq!(Pattern::of_windows(&windows).state(monday), (true, None), "{windows:?}");
        }
        let never = Pattern::of_windows(&[window(&[], "00:00", "24:00")]);
        assert_eq!(never.state(monday), (false, None));
        type Case<'a> = (Vec<Window>, &'a [(i64, i64)]);
        let cases: [Case<'_>; 4] = [
            (vec![window(&[Wed, Mon], "22:00", "02:00")], &[(22, 26), (70, 74), (190, 194)]),
            // Touching and overlapping windows merge; a window inside another one changes nothing.
            (
                vec![
                    window(&[Mon], "02:00", "03:00"),
                    window(&[Mon], "01:00", "02:00"),
                    window(&[Mon], "02:30", "05:00"),
                    window(&[Mon], "04:00", "04:30"),
                ],
                &[(169, 173), (337, 341)],
            ),
            // An interval at the end of Sunday and one at the start of Monday merge.
            (
                vec![window(&[Sun], "23:00", "01:00"), window(&[Mon], "01:00", "02:00")],
                &[(167, 170), (335, 338)],
            ),
            (
                vec![window(&[Sun], "23:00", "24:00"), window(&[Tue], "00:00", "01:00")],
                &[(24, 25), (167, 168), (192, 193)],
            ),
        ];
        for (windows, hours) in cases {
            let pattern = Pattern::of_windows(&windows);
            let monday = monday + 4 * WEEK;
            let mut at = monday + 12 * HOUR;
            for &(opens, closes) in hours {
                let (open, closed) = (monday + opens * HOUR, monday + closes * HOUR);
                assert_eq!(pattern.state(at), (false, Some(open)), "{windows:?}");
                assert_eq!(pattern.state(open), (true, Some(closed)), "{windows:?}");
                assert_eq!(pattern.state(closed - 1), (true, Some(closed)), "{windows:?}");
                at = closed;
            }
        }
    }

    /// Tests windows that are moved past the end of the month, and one that crosses it at midnight.
    #[test]
    fn windows_of_a_month_reach_into_the_next() {
        use WeekOfMonth::{Last, Second};
        let pattern = Pattern::of_windows(&[monthly(
            window(&[Weekday::Tue], "22:00", "02:00"),
            &[Second],
            3,
        )]);
        let expected = ["2026-11-13T22", "2026-11-14T2", "2026-12-11T22", "2026-12-12T2"];
        let found: Vec<i64> =
            changes(&pattern, "2026-11-12", 5).iter().skip(1).map(|(at, _)| *at).collect();
        assert_eq!(found, expected.map(at));

        let last = monthly(window(&all_days(), "22:00", "02:00"), &[Last], 14);
        let last_friday = monthly(window(&[Weekday::Fri], "22:00", "02:00"), &[Last], 14);
        assert_eq!(
            Pattern::of_windows(&[last]).state(at("2028-03-14T22")),
            (true, Some(at("2028-03-15T2")))
        );
        let pattern = Pattern::of_windows(&[last_friday]);
        assert_eq!(pattern.state(at("2028-02-13")), (false, Some(at("2028-03-10T22"))));
        let new_year =
            Pattern::of_windows(&[monthly(window(&[Weekday::Thu], "22:00", "02:00"), &[Last], 0)]);
        assert_eq!(new_year.state(at("2026-12-31T23")), (true, Some(at("2027-01-01T2"))));
    }

    #[test]
    fn windows_of_all_weeks_are_always_open() {
        use WeekOfMonth::{First, Fourth, Last, Second, Third};
        let day = window(&all_days(), "00:00", "24:00");
        let all = Pattern::of_windows(&[monthly(day, &[First, Second, Third, Fourth, Last], 0)]);
        assert_eq!(all.state(at("2026-11-23")), (true, None));
        // Each weekday is open in windows of its own, moved by different numbers of days.
        let each = all_days().into_iter().zip(0..).map(|(weekday, offset)| {
            let start = (0..offset).fold(weekday, |weekday, _| weekday.pred());
            let window = window(&[start], "00:00", "24:00");
            monthly(window, &[Last, Third, Second, Fourth, First], offset)
        });
        assert_eq!(Pattern::of_windows(&each.collect::<Vec<_>>()).state(0), (true, None));
        // Without the last week, the days from the 29th on are closed, except in a February.
        let most = Pattern::of_windows(&[monthly(day, &[First, Second, Third, Fourth], 0)]);
        assert_eq!(most.state(at("2027-02-01")), (true, Some(at("2027-03-29"))));
        assert_eq!(most.state(at("2028-02-01")), (true, Some(at("2028-02-29"))));
        // Only a fifth Tuesday is closed.
        let but_one = [
            monthly(day, &[First, Second, Third, Fourth], 0),
            window(&[Weekday::Mon, Weekday::Wed, Weekday::Thu], "00:00", "24:00"),
            window(&[Weekday::Fri, Weekday::Sat, Weekday::Sun], "00:00", "24:00"),
        ];
        let pattern = Pattern::of_windows(&but_one);
        assert_eq!(pattern.state(at("2027-02-01")), (true, Some(at("2027-03-30"))));
    }

    /// Tests patterns in which only one kind of month has a closed day. The search for this day must
    /// end within 41 years.
    #[test]
    fn every_kind_of_month_is_found() {
        for kind in 0..49 {
            let day = [window(&all_days(), "00:00", "24:00")];
            let mut pattern = Pattern::of_windows(&day.map(|day| monthly(day, &[], 0)));
            pattern.kinds =
                month_samples().iter().map(|month| vec![(0, month.end - month.start)]).collect();
            pattern.kinds[kind] = vec![(0, DAY)];
            pattern.constant_from = None;
            for from in (2000..2400).map(new_year) {
                let (inside, change) = pattern.state(from);
                assert!(inside && change.is_some_and(|change| change - from <= 41 * 366 * DAY));
            }
        }
    }

    #[test]
    fn yearly_exclusions_become_years() {
        let exclusions = [
            yearly("2026-12-24", "2027-01-02"),
            yearly("2028-02-29", "2028-02-29"),
            yearly("2028-02-20", "2028-02-28"),
            Exclusion { yearly: false, ..yearly("2026-05-01", "2026-05-01") },
        ];
        let pattern = Pattern::of_yearly(&exclusions).expect("yearly exclusions");
        let expected = [
            ("2026-01-01", false),
            ("2026-12-24", true),
            ("2027-01-03", false),
            ("2027-12-24", true),
            ("2028-01-03", false),
            ("2028-02-20", true),
            ("2028-03-01", false),
            ("2028-12-24", true),
            ("2029-01-03", false),
            ("2029-02-20", true),
            ("2029-03-01", false),
        ];
        let expected = expected.map(|(date, inside)| (at(date), inside));
        assert_eq!(changes(&pattern, "2026-01-01", expected.len()), expected);
        // 15,000 years earlier and later, the weekdays and leap years are the same.
        assert_eq!(pattern.state(at("-9000-01-01")), (false, Some(at("2026-12-24"))));
        let far = 15_200 / 400 * CYCLE_DAYS * DAY;
        let (inside, change) = pattern.state(at("2029-01-03") + far);
        assert_eq!((inside, change), (false, Some(at("2029-02-20") + far)));
        assert_eq!(Pattern::of_yearly(&exclusions[3..]), None);
    }

    #[test]
    fn exclusions_of_all_days_never_end() {
        let halves = [yearly("2026-07-01", "2026-12-31"), yearly("2030-01-01", "2030-06-30")];
        let pattern = Pattern::of_yearly(&halves).expect("yearly exclusions");
        let expected = [("2028-07-01", true), ("2029-01-01", false), ("2029-07-01", true)];
        let expected = expected.map(|(date, inside)| (at(date), inside));
        assert_eq!(changes(&pattern, "2028-07-01", 9), expected);
        // Only leap days are left.
        let rest = [yearly("2026-03-01", "2026-12-31"), yearly("2026-01-01", "2026-02-28")];
        let pattern = Pattern::of_yearly(&rest).expect("yearly exclusions");
        assert_eq!(pattern.state(at("2093-01-01")), (true, Some(at("2096-02-29"))));
        assert_eq!(pattern.state(at("2096-03-01")), (true, Some(at("2104-02-29"))));
    }

    /// Compares the years with the exclusions' own answers, for exclusions that start in different
    /// years.
    #[test]
    fn years_agree_with_the_exclusions() {
        let exclusions = [
            yearly("2026-12-24", "2027-01-02"),
            yearly("2027-12-30", "2028-02-29"),
            yearly("2028-02-29", "2029-02-26"),
            yearly("2031-06-01", "2031-06-01"),
        ];
        for count in 1..=exclusions.len() {
            let exclusions = &exclusions[exclusions.len() - count..];
            let pattern = Pattern::of_yearly(exclusions).expect("yearly exclusions");
            let first: NaiveDate = "2024-01-01".parse().expect("a date");
            for date in first.iter_days().take(366 * 12) {
                let excluded = exclusions.iter().any(|exclusion| exclusion.contains(date));
                let noon = i64::from(date.to_epoch_days()) * DAY + DAY / 2;
                assert_eq!(pattern.state(noon).0, excluded, "{date}");
            }
        }
    }
}
