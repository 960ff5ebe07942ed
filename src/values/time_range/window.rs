//! Defines windows, the times of the week or month at which distribution is open, and parses their
//! start and end times.
//!
//! Windows consist of days and wall-clock times, and must not depend on instants or time zones.

use std::fmt;

use chrono::{Datelike, NaiveDate, WeekdaySet};

use super::period::{DAY, date_of};

/// A set of weekdays.
pub type Days = WeekdaySet;

/// Regular expression that matches exactly the texts that [`WallTime::parse_start`] accepts. It
/// uses RE2 syntax and is anchored at both ends.
pub const START_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
/// Regular expression that matches exactly the texts that [`WallTime::parse_end`] accepts. It uses
/// RE2 syntax and is anchored at both ends.
pub const END_PATTERN: &str = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";

const MINUTES_OF_DAY: u16 = 24 * 60;
/// Maximum number of days by which [`Window::monthly`] moves the start of a window.
const MAX_OFFSET_DAYS: i64 = 14;

/// A time of day by the wall clock, in whole minutes from 00:00 to 24:00. 24:00 is the end of the
/// day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime {
    minutes: u16,
}

/// An error in a window; its message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The start is not a valid time from 00:00 to 23:59.
    #[error("start {0:?} is not a time of the day: write HH:MM from 00:00 to 23:59, as 22:00")]
    BadStart(String),
    /// The end is not a valid time from 00:00 to 24:00.
    #[error("end {0:?} is not a time of the day: write HH:MM from 00:00 to 23:59, or 24:00")]
    BadEnd(String),
    /// Start and end are the same time.
    #[error(
        "start and end are both {0}: write different times, or 00:00 and 24:00 for the whole day"
    )]
    Empty(WallTime),
    /// The number of days by which the start is moved is not from 0 to 14.
    #[error("offsetDays {0} is not from 0 to {MAX_OFFSET_DAYS}")]
    BadOffset(i64),
}

impl WallTime {
    /// Parses the start of a window: `HH:MM` from `00:00` to `23:59`.
    ///
    /// # Errors
    /// Returns [`WindowError::BadStart`] for any other text.
    pub fn parse_start(text: &str) -> Result<WallTime, WindowError> {
        WallTime::parse(text)
            .filter(|time| time.minutes < MINUTES_OF_DAY)
            .ok_or_else(|| WindowError::BadStart(text.to_owned()))
    }

    /// Parses the end of a window: `HH:MM` from `00:00` to `23:59`, or `24:00`.
    ///
    /// # Errors
    /// Returns [`WindowError::BadEnd`] for any other text.
    pub fn parse_end(text: &str) -> Result<WallTime, WindowError> {
        WallTime::parse(text).ok_or_else(|| WindowError::BadEnd(text.to_owned()))
    }

    /// Returns the minutes since 00:00 by the wall clock, 0 to 1440.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.minutes
    }

    fn parse(text: &str) -> Option<WallTime> {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        let time = WallTime { minutes: hours * 60 + minutes };
        (minutes < 60 && time.minutes <= MINUTES_OF_DAY).then_some(time)
    }

    fn seconds(self) -> i64 {
        i64::from(self.minutes) * 60
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

fn two_digits(text: &str) -> Option<u16> {
    match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
        }
        _ => None,
    }
}

/// Which of the days with the same weekday in a month are meant: the first to the fourth, or the
/// last, which is the fourth or the fifth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum WeekOfMonth {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// A set of weeks of the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WeeksOfMonth(u8);

impl FromIterator<WeekOfMonth> for WeeksOfMonth {
    fn from_iter<T: IntoIterator<Item = WeekOfMonth>>(weeks: T) -> Self {
        Self(weeks.into_iter().fold(0, |set, week| set | 1 << week as u8))
    }
}

impl WeeksOfMonth {
    /// Returns whether the set contains the week of the month in which `date` is the n-th, or the
    /// last, of its weekday.
    fn contain(self, date: NaiveDate) -> bool {
        // The fifth of a weekday is always the last one.
        let nth = (date.day0() / 7).min(WeekOfMonth::Last as u32);
        let is_last = date.day() + 7 > u32::from(date.num_days_in_month());
        self.0 & 1 << nth != 0 || is_last && self.0 & 1 << WeekOfMonth::Last as u8 != 0
    }
}

/// A window, which opens at `start` on each of `days`, and closes at `end` on the same day, or on
/// the next day if `end` is before `start`. The window includes `start` but not `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    days: Days,
    start: WallTime,
    end: WallTime,
    /// Weeks of the month in which the window opens on `days`; `None` if it opens in every week.
    weeks: Option<WeeksOfMonth>,
    /// Number of days between one of `days` and the day on which the window opens.
    offset: i64,
}

impl Window {
    /// Creates a weekly window. A window without days is never open.
    ///
    /// # Errors
    ///
    /// Returns [`WindowError::Empty`] if start and end are equal, and [`WindowError::BadStart`] if
    /// the start is 24:00.
    pub fn new(days: Days, start: WallTime, end: WallTime) -> Result<Window, WindowError> {
        if start == end {
            return Err(WindowError::Empty(start));
        }
        if start.minutes >= MINUTES_OF_DAY {
            return Err(WindowError::BadStart(start.to_string()));
        }
        Ok(Window { days, start, end, weeks: None, offset: 0 })
    }

    /// Returns a window that opens `offset_days` days after those of the days that are in `weeks`,
    /// the first Monday of the month for example. The month is that of the day before it is moved.
    ///
    /// # Errors
    ///
    /// Returns [`WindowError::BadOffset`] if `offset_days` is not from 0 to 14.
    pub fn monthly(self, weeks: WeeksOfMonth, offset_days: i64) -> Result<Window, WindowError> {
        if !(0..=MAX_OFFSET_DAYS).contains(&offset_days) {
            return Err(WindowError::BadOffset(offset_days));
        }
        Ok(Window { weeks: Some(weeks), offset: offset_days, ..self })
    }

