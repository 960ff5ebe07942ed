//! Tests that the plan does not depend on the order of the input, and that decisions for a client
//! do not depend on the reported facts of clients with other names.

use proptest::prelude::*;
use serde_json::Value;

use crate::generate::{self, fleet, policy};
use crate::oracle::{Client, Oracle, readable_fleet};
use crate::world::{clients, config, json, name, rows};

type Rows = std::collections::BTreeMap<(String, String), clientfleet::api::fleet::ClientStatus>;

/// Shuffles the documents in a way that depends only on `keys`.
pub fn shuffled<'a>(mut documents: Vec<Value>, keys: &'a [u8]) -> Vec<Value> {
    let mut keys: Vec<&'a u8> = keys.iter().cycle().take(documents.len()).collect();
    for index in (1..documents.len()).rev() {
        let other = usize::from(*keys.pop().unwrap_or(&0)) % (index + 1);
        documents.swap(index, other);
    }
    documents
}

/// Reverses the lists of selectors, windows and exclusions in a policy. This can change the
/// policy's status, because the entries of `unmatched` are in the order of the selectors.
fn turn_selectors(policy: &mut Value) {
    for list in ["clients", "exclude"] {
        if let Some(selectors) = policy.pointer_mut(&format!("/spec/scope/{list}")) {
            selectors.as_array_mut().expect("a list").reverse();
        }
    }
    for list in ["windows", "exclusions"] {
        if let Some(entries) = policy.pointer_mut(&format!("/spec/distribution/{list}")) {
            entries.as_array_mut().expect("a list").reverse();
        }
    }
}

proptest! {
    #![proptest_config(config(150))]
    #[test]
    fn the_order_of_the_input_does_not_matter(
        world in generate::world(true),
        keys in proptest::collection::vec(any::<u8>(), 8),
    ) {
        let plan = world.plan();
        let mut other = world.clone();
        other.fleets = shuffled(other.fleets, &keys);
        other.policies = shuffled(other.policies, &keys);
        prop_assert_eq!(&other.plan(), &plan);

        // Reordering a fleet's clients must change only the order of the status rows, because the
        // status lists the rows in the order of the spec.
        for fleet in other.fleets.iter_mut().filter(|fleet| readable_fleet(&fleet["spec"])) {
            let turned = shuffled(std::mem::take(clients(fleet)), &keys);
            *clients(fleet) = turned;
        }
        let turned = other.plan();
        prop_assert_eq!(rows(&turned), rows(&plan));
        prop_assert_eq!(&turned.policies, &plan.policies);
        prop_assert_eq!(turned.until, plan.until);
        for (fleet, status) in turned.fleets.iter().filter(|(_, status)| status.clients.is_some()) {
            let document = other.fleets.iter_mut().find(|d| name(d) == fleet.as_str()).expect("it");
            let told: Vec<&str> = status.clients.iter().flatten().map(|row| row.name.as_str()).collect();
            let written: Vec<&str> = clients(document).iter().filter_map(|c| c["name"].as_str()).collect();
            prop_assert_eq!(told, written);
        }

        // Reversing the lists in a policy must not change any row, because the order of these lists
        // must not affect decisions.
        other.policies.iter_mut().for_each(turn_selectors);
        prop_assert_eq!(rows(&other.plan()), rows(&plan));
    }

    #[test]
    fn no_client_decides_for_another_name(
        world in generate::world_of_stage(),
        which in any::<prop::sample::Index>(),
        reports in fleet::reports(generate::stage()),
    ) {
        let before = rows(&world.plan());
        prop_assume!(!before.is_empty());
        let (fleet, client) = which.get(&before.keys().cloned().collect::<Vec<_>>()).clone();
        let mut changed = world.clone();
        let document = changed.fleets.iter_mut().find(|d| name(d) == fleet).expect("its fleet");
        for document in clients(document).iter_mut().filter(|c| c["name"] == *client) {
            document["reported"] = reports.clone();
        }
        let mut after = rows(&changed.plan());
        let own_name = |key: &&(String, String)| key.1 == client;
        let restore = |rows: &mut Rows| {
            let own = before.iter().filter(|(key, _)| own_name(key));
            rows.extend(own.map(|(key, row)| (key.clone(), row.clone())));
        };
        restore(&mut after);
        prop_assert_eq!(&after, &before);

        // Removing the client with the changed facts must not change the rows of the other clients,
        // either.
        let document = changed.fleets.iter_mut().find(|d| name(d) == fleet).expect("its fleet");
        clients(document).retain(|c| c["name"] != *client);
        let mut without = rows(&changed.plan());
        restore(&mut without);
        prop_assert_eq!(without, before.clone());
    }

    #[test]
    fn a_client_out_of_scope_is_not_touched(
        world in generate::world_of_stage(),
        spec in policy::spec(generate::stage()),
    ) {
        let before = rows(&world.plan());
        let mut changed = world.clone();
        changed.policies.push(generate::document("UpgradePolicy", "new", spec, Value::Null));
        let oracle = Oracle::new(&changed);
        let after = rows(&changed.plan());
        for (fleet, client) in oracle.clients() {
            // A policy whose scope includes the client at another version can be part of a circle.
            let is_about = |client: &Client| {
                oracle.policies_about(fleet, client).iter().any(|policy| policy.name == "new")
            };
            let elsewhere = fleet::VERSIONS.iter().any(|v| is_about(&client.moved_to(v)));
            if !elsewhere && !is_about(client) {
                let key = (fleet.name.clone(), client.name.clone());
                prop_assert_eq!(json(&after[&key]), json(&before[&key]));
            }
        }
    }
}
