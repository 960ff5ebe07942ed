//! Tests the second stage of the plan, the allotment of offers, with an allotter that withholds
//! every third offer of a namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use clientfleet::plan::allot::{Allotment, Allotter, Claims, Standing};
use clientfleet::plan::policy::Policy;
use clientfleet::plan::{Planner, plan_with};
use proptest::prelude::*;

use crate::generate::{self, POLICIES};
use crate::order::shuffled;
use crate::world::{config, instant, rows};

/// Allotter that withholds every third of the possible offers in a namespace, in the order of
/// client and fleet names.
#[derive(Debug)]
pub struct EveryThird;

impl Allotter for EveryThird {
    fn covers(&self, _: &Policy) -> bool {
        true
    }

    fn allot(&self, claims: &Claims) -> Allotment {
        let mut allotment = BTreeMap::<_, BTreeMap<_, _>>::new();
        let offers = claims.iter().filter(|claim| claim.could_be_offered);
        for claim in offers.skip(2).step_by(3) {
            let standings = allotment.entry(claim.fleet.clone()).or_default();
            standings.insert(claim.client.clone(), Standing::Withheld);
        }
        allotment.into_iter().map(|(fleet, standings)| (fleet, Arc::new(standings))).collect()
    }
}

/// Allotter that covers every second policy name, and allows at most two offers of these policies
/// in a namespace. Clients that already have an offer take precedence.
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

/// Returns a planner that withholds every third offer.
fn planner() -> Planner {
    Planner::with_allotter(Arc::new(EveryThird))
}

proptest! {
    #![proptest_config(config(150))]
    #[test]
    fn every_third_offer_is_withheld_and_nothing_else_changes(world in generate::world(true)) {
        let free = rows(&world.plan());
        let allotted = rows(&plan_with(planner(), &world.estate(), instant(world.at)));
        let mut offers: Vec<_> =
            free.iter().filter(|(_, row)| row.state == "Distributing").map(|(key, _)| key).collect();
        offers.sort_by_key(|(fleet, client)| (client, fleet));
        let withheld: Vec<_> = offers.into_iter().skip(2).step_by(3).collect();
        for (key, row) in &free {
            let found = &allotted[key];
            if withheld.contains(&key) {
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