    /// Returns the weekdays on which the window starts, before they are moved by
    /// [`Window::monthly`].
    #[must_use]
    pub fn days(&self) -> Days {
        self.days
    }

    /// Returns the time at which the window starts on each of its days.
    #[must_use]
    pub fn start(&self) -> WallTime {
        self.start
    }

    /// Returns the time at which the window ends. If this time is before the start, the window ends
    /// on the next day.
    #[must_use]
    pub fn end(&self) -> WallTime {
        self.end
    }

    /// Returns whether the window opens only in some weeks of the month.
    pub(super) fn is_monthly(&self) -> bool {
        self.weeks.is_some()
    }

    /// Returns the intervals in which the window is open, of those that overlap the days from the
    /// local time `start` to the local time `end`, both of which must be midnights.
    pub(super) fn intervals(&self, start: i64, end: i64) -> impl Iterator<Item = (i64, i64)> {
        let (opens, closes) = (self.start.seconds(), self.end.seconds());
        let closes = if closes < opens { closes + DAY } else { closes };
        // A window that opened on the day before `start` can still be open.
        let days = start / DAY - 1..end / DAY;
        days.filter(|&day| self.opens_on(day))
            .map(move |day| (day * DAY + opens, day * DAY + closes))
    }

    /// Returns whether the window opens on a local day, given in days since 1970-01-01.
    fn opens_on(&self, day: i64) -> bool {
        let date = date_of(day - self.offset);
        self.days.contains(date.weekday()) && self.weeks.is_none_or(|weeks| weeks.contain(date))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn patterns_accept_what_is_read() {
        let (start, end) = (Regex::new(START_PATTERN), Regex::new(END_PATTERN));
        let (start, end) = (start.expect("a pattern"), end.expect("a pattern"));
        let two_digits = 0..=99;
        let mut texts: Vec<String> = two_digits
            .flat_map(|hour| (0..=99).map(move |minute| format!("{hour:02}:{minute:02}")))
            .collect();
        for odd in [
            "",
            ":",
            "1:00",
            "01:0",
            "001:00",
            "01:000",
            "0100",
            "01:00:00",
            "+1:00",
            "01:-1",
            " 01:00",
            "01:00 ",
            "01:00\n",
            "\u{661}1:00",
            "\u{661}:00",
            "01.00",
            "1e:00",
            "24:00\n",
        ] {
            texts.push(odd.to_owned());
        }
        for text in &texts {
            assert_eq!(WallTime::parse_start(text).is_ok(), start.is_match(text), "{text:?}");
            assert_eq!(WallTime::parse_end(text).is_ok(), end.is_match(text), "{text:?}");
            if let Ok(time) = WallTime::parse_end(text) {
                assert_eq!(time.to_string(), *text);
            }
        }
        let read = texts.iter().filter(|text| WallTime::parse_start(text).is_ok()).count();
        assert_eq!(read, 1440);
        assert_eq!(WallTime::parse_end("24:00").map(WallTime::minutes), Ok(1440));
    }

    #[test]
    fn a_window_has_a_length() {
        let (midnight, end) = (WallTime { minutes: 0 }, WallTime { minutes: 1440 });
        assert_eq!(Window::new(Days::ALL, midnight, midnight), Err(WindowError::Empty(midnight)));
        assert_eq!(Window::new(Days::ALL, end, end), Err(WindowError::Empty(end)));
        assert_eq!(
            Window::new(Days::ALL, end, midnight),
            Err(WindowError::BadStart("24:00".to_owned()))
        );
        assert!(Window::new(Days::ALL, midnight, end).is_ok());
    }

    /// Checks the days of four months against a count of the weekdays from both ends of the month.
    #[test]
    fn weeks_of_the_month_are_counted_by_weekday() {
        use WeekOfMonth::{First, Fourth, Last, Second, Third};
        for (year, month) in [(2026, 2), (2026, 8), (2027, 5), (2028, 2)] {
            let first = NaiveDate::from_ymd_opt(year, month, 1).expect("a date");
            let days: Vec<NaiveDate> =
                first.iter_days().take_while(|d| d.month() == month).collect();
            for date in &days {
                let same = |other: &&NaiveDate| other.weekday() == date.weekday();
                let place = days.iter().filter(same).position(|other| other == date);
                let is_last = days.iter().rfind(same) == Some(date);
                for (index, week) in [First, Second, Third, Fourth].into_iter().enumerate() {
                    let set = WeeksOfMonth::from_iter([week]);
                    assert_eq!(set.contain(*date), place == Some(index), "{week:?} {date}");
                }
                assert_eq!(WeeksOfMonth::from_iter([Last]).contain(*date), is_last, "{date}");
                assert!(!WeeksOfMonth::default().contain(*date));
                let every = WeeksOfMonth::from_iter([First, Second, Third, Fourth, Last]);
                assert!(every.contain(*date));
            }
        }
    }

    #[test]
    fn a_window_is_moved_by_at_most_14_days() {
        let time = |minutes| WallTime { minutes };
        let window = Window::new(Days::ALL, time(60), time(120)).expect("a window");
        let moved = |days| window.monthly(WeeksOfMonth::default(), days);
        assert!(moved(0).is_ok() && moved(14).is_ok());
        assert_eq!(moved(15), Err(WindowError::BadOffset(15)));
        assert_eq!(moved(-1), Err(WindowError::BadOffset(-1)));
    }
}
