//! Computes the local calendar of a time range, that is, the local times at which distribution is
//! open.
//!
//! Times are local seconds since 1970-01-01T00:00:00, on a wall clock that is never set forward or
//! back; this module must not use instants, zones or daylight saving time.

use chrono::NaiveDate;

use super::{
    Exclusion, Phase,
    pattern::{Pattern, merged},
    period::DAY,
    window::Window,
};

/// Length of a search for an opening in years that are regular, in seconds: 41 years.
///
/// The pattern of a regular year depends only on its length and on the weekday of 1 January, and
/// all 14 combinations occur in any 40 successive years.
const SEARCH_SECONDS: i64 = 41 * 366 * DAY;

/// Local calendar of a time range: the windows without the excluded dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    /// Local times at which a window is open; `None` if the range has no windows.
    windows: Option<Pattern>,
    /// Intervals of the exclusions that are not yearly, as pairs of start and end in local seconds.
    /// Each interval includes its start but not its end; the intervals are sorted and do not touch
    /// each other.
    excluded: Vec<(i64, i64)>,
    /// Local times in yearly exclusions; `None` if the range has no yearly exclusions.
    yearly: Option<Pattern>,
    /// Local time from which on distribution is never open, although the phase changes for ever;
    /// `None` if there is no such time.
    closed_from: Option<i64>,
}

impl Calendar {
    pub(super) fn new(windows: &[Window], exclusions: &[Exclusion]) -> Calendar {
        let once = exclusions.iter().filter(|exclusion| !exclusion.yearly);
        let days = once.map(|exclusion| (midnight(exclusion.start), midnight(exclusion.end) + DAY));
        let windows = (!windows.is_empty()).then(|| Pattern::of_windows(windows));
        let excluded = merged(days.filter(|(start, end)| start < end).collect());
        let yearly = Pattern::of_yearly(exclusions);
        let mut calendar = Calendar { windows, excluded, yearly, closed_from: None };
        calendar.closed_from = calendar.find_last_closing();
        calendar
    }

    /// Returns a local time from which on distribution is never open, if there are yearly
    /// exclusions. Without them, a search for an opening ends by itself.
    fn find_last_closing(&self) -> Option<i64> {
        let once = self.excluded.last().map_or(i64::MIN, |excluded| excluded.1);
        let regular = self.yearly.as_ref()?.regular_from().max(once);
        let mut at = regular;
        while at < regular + SEARCH_SECONDS {
            match self.phase(at) {
                (Phase::Open, _) => return None,
                (_, ends) => at = ends?,
            }
        }
        Some(regular)
    }

    /// Returns the phase at the local time `at`, and the local time at which this phase ends
    /// (`None` if it never ends).
    ///
    /// The phase is [`Phase::Excluded`], [`Phase::OutsideWindow`] or [`Phase::Open`].
    pub(super) fn phase(&self, at: i64) -> (Phase, Option<i64>) {
        let (is_excluded, change) = self.exclusion(at);
        if is_excluded {
            return (Phase::Excluded, change);
        }
        let (open, ends) = self.windows.as_ref().map_or((true, None), |windows| windows.state(at));
        let phase = if open { Phase::Open } else { Phase::OutsideWindow };
        (phase, ends.into_iter().chain(change).min())
    }

    /// Returns whether an exclusion contains the local time `at`, and the first later local time at
    /// which this is different (`None` if there is none).
    fn exclusion(&self, at: i64) -> (bool, Option<i64>) {
        let Some(yearly) = &self.yearly else { return self.excluded_once(at) };
        let mut end = at;
        loop {
            // Two exclusions that touch or overlap count as one.
            end = match (self.excluded_once(end), yearly.state(end)) {
                ((false, once), (false, yearly)) if end == at => {
                    return (false, once.into_iter().chain(yearly).min());
                }
                ((false, _), (false, _)) => return (true, Some(end)),
                ((true, Some(once)), (true, Some(yearly))) => once.max(yearly),
                ((true, Some(ends)), (false, _)) | ((false, _), (true, Some(ends))) => ends,
                ((true, None), _) | (_, (true, None)) => return (true, None),
            };
        }
    }

    /// Returns the same as [`Calendar::exclusion`], for the exclusions that are not yearly.
    fn excluded_once(&self, at: i64) -> (bool, Option<i64>) {
        let passed = self.excluded.partition_point(|excluded| excluded.1 <= at);
        match self.excluded.get(passed) {
            Some(&(start, end)) if start <= at => (true, Some(end)),
            coming => (false, coming.map(|excluded| excluded.0)),
        }
    }

    /// Returns the first local time at or after `at` whose phase satisfies `wanted`; `None` if
    /// there is none. The number of steps depends on the number of exclusions and of the years in
    /// which none of them leaves an opening, not on the length of an exclusion.
    pub(super) fn first(&self, mut at: i64, wanted: impl Fn(Phase) -> bool) -> Option<i64> {
        let wants_open = !wanted(Phase::Excluded) && !wanted(Phase::OutsideWindow);
        loop {
            let (phase, ends) = self.phase(at);
            if wanted(phase) {
                return Some(at);
            }
            if wants_open && self.closed_from.is_some_and(|from| from <= at) {
                return None;
            }
            at = ends?;
        }
    }
}

