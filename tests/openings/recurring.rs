//! Compares the openings that the program computes for monthly windows and yearly exclusions with
//! those of the oracle, at each minute of 2026 and of the leap year 2028.

use chrono::Weekday;
use clientfleet::values::{Phase, WeekOfMonth, Zone};

use crate::oracle::*;

use WeekOfMonth::{First, Fourth, Last, Second, Third};

const YEARS: [&str; 2] = ["2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"];

fn monthly(days: &[Weekday], weeks: &[WeekOfMonth], offset: u16, times: (u16, u16)) -> Monthly {
    Monthly { days: days.into(), weeks: weeks.into(), offset, times }
}

fn second_tuesday_plus_three(times: (u16, u16)) -> Monthly {
    monthly(&[Weekday::Tue], &[Second], 3, times)
}

/// Returns yearly exclusions that pass New Year, touch each other, or start or end on 29 February.
fn yearly() -> Vec<(chrono::NaiveDate, chrono::NaiveDate)> {
    vec![
        (date("2024-12-11"), date("2025-01-09")),
        (date("2024-02-29"), date("2024-02-29")),
        (date("2028-02-20"), date("2028-02-28")),
        (date("2023-04-14"), date("2023-04-14")),
        (date("2026-08-01"), date("2026-08-14")),
        (date("2027-10-25"), date("2027-10-31")),
    ]
}

fn specs() -> Vec<Spec> {
    vec![
        // The second Tuesday plus three days, at night, beside yearly exclusions.
        Spec {
            monthly: vec![second_tuesday_plus_three((22 * 60, 4 * 60))],
            yearly: yearly(),
            ..Spec::default()
        },
        // Windows in the hours of clock changes, on the Sundays on which the clocks change.
        Spec {
            monthly: vec![
                monthly(&[Weekday::Sun], &[First, Second, Last], 0, (90, 150)),
                monthly(&[Weekday::Sat], &[Last], 1, (23 * 60 + 30, 10)),
                monthly(&[Weekday::Thu, Weekday::Fri], &[Fourth], 14, (60, 1440)),
            ],
            windows: vec![(vec![Weekday::Wed], 12 * 60, 13 * 60)],
            not_before: Some(instant("2026-01-20T10:00:00Z")),
            not_after: Some(instant("2028-11-10T10:00:00Z")),
            ..Spec::default()
        },
        // Monthly windows that leave no gap, beside yearly exclusions.
        Spec {
            monthly: vec![monthly(
                &every_day(),
                &[Last, Fourth, Third, Second, First],
                5,
                (0, 1440),
            )],
            yearly: yearly(),
            exclusions: vec![(date("2027-01-10"), date("2027-01-12"))],
            ..Spec::default()
        },
        // The first four weeks, which leave the days from the 29th on, at any hour but one.
        Spec {
            monthly: vec![monthly(
                &every_day(),
                &[First, Second, Third, Fourth],
                0,
                (3 * 60, 2 * 60),
            )],
            yearly: vec![
                (date("2026-02-28"), date("2026-02-28")),
                (date("2026-12-31"), date("2027-01-01")),
            ],
            ..Spec::default()
        },
    ]
}

/// Compares the results for both years and the ten days after each, and returns the number of
/// compared results. The second spec ends in 2028, so its comparison lasts until then.
fn walk_both_years(name: &str) -> usize {
    let (zone, jiff) = (Zone::named(name).expect("in the database"), jiff_zone(name));
    let mut answers = 0;
    for start in YEARS {
        let times = minutes_from(instant(start), 60 * 24 * 376);
        let walls: Vec<LocalTime> = times.iter().map(|&t| wall(&jiff, t)).collect();
        for (index, spec) in specs().into_iter().enumerate() {
            let end = *times.last().expect("a walk");
            // The oracle knows nothing after its last instant, so a range must end before it.
            let not_after = spec.not_after.map(|at| at.min(end - chrono::TimeDelta::days(5)));
            let spec = Spec { not_after, ..spec };
            // To save time, compare the phase at every minute only for the first time range.
            let every = Every { phase: if index == 0 { 1 } else { 7 }, search: 197 };
            answers += compare(&spec, &zone, &times, &walls, every);
        }
    }
    answers
}

macro_rules! walks_of_both_years {
    ($($test:ident: $zone:literal,)*) => {
        $(#[test]
        fn $test() {
            let answers = walk_both_years($zone);
            assert!(answers > 1_500_000, "{answers}");
        })*
    };
}

walks_of_both_years! {
    cairo: "Africa/Cairo",
    new_york: "America/New_York",
    lord_howe: "Australia/Lord_Howe",
    berlin: "Europe/Berlin",
    auckland: "Pacific/Auckland",
}

/// Tests the dates of the example in `docs/tasks/the-second-tuesday.md`, in words that a calendar
/// on paper can confirm.
#[test]
fn the_second_tuesday_plus_three_days_is_a_friday() {
    let spec = Spec {
        monthly: vec![second_tuesday_plus_three((22 * 60, 4 * 60))],
        yearly: yearly(),
        ..Spec::default()
    };
    let range = time_range(&spec);
    let berlin = Zone::named("Europe/Berlin").expect("in the database");
    let listed = |from: &str, count: usize| -> Vec<String> {
        let openings = range.in_zone(Some(&berlin)).openings_from(instant(from));
        let text = |t| berlin.local(t).format("%a %F %H:%M").to_string();
        openings
            .take(count)
            .map(|(open, close)| format!("{} - {}", text(open), text(close.expect("it closes"))))
            .collect()
    };
    // January is excluded up to the 9th, April on the 14th, which is another day than the window's;
    // August up to the 14th, and December from the 11th on.
    assert_eq!(
        listed("2026-07-01T00:00:00Z", 6),
        [
            "Fri 2026-07-17 22:00 - Sat 2026-07-18 04:00",
            "Sat 2026-08-15 00:00 - Sat 2026-08-15 04:00",
            "Fri 2026-09-11 22:00 - Sat 2026-09-12 04:00",
            "Fri 2026-10-16 22:00 - Sat 2026-10-17 04:00",
            "Fri 2026-11-13 22:00 - Sat 2026-11-14 04:00",
            "Fri 2027-01-15 22:00 - Sat 2027-01-16 04:00",
        ]
    );
    assert_eq!(
        range.in_zone(Some(&berlin)).phase_at(instant("2028-02-29T12:00:00Z")),
        Phase::Excluded
    );
}
