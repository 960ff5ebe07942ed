//! Computes when a date starts and ends in a time zone, and the clock changes on that date. Does
//! not use policies or openings.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::{Serialize, Serializer};

use crate::values::{Timestamp, Zone};

/// An instant with its local time and UTC offset.
pub(super) type LocalTime = DateTime<FixedOffset>;

/// Upper bound for UTC offsets. A local day starts and ends at most this time before or after the
/// UTC day with the same date.
const MAX_UTC_OFFSET: TimeDelta = TimeDelta::hours(26);

/// Returns the local time of an instant in a zone.
pub(super) fn local(zone: &Zone, at: Timestamp) -> LocalTime {
    with_offset(at, zone.offset_seconds(at))
}

fn with_offset(at: Timestamp, seconds: i32) -> LocalTime {
    match FixedOffset::east_opt(seconds) {
        Some(offset) => at.with_timezone(&offset),
        // Unreachable: the UTC offset of every zone is less than 24 hours.
        None => at.fixed_offset(),
    }
}

/// Returns the local date of an instant in a zone.
pub(super) fn date(zone: &Zone, at: Timestamp) -> NaiveDate {
    zone.local(at).date()
}

/// Returns whether a local time occurs twice on its date, because the clock is set back.
pub(super) fn comes_twice(zone: &Zone, at: LocalTime) -> bool {
    let time = at.time();
    LocalDay::of(at.date_naive(), zone).changes.iter().any(|change| {
        change.change == ClockShift::Twice
            && change.from <= time
            && (time < change.until || change.until == NaiveTime::MIN)
    })
}

/// Returns the clock changes in a zone between two instants, both included.
pub(super) fn clock_changes(zone: &Zone, from: Timestamp, until: Timestamp) -> Vec<ClockChange> {
    let mut changes = Vec::new();
    let mut before = from - TimeDelta::seconds(1);
    while let Some(at) = zone.next_offset_change(before).filter(|&at| at <= until) {
        let local =
            |t: Timestamp| at.naive_utc() + TimeDelta::seconds(zone.offset_seconds(t).into());
        changes.extend(ClockChange::between(local(at - TimeDelta::seconds(1)), local(at)));
        before = at;
    }
    changes
}

/// A date in a time zone, with its stretches of constant UTC offset and its clock changes.
#[derive(Debug)]
pub(super) struct LocalDay {
    /// Stretches of the day with a constant UTC offset; each includes its start and excludes its
    /// end. Empty if the clock skips the whole day.
    pub stretches: Vec<(LocalTime, LocalTime)>,
    /// Clock changes on the day.
    pub changes: Vec<ClockChange>,
}

/// A change of the clock, forward or back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClockChange {
    /// Date of the change.
    pub date: NaiveDate,
    /// Direction of the change.
    pub change: ClockShift,
    /// First local time that is skipped or occurs twice.
    #[serde(serialize_with = "as_minutes")]
    pub from: NaiveTime,
    /// First local time after those that are skipped or occur twice; 24:00 is stored as 00:00.
    #[serde(serialize_with = "as_minutes")]
    pub until: NaiveTime,
}

/// The direction of a clock change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum ClockShift {
    /// The clock is set forward: local times are skipped.
    Skipped,
    /// The clock is set back: local times occur twice.
    Twice,
}

fn as_minutes<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.format("%H:%M"))
}

impl ClockChange {
    /// Returns the clock change from the local time `before` to the local time `after`; `None` if
    /// both are the same.
    fn between(before: NaiveDateTime, after: NaiveDateTime) -> Option<Self> {
        let change = if before < after { ClockShift::Skipped } else { ClockShift::Twice };
        let (from, until) = (before.min(after), before.max(after));
        let this = Self { date: from.date(), change, from: from.time(), until: until.time() };
        (before != after).then_some(this)
    }
}

