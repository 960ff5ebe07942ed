//! Tests the statuses of policies against the oracle, and the counts in the statuses of fleets
//! against the rows of their clients.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate;
use crate::oracle::{Health, Oracle, Policy, PolicyExpectation};
use crate::world::{World, config, json as to_json, rows, seconds};

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// Returns the expected next transition of a policy. This is the earliest future instant at which a
/// governed client has its next transition, or at which the policy becomes effective or expires.
fn next_of_policy(policy: &Policy, world: &World, plan: &clientfleet::plan::Plan) -> Option<i64> {
    let governed =
        rows(plan).into_values().filter(|row| row.policy.as_deref() == Some(&policy.name));
    let clients = governed.filter_map(|row| row.next_transition_time).map(|t| t.timestamp());
    let own = policy.effective.0.into_iter().chain(policy.effective.1).filter(|&t| t > world.at);
    clients.chain(own).min()
}

proptest! {
    #![proptest_config(config(250))]
    #[test]
    fn policies_say_what_can_be_counted(world in generate::world(true)) {
        let oracle = Oracle::new(&world);
        let (_, plan) = world.settled();
        for (name, status) in &plan.policies {
            let policy = oracle.estate.policies.iter().find(|p| p.name == name.as_str()).expect("it");
            let status = to_json(status);
            let mut told = PolicyExpectation::of(&status);
            let mut expected = oracle.expected_status(policy, world.at);
            if policy.invalid {
                // An invalid policy can have entries that cannot be parsed. The program leaves them
                // out of `unmatched` but the oracle does not, so do not compare this field.
                (told.unmatched, expected.unmatched) = Default::default();
            }
            prop_assert_eq!(told, expected, "{}", name);
            let next = status["nextTransitionTime"].as_str().map(seconds);
            prop_assert_eq!(next, next_of_policy(policy, &world, &plan), "{}", name);
            prop_assert_eq!(&status["observedGeneration"], &json!(1));
            let ready = condition(&status, "Ready").map(|ready| &ready["status"]);
            prop_assert_eq!(ready, Some(&json!(if policy.invalid { "False" } else { "True" })));
            prop_assert_eq!(condition(&status, "Stalled").is_some(), policy.invalid, "{}", name);
            prop_assert!(condition(&status, "Reconciling").is_none(), "{}", name);
        }
    }

    #[test]
    fn fleets_sum_up_their_rows(world in generate::world(true)) {
        let oracle = Oracle::new(&world);
        for (name, status) in &world.plan().fleets {
            let fleet = oracle.estate.fleets.iter().find(|f| f.name == name.as_str()).expect("it");
            if fleet.unreadable {
                let status = to_json(status);
                let stalled = condition(&status, "Stalled").map(|stalled| &stalled["reason"]);
                prop_assert_eq!(stalled, Some(&json!("ObjectUnreadable")));
                prop_assert!(status.get("clients").is_none() && status.get("summary").is_none());
                continue;
            }
            let rows = status.clients.clone().unwrap_or_default();
            prop_assert_eq!(status.package_version.as_deref(), fleet.package.current.as_deref());
            prop_assert_eq!(status.next_transition_time, rows.iter().filter_map(|r| r.next_transition_time).min());
            let summary = to_json(&status.summary);
            let counts = summary.as_object().expect("a summary");
            prop_assert_eq!(counts.len(), 11, "zeros are written");
            for (state, count) in counts {
                let is = |row: &&clientfleet::api::fleet::ClientStatus| row.state.to_lowercase() == state.to_lowercase();
                let expected = if state == "total" { rows.len() } else { rows.iter().filter(is).count() };
                prop_assert_eq!(count, &json!(expected), "{} {}", name, state);
            }
            let expected = oracle.expected_health(fleet, world.at, world.at);
            prop_assert_eq!(Health::of(&to_json(status)), expected, "{}", name);
        }
    }
}

/// Checks that a client that is `Ahead` with a withdrawn version is not done, and that one that is
/// `Offline` with it is.
#[test]
fn ahead_with_a_withdrawn_version_is_not_done() {
    let complete = |withdrawn: Value, reported: Value| {
        let spec = json!({"packageVersion": "1.5", "withdrawnVersions": withdrawn,
            "clients": [{"name": "BAD", "reported": reported}]});
        let policy = json!({"upgrade": {"mode": "AutoUpgrade", "allowDowngrade": true},
            "offlineAfterDays": 1});
        let policy = match reported.get("lastSeen") {
            Some(_) => policy,
            None => json!({"upgrade": {"mode": "AutoUpgrade"}}),
        };
        let world = World {
            fleets: vec![generate::document("ClientFleet", "f", spec, json!({}))],
            policies: vec![generate::document("UpgradePolicy", "down", policy, json!({}))],
            at: seconds("2026-06-17T09:00:00Z"),
            step: 60,
        };
        let status = to_json(&world.settled().1.policies[0].1);
        let complete = condition(&status, "Complete").expect("it is always there");
        (status["withdrawnClients"].clone(), complete["status"].clone(), complete["reason"].clone())
    };
    let ahead = json!({"version": "1.8"});
    let done = "AllClientsAtTarget";
    assert_eq!(complete(json!(["1.7"]), ahead.clone()), (json!(0), json!("True"), json!(done)));
    let not_done = (json!(1), json!("False"), json!("InProgress"));
    assert_eq!(complete(json!(["v1.8.0"]), ahead), not_done);
    let offline = json!({"version": "1.8", "lastSeen": "2026-06-01T00:00:00Z"});
    assert_eq!(complete(json!(["1.8"]), offline), (json!(1), json!("True"), json!(done)));
}

/// Checks that a policy's status lists at most 20 versions and at most 20 `unmatched` entries. The
/// listed versions must be the locked version and the highest other versions.
#[test]
fn long_lists_are_cut() {
    let names: Vec<String> = (0..25).map(|index| format!("ghost{index}")).collect();
    let spec = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "0.5"},
        "scope": {"clients": [{"names": names}]}});
    let fleet = |index: i32| {
        let spec = json!({"packageVersion": format!("{index}.0")});
        generate::document("ClientFleet", &format!("f{index}"), spec, json!({}))
    };
    let world = World {
        fleets: (1..=22).map(fleet).collect(),
        policies: vec![generate::document("UpgradePolicy", "lock", spec, json!({}))],
        at: seconds("2026-06-17T09:00:00Z"),
        step: 60,
    };
    let status = to_json(&world.plan().policies[0].1);
    let told = PolicyExpectation::of(&status);
    let versions: Vec<String> =
        told.settings.into_iter().filter_map(|(_, version)| version).collect();
    let highest = (4..=22).map(|index| format!("{index}.0"));
    assert_eq!(versions, ["0.5".to_owned()].into_iter().chain(highest).collect::<Vec<_>>());
    let first = (0..20).map(|index| format!("scope.clients[0].names: ghost{index}"));
    assert_eq!(told.unmatched, first.collect::<Vec<_>>());
}
