//! Tests the conditions of fleets whose `packageFrom` leads nowhere: 2 minutes `Reconciling`, then
//! `Stalled`.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate::{self, document};
use crate::oracle::{Health, Oracle};
use crate::world::{World, config, instant, json as to_json, name, seconds};

const AT: &str = "2026-06-17T09:00:00Z";

fn health(world: &World, fleet: &str) -> Health {
    let plan = world.plan();
    let status = plan.fleets.iter().find(|(name, _)| name.as_str() == fleet).expect("it");
    Health::of(&to_json(&status.1))
}

fn waiting(since: &str) -> Health {
    Health::Waiting("PackageUnknown".into(), seconds(since))
}

fn stalled(reason: &str) -> Health {
    Health::Stalled(reason.into())
}

/// Returns a world with the fleet `shard`, which takes its package from the fleet `server`, and the
/// fleets in `others`.
fn world(others: &[(&str, Value)]) -> World {
    let shard = ("shard", json!({"packageFrom": {"name": "server"}, "clients": [{"name": "a"}]}));
    let fleets = [shard].into_iter().chain(others.iter().cloned());
    World {
        fleets: fleets.map(|(name, spec)| document("ClientFleet", name, spec, json!({}))).collect(),
        policies: Vec::new(),
        at: seconds(AT),
        step: 60,
    }
}

fn later(world: &World, seconds: i64) -> World {
    World { at: world.at + seconds, ..world.clone() }
}

fn server() -> Value {
    document("ClientFleet", "server", json!({"packageVersion": "3.60"}), json!({}))
}

#[test]
fn a_missing_fleet_is_waited_for_during_two_minutes() {
    let (start, plan) = world(&[]).settled();
    assert_eq!(health(&start, "shard"), waiting(AT));
    assert_eq!(plan.until, Some(instant(start.at + 120)), "the deadline is a moment of the plan");
    assert_eq!(health(&later(&start, 119), "shard"), waiting(AT));
    let (over, plan) = later(&start, 120).settled();
    assert_eq!(health(&over, "shard"), stalled("PackageUnknown"));
    assert_eq!(plan.until, None);
    assert_eq!(health(&later(&over, -100), "shard"), stalled("PackageUnknown"));

    let mut reported = later(&start, 119);
    reported.fleets[0]["metadata"]["generation"] = 9.into();
    assert_eq!(health(&reported, "shard"), waiting(AT), "a report does not prolong the wait");
    assert_eq!(health(&later(&reported, 1), "shard"), stalled("PackageUnknown"));

    let mut found = over;
    found.fleets.push(server());
    let (found, plan) = found.settled();
    assert_eq!((health(&found, "shard"), plan.until), (Health::Ready, None));
    let mut lost = later(&found, 3600);
    lost.fleets.pop();
    assert_eq!(health(&lost.settled().0, "shard"), waiting("2026-06-17T10:02:00Z"));
}

#[test]
fn a_chain_is_stalled_at_once() {
    let second = json!({"packageFrom": {"name": "hq"}});
    let hq = json!({"packageVersion": "3.60"});
    let chain = world(&[("server", second), ("hq", hq)]);
    assert_eq!(health(&chain, "shard"), stalled("PackageUnknown"));
    assert_eq!(health(&chain, "server"), Health::Ready);
    let mut own = world(&[]);
    own.fleets[0]["spec"]["packageFrom"]["name"] = "shard".into();
    assert_eq!(health(&own, "shard"), stalled("PackageUnknown"), "itself");
}

#[test]
fn an_unknown_zone_is_stalled_at_once() {
    let mut lost = world(&[]);
    lost.fleets[0]["spec"]["timeZone"] = "Mars/Olympus".into();
    let (lost, plan) = lost.settled();
    assert_eq!((health(&lost, "shard"), plan.until), (stalled("TimeZoneUnknown"), None));
    let mut mended = later(&lost, 3600);
    mended.fleets[0]["spec"]["timeZone"] = "Etc/UTC".into();
    assert_eq!(health(&mended.settled().0, "shard"), waiting("2026-06-17T10:00:00Z"));
}

/// Checks that a fleet gets two minutes for each fleet that its `packageFrom` names.
#[test]
fn another_server_is_waited_for_again() {
    let (start, _) = world(&[]).settled();
    let (over, _) = later(&start, 120).settled();
    assert_eq!(health(&over, "shard"), stalled("PackageUnknown"));
    let mut renamed = later(&over, 3600);
    renamed.fleets[0]["spec"]["packageFrom"]["name"] = "other".into();
    let (renamed, _) = renamed.settled();
    assert_eq!(health(&renamed, "shard"), waiting("2026-06-17T10:02:00Z"));
    let mut again = later(&renamed, 60);
    again.fleets[0]["spec"]["packageFrom"]["name"] = "third".into();
    let (again, _) = again.settled();
    assert_eq!(health(&again, "shard"), waiting("2026-06-17T10:03:00Z"));
    assert_eq!(health(&later(&again, 119), "shard"), waiting("2026-06-17T10:03:00Z"));
    assert_eq!(health(&later(&again, 120), "shard"), stalled("PackageUnknown"));
}

/// Checks that a fleet is not stalled at once if it has been `Reconciling` for another reason.
#[test]
fn another_wait_does_not_count() {
    let mut start = world(&[]);
    start.fleets[0]["status"] = json!({"observedGeneration": 1, "conditions": [
        {"type": "Ready", "status": "Unknown", "reason": "InProgress", "message": "",
         "lastTransitionTime": "2026-06-17T08:00:00Z"},
        {"type": "Reconciling", "status": "True", "reason": "InProgress", "message": "",
         "lastTransitionTime": "2026-06-17T08:00:00Z"}]});
    let (start, _) = start.settled();
    assert_eq!(health(&start, "shard"), waiting(AT));
    assert_eq!(health(&later(&start, 119), "shard"), waiting(AT));
    assert_eq!(health(&later(&start, 120), "shard"), stalled("PackageUnknown"));
}

proptest! {
    #![proptest_config(config(150))]
    #[test]
    fn each_fleet_waits_as_long_as_the_oracles(world in generate::world(true), wait in 0..300i64) {
        let oracle = Oracle::new(&world);
        let (start, first) = world.settled();
        let then = later(&start, wait);
        let plan = then.plan();
        for (fleet, status) in &plan.fleets {
            let fleet = oracle.estate.fleets.iter().find(|f| f.name == fleet.as_str()).expect("it");
            let expected = oracle.expected_health(fleet, start.at, then.at);
            prop_assert_eq!(Health::of(&to_json(status)), expected, "{}", &fleet.name);
        }
        let waits = start.fleets.iter().any(|document| {
            matches!(health(&start, name(document)), Health::Waiting(..))
        });
        let deadline = instant(start.at + 120);
        prop_assert!(!waits || first.until.is_some_and(|until| until <= deadline));
    }
}
