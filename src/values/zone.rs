//! Looks up time zones by IANA name and computes their offsets from UTC.
//!
//! This module reads only the time-zone database that is built into the program, never the system's
//! database or local zone, so that the results are the same on every computer.

use std::{cmp::Ordering, fmt, hash};

use chrono::{NaiveDateTime, TimeDelta};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Timestamp;

/// Upper limit for the offset of a zone from UTC, in seconds; `jiff::tz::Offset`, the type of all
/// offsets, allows at most one second less than 26 hours.
///
/// The time-zone database contains offsets of up to about 15 h 13 min east and 15 h 56 min west of
/// Greenwich.
pub(super) const MAX_OFFSET_SECONDS: i64 = 26 * 3600;

/// An IANA time zone; two zones are equal if their names are equal, so `Etc/UTC` does not equal
/// `UTC`.
///
/// The rules of a zone cover the years -9999 to 9999; earlier and later instants have the offset of
/// the first or last instant in this range.
#[derive(Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// Returns the zone with exactly this IANA name, which may be a link such as `US/Pacific`;
    /// `None` if there is none.
    ///
    /// The comparison is case-sensitive, because other programs that read the same object may
    /// compare names case-sensitively.
    #[must_use]
    pub fn named(name: &str) -> Option<Zone> {
        // Reject `Factory`, a placeholder in the database for systems on which no zone is set. The
        // comparison of names already rejects jiff's `Etc/Unknown`, because that zone has no IANA
        // name.
        Zone::ignoring_case(name).filter(|zone| zone.name() == name && name != "Factory")
    }

    /// Suggests a valid name for a name that [`Zone::named`] does not find; `None` if there is no
    /// suggestion.
    ///
    /// The suggestion corrects upper and lower case and replaces spaces with underscores:
    /// `Europe/Berlin` for `europe/berlin`.
    #[must_use]
    pub fn suggest(name: &str) -> Option<String> {
        let spelled = Zone::ignoring_case(&name.trim().replace(' ', "_"))?;
        Zone::named(spelled.name()).map(|zone| zone.name().to_owned())
    }

    /// Returns the IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// Returns the local time at `t`, or UTC if chrono cannot represent it (years beyond 262,000).
    #[must_use]
    pub fn local(&self, t: Timestamp) -> NaiveDateTime {
        let utc = t.naive_utc();
        let offset = TimeDelta::seconds(self.offset_seconds(t).into());
        utc.checked_add_signed(offset).unwrap_or(utc)
    }

    /// Returns the difference between local time and UTC at `t`, in seconds. The difference is
    /// positive east of Greenwich.
    #[must_use]
    pub fn offset_seconds(&self, t: Timestamp) -> i32 {
        self.0.to_offset(jiff_instant(t.timestamp())).seconds()
    }

    /// Returns the first instant after `t` at which the offset may change; `None` if there is none.
    #[must_use]
    pub fn next_offset_change(&self, t: Timestamp) -> Option<Timestamp> {
        Timestamp::from_timestamp_secs(self.next_change(t.timestamp())?)
    }

    /// Returns the same value as [`Zone::offset_seconds`], for an instant in seconds since
    /// 1970-01-01T00:00:00Z.
    pub(super) fn offset_at(&self, t: i64) -> i64 {
        self.0.to_offset(jiff_instant(t)).seconds().into()
    }

    /// Returns the first instant after `t` at which the offset may change; `None` if there is none.
    /// Both instants are in seconds since 1970-01-01T00:00:00Z.
    pub(super) fn next_change(&self, t: i64) -> Option<i64> {
        let transition = self.0.following(jiff_instant(t)).next()?;
        Some(transition.timestamp().as_second())
    }

    fn ignoring_case(name: &str) -> Option<Zone> {
        TimeZoneDatabase::bundled().get(name).ok().map(Zone)
    }
}

/// Returns the instant `seconds` after 1970-01-01T00:00:00Z, or the nearest instant that jiff can
/// represent.
fn jiff_instant(seconds: i64) -> jiff::Timestamp {
    let limit = if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_second(seconds).unwrap_or(limit)
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Zone) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Zone) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl hash::Hash for Zone {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Zone").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an RFC 3339 instant")
    }

    #[test]
    fn names_are_spelled_exactly() {
        for name in ["UTC", "Etc/UTC", "Zulu", "US/Pacific", "Europe/Berlin", "EST5EDT", "GMT+0"] {
            assert_eq!(Zone::named(name).expect(name).name(), name);
        }
        for name in [
            "",
            " ",
            "utc",
            "Utc",
            "europe/berlin",
            "Europe/berlin",
            "Europe/Berlin ",
            "Local",
            "Etc/Unknown",
            "Factory",
            "posixrules",
            "localtime",
            "posix/Europe/Berlin",
            "+01:00",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "../Europe/Berlin",
            "Europe/B\u{e9}rlin",
            "Europe",
        ] {
            assert_eq!(Zone::named(name), None, "{name:?}");
        }
    }

    #[test]
    fn every_name_of_the_database_is_found_but_one() {
        let names: Vec<_> =
            TimeZoneDatabase::bundled().available().map(|n| n.to_string()).collect();
        assert!(names.len() > 500, "{}", names.len());
        let lost: Vec<_> = names.iter().filter(|name| Zone::named(name).is_none()).collect();
        assert_eq!(lost, ["Factory"]);
    }

    #[test]
    fn suggests_the_spelling_that_exists() {
        assert_eq!(Zone::suggest("Europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(Zone::suggest(" america/new york ").as_deref(), Some("America/New_York"));
        assert_eq!(Zone::suggest("utc").as_deref(), Some("UTC"));
        for name in ["Mars/Olympus", "factory", "etc/unknown", ""] {
            assert_eq!(Zone::suggest(name), None, "{name:?}");
        }
    }

    #[test]
    fn tells_the_wall_clock() {
        let lord_howe = Zone::named("Australia/Lord_Howe").expect("in the database");
        assert_eq!(lord_howe.offset_seconds(instant("2026-07-01T00:00:00Z")), 37_800);
        assert_eq!(
            lord_howe.local(instant("2025-12-31T13:30:00Z")).to_string(),
            "2026-01-01 00:30:00"
        );
    }

    /// Tests that the database contains the rules of 2026, in which British Columbia has permanent
    /// daylight saving time.
    #[test]
    fn vancouver_keeps_daylight_saving_time() {
        let vancouver = Zone::named("America/Vancouver").expect("in the database");
        assert_eq!(vancouver.offset_seconds(instant("2026-12-15T00:00:00Z")), -7 * 3600);
        assert_eq!(vancouver.offset_seconds(instant("2025-12-15T00:00:00Z")), -8 * 3600);
    }

    #[test]
    fn no_instant_is_too_far() {
        let berlin = Zone::named("Europe/Berlin").expect("in the database");
        for t in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            assert!(berlin.offset_seconds(t).abs() < 7200);
            assert!((berlin.local(t) - t.naive_utc()).num_hours().abs() <= 2);
        }
        for t in [i64::MIN, i64::MAX] {
            berlin.offset_at(t);
            berlin.next_change(t);
        }
        assert_eq!(berlin.next_change(i64::MAX), None);
    }
}
