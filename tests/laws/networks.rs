//! Tests the scopes of policies that depend on networks, with clients whose address is unknown.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::agreement::{decisions_agree, outlooks_agree};
use crate::generate::{self, policy};
use crate::oracle::{Oracle, addresses};
use crate::world::{World, clients, config, reported, rows};

/// Generates worlds in which the scopes of the policies consist of networks.
fn world_of_networks() -> impl Strategy<Value = World> {
    let scopes = proptest::collection::vec(policy::network_scope(), 4);
    (generate::world(true), scopes).prop_map(|(mut world, scopes)| {
        for (policy, scope) in world.policies.iter_mut().zip(scopes) {
            if policy["spec"].is_object() {
                policy["spec"]["scope"] = scope;
            }
        }
        world
    })
}

/// Runs `law` on random worlds, and checks that at least one client in 20 is blocked with the reason
/// `AddressUnknown`.
fn in_worlds(cases: u32, law: impl Fn(&World) -> Result<(), TestCaseError>) {
    let (all, blocked) = (Cell::new(0_usize), Cell::new(0_usize));
    let result = TestRunner::new(config(cases)).run(&world_of_networks(), |world| {
        let rows = rows(&world.plan());
        let is_blocked = |reason: &str| reason == "AddressUnknown";
        let count = rows.values().filter(|row| is_blocked(&row.reason)).count();
        all.set(all.get() + rows.len());
        blocked.set(blocked.get() + count);
        law(&world)
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(blocked.get() * 20 >= all.get(), "{blocked:?} of {all:?} are blocked");
}

#[test]
fn every_decision_about_networks_is_the_oracles() {
    in_worlds(300, decisions_agree);
}

#[test]
fn every_transition_between_networks_is_the_oracles() {
    in_worlds(60, outlooks_agree);
}

const ADDRESSES: [&str; 5] = ["10.20.1.5", "10.20.7.7", "192.168.0.9", "fd00:20::5", "fd00:30::5"];

/// Checks that no offer to a client with an unknown address would have been held back with one more
/// address: the policy that then governs the client distributes as well.
#[test]
fn no_further_address_would_have_held_back_an_offer() {
    in_worlds(150, |world| {
        let before = rows(&world.plan());
        for address in ADDRESSES {
            let mut known = world.clone();
            for document in &mut known.fleets {
                for client in clients(document) {
                    let reported = reported(client);
                    let ip = reported.get("ip").and_then(Value::as_str).unwrap_or_default();
                    let (readable, is_unknown) = addresses(Some(ip));
                    if is_unknown {
                        let readable = readable.iter().map(ToString::to_string);
                        let all: Vec<String> = readable.chain([address.to_owned()]).collect();
                        reported.insert("ip".into(), json!(all.join(", ")));
                    }
                }
            }
            let oracle = Oracle::new(&known);
            let after = rows(&known.plan());
            for (who, _) in before.iter().filter(|(_, row)| row.state == "Distributing") {
                let policy = after[who].policy.as_deref();
                let policy = oracle.estate.policies.iter().find(|p| Some(&*p.name) == policy);
                prop_assert!(policy.is_some_and(|p| p.distributes()), "{:?} with {}", who, address);
            }
        }
        Ok(())
    });
}
