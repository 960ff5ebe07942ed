//! Compares the openings that the program and the oracle compute for random time ranges. Each
//! comparison covers [`WALK_DAYS`] days around a random clock change.

use chrono::{Days, Months, TimeDelta, Weekday};
use clientfleet::values::{Timestamp, WeekOfMonth, Zone};
use proptest::prelude::*;

use crate::oracle::*;

/// Time zones with unusual clock changes: by half an hour, two hours, three hours or a whole day
/// (Apia 2011), at midnight, before and after Ramadan, or to a different standard time.
const ODD_ZONES: [&str; 16] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Havana",
    "America/Nuuk",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Volgograd",
    "Pacific/Apia",
];

const WALK_DAYS: u16 = 5;

/// Generates an instant within the compared days, in minutes since the start of the comparison.
fn moment() -> impl Strategy<Value = i64> {
    0..i64::from(WALK_DAYS) * 1440
}

fn time_of_day() -> impl Strategy<Value = u16> {
    // Generate at least half of the times before 6:00, because most clock changes happen before
    // 6:00.
    prop_oneof![1 => 0..1440u16, 1 => (0..12u16).prop_map(|half_hours| half_hours * 30)]
}

fn window() -> impl Strategy<Value = (Vec<Weekday>, u16, u16)> {
    let days = prop::sample::subsequence(every_day(), 1..=7);
    (days, time_of_day(), prop_oneof![4 => time_of_day(), 1 => Just(1440)])
        .prop_filter("start is end", |(_, start, end)| start != end)
}

fn monthly() -> impl Strategy<Value = Monthly> {
    use WeekOfMonth::{First, Fourth, Last, Second, Third};
    let weeks = prop::sample::subsequence(vec![First, Second, Third, Fourth, Last], 1..=5);
    (window(), weeks, 0..=14u16).prop_map(|((days, start, end), weeks, offset)| Monthly {
        days,
        weeks,
        offset,
        times: (start, end),
    })
}

/// Parts of a random time range, relative to the start of the comparison: windows, exclusions,
/// `not_before` and `not_after` (both in minutes).
///
/// Each exclusion consists of its first day and the number of days that follow it. Each yearly
/// exclusion starts a number of years before its first day.
type Drawn = (
    Vec<(Vec<Weekday>, u16, u16)>,
    Vec<Monthly>,
    Vec<(u64, u64)>,
    Vec<(u64, u64, u32)>,
    Option<i64>,
    Option<i64>,
);

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        prop::collection::vec(window(), 0..3),
        prop_oneof![prop::collection::vec(monthly(), 0..3), Just(vec![])],
        prop::collection::vec((0..u64::from(WALK_DAYS), 0..3u64), 0..3),
        prop::collection::vec((0..u64::from(WALK_DAYS), 0..3u64, 0..3u32), 0..3),
        prop::option::weighted(0.3, moment()),
        prop::option::weighted(0.4, moment()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_ranges_agree_around_clock_changes(
        name in prop::sample::select(&ODD_ZONES),
        // The range extends from the start of 1990 to the start of 2150, as Unix time.
        seconds in 631_152_000..5_680_281_600_i64,
        apia_2011 in prop::bool::weighted(0.1),
        (windows, monthly, exclusions, yearly, not_before, not_after) in drawn(),
    ) {
        let name = if apia_2011 { "Pacific/Apia" } else { name };
        let seconds = if apia_2011 { 1_325_000_000 } else { seconds };
        let (zone, jiff) = (Zone::named(name).expect("in the database"), jiff_zone(name));
        let from = jiff::Timestamp::from_second(seconds).expect("in range");
        let change = jiff.following(from).next().map_or(from, |change| change.timestamp());
        let middle = change.as_second().div_euclid(60) * 60;
        let start = Timestamp::from_timestamp_secs(middle).expect("in range")
            - TimeDelta::minutes(i64::from(WALK_DAYS) * 720);
        let at = |minutes| start + TimeDelta::minutes(minutes);
        let day = |days| start.date_naive() + Days::new(days);
        let years_before = |date: chrono::NaiveDate, years| date - Months::new(12 * years);
        let yearly = yearly.iter().map(|&(on, more, years)| {
            (years_before(day(on), years), years_before(day(on + more), years))
        });
        let spec = Spec {
            not_before: not_before.map(at),
            not_after: not_after.map(at),
            windows,
            exclusions: exclusions.iter().map(|&(on, more)| (day(on), day(on + more))).collect(),
            monthly,
            yearly: yearly.collect(),
        };
        let times = minutes_from(start, i64::from(WALK_DAYS) * 1440 + 1);
        let walls: Vec<LocalTime> = times.iter().map(|&t| wall(&jiff, t)).collect();
        compare(&spec, &zone, &times, &walls, Every { phase: 5, search: 31 });
    }
}