impl LocalDay {
    /// Returns the local day of `date` in `zone`.
    pub(super) fn of(date: NaiveDate, zone: &Zone) -> Self {
        let midnight = date.and_time(NaiveTime::MIN);
        let next = midnight + TimeDelta::days(1);
        let mut day = Self { stretches: Vec::new(), changes: Vec::new() };
        let (mut at, end) = (midnight.and_utc() - MAX_UTC_OFFSET, next.and_utc() + MAX_UTC_OFFSET);
        while at < end {
            let offset = zone.offset_seconds(at);
            let change = zone.next_offset_change(at).filter(|&change| change < end);
            let until = change.unwrap_or(end);
            let shift = TimeDelta::seconds(offset.into());
            day.add_stretch(
                at.max(midnight.and_utc() - shift),
                until.min(next.and_utc() - shift),
                offset,
            );
            if let Some(change) = change {
                let after = TimeDelta::seconds(zone.offset_seconds(change).into());
                let change = change.naive_utc();
                let inside = |t: NaiveDateTime| t.clamp(midnight, next);
                day.changes
                    .extend(ClockChange::between(inside(change + shift), inside(change + after)));
            }
            at = until;
        }
        day
    }

    fn add_stretch(&mut self, from: Timestamp, until: Timestamp, offset: i32) {
        if from >= until {
            return;
        }
        match self.stretches.last_mut() {
            // A zone transition may leave the UTC offset unchanged. In that case, extend the
            // previous stretch.
            Some((_, end)) if *end == from && end.offset().local_minus_utc() == offset => {
                *end = with_offset(until, offset);
            }
            _ => self.stretches.push((with_offset(from, offset), with_offset(until, offset))),
        }
    }

    /// Returns the length of the day, which differs from 24 hours if the clock changes.
    pub(super) fn length(&self) -> TimeDelta {
        self.stretches.iter().map(|(from, until)| *until - *from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(date: &str, zone: &str) -> (i64, Vec<String>) {
        let day = LocalDay::of(date.parse().expect(date), &Zone::named(zone).expect(zone));
        let change = |c: &ClockChange| {
            format!("{:?} {}-{}", c.change, c.from.format("%H:%M"), c.until.format("%H:%M"))
        };
        (day.length().num_minutes(), day.changes.iter().map(change).collect())
    }

    #[test]
    fn days_are_as_long_as_their_clock_makes_them() {
        let none: [&str; 0] = [];
        let cases: [(&str, &str, i64, &[&str]); 10] = [
            ("2026-11-24", "Europe/Berlin", 1440, &none),
            ("2026-03-29", "Europe/Berlin", 1380, &["Skipped 02:00-03:00"]),
            ("2026-10-25", "Europe/Berlin", 1500, &["Twice 02:00-03:00"]),
            ("2026-04-05", "Australia/Lord_Howe", 1470, &["Twice 01:30-02:00"]),
            ("2026-10-04", "Australia/Lord_Howe", 1410, &["Skipped 02:00-02:30"]),
            ("2026-03-08", "America/Vancouver", 1380, &["Skipped 02:00-03:00"]),
            // British Columbia stays on summer time permanently, starting in 2026.
            ("2026-11-01", "America/Vancouver", 1440, &none),
            ("2026-04-24", "Africa/Cairo", 1380, &["Skipped 00:00-01:00"]),
            ("2026-10-29", "Africa/Cairo", 1500, &["Twice 23:00-00:00"]),
            // Samoa skipped this day when it moved to the other side of the date line.
            ("2011-12-30", "Pacific/Apia", 0, &["Skipped 00:00-00:00"]),
        ];
        for (date, zone, minutes, changes) in cases {
            let expected = changes.iter().map(ToString::to_string).collect();
            assert_eq!(shown(date, zone), (minutes, expected), "{date} in {zone}");
        }
    }

    #[test]
    fn days_follow_each_other_without_a_gap() {
        for zone in ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"] {
            let zone = Zone::named(zone).expect("a zone");
            let first: NaiveDate = "2011-12-01".parse().expect("a date");
            let mut end = None;
            for date in first.iter_days().take(400) {
                for (from, until) in LocalDay::of(date, &zone).stretches {
                    assert!(end.is_none_or(|end| end == from), "{date} in {zone}");
                    assert_eq!(from.naive_local().date(), date);
                    end = Some(until);
                }
            }
        }
    }
}
