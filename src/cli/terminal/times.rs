//! Formats instants for a user: in the user's time zone, and relative to the current time. This
//! module reads no clock; its callers determine the time and the zone once at startup.

use chrono::{Datelike, NaiveDateTime};

use crate::values::{Timestamp, Zone};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Formatter of times, with the current time and the time zone of the user.
#[derive(Clone, Debug)]
pub struct TimeFormatter {
    /// Current time, in whole seconds.
    pub now: Timestamp,
    /// Time zone of the user; `None` if it has no IANA name. In that case, times are in UTC and
    /// labeled as UTC.
    pub zone: Option<Zone>,
}

impl TimeFormatter {
    /// Returns the time zone of the user: from the environment variable `TZ`, or from the system
    /// setting if `TZ` is not set. Returns `None` if the zone has no IANA name.
    #[must_use]
    pub(crate) fn system_zone() -> Option<Zone> {
        let zone = jiff::tz::TimeZone::try_system().ok()?;
        Zone::named(zone.iana_name()?)
    }

    /// Returns the name of the formatter's time zone: an IANA name or `UTC`.
    #[must_use]
    pub(crate) fn zone_name(&self) -> &str {
        self.zone.as_ref().map_or("UTC", Zone::name)
    }

    fn local(&self, t: Timestamp) -> NaiveDateTime {
        self.zone.as_ref().map_or_else(|| t.naive_utc(), |zone| zone.local(t))
    }

    /// Formats the time of the next change: `in 3h (22:00)`, `in 2d (Tue 22:00)`, `in 30d (24 Dec
    /// 22:00)`.
    ///
    /// For an instant in the past, returns `overdue 5m (09:55)`, because the change was due at that
    /// instant and is not recorded yet.
    #[must_use]
    pub fn next(&self, t: Timestamp) -> String {
        let seconds = t.signed_duration_since(self.now).num_seconds();
        let when = self.shortly(t);
        if seconds < 0 {
            format!("overdue {} ({when})", span(-seconds))
        } else {
            format!("in {} ({when})", span(seconds))
        }
    }

    /// Formats an instant in the past: `5m ago`. For an instant in the future, which a client with
    /// a fast clock may report, returns `in 5m`.
    #[must_use]
    pub fn ago(&self, t: Timestamp) -> String {
        let seconds = self.now.signed_duration_since(t).num_seconds();
        if seconds < 0 {
            format!("in {}", span(-seconds))
        } else {
            format!("{} ago", span(seconds))
        }
    }

    /// Formats a day and a time: `Tue 24 Nov 22:00`, with the year if it is not the current one.
    #[must_use]
    pub fn moment(&self, t: Timestamp) -> String {
        let local = self.local(t);
        if local.year() == self.local(self.now).year() {
            local.format("%a %-d %b %H:%M").to_string()
        } else {
            local.format("%a %-d %b %Y %H:%M").to_string()
        }
    }

    /// Formats an instant in the shortest form that is unambiguous at the current time: `22:00`,
    /// `Tue 22:00`, `3 Jan 22:00`, `3 Jan 2027 22:00`.
    #[must_use]
    pub(crate) fn shortly(&self, t: Timestamp) -> String {
        let (local, now) = (self.local(t), self.local(self.now));
        let days = local.date().signed_duration_since(now.date()).num_days();
        let format = match days {
            0 => "%H:%M",
            -6..=6 => "%a %H:%M",
            _ if local.year() == now.year() => "%-d %b %H:%M",
            _ => "%-d %b %Y %H:%M",
        };
        local.format(format).to_string()
    }
}

/// Formats a duration in its largest unit: `45s`, `5m`, `14h`, `2d`. Durations from 1 h to less
/// than 10 h include the minutes: `3h20m`.
#[must_use]
pub fn span(seconds: i64) -> String {
    match seconds {
        ..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => match (seconds / HOUR, seconds % HOUR / MINUTE) {
            (hours @ 10.., _) | (hours, 0) => format!("{hours}h"),
            (hours, minutes) => format!("{hours}h{minutes}m"),
        },
        _ => format!("{}d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an RFC 3339 instant")
    }

    fn berlin() -> TimeFormatter {
        TimeFormatter { now: instant("2026-11-24T12:00:00Z"), zone: Zone::named("Europe/Berlin") }
    }

    #[test]
    fn what_comes_is_told_in_the_readers_zone_and_from_where_they_are() {
        let next = |text| berlin().next(instant(text));
        assert_eq!(next("2026-11-24T21:00:00Z"), "in 9h (22:00)");
        assert_eq!(next("2026-11-24T12:00:30Z"), "in 30s (13:00)");
        assert_eq!(next("2026-11-24T15:20:00Z"), "in 3h20m (16:20)");
        assert_eq!(next("2026-11-24T23:30:00Z"), "in 11h (Wed 00:30)");
        assert_eq!(next("2026-11-27T21:00:00Z"), "in 3d (Fri 22:00)");
        assert_eq!(next("2026-12-24T21:00:00Z"), "in 30d (24 Dec 22:00)");
        assert_eq!(next("2027-01-02T21:00:00Z"), "in 39d (2 Jan 2027 22:00)");
        assert_eq!(next("2026-11-24T11:00:00Z"), "overdue 1h (12:00)");
    }

    #[test]
    fn what_was_is_told_by_its_age() {
        let ago = |text| berlin().ago(instant(text));
        assert_eq!(ago("2026-11-24T12:00:00Z"), "0s ago");
        assert_eq!(ago("2026-11-24T09:30:00Z"), "2h30m ago");
        assert_eq!(ago("2026-11-14T12:00:00Z"), "10d ago");
        assert_eq!(ago("2026-11-24T12:05:00Z"), "in 5m");
    }

    #[test]
    fn without_a_zone_it_is_utc() {
        let reader = TimeFormatter { zone: None, ..berlin() };
        assert_eq!(reader.moment(instant("2026-11-24T21:00:00Z")), "Tue 24 Nov 21:00");
        assert_eq!(reader.moment(instant("2027-01-02T21:00:00Z")), "Sat 2 Jan 2027 21:00");
        assert_eq!(reader.zone_name(), "UTC");
    }
}
