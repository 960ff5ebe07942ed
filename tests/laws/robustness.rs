//! Tests that planning handles any reported values and any date without a panic or an endless
//! search.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::agreement::decisions_agree;
use crate::generate::{self, policy};
use crate::world::{clients, config, seconds};

fn anything() -> impl Strategy<Value = Value> {
    let odd = select(vec![
        "",
        " ",
        "\u{0}",
        "v",
        "-",
        "+",
        "1-",
        "1+",
        "99999999999999999999",
        "1.-1",
        "0.0.0.0.0.0.0",
        "999999999999999999.0-0.a+b",
        "İSTANBUL",
        "ß",
        "\u{202e}",
        "::",
        "0.0.0.0",
        "255.255.255.255",
        "::ffff:0:0",
        "10.20.1.5%1",
        "fe80::1%%1",
        "fe80::1%1, , 10.20.1.5",
        ",\t::ffff:10.20.1.5",
        "010.1.1.1",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "-262143-01-01T00:00:00Z",
        "2026-03-29T02:30:00.000000001+99:99",
        "2016-12-31T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "Factory",
        "Etc/Unknown",
        "../UTC",
        "posixrules",
    ]);
    prop_oneof![2 => odd.prop_map(Value::from), 1 => ".{0,12}".prop_map(Value::from)]
}

const FACTS: [&str; 9] = [
    "/timeZone",
    "/reported/computer",
    "/reported/ip",
    "/reported/lastUser",
    "/reported/version",
    "/reported/stagedVersion",
    "/reported/lastError/version",
    "/reported/lastError/time",
    "/reported/lastSeen",
];

/// Generates a policy spec with up to 32 windows and up to 64 exclusions, the maximum numbers that
/// admission accepts. The dates are in the years 2000 to 2199.
fn crowded() -> impl Strategy<Value = Value> {
    let minute = || (0..1440i64).prop_map(|m| format!("{:02}:{:02}", m / 60, m % 60));
    let day = || select(&policy::DAYS[..]);
    let windows = proptest::collection::vec(
        (minute(), minute(), day(), proptest::option::of((select(&policy::WEEKS[..]), 0..15u32)))
            .prop_filter_map("differ", |(start, end, day, monthly)| {
                let mut window = json!({"days": [day], "start": start, "end": end});
                if let Some((week, offset)) = monthly {
                    window["weeksOfMonth"] = json!([week]);
                    window["offsetDays"] = offset.into();
                }
                (start != end).then_some(window)
            }),
        1..=32,
    );
    let date = |days: i64| {
        let first = chrono::NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
        first + chrono::TimeDelta::days(days)
    };
    let exclusion = (0..73_000i64, prop_oneof![0..40i64, 0..73_000i64]);
    let exclusions = proptest::collection::vec(exclusion, 1..=64).prop_map(move |list| {
        let one = |(index, (first, more)): (usize, (i64, i64))| {
            let last = (first + more).min(73_048);
            let yearly = last - first < 364 && index % 2 == 0;
            json!({
                "name": format!("e{index}"), "startDate": date(first), "endDate": date(last),
                "yearly": yearly,
            })
        };
        list.into_iter().enumerate().map(one).collect::<Vec<_>>()
    });
    (windows, exclusions, proptest::option::of(select(&generate::ZONES[..]))).prop_map(|(windows, exclusions, zone)| {
        let mut distribution = json!({"windows": windows, "exclusions": exclusions});
        if let Some(zone) = zone {
            distribution["timeZone"] = zone.into();
        }
        json!({"upgrade": {"mode": "AutoUpgrade"}, "distribution": distribution, "priority": 100})
    })
}

proptest! {
    #![proptest_config(config(120))]
    #[test]
    fn whatever_is_reported_is_judged(
        mut world in generate::world(true),
        facts in proptest::collection::vec((select(&FACTS[..]), anything()), 1..20),
    ) {
        for fleet in &mut world.fleets {
            for (index, client) in clients(fleet).iter_mut().enumerate() {
                for (path, value) in facts.iter().skip(index * 3).take(3) {
                    *client = policy::with(client.take(), path, value.clone());
                }
            }
        }
        decisions_agree(&world)?;
        world.settled();
    }
}

proptest! {
    #![proptest_config(config(20))]
    #[test]
    fn any_instant_can_be_planned(
        mut world in generate::world(true),
        spec in crowded(),
        at in select(vec![
            "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "2026-03-29T01:00:00Z",
            "2099-02-28T23:59:59Z", "2199-12-31T23:59:59Z", "9999-12-31T23:59:59Z",
        ]),
    ) {
        world.at = seconds(at);
        world.policies.push(generate::document("UpgradePolicy", "crowded", spec, json!({})));
        for _ in 0..4 {
            let (_, plan) = world.settled();
            let Some(until) = plan.until.map(|until| until.timestamp()) else { break };
            prop_assert!(until > world.at);
            world.at = until;
        }
    }
}
