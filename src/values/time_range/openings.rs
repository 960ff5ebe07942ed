//! Evaluates a time range in one zone: determines its phase at an instant and the next change of
//! the phase.
//!
//! The module maps the local calendar to instants, separately for each period in which the zone's
//! offset from UTC is constant. A local hour that the clock skips is therefore never open, and a
//! local hour that occurs twice can be open twice.

use super::{Exclusion, TimeRange, calendar::Calendar};
use crate::values::{Timestamp, Zone, zone::MAX_OFFSET_SECONDS};

/// Number of clock changes after which a search gives up, more than a zone has in 400 years.
///
/// The calendar and the rules of every zone repeat within this time. The limit counts only if every
/// opening is in an hour that the clock skips.
const MAX_CLOCK_CHANGES: usize = 2_000;

/// Phase of a time range at an instant.
///
/// If several phases apply, the first one in this order counts: `Ended`, `NotStarted`, `Excluded`,
/// `OutsideWindow`; if none of these four applies, the phase is `Open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Distribution is open.
    Open,
    /// The instant is before `not_before`.
    NotStarted,
    /// The local date is in an exclusion.
    Excluded,
    /// The local time is in no window.
    OutsideWindow,
    /// The instant is at or after `not_after`, or no further opening starts before `not_after`.
    Ended,
}

/// A [`TimeRange`] in one zone, with exact results; a method returns `None` instead of an instant
/// that chrono cannot represent (years beyond 262,000).
///
/// A search skips each occurrence of an exclusion, and each series of years without a change, in one
/// step, so the number of steps grows only with the number of exclusions.
#[derive(Clone, Copy, Debug)]
pub struct Openings<'a> {
    range: &'a TimeRange,
    /// Local calendar of the range; `None` if the range needs a zone but none is given. Without a
    /// calendar, distribution is never open.
    calendar: Option<&'a Calendar>,
    /// Zone of the local calendar; `None` means UTC.
    zone: Option<&'a Zone>,
}

