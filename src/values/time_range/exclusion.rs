//! Defines exclusions, the local dates on which nothing is distributed.
//!
//! Exclusions consist of dates, and must not depend on instants or time zones.

use chrono::{Datelike, NaiveDate};

/// Local dates on which nothing is distributed: all dates from `start` to `end`, including both. An
/// exclusion whose `end` is before its `start` contains no date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Name of the exclusion, shown to users.
    pub name: String,
    /// First excluded date.
    pub start: NaiveDate,
    /// Last excluded date.
    pub end: NaiveDate,
    /// Whether the exclusion recurs on the same dates in every year after that of `start`. In years
    /// without 29 February, 28 February replaces it.
    pub yearly: bool,
}

impl Exclusion {
    /// Returns whether the exclusion contains a local date.
    #[must_use]
    pub fn contains(&self, date: NaiveDate) -> bool {
        let within = |(start, end): (NaiveDate, NaiveDate)| start <= date && date <= end;
        if !self.yearly {
            return within((self.start, self.end));
        }
        let year = date.year();
        [year - 1, year].into_iter().filter_map(|year| self.occurrence(year)).any(within)
    }

    /// Returns the first and the last date of the first occurrence that ends on or after `date`;
    /// `None` if there is none.
    #[must_use]
    pub fn coming(&self, date: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        if !self.yearly {
            return Some((self.start, self.end)).filter(|dates| dates.1 >= date);
        }
        let year = date.year().max(self.start.year());
        let occurrences = (year - 1..=year + 1).filter_map(|year| self.occurrence(year));
        occurrences.into_iter().find(|dates| dates.1 >= date)
    }

    /// Returns the first and the last date of the occurrence that starts in `year`; `None` if there
    /// is none. The exclusion must be yearly.
    pub(super) fn occurrence(&self, year: i32) -> Option<(NaiveDate, NaiveDate)> {
        self.recurrence(year).filter(|_| year >= self.start.year())
    }

    /// Returns the same dates as [`Exclusion::occurrence`], but also for the years before that of
    /// `start`.
    ///
    /// An occurrence ends at the latest on the day before the next one starts, so an exclusion that
    /// lasts a year or longer contains every date from its start on.
    pub(super) fn recurrence(&self, year: i32) -> Option<(NaiveDate, NaiveDate)> {
        if self.end < self.start {
            return None;
        }
        let start = in_year(self.start, year)?;
        let latest = in_year(self.start, year + 1)?.pred_opt()?;
        let end = in_year(self.end, year + (self.end.year() - self.start.year()));
        Some((start, end.map_or(latest, |end| end.min(latest))))
    }
}

/// Returns the date of the same day in another year, 28 February for a missing 29 February; `None`
/// if chrono cannot represent the year.
fn in_year(date: NaiveDate, year: i32) -> Option<NaiveDate> {
    date.with_year(year).or_else(|| NaiveDate::from_ymd_opt(year, 2, 28))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn yearly(start: &str, end: &str) -> Exclusion {
        Exclusion { name: "a".to_owned(), start: date(start), end: date(end), yearly: true }
    }

    fn coming(exclusion: &Exclusion, from: &str) -> String {
        let dates = exclusion.coming(date(from));
        dates.map_or_else(String::new, |(start, end)| format!("{start}/{end}"))
    }

    #[test]
    fn a_yearly_exclusion_comes_again() {
        let new_year = yearly("2026-12-24", "2027-01-02");
        for (day, excluded) in [
            ("2026-01-01", false),
            ("2026-12-23", false),
            ("2026-12-24", true),
            ("2027-01-02", true),
            ("2027-01-03", false),
            ("2099-12-31", true),
            ("2100-01-02", true),
            ("2100-01-03", false),
        ] {
            assert_eq!(new_year.contains(date(day)), excluded, "{day}");
        }
        assert_eq!(coming(&new_year, "2020-05-01"), "2026-12-24/2027-01-02");
        assert_eq!(coming(&new_year, "2031-01-02"), "2030-12-24/2031-01-02");
        assert_eq!(coming(&new_year, "2031-01-03"), "2031-12-24/2032-01-02");
        let once = Exclusion { yearly: false, ..new_year };
        assert_eq!(coming(&once, "2027-01-02"), "2026-12-24/2027-01-02");
        assert_eq!(coming(&once, "2027-01-03"), "");
    }

    #[test]
    fn the_leap_day_is_the_28th_in_other_years() {
        let leap_day = yearly("2028-02-29", "2028-02-29");
        let days = |year| leap_day.occurrence(year).map(|(start, end)| format!("{start}/{end}"));
        assert_eq!(days(2027), None);
        assert_eq!(days(2028).as_deref(), Some("2028-02-29/2028-02-29"));
        assert_eq!(days(2029).as_deref(), Some("2029-02-28/2029-02-28"));
        assert_eq!(days(2032).as_deref(), Some("2032-02-29/2032-02-29"));
        let until = yearly("2027-12-01", "2028-02-29");
        assert!(until.contains(date("2028-02-29")) && until.contains(date("2029-02-28")));
        assert!(!until.contains(date("2028-03-01")) && !until.contains(date("2029-03-01")));
        // In a leap year, an exclusion that ends on 28 February does not contain the 29th.
        let before = yearly("2026-02-01", "2026-02-28");
        assert!(before.contains(date("2028-02-28")) && !before.contains(date("2028-02-29")));
    }

    /// Tests exclusions that admission refuses: they contain every date from their start on.
    #[test]
    fn an_exclusion_of_a_year_or_longer_has_no_gap() {
        for exclusion in [
            yearly("2026-03-01", "2027-02-28"),
            yearly("2026-03-01", "2031-01-01"),
            yearly("2028-02-29", "2029-02-28"),
            yearly("2026-03-01", "+262142-12-31"),
        ] {
            let first = exclusion.start;
            assert!(!exclusion.contains(first.pred_opt().expect("a date")));
            for day in first.iter_days().take(3000) {
                let leap_day = day.month() == 2 && day.day() == 29;
                assert!(exclusion.contains(day) || leap_day, "{day} in {exclusion:?}");
            }
        }
        let backwards = yearly("2026-03-02", "2026-03-01");
        assert!(!backwards.contains(date("2026-03-02")));
        let spring = yearly("2026-03-01", "2026-03-02");
        assert!(!spring.contains(NaiveDate::MIN) && !spring.contains(NaiveDate::MAX));
        assert_eq!(coming(&spring, "-262143-01-01"), "2026-03-01/2026-03-02");
        assert_eq!(spring.coming(NaiveDate::MAX), None);
    }
}
