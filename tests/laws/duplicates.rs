//! Tests that a report about a client in several fleets costs the decisions of its own fleet only,
//! unless the standing of an entry changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use clientfleet::plan::{PassResult, Planner};
use serde_json::{Value, json};

use crate::world::{instant, observed};

const NOW: i64 = 1_795_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Returns a fleet of 100 clients of its own and the client `pc`, which was seen at `seen`.
fn fleet(name: &str, generation: i64, seen: i64) -> Value {
    let mut clients: Vec<Value> = (0..100)
        .map(|number| json!({"name": format!("{name}-{number}"), "reported": {"version": "3.59"}}))
        .collect();
    let seen = instant(seen).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    clients.push(json!({"name": "pc", "reported": {"version": "3.59", "lastSeen": seen}}));
    json!({
        "metadata": {"name": name, "generation": generation},
        "spec": {"packageVersion": "3.60", "clients": clients},
    })
}

/// Returns the reason of the client `pc` in each planned fleet.
fn reasons(pass: &PassResult) -> BTreeMap<String, String> {
    let of_pc = |fleet: &clientfleet::plan::Planned<clientfleet::api::ClientFleet>| {
        let clients = fleet.status().clients.unwrap();
        let pc = clients.iter().find(|row| row.name.as_str() == "pc").unwrap();
        (fleet.cached.name().to_owned(), pc.reason.to_string())
    };
    pass.fleets.iter().map(of_pc).collect()
}

fn expected(reasons: &[(&str, &str)]) -> BTreeMap<String, String> {
    reasons.iter().map(|(fleet, reason)| ((*fleet).into(), (*reason).into())).collect()
}

#[test]
fn a_report_plans_another_fleet_only_if_a_standing_changes() {
    let mut planner = Planner::default();
    let policy = json!({"metadata": {"name": "all"}, "spec": {"upgrade": {"mode": "AutoUpgrade"}}});
    planner.observe_policy(Arc::new(observed(&policy)));
    for name in ["one", "two", "three", "four"] {
        planner.observe_fleet(Arc::new(observed(&fleet(name, 1, NOW))));
    }
    for name in ["three", "four"] {
        planner.forget_fleet(name);
    }
    let both = expected(&[("one", "DuplicateClient"), ("two", "DuplicateClient")]);
    assert_eq!(reasons(&planner.plan(instant(NOW))), both);

    // Two inventories report alternately.
    for hour in 1..=100 {
        let name = if hour % 2 == 0 { "one" } else { "two" };
        let before = planner.decisions();
        let now = NOW + hour * HOUR;
        planner.observe_fleet(Arc::new(observed(&fleet(name, 1 + hour, now))));
        let planned = reasons(&planner.plan(instant(now)));
        assert_eq!(planned, expected(&[(name, "DuplicateClient")]));
        assert_eq!(planner.decisions() - before, 101, "only {name} is decided");
    }

    // One inventory stops: the other decides after 7 days, and both fleets are planned.
    let last = NOW + 99 * HOUR;
    planner.observe_fleet(Arc::new(observed(&fleet("one", 200, last + 7 * DAY))));
    let planned = reasons(&planner.plan(instant(last + 7 * DAY)));
    let decided = expected(&[("one", "UpgradeOffered"), ("two", "ReportedElsewhere")]);
    assert_eq!(planned, decided);
    planner.observe_fleet(Arc::new(observed(&fleet("one", 201, last + 8 * DAY))));
    let planned = reasons(&planner.plan(instant(last + 8 * DAY)));
    assert_eq!(planned, expected(&[("one", "UpgradeOffered")]), "its own report");
    planner.forget_fleet("one");
    let planned = reasons(&planner.plan(instant(last + 8 * DAY)));
    assert_eq!(planned, expected(&[("two", "UpgradeOffered")]), "it is alone");
}
