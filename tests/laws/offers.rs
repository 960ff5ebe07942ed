//! Tests that the planner makes only allowed offers, and makes no new offers after all clients have
//! installed the offered versions.

use std::collections::BTreeSet;

use clientfleet::plan::Plan;
use proptest::prelude::*;
use serde_json::json;

use crate::generate;
use crate::oracle::{Oracle, Relation, same};
use crate::world::{World, clients, config, instant, name, reported, rows};

proptest! {
    #![proptest_config(config(200))]
    /// Checks that each offer meets every condition for offers, both now and at the instant at
    /// which the plan expires.
    #[test]
    fn nothing_is_offered_that_must_not_be(world in generate::world(true)) {
        let moment = world.plan().until.map_or(world.at, |until| until.timestamp());
        for at in [world.at, moment] {
            let world = World { at, ..world.clone() };
            let oracle = Oracle::new(&world);
            let rows = rows(&world.plan());
            for (fleet, client) in oracle.clients() {
                let row = &rows[&(fleet.name.clone(), client.name.clone())];
                if row.state != "Distributing" {
                    continue;
                }
                let target = row.target_version.as_deref().expect("an offer has a target");
                let policy = oracle.estate.policies.iter().find(|p| Some(p.name.as_str()) == row.policy.as_deref());
                let policy = policy.expect("an offer has a policy");
                prop_assert!(policy.effective_at(at) && !policy.deleting && !policy.suspend);
                prop_assert!(policy.mode != "NoUpgrade" && !policy.invalid);
                prop_assert!(policy.scope.holds_fleet(fleet) && policy.relation(client) == Relation::In);
                prop_assert!(oracle.open_for(policy, fleet, client, at));
                prop_assert!(!fleet.package.withdrawn.iter().any(|w| same(w, target)));
                let carried = fleet.package.current.iter().chain(&fleet.package.retained);
                prop_assert!(carried.into_iter().any(|version| same(version, target)));
                prop_assert!(policy.downgrade || row.reason == "UpgradeOffered");
                prop_assert_eq!(oracle.is_upgrade(client, target), row.reason == "UpgradeOffered");
                let offer = row.last_offer.as_ref().expect("an offer is remembered");
                prop_assert_eq!((&offer.version, Some(&offer.policy)), (row.target_version.as_ref().expect("it"), row.policy.as_ref()));
                prop_assert_eq!((offer.generation, offer.time), (1, instant(at)));
            }
        }
    }

    #[test]
    fn taking_each_offer_comes_to_rest(world in generate::world(true)) {
        comes_to_rest(&world)?;
    }
}

proptest! {
    #![proptest_config(config(300))]
    #[test]
    fn taking_each_offer_in_a_circle_comes_to_rest(world in generate::world_of_circles()) {
        comes_to_rest(&world)?;
    }
}

/// Lets each client take its offer, round after round. Checks that no policy moves a client twice,
/// and that no client has an offer after as many rounds as there are policies.
fn comes_to_rest(start: &World) -> Result<(), TestCaseError> {
    let (mut world, mut plan) = start.settled();
    let mut moved = BTreeSet::new();
    for _ in 0..world.policies.len() {
        let before = rows(&plan);
        take_offers(&mut world, &plan);
        (world, plan) = world.settled();
        for (who, row) in rows(&plan) {
            if before[&who].state != "Distributing" {
                prop_assert_eq!(&row, &before[&who]);
                continue;
            }
            prop_assert!(moved.insert((who.clone(), before[&who].policy.clone())), "{:?}", &who);
            if row.policy == before[&who].policy {
                prop_assert_eq!(&row.state, "UpToDate", "{:?}", &who);
                prop_assert_eq!(row.last_transition_time, Some(instant(world.at)));
            }
            if row.state != "Distributing" {
                prop_assert_eq!(&row.last_offer, &before[&who].last_offer);
            }
        }
    }
    for (who, row) in rows(&plan) {
        prop_assert_ne!(&row.state, "Distributing", "{:?}", &who);
    }
    Ok(())
}

/// Changes each client with an offer as if it had installed the offered version.
fn take_offers(world: &mut World, plan: &Plan) {
    for ((fleet, client), row) in rows(plan) {
        if row.state == "Distributing" {
            let document = world.fleets.iter_mut().find(|d| name(d) == fleet).expect("its fleet");
            let document = clients(document).iter_mut().find(|c| c["name"] == *client);
            let reports = reported(document.expect("the row's client"));
            reports.insert("version".into(), json!(row.target_version));
            reports.remove("stagedVersion");
        }
    }
}
