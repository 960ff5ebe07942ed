//! Tests that a policy is in force as soon as each of its fleets has applied it once. The fleets
//! need not apply the policy at the same time.

use std::sync::Arc;

use clientfleet::plan::{PassResult, Planner};
use serde_json::{Value, json};

use crate::world::{instant, json as to_json, observed};

const NOW: i64 = 1_795_000_000;

fn fleet(name: &str, generation: i64) -> Value {
    json!({
        "metadata": {"name": name, "generation": generation},
        "spec": {
            "packageVersion": "3.60",
            // A new generation requires a different spec, so the client reports a different version
            // in each generation.
            "clients": [{"name": format!("pc-{name}"), "reported": {"version": format!("3.{generation}")}}],
        },
    })
}

fn policy(uid: &str, generation: i64) -> Value {
    json!({
        "metadata": {"name": "all", "uid": uid, "generation": generation},
        "spec": {"priority": generation, "upgrade": {"mode": "AutoUpgrade"}},
    })
}

fn written(mut document: Value, pass: &PassResult) -> Value {
    let name = document["metadata"]["name"].clone();
    let planned = pass.fleets.iter().find(|planned| planned.cached.name() == name).unwrap();
    document["status"] = to_json(&planned.status());
    document
}

/// Returns the `observedGeneration` of the policy's planned status: the generation that all fleets
/// have applied, or -1 if there is none.
fn in_force(pass: &PassResult) -> i64 {
    pass.policies[0].status().observed_generation.unwrap()
}

#[test]
fn a_policy_comes_into_force_though_some_fleet_is_always_behind() {
    let at = instant(NOW);
    let mut planner = Planner::default();
    planner.observe_policy(Arc::new(observed(&policy("a", 1))));
    planner.observe_fleet(Arc::new(observed(&fleet("one", 1))));
    planner.observe_fleet(Arc::new(observed(&fleet("two", 1))));
    let first = planner.plan(at);
    assert_eq!(in_force(&first), -1, "nothing is written yet");

    // Let a client of fleet `one` report a new version before the status of fleet `two` is written.
    // The statuses of both fleets are then never current at the same time.
    planner.observe_fleet(Arc::new(observed(&written(fleet("one", 1), &first))));
    let mut moved_on = written(fleet("one", 1), &first);
    moved_on["metadata"]["generation"] = json!(2);
    moved_on["spec"] = fleet("one", 2)["spec"].clone();
    planner.observe_fleet(Arc::new(observed(&moved_on)));
    assert_eq!(in_force(&planner.plan(at)), -1, "the other is not written yet");
    planner.observe_fleet(Arc::new(observed(&written(fleet("two", 1), &first))));
    assert_eq!(in_force(&planner.plan(at)), 1, "each was seen to carry it out");

    // The policy must stay in force after a client of fleet `two` reports a new version, even
    // though the policy's own status is not written yet.
    let mut moved_on = written(fleet("two", 1), &first);
    moved_on["metadata"]["generation"] = json!(2);
    moved_on["spec"] = fleet("two", 2)["spec"].clone();
    planner.observe_fleet(Arc::new(observed(&moved_on)));
    assert_eq!(in_force(&planner.plan(at)), 1, "what is in force stays so");

    // The previous generation of a policy must stay in force until all fleets have applied the new
    // generation. A new policy with the same name must start without a generation in force.
    planner.observe_policy(Arc::new(observed(&policy("a", 2))));
    assert_eq!(in_force(&planner.plan(at)), 1, "a new generation");
    planner.observe_policy(Arc::new(observed(&policy("b", 1))));
    assert_eq!(in_force(&planner.plan(at)), -1, "a new policy");
}
