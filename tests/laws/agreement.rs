//! Checks that the program and the oracle agree on every client's decision and next transition
//! time.

use proptest::prelude::*;

use crate::generate;
use crate::oracle::{Decision, Oracle, same_offer};
use crate::world::{World, config, rows};

/// Number of steps in which the oracle searches for the next change of a client's offer.
const WALK: i64 = 900;

fn decision_of(
    row: &clientfleet::api::fleet::ClientStatus,
) -> (String, String, Option<String>, Option<String>) {
    let owned = |text: &Option<clientfleet::api::Text>| text.as_ref().map(ToString::to_string);
    (row.state.to_string(), row.reason.to_string(), owned(&row.policy), owned(&row.target_version))
}

fn parts(decision: &Decision) -> (String, String, Option<String>, Option<String>) {
    let Decision { state, reason, policy, target } = decision;
    ((*state).into(), (*reason).into(), policy.clone(), target.clone())
}

pub fn decisions_agree(world: &World) -> Result<(), TestCaseError> {
    let oracle = Oracle::new(world);
    let rows = rows(&world.plan());
    prop_assert_eq!(rows.len(), oracle.clients().count());
    for (fleet, client) in oracle.clients() {
        let about = oracle.policies_about(fleet, client);
        let expected = oracle.decide(fleet, client, &about, world.at, true);
        let row = &rows[&(fleet.name.clone(), client.name.clone())];
        prop_assert_eq!(decision_of(row), parts(&expected), "{} {}", fleet.name, client.name);
    }
    Ok(())
}

pub fn outlooks_agree(world: &World) -> Result<(), TestCaseError> {
    let oracle = Oracle::new(world);
    let end = world.at + WALK * world.step;
    for ((fleet_name, client_name), row) in rows(&world.plan()) {
        let (fleet, client) = oracle
            .clients()
            .find(|(f, c)| f.name == fleet_name && c.name == client_name)
            .expect("a client for each row");
        let expected = oracle.next_transition(fleet, client, world.at, end);
        let told = row.next_transition_time.map(|t| t.timestamp());
        let who = format!("{fleet_name} {client_name} {}", row.state);
        prop_assert_eq!(told.filter(|&t| t <= end), expected, "{}", &who);
        // The oracle's search may end before the planned instant. Check separately that the offer
        // changes at exactly that instant.
        if let Some(t) = told {
            prop_assert!(t <= world.at + 731 * 86400, "{}", &who);
            let about = oracle.policies_about(fleet, client);
            let at = |t, counts| oracle.offer(&oracle.decide(fleet, client, &about, t, counts));
            let now = at(world.at, true);
            let counts = now.is_some();
            prop_assert!(same_offer(&now, &at(t - 1, counts)), "{} just before {}", &who, t);
            prop_assert!(!same_offer(&now, &at(t, counts)), "{} at {}", &who, t);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(700))]
    #[test]
    fn every_decision_is_the_oracles(world in generate::world(true)) {
        decisions_agree(&world)?;
    }

    #[test]
    fn every_decision_in_a_circle_is_the_oracles(world in generate::world_of_circles()) {
        decisions_agree(&world)?;
    }
}

proptest! {
    #![proptest_config(config(200))]
    #[test]
    fn every_next_transition_is_the_oracles(world in generate::world(true)) {
        outlooks_agree(&world)?;
    }

    #[test]
    fn every_next_transition_in_a_circle_is_the_oracles(world in generate::world_of_circles()) {
        outlooks_agree(&world)?;
    }
}