impl<'a> Openings<'a> {
    pub(super) fn new(range: &'a TimeRange, zone: Option<&'a Zone>) -> Openings<'a> {
        let needs_zone = range.needs_zone();
        let calendar = (zone.is_some() || !needs_zone).then_some(&range.calendar);
        // Without windows and exclusions, the phase does not depend on the zone, so skip the lookup
        // of the zone's offset.
        Openings { range, calendar, zone: zone.filter(|_| needs_zone) }
    }

    /// Returns the phase at `t`.
    #[must_use]
    pub fn phase_at(self, t: Timestamp) -> Phase {
        self.phase(t.timestamp())
    }

    /// Returns the first open instant at or after `t`; `None` if there is none.
    #[must_use]
    pub fn next_opening(self, t: Timestamp) -> Option<Timestamp> {
        self.opening(t.timestamp()).and_then(instant)
    }

    /// Returns the first instant after `t` that is not open. Returns `None` if `t` itself is not
    /// open, or if distribution never closes after `t`.
    #[must_use]
    pub fn next_closing(self, t: Timestamp) -> Option<Timestamp> {
        let t = t.timestamp();
        if self.phase(t) != Phase::Open {
            return None;
        }
        self.closing(t).and_then(instant)
    }

    /// Returns the first instant after `t` at which the phase differs from that at `t`; `None` if
    /// there is none.
    #[must_use]
    pub fn phase_ends(self, t: Timestamp) -> Option<Timestamp> {
        let t = t.timestamp();
        let ends = match self.phase(t) {
            Phase::Ended => None,
            Phase::NotStarted => self.not_before(),
            Phase::Open => self.closing(t),
            // The phase would be `Ended` if no opening followed before `not_after`. The search
            // therefore ends before `not_after`.
            phase @ (Phase::Excluded | Phase::OutsideWindow) => {
                self.first(t, |other| other != phase)
            }
        };
        ends.and_then(instant)
    }

    /// Returns the first instant from 1970 on from which the phase is `Ended`; `None` without
    /// `not_after`.
    ///
    /// The search needs no list of the openings, because once the phase is `Ended` it stays so.
    #[must_use]
    pub fn end(self) -> Option<Timestamp> {
        let not_after = self.not_after()?;
        if !self.range.needs_zone() {
            return instant(not_after);
        }
        let (mut open, mut ended) = (0, not_after);
        while open < ended {
            let middle = open + (ended - open) / 2;
            if self.opening(middle).is_some() {
                open = middle + 1;
            } else {
                ended = middle;
            }
        }
        instant(ended)
    }

    /// Returns the openings that end after `t`, each as its first open instant (`t` if the opening
    /// is in progress) and the first instant that is no longer open (`None` if the opening never
    /// ends).
    ///
    /// Without `not_after`, the iterator may be infinite.
    pub fn openings_from(
        self,
        t: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Option<Timestamp>)> + 'a {
        let mut from = Some(t);
        std::iter::from_fn(move || {
            let open = self.next_opening(from?)?;
            from = self.next_closing(open);
            Some((open, from))
        })
    }

    /// Returns the first exclusion of the range that contains the local date of `t`; `None` if
    /// there is none. If exclusions overlap, their order in the range decides.
    #[must_use]
    pub fn exclusion_at(self, t: Timestamp) -> Option<&'a Exclusion> {
        let today = self.zone?.local(t).date();
        let mut exclusions = self.range.exclusions.iter();
        exclusions.find(|exclusion| exclusion.contains(today))
    }

    fn phase(self, t: i64) -> Phase {
        if self.not_after().is_some_and(|end| t >= end) {
            return Phase::Ended;
        }
        let phase = if self.not_before().is_some_and(|start| t < start) {
            Phase::NotStarted
        } else {
            self.local_phase(t)
        };
        if phase != Phase::Open && self.not_after().is_some() && self.opening(t).is_none() {
            return Phase::Ended;
        }
        phase
    }

    fn opening(self, t: i64) -> Option<i64> {
        let from = self.not_before().map_or(t, |start| start.max(t));
        let opening = self.first(from, |phase| phase == Phase::Open)?;
        self.not_after().is_none_or(|end| opening < end).then_some(opening)
    }

    /// Returns the first instant after `t` that is not open. Distribution must be open at `t`.
    fn closing(self, t: i64) -> Option<i64> {
        let closing = self.first(t, |phase| phase != Phase::Open);
        closing.into_iter().chain(self.not_after()).min()
    }

    fn local_phase(self, t: i64) -> Phase {
        match self.calendar {
            Some(calendar) => calendar.phase(t + self.offset_at(t)).0,
            None => Phase::OutsideWindow,
        }
    }

    fn first(self, mut t: i64, wanted: impl Fn(Phase) -> bool) -> Option<i64> {
        let calendar = self.calendar?;
        for _ in 0..MAX_CLOCK_CHANGES {
            let offset = self.offset_at(t);
            let found = calendar.first(t + offset, &wanted).map(|local| local - offset);
            if found == Some(t) {
                return found;
            }
            // Use `found` only if it is before the next change of the zone's offset, because it was
            // computed with the current offset.
            let change = self.zone.and_then(|zone| zone.next_change(t));
            if found.is_some_and(|found| change.is_none_or(|change| found < change)) {
                return found;
            }
            // Local time and UTC differ by at most `MAX_OFFSET_SECONDS`, so no instant before
            // `earliest` has a wanted phase. Continue at `earliest`, to skip all earlier offset
            // changes.
            let earliest = calendar.first(t - MAX_OFFSET_SECONDS, &wanted)? - MAX_OFFSET_SECONDS;
            t = change?.max(earliest);
        }
        None
    }

    fn offset_at(self, t: i64) -> i64 {
        self.zone.map_or(0, |zone| zone.offset_at(t))
    }

    fn not_before(self) -> Option<i64> {
        self.range.not_before.map(|start| start.timestamp())
    }

    fn not_after(self) -> Option<i64> {
        self.range.not_after.map(|end| end.timestamp())
    }
}

