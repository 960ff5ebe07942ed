//! Compares the openings that the program computes for the year 2026 with those of the oracle.
//! Covers time zones with every kind of clock change, and time ranges around these changes.

use chrono::{Datelike, Days, NaiveDate, TimeDelta, Weekday};
use clientfleet::values::{Phase, Timestamp, Zone};

use crate::oracle::*;

/// Returns two wall-clock times for each change of a zone's UTC offset in 2026: one minute before
/// the change, and at the change. For a zone without changes, returns two wall-clock times around
/// 2026-03-29T01:00:00Z.
fn clock_changes(zone: &jiff::tz::TimeZone) -> Vec<(LocalTime, LocalTime)> {
    let at = |t: jiff::Timestamp| Timestamp::from_timestamp_secs(t.as_second()).expect("in range");
    let mut changes: Vec<_> = zone
        .following("2026-01-01T00:00:00Z".parse().expect("an instant"))
        .map(|transition| at(transition.timestamp()))
        .take_while(|t| *t < instant("2027-01-01T00:00:00Z"))
        .map(|t| (wall(zone, t - TimeDelta::minutes(1)), wall(zone, t)))
        .collect();
    if changes.is_empty() {
        let t = instant("2026-03-29T01:00:00Z");
        changes.push((wall(zone, t - TimeDelta::minutes(1)), wall(zone, t)));
    }
    changes
}

/// Returns the time ranges to compare in a zone. Most of them depend on the dates of the zone's
/// clock changes.
fn specs(zone: &jiff::tz::TimeZone) -> Vec<Spec> {
    let changes = clock_changes(zone);
    let around = |minute: u16, by: i32| (i32::from(minute) + by).rem_euclid(1440) as u16;
    // Generate three windows per clock change. One ends 15 minutes before the change, one starts 15
    // minutes after it by the old clock, and one starts 10 minutes after it by the new clock.
    let at_changes = changes.iter().flat_map(|&(before, after)| {
        let day = vec![before.date.weekday()];
        let (last, first) = (before.minute, after.minute);
        [
            (day.clone(), around(last, -89), around(last, -14)),
            (day.clone(), around(last, 16), around(last, 31)),
            (day, around(first, 10), around(first, 200)),
        ]
    });
    let days_of_change = changes.iter().map(|(before, _)| (before.date, before.date));
    let (first, last) = (changes[0].0.date, changes[changes.len() - 1].0.date);
    let noon_of = |date: NaiveDate| date.and_hms_opt(12, 0, 0).expect("noon").and_utc();
    vec![
        Spec {
            windows: vec![(WORKDAYS.into(), 22 * 60, 6 * 60), (WEEKEND.into(), 0, 1440)],
            ..Spec::default()
        },
        // Test the windows around the clock changes without exclusions. They recur every week, on
        // the weekdays of the changes.
        Spec { windows: at_changes.collect(), ..Spec::default() },
        // Test a nightly window between `not_before` and `not_after`. The exclusions are the days
        // of the clock changes.
        Spec {
            not_before: Some(noon_of(first)),
            not_after: Some(noon_of(last) + TimeDelta::hours(30)),
            windows: vec![(every_day(), 23 * 60 + 30, 4 * 60)],
            exclusions: days_of_change.collect(),
            ..Spec::default()
        },
        // Test exclusions around the clock changes without windows. Some exclusions overlap or are
        // adjacent.
        Spec {
            not_before: Some(instant("2026-01-02T10:00:00Z")),
            exclusions: vec![
                (date("2025-12-20"), date("2026-01-03")),
                (first - Days::new(1), first + Days::new(1)),
                (first + Days::new(2), first + Days::new(3)),
                (last - Days::new(3), last),
                (last - Days::new(1), last + Days::new(1)),
                (date("2026-12-24"), date("2027-01-01")),
            ],
            ..Spec::default()
        },
        // Test overlapping and adjacent windows, one of which lasts from Sunday until Monday.
        // `not_after` is within an exclusion.
        Spec {
            not_after: Some(instant("2026-11-10T06:00:00Z")),
            windows: vec![
                (vec![Weekday::Sun], 20 * 60, 7 * 60),
                (vec![Weekday::Mon], 3 * 60, 9 * 60),
                (vec![Weekday::Tue, Weekday::Wed], 18 * 60, 1440),
                (vec![Weekday::Wed, Weekday::Thu], 0, 3 * 60),
                (vec![Weekday::Sat], 12 * 60, 11 * 60 + 59),
            ],
            exclusions: vec![(date("2026-11-07"), date("2026-11-20"))],
            ..Spec::default()
        },
    ]
}

/// Compares the program's results with the oracle's for the year 2026, and returns the number of
/// compared results. The comparison includes the first 10 days of 2027, because the oracle must
/// know which phase follows the year.
fn walk_the_year(name: &str) -> usize {
    let (zone, jiff) = (Zone::named(name).expect("in the database"), jiff_zone(name));
    let times = minutes_from(instant("2026-01-01T00:00:00Z"), 60 * 24 * 375);
    let walls: Vec<LocalTime> = times.iter().map(|&t| wall(&jiff, t)).collect();
    let mut answers = 0;
    for (index, spec) in specs(&jiff).iter().enumerate() {
        // To save time, compare the phase at every minute only for the first two time ranges, in
        // which errors are most likely. For all other time ranges, compare it at every 7th minute.
        let every = Every { phase: if index < 2 { 1 } else { 7 }, search: 97 };
        answers += compare(spec, &zone, &times, &walls, every);
    }
    answers
}

/// Defines one test per zone, so that the zones are tested in parallel.
macro_rules! walks_of_the_year {
    ($($test:ident: $zone:literal,)*) => {
        $(#[test]
        fn $test() {
            let answers = walk_the_year($zone);
            assert!(answers > 1_000_000, "{answers}");
        })*
    };
}

walks_of_the_year! {
    casablanca: "Africa/Casablanca",
    cairo: "Africa/Cairo",
    asuncion: "America/Asuncion",
    los_angeles: "America/Los_Angeles",
    new_york: "America/New_York",
    st_johns: "America/St_Johns",
    vancouver: "America/Vancouver",
    kathmandu: "Asia/Kathmandu",
    kolkata: "Asia/Kolkata",
    lord_howe: "Australia/Lord_Howe",
    berlin: "Europe/Berlin",
    apia: "Pacific/Apia",
    auckland: "Pacific/Auckland",
    utc: "UTC",
}

/// Checks that the compared time ranges produce every phase in `Europe/Berlin`, because the
/// comparison would otherwise leave phases untested.
#[test]
fn the_walks_see_every_phase() {
    let jiff = jiff_zone("Europe/Berlin");
    let times: Vec<_> = minutes_from(instant("2026-01-01T00:00:00Z"), 60 * 24 * 375)
        .into_iter()
        .step_by(60)
        .collect();
    let walls: Vec<LocalTime> = times.iter().map(|&t| wall(&jiff, t)).collect();
    let seen: Vec<Phase> =
        specs(&jiff).iter().flat_map(|spec| phases(spec, &times, &walls)).collect();
    use Phase::*;
    for phase in [Open, NotStarted, Excluded, OutsideWindow, Ended] {
        assert!(seen.contains(&phase), "{phase:?}");
    }
}