fn midnight(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days()) * DAY
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;
    use std::collections::BTreeMap;

    use super::super::{Days, WallTime, WeekOfMonth};
    use super::*;

    /// Tests that any 40 successive years contain each combination of a length and a weekday of 1
    /// January, which limits searches.
    #[test]
    fn years_repeat_within_40_years() {
        let mut seen = BTreeMap::new();
        for year in 1600..=2800 {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).expect("a date");
            let kind = (first.leap_year(), first.weekday().num_days_from_monday());
            if let Some(before) = seen.insert(kind, year) {
                assert!(year - before <= 40, "{before} and {year}");
            }
        }
        assert_eq!(seen.len(), 14);
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn excluded(start: &str, end: &str, yearly: bool) -> Exclusion {
        Exclusion { name: start.to_owned(), start: date(start), end: date(end), yearly }
    }

    fn last_tuesdays() -> Window {
        let time = |text: &str| WallTime::parse_end(text).expect("a time");
        let days = Days::from_array([chrono::Weekday::Tue]);
        let window = Window::new(days, time("00:00"), time("24:00")).expect("a window");
        window.monthly([WeekOfMonth::Last].into_iter().collect(), 0).expect("a window")
    }

    /// Tests a window that is open only on a leap day that is a Tuesday, and one that is never open.
    #[test]
    fn rare_openings_are_found_and_missing_ones_are_not_searched_for_ever() {
        let open = |phase| phase == Phase::Open;
        let but_leap_days = [
            excluded("2020-03-01", "2020-12-31", true),
            excluded("2020-01-01", "2020-02-28", true),
        ];
        let rare = Calendar::new(&[last_tuesdays()], &but_leap_days);
        assert_eq!(rare.closed_from, None);
        assert_eq!(
            rare.first(midnight(date("2028-03-01")), open),
            Some(midnight(date("2056-02-29")))
        );
        assert_eq!(
            rare.first(midnight(date("2084-03-01")), open),
            Some(midnight(date("2124-02-29")))
        );

        let last_weeks = (1..=12).map(|month| {
            let first = NaiveDate::from_ymd_opt(2020, month, 22).expect("a date");
            let last = NaiveDate::from_ymd_opt(2020, month, first.num_days_in_month().into());
            Exclusion {
                end: last.expect("a date"),
                start: first,
                ..excluded("2020-01-01", "2020-01-01", true)
            }
        });
        let mut exclusions: Vec<Exclusion> = last_weeks.collect();
        exclusions.push(excluded("2100-01-01", "2100-02-01", false));
        let never = Calendar::new(&[last_tuesdays()], &exclusions);
        assert_eq!(never.closed_from, Some(midnight(date("2100-02-02"))));
        assert_eq!(never.first(midnight(date("2026-01-01")), open), None);
        assert_eq!(never.first(midnight(date("2600-01-01")), open), None);
        let outside = never.first(midnight(date("2600-01-25")), |phase| phase != Phase::Excluded);
        assert_eq!(outside, Some(midnight(date("2600-02-01"))));
        // Before the exclusions begin, distribution is open.
        let first = never.first(midnight(date("2019-12-01")), open);
        assert_eq!(first, Some(midnight(date("2019-12-31"))));
    }

    #[test]
    fn exclusions_that_touch_count_as_one() {
        let exclusions = [
            excluded("2026-12-24", "2027-01-02", true),
            excluded("2027-01-03", "2027-01-05", false),
            excluded("2027-12-20", "2027-12-23", false),
            excluded("2029-01-02", "2029-12-26", false),
        ];
        let calendar = Calendar::new(&[], &exclusions);
        let ends = |at: &str| {
            let (phase, ends) = calendar.phase(midnight(date(at)));
            (phase, ends.expect("it ends"))
        };
        for (at, phase, end) in [
            ("2026-12-23", Phase::Open, "2026-12-24"),
            ("2026-12-24", Phase::Excluded, "2027-01-06"),
            ("2027-01-06", Phase::Open, "2027-12-20"),
            ("2027-12-20", Phase::Excluded, "2028-01-03"),
            ("2028-12-31", Phase::Excluded, "2030-01-03"),
        ] {
            assert_eq!(ends(at), (phase, midnight(date(end))), "{at}");
        }
        let all = [
            excluded("2026-01-01", "2026-06-30", true),
            excluded("2026-07-01", "2026-12-31", true),
        ];
        let calendar = Calendar::new(&[], &all);
        assert_eq!(calendar.phase(midnight(date("2030-05-05"))), (Phase::Excluded, None));
        assert_eq!(
            calendar.phase(midnight(date("2020-05-05"))).1,
            Some(midnight(date("2026-01-01")))
        );
    }
}