fn instant(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_timestamp_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::super::{Days, Exclusion, WallTime, Window};
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().expect("an RFC 3339 instant")
    }

    fn nightly(start: &str, end: &str) -> Window {
        let start = WallTime::parse_start(start).expect(start);
        Window::new(Days::ALL, start, WallTime::parse_end(end).expect(end)).expect("a window")
    }

    fn excluded(name: &str, start: &str, end: &str) -> Exclusion {
        let date = |text: &str| text.parse().expect("a date");
        Exclusion { name: name.to_owned(), start: date(start), end: date(end), yearly: false }
    }

    fn listed(range: &TimeRange, zone: &str, from: &str, count: usize) -> Vec<String> {
        let zone = Zone::named(zone);
        let openings = range.in_zone(zone.as_ref()).openings_from(instant(from));
        let text = |t: Timestamp| t.format("%m-%dT%H:%M").to_string();
        openings
            .take(count)
            .map(|(open, close)| text(open) + "/" + &close.map_or(String::new(), text))
            .collect()
    }

    #[test]
    fn an_hour_that_is_skipped_opens_nothing() {
        let range = TimeRange::new(None, None, vec![nightly("02:00", "03:00")], vec![]);
        let from = "2026-03-28T00:00:00Z";
        let expected = ["03-28T01:00/03-28T02:00", "03-30T00:00/03-30T01:00"];
        assert_eq!(listed(&range, "Europe/Berlin", from, 2), expected);
        // If the clock skips the end or the middle of a window, the rest of the window is open. If
        // the clock skips the start of a window, the window opens right after the skipped time.
        let range = TimeRange::new(None, None, vec![nightly("01:30", "03:15")], vec![]);
        let expected = ["03-28T00:30/03-28T02:15", "03-29T00:30/03-29T01:15"];
        assert_eq!(listed(&range, "Europe/Berlin", from, 2), expected);
        let range = TimeRange::new(None, None, vec![nightly("02:30", "03:15")], vec![]);
        let expected = ["03-28T01:30/03-28T02:15", "03-29T01:00/03-29T01:15"];
        assert_eq!(listed(&range, "Europe/Berlin", from, 2), expected);
    }

    #[test]
    fn an_hour_that_comes_twice_is_open_twice() {
        let range = TimeRange::new(None, None, vec![nightly("02:15", "02:45")], vec![]);
        let expected = ["10-25T00:15/10-25T00:45", "10-25T01:15/10-25T01:45"];
        assert_eq!(listed(&range, "Europe/Berlin", "2026-10-25T00:00:00Z", 2), expected);
        // At the end of daylight saving time the clock goes back from 03:00 to 02:00. The window
        // ends and starts again at that instant, so distribution stays open.
        let range = TimeRange::new(None, None, vec![nightly("02:00", "03:00")], vec![]);
        let expected = ["10-25T00:00/10-25T02:00", "10-26T01:00/10-26T02:00"];
        assert_eq!(listed(&range, "Europe/Berlin", "2026-10-25T00:00:00Z", 2), expected);
    }

    /// Tests the exclusion of 30 December 2011 in Samoa. This date does not exist there, because
    /// the offset changed from UTC-10 to UTC+14 at the end of 29 December.
    #[test]
    fn a_day_that_is_skipped_excludes_nothing() {
        let exclusion = excluded("skipped", "2011-12-30", "2011-12-30");
        let range = TimeRange::new(None, None, vec![], vec![exclusion]);
        assert_eq!(listed(&range, "Pacific/Apia", "2011-12-01T00:00:00Z", 2), ["12-01T00:00/"]);
        // In Samoa, the morning of the 31st directly follows the evening of the 29th, so the window
        // stays open.
        let range = TimeRange::new(None, None, vec![nightly("22:00", "06:00")], vec![]);
        let expected = ["12-30T08:00/12-30T16:00", "12-31T08:00/12-31T16:00"];
        assert_eq!(listed(&range, "Pacific/Apia", "2011-12-29T18:00:00Z", 2), expected);
    }

    #[test]
    fn a_night_goes_on_after_an_excluded_day() {
        let range = TimeRange::new(
            None,
            None,
            vec![nightly("22:00", "06:00")],
            vec![
                excluded("a", "2026-05-02", "2026-05-02"),
                excluded("b", "2026-05-01", "2026-05-03"),
            ],
        );
        let expected = ["04-30T22:00/05-01T00:00", "05-04T00:00/05-04T06:00"];
        assert_eq!(listed(&range, "UTC", "2026-04-30T12:00:00Z", 2), expected);
        let utc = Zone::named("UTC");
        let name = |text| {
            let exclusion = range.in_zone(utc.as_ref()).exclusion_at(instant(text));
            exclusion.map(|exclusion| exclusion.name.as_str())
        };
        assert_eq!(name("2026-04-30T23:59:59Z"), None);
        assert_eq!(name("2026-05-01T00:00:00Z"), Some("b"));
        assert_eq!(name("2026-05-02T00:00:00Z"), Some("a"));
        assert_eq!(name("2026-05-03T23:59:59Z"), Some("b"));
        assert_eq!(name("2026-05-04T00:00:00Z"), None);
    }

    #[test]
    fn phases_follow_each_other() {
        let range = TimeRange::new(
            Some(instant("2026-05-01T10:00:00Z")),
            Some(instant("2026-05-04T03:00:01Z")),
            vec![nightly("22:00", "02:00")],
            vec![excluded("a", "2026-05-01", "2026-05-02")],
        );
        let utc = Zone::named("UTC");
        let openings = range.in_zone(utc.as_ref());
        let mut t = instant("2026-04-01T00:00:00Z");
        let mut seen = vec![(openings.phase_at(t), t.to_rfc3339())];
        while let Some(next) = openings.phase_ends(t) {
            t = next;
            seen.push((openings.phase_at(t), t.to_rfc3339()));
        }
        let expected = [
            (Phase::NotStarted, "2026-04-01T00:00:00+00:00"),
            (Phase::Excluded, "2026-05-01T10:00:00+00:00"),
            (Phase::Open, "2026-05-03T00:00:00+00:00"),
            (Phase::OutsideWindow, "2026-05-03T02:00:00+00:00"),
            (Phase::Open, "2026-05-03T22:00:00+00:00"),
            // The phase is already `Ended` one hour and one second before `not_after`, because no
            // further opening starts before `not_after`.
            (Phase::Ended, "2026-05-04T02:00:00+00:00"),
        ];
        assert_eq!(seen, expected.map(|(phase, t)| (phase, t.to_owned())));
    }

    #[test]
    fn without_a_zone_only_instants_can_be_judged() {
        let (start, end) = (instant("2026-05-01T00:00:00Z"), instant("2026-05-02T00:00:00Z"));
        let range = TimeRange::new(Some(start), Some(end), vec![], vec![]);
        assert!(!range.needs_zone());
        let openings = range.in_zone(None);
        assert_eq!(
            openings.openings_from(Timestamp::MIN_UTC).collect::<Vec<_>>(),
            [(start, Some(end))]
        );
        assert_eq!(openings.phase_ends(start), Some(end));

        let range = TimeRange::new(Some(start), None, vec![nightly("00:00", "24:00")], vec![]);
        assert!(range.needs_zone());
        let openings = range.in_zone(None);
        assert_eq!(openings.phase_at(start), Phase::OutsideWindow);
        assert_eq!((openings.next_opening(start), openings.phase_ends(start)), (None, None));
    }

    #[test]
    fn fractions_of_a_second_do_not_count() {
        let range = TimeRange::new(Some(instant("2026-05-01T00:00:01.9Z")), None, vec![], vec![]);
        let openings = range.in_zone(None);
        assert_eq!(openings.phase_at(instant("2026-05-01T00:00:01Z")), Phase::Open);
        assert_eq!(openings.phase_at(instant("2026-05-01T00:00:00.9Z")), Phase::NotStarted);
    }
}
