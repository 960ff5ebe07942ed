//! Tests openings that are centuries in the future, and instants at the limits of `Timestamp`. The
//! tests would hang if a search evaluated every minute.

use std::time::{Duration, Instant};

use chrono::{NaiveDate, SubsecRound, Weekday};
use clientfleet::values::{Phase, TimeRange, Timestamp, WeekOfMonth, Zone};

use crate::oracle::*;

fn at(text: &str) -> Option<Timestamp> {
    Some(instant(text))
}

#[test]
fn exclusions_of_centuries_are_passed_at_once() {
    let spec = Spec {
        windows: vec![(vec![Weekday::Sun], 120, 180)],
        exclusions: vec![(date("2000-01-01"), date("2199-12-31"))],
        ..Spec::default()
    };
    let range = time_range(&spec);
    let berlin = Zone::named("Europe/Berlin");
    let openings = range.in_zone(berlin.as_ref());
    assert_eq!(openings.phase_at(instant("2026-01-01T00:00:00Z")), Phase::Excluded);
    assert_eq!(openings.phase_ends(instant("2026-01-01T00:00:00Z")), at("2199-12-31T23:00:00Z"));
    assert_eq!(openings.next_opening(instant("2026-01-01T00:00:00Z")), at("2200-01-05T01:00:00Z"));

    let until = Spec { not_after: at("2199-12-31T00:00:00Z"), ..spec };
    let range = time_range(&until);
    let openings = range.in_zone(berlin.as_ref());
    assert_eq!(openings.phase_at(instant("2026-01-01T00:00:00Z")), Phase::Ended);
    assert_eq!(openings.phase_ends(instant("2026-01-01T00:00:00Z")), None);
    // In December 1999, before the exclusions start, distribution is still open on Sundays.
    assert_eq!(openings.next_opening(instant("1999-12-01T00:00:00Z")), at("1999-12-05T01:00:00Z"));
}

#[test]
fn openings_of_centuries_are_passed_at_once() {
    let spec = Spec {
        windows: vec![(every_day(), 0, 1440)],
        exclusions: vec![(date("2199-06-01"), date("2199-06-01"))],
        ..Spec::default()
    };
    let range = time_range(&spec);
    let new_york = Zone::named("America/New_York");
    let openings = range.in_zone(new_york.as_ref());
    assert_eq!(openings.next_closing(instant("1800-01-01T00:00:00Z")), at("2199-06-01T04:00:00Z"));
    let reopened = instant("2199-06-02T04:00:00Z");
    assert_eq!(openings.next_opening(instant("2199-06-01T04:00:00Z")), Some(reopened));
    assert_eq!(openings.next_closing(reopened), None);
    assert_eq!(openings.phase_ends(reopened), None);
    let all: Vec<_> = openings.openings_from(instant("2026-01-01T00:00:00Z")).collect();
    let first = (instant("2026-01-01T00:00:00Z"), at("2199-06-01T04:00:00Z"));
    assert_eq!(all, [first, (reopened, None)]);
}

