//! Defines windows, the times of the week at which distribution is open, and parses their start and
//! end times.
//!
//! Windows consist of weekdays and wall-clock times, and must not depend on dates, instants or time
//! zones.

use std::fmt;

use chrono::{Weekday, WeekdaySet};

/// A set of weekdays.
pub type Days = WeekdaySet;

/// Regular expression that matches exactly the texts that [`WallTime::parse_start`] accepts. It
/// uses RE2 syntax and is anchored at both ends.
pub const START_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
/// Regular expression that matches exactly the texts that [`WallTime::parse_end`] accepts. It uses
/// RE2 syntax and is anchored at both ends.
pub const END_PATTERN: &str = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$";

const MINUTES_OF_DAY: u16 = 24 * 60;
/// Length of a day on the wall clock, in seconds.
pub(super) const DAY: i64 = 86_400;
/// Length of a week on the wall clock, in seconds.
pub(super) const WEEK: i64 = 7 * DAY;

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

/// A weekly window, which opens at `start` on each of `days`, and closes at `end` on the same day,
/// or on the next day if `end` is before `start`. The window includes `start` but not `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    days: Days,
    start: WallTime,
    end: WallTime,
}

impl Window {
    /// Creates a window. A window without days is never open.
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
        Ok(Window { days, start, end })
    }

    /// Returns the weekdays on which the window starts.
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
}

/// The times of a week at which distribution is open, in wall-clock seconds since Monday 00:00.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WeekPattern {
    /// Distribution is open during the whole week.
    Always,
    /// Sorted intervals in which distribution is open, as pairs of an included start and an
    /// excluded end; the intervals do not touch each other.
    ///
    /// The last interval may extend into the next week, but no interval starts in the next week.
    Intervals(Vec<(i64, i64)>),
}

impl WeekPattern {
    /// Computes the open times of a week from windows. Without windows, distribution is always
    /// open.
    pub(super) fn new(windows: &[Window]) -> WeekPattern {
        if windows.is_empty() {
            return WeekPattern::Always;
        }
        let mut pieces: Vec<(i64, i64)> = windows.iter().flat_map(pieces).collect();
        pieces.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::with_capacity(pieces.len());
        for (start, end) in pieces {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        if merged == [(0, WEEK)] {
            return WeekPattern::Always;
        }
        // Merge an interval that ends at the end of Sunday with one that starts on Monday at 00:00.
        // Otherwise, `state` would report a change at midnight.
        if merged.first().is_some_and(|first| first.0 == 0)
            && merged.last().is_some_and(|last| last.1 == WEEK)
        {
            let (_, end) = merged.remove(0);
            if let Some(last) = merged.last_mut() {
                last.1 = WEEK + end;
            }
        }
        WeekPattern::Intervals(merged)
    }

    /// Returns whether distribution is open at second `at` of the week, and the number of seconds
    /// until this changes (`None` if it never changes). `at` must be at least 0 and less than
    /// [`WEEK`].
    pub(super) fn state(&self, at: i64) -> (bool, Option<i64>) {
        let intervals = match self {
            WeekPattern::Always => return (true, None),
            WeekPattern::Intervals(intervals) => intervals,
        };
        let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
            return (false, None);
        };
        let started = intervals.partition_point(|interval| interval.0 <= at);
        // Before the first interval of this week starts, only the last interval of the previous
        // week can be open.
        let latest_end = match started.checked_sub(1) {
            Some(latest) => intervals[latest].1,
            None => last.1 - WEEK,
        };
        if at < latest_end {
            return (true, Some(latest_end - at));
        }
        let next_start = intervals.get(started).map_or(first.0 + WEEK, |next| next.0);
        (false, Some(next_start - at))
    }
}

/// Returns the intervals in which a window is open, and splits an interval that crosses the end of
/// the week.
fn pieces(window: &Window) -> impl Iterator<Item = (i64, i64)> + use<> {
    let (start, end) = (window.start.seconds(), window.end.seconds());
    let end = if end < start { end + DAY } else { end };
    window.days.iter(Weekday::Mon).flat_map(move |day| {
        let midnight = i64::from(day.num_days_from_monday()) * DAY;
        let (start, end) = (midnight + start, midnight + end);
        [(start, end.min(WEEK)), (0, end - WEEK)].into_iter().filter(|piece| piece.0 < piece.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    fn window(days: &[Weekday], start: &str, end: &str) -> Window {
        let start = WallTime::parse_start(start).expect(start);
        let end = WallTime::parse_end(end).expect(end);
        Window::new(days.iter().copied().collect(), start, end).expect("a window")
    }

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

    #[test]
    fn windows_become_a_week() {
        use Weekday::*;
        const HOUR: i64 = 3600;
        let all: Vec<Weekday> = Days::ALL.iter(Mon).collect();
        let intervals = WeekPattern::Intervals;
        let cases = [
            (vec![], WeekPattern::Always),
            (vec![window(&all, "00:00", "24:00")], WeekPattern::Always),
            // Two windows, one of which crosses midnight, together cover every day.
            (
                vec![window(&all, "20:00", "08:00"), window(&all, "07:00", "20:00")],
                WeekPattern::Always,
            ),
            (vec![window(&[], "00:00", "24:00")], intervals(vec![])),
            (
                vec![window(&[Tue, Mon], "22:00", "02:00")],
                intervals(vec![(22 * HOUR, 26 * HOUR), (46 * HOUR, 50 * HOUR)]),
            ),
            // Touching and overlapping windows merge; a window inside another one changes nothing.
            (
                vec![
                    window(&[Mon], "02:00", "03:00"),
                    window(&[Mon], "01:00", "02:00"),
                    window(&[Mon], "02:30", "05:00"),
                    window(&[Mon], "04:00", "04:30"),
                ],
                intervals(vec![(HOUR, 5 * HOUR)]),
            ),
            // An interval at the end of Sunday and one at the start of Monday merge.
            (
                vec![window(&[Sun], "23:00", "01:00"), window(&[Mon], "01:00", "02:00")],
                intervals(vec![(WEEK - HOUR, WEEK + 2 * HOUR)]),
            ),
            (
                vec![window(&[Sun], "23:00", "24:00"), window(&[Mon], "00:30", "01:00")],
                intervals(vec![(HOUR / 2, HOUR), (WEEK - HOUR, WEEK)]),
            ),
        ];
        for (windows, week) in cases {
            assert_eq!(WeekPattern::new(&windows), week, "{windows:?}");
        }
    }

    #[test]
    fn a_week_goes_round() {
        let week = WeekPattern::Intervals(vec![(100, 200), (WEEK - 50, WEEK + 20)]);
        assert_eq!(week.state(0), (true, Some(20)));
        assert_eq!(week.state(19), (true, Some(1)));
        assert_eq!(week.state(20), (false, Some(80)));
        assert_eq!(week.state(100), (true, Some(100)));
        assert_eq!(week.state(200), (false, Some(WEEK - 250)));
        assert_eq!(week.state(WEEK - 1), (true, Some(21)));
        assert_eq!(WeekPattern::Intervals(vec![(100, 200)]).state(200), (false, Some(WEEK - 100)));
        assert_eq!(WeekPattern::Always.state(0), (true, None));
        assert_eq!(WeekPattern::Intervals(vec![]).state(0), (false, None));
    }
}
