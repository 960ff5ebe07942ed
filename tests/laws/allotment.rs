//! Tests the second stage of the plan, the allotment of offers, with two test allotters. One
//! withholds offers by client name, and the other limits the number of offers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clientfleet::api::fleet::{ClientFleetStatus, ClientStatus};
use clientfleet::plan::allot::{Allotment, Allotter, Claims, Standing};
use clientfleet::plan::policy::Policy;
use clientfleet::plan::{Planner, plan_with};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate::{self, POLICIES};
use crate::order::shuffled;
use crate::world::{config, instant, observed, rows};

/// Allotter that sorts the names of all clients with a possible offer, and withholds the offers
/// from every third name. Clients in several fleets can have the same name.
#[derive(Debug)]
pub struct EveryThird;

impl Allotter for EveryThird {
    fn covers(&self, _: &Policy) -> bool {
        true
    }

    fn allot(&self, claims: &Claims) -> Allotment {
        let mut allotment = BTreeMap::<_, BTreeMap<_, _>>::new();
        let offers = || claims.iter().filter(|claim| claim.could_be_offered);
        let names: BTreeSet<_> = offers().map(|claim| &claim.client).collect();
        let withheld: BTreeSet<_> = names.into_iter().skip(2).step_by(3).collect();
        for claim in offers().filter(|claim| withheld.contains(&claim.client)) {
            let standings = allotment.entry(claim.fleet.clone()).or_default();
            standings.insert(claim.client.clone(), Standing::Withheld);
        }
        allotment.into_iter().map(|(fleet, standings)| (fleet, Arc::new(standings))).collect()
    }
}

/// Allotter that allows at most two offers in a namespace, and prefers clients that already have an
/// offer. Covers every second policy in [`POLICIES`].
#[derive(Debug)]
pub struct HoldersFirst;

impl Allotter for HoldersFirst {
    fn covers(&self, policy: &Policy) -> bool {
        POLICIES.iter().step_by(2).any(|name| **name == *policy.name)
    }

    fn allot(&self, claims: &Claims) -> Allotment {
        let mut allotment = BTreeMap::<_, BTreeMap<_, _>>::new();
        let mut offers: Vec<_> = claims.iter().filter(|claim| claim.could_be_offered).collect();
        offers.sort_by_key(|claim| !claim.has_offer);
        for claim in offers.into_iter().skip(2) {
            let standings = allotment.entry(claim.fleet.clone()).or_default();
            standings.insert(claim.client.clone(), Standing::Withheld);
        }
        allotment.into_iter().map(|(fleet, standings)| (fleet, Arc::new(standings))).collect()
    }
}

fn planner() -> Planner {
    Planner::with_allotter(Arc::new(EveryThird))
}

proptest! {
    #![proptest_config(config(150))]
    #[test]
    fn every_third_name_is_withheld_and_nothing_else_changes(world in generate::world(true)) {
        let free = rows(&world.plan());
        let allotted = rows(&plan_with(planner(), &world.estate(), instant(world.at)));
        let has_offer = |row: &ClientStatus| row.state == "Distributing";
        let offered = free.iter().filter(|(_, row)| has_offer(row));
        let names: BTreeSet<_> = offered.map(|((_, client), _)| client).collect();
        let withheld: Vec<_> = names.into_iter().skip(2).step_by(3).collect();
        for (key, row) in &free {
            let found = &allotted[key];
            if has_offer(row) && withheld.contains(&&key.1) {
                let (state, reason) = (found.state.as_ref(), found.reason.as_ref());
                prop_assert_eq!((state, reason), ("Held", "PolicySuspended"), "{:?}", key);
                prop_assert_eq!(&found.target_version, &row.target_version, "{:?}", key);
                prop_assert_eq!(found.next_transition_time, None, "{:?}", key);
            } else {
                prop_assert_eq!(found, row, "{:?}", key);
            }
        }
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        world in generate::world(true),
        keys in proptest::collection::vec(any::<u8>(), 8),
    ) {
        let plan = plan_with(planner(), &world.estate(), instant(world.at));
        let mut other = world.clone();
        other.fleets = shuffled(other.fleets, &keys);
        other.policies = shuffled(other.policies, &keys);
        prop_assert_eq!(plan_with(planner(), &other.estate(), instant(world.at)), plan);
    }

    #[test]
    fn a_plan_holds_until_the_moment_it_names(world in generate::world(true)) {
        let plan = plan_with(planner(), &world.estate(), instant(world.at));
        let written = world.with_statuses(&plan);
        let Some(until) = plan.until else { return Ok(()) };
        let last = until.timestamp() - 1;
        let later = plan_with(planner(), &written.estate(), instant(last.max(world.at)));
        prop_assert_eq!(rows(&later), rows(&plan));
    }
}

/// Makes a plan and stores the status of each planned fleet in `statuses`. Returns the names of all
/// clients that have an offer in `statuses`.
fn offers(
    planner: &mut Planner,
    statuses: &mut BTreeMap<String, ClientFleetStatus>,
) -> Vec<String> {
    for fleet in planner.plan(instant(0)).fleets {
        statuses.insert(fleet.cached.name().to_owned(), fleet.status());
    }
    let rows = statuses.values().flat_map(|status| status.clients.iter().flatten());
    rows.filter(|row| row.state == "Distributing").map(|row| row.name.to_string()).collect()
}

/// Checks that a client keeps its offer although another client has an outdated stored status with
/// an offer. Client `a` fails and recovers before its fleet's new status is stored, so its stored
/// row still shows the earlier offer.
#[test]
fn a_stale_stored_offer_takes_no_offer_from_another_client() {
    let mut generation = 0;
    let mut fleet = |name: &str, clients: Value, status: Value| {
        generation += 1;
        let spec = json!({"packageVersion": "3.60", "clients": clients});
        let metadata = json!({"namespace": "ns", "name": name, "generation": generation});
        Arc::new(observed(&json!({"metadata": metadata, "spec": spec, "status": status})))
    };
    let client = |name: &str, error: Value| json!({"name": name, "reported": {"version": "3.59", "lastError": error}});
    let [a, b, c] = ["a", "b", "c"].map(|name| client(name, Value::Null));
    let failed = client("a", json!({"version": "3.60"}));

    let mut planner = Planner::with_allotter(Arc::new(HoldersFirst));
    let policy = json!({"metadata": {"namespace": "ns", "name": POLICIES[0], "generation": 1},
        "spec": {"upgrade": {"mode": "AutoUpgrade"}}});
    planner.observe_policy(Arc::new(observed(&policy)));
    planner.observe_fleet(fleet("f", json!([a, b]), Value::Null));
    planner.observe_fleet(fleet("g", json!([c]), Value::Null));
    let mut statuses = BTreeMap::new();
    assert_eq!(offers(&mut planner, &mut statuses), ["a", "b"]);
    let stored = json!(statuses["f"]);
    planner.observe_fleet(fleet("f", json!([a, b]), stored.clone()));
    planner.observe_fleet(fleet("f", json!([failed, b]), stored.clone()));
    assert_eq!(offers(&mut planner, &mut statuses), ["b", "c"]);
    planner.observe_fleet(fleet("f", json!([a, b]), stored));
    assert_eq!(offers(&mut planner, &mut statuses), ["b", "c"]);
}