/// Tests a window that is only in the hour which the clock of Berlin skips. Every search takes its
/// longest time, because the calendar has such an hour in every year.
#[test]
fn an_hour_that_is_skipped_every_year_is_not_searched_for_ever() {
    let spec = Spec {
        monthly: vec![Monthly {
            days: vec![Weekday::Sun],
            weeks: vec![WeekOfMonth::Last],
            offset: 0,
            times: (120, 180),
        }],
        yearly: vec![
            (date("2026-04-01"), date("2026-12-31")),
            (date("2026-01-01"), date("2026-02-28")),
            (date("2028-02-29"), date("2028-02-29")),
        ],
        ..Spec::default()
    };
    let range = time_range(&spec);
    let started = Instant::now();
    let opening = |zone: &str, from: &str| {
        let zone = Zone::named(zone);
        range.in_zone(zone.as_ref()).next_opening(instant(from))
    };
    assert_eq!(opening("Europe/Berlin", "2026-11-29T00:00:00Z"), None);
    assert_eq!(opening("Europe/Berlin", "2025-11-25T00:00:00Z"), at("2025-11-30T01:00:00Z"));
    assert_eq!(opening("Asia/Tokyo", "2026-11-29T00:00:00Z"), at("2027-03-27T17:00:00Z"));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Tests openings that are decades apart: leap days that are a Tuesday.
#[test]
fn openings_on_leap_days_are_found() {
    let spec = Spec {
        monthly: vec![Monthly {
            days: vec![Weekday::Tue],
            weeks: vec![WeekOfMonth::Last],
            offset: 0,
            times: (0, 1440),
        }],
        yearly: vec![
            (date("2026-03-01"), date("2026-12-31")),
            (date("2026-01-01"), date("2026-02-28")),
        ],
        ..Spec::default()
    };
    let range = time_range(&spec);
    let utc = Zone::named("UTC");
    let openings = range.in_zone(utc.as_ref());
    let found: Vec<String> = openings
        .openings_from(instant("2026-11-29T00:00:00Z"))
        .take(4)
        .map(|(opens, closes)| {
            assert_eq!(closes, Some(opens + chrono::TimeDelta::days(1)));
            opens.date_naive().to_string()
        })
        .collect();
    assert_eq!(found, ["2028-02-29", "2056-02-29", "2084-02-29", "2124-02-29"]);
}

/// Returns time ranges that are hard to search.
fn hard() -> Vec<Spec> {
    vec![
        // The window is within the hour that many zones skip at a clock change. All days from 2026
        // to 2199 except one are excluded, so an opening is hard to find.
        Spec {
            windows: vec![(vec![Weekday::Sun], 121, 179)],
            exclusions: vec![
                (date("2026-01-01"), date("2100-03-28")),
                (date("2100-03-30"), date("2199-12-31")),
            ],
            ..Spec::default()
        },
        Spec { windows: vec![(vec![], 0, 1440)], ..Spec::default() },
        Spec { exclusions: vec![(NaiveDate::MIN, NaiveDate::MAX)], ..Spec::default() },
        Spec {
            not_before: Some(Timestamp::MIN_UTC),
            not_after: Some(Timestamp::MAX_UTC),
            windows: vec![(every_day(), 1439, 1)],
            exclusions: vec![
                (date("2027-01-01"), NaiveDate::MAX),
                (NaiveDate::MIN, date("1999-12-31")),
            ],
            ..Spec::default()
        },
        // The window opens on the Friday after the second Tuesday, and on leap days that are a
        // Thursday. Two yearly exclusions leave only the leap days.
        Spec {
            monthly: vec![
                Monthly {
                    days: vec![Weekday::Tue],
                    weeks: vec![WeekOfMonth::Second],
                    offset: 3,
                    times: (121, 179),
                },
                Monthly {
                    days: vec![Weekday::Thu],
                    weeks: vec![WeekOfMonth::Last],
                    offset: 0,
                    times: (1439, 1),
                },
            ],
            yearly: vec![
                (date("2026-03-01"), date("2026-12-31")),
                (date("2199-01-01"), date("2199-02-28")),
            ],
            ..Spec::default()
        },
        // The yearly exclusions leave no day.
        Spec {
            yearly: vec![
                (NaiveDate::MIN, date("-262143-06-30")),
                (date("2026-06-30"), date("2027-01-02")),
            ],
            exclusions: vec![(date("2040-01-01"), NaiveDate::MAX)],
            ..Spec::default()
        },
        Spec {
            not_before: at("2030-01-01T00:00:00Z"),
            not_after: at("2029-01-01T00:00:00Z"),
            ..Spec::default()
        },
    ]
}

/// Checks that searches in every time zone end without a panic. The searches start at or near the
/// limits of `Timestamp`, and use time ranges that are hard to search.
#[test]
fn every_search_ends_without_a_panic() {
    let ranges: Vec<TimeRange> = hard().iter().map(time_range).collect();
    let times = [
        Timestamp::MIN_UTC,
        instant("-9999-01-02T00:00:00Z"),
        instant("1899-12-31T23:59:59Z"),
        instant("2026-03-29T00:59:59Z"),
        instant("2199-12-31T23:59:59Z"),
        instant("9999-12-30T00:00:00Z"),
        Timestamp::MAX_UTC.trunc_subsecs(0),
    ];
    for name in jiff::tz::TimeZoneDatabase::bundled().available() {
        let Some(zone) = Zone::named(name.as_str()) else {
            continue;
        };
        for openings in ranges.iter().map(|range| range.in_zone(Some(&zone))) {
            for t in times {
                let phase = openings.phase_at(t);
                assert_eq!(openings.next_opening(t) == Some(t), phase == Phase::Open);
                let closing = openings.next_closing(t);
                assert!(closing.is_none_or(|closing| phase == Phase::Open && closing > t));
                let ends = openings.phase_ends(t);
                assert!(ends.is_none_or(|ends| ends > t && openings.phase_at(ends) != phase));
                openings.openings_from(t).take(3).for_each(drop);
            }
        }
    }
}
