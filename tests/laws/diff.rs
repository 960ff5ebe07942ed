//! Tests properties that every comparison of two plans must have. A comparison lists each changed
//! client exactly once, equal plans have no difference, and comparing in the opposite direction
//! reverses the difference.

use std::collections::{BTreeMap, BTreeSet};

use clientfleet::plan::diff::{
    ChangedClient, Decision, Difference, Effect, GivenObjects, PlannedEstate, PlannedEstates,
    compare_plans,
};
use proptest::prelude::*;

use crate::generate;
use crate::world::{World, config, instant, rows};

fn sides(world: &World, at: i64) -> PlannedEstates {
    let side = PlannedEstate::settled(world.estate(), instant(at));
    [("default".to_owned(), side)].into()
}

/// Generates two worlds. The second is a copy of the first with some objects replaced and others
/// added.
fn two() -> impl Strategy<Value = (World, World)> {
    let worlds = (generate::world_of_stage(), generate::world_of_stage());
    let keep = proptest::collection::vec(any::<bool>(), 8);
    (worlds, keep).prop_map(|((before, other), keep)| {
        let mut after = before.clone();
        let mixed = |own: &mut Vec<_>, others: Vec<_>, keep: &[bool]| {
            for (index, object) in others.into_iter().enumerate().filter(|(i, _)| keep[*i % 4]) {
                match own.get_mut(index) {
                    Some(place) => *place = object,
                    None => own.push(object),
                }
            }
        };
        mixed(&mut after.fleets, other.fleets, &keep[..4]);
        mixed(&mut after.policies, other.policies, &keep[4..]);
        (before, after)
    })
}

type Key = (String, String);

fn key(client: &ChangedClient) -> Key {
    (client.fleet.to_string(), client.name.to_string())
}

fn decisions(sides: &PlannedEstates) -> BTreeMap<Key, Decision> {
    let rows = rows(&sides["default"].plan);
    rows.into_iter().map(|(key, row)| (key, Decision::of(&row))).collect()
}

fn turned(difference: &Difference) -> BTreeMap<Key, (Option<Decision>, Option<Decision>)> {
    let turned = |c: &ChangedClient| (key(c), (c.after.clone(), c.before.clone()));
    difference.clients.iter().map(turned).collect()
}

proptest! {
    #![proptest_config(config(150))]
    #[test]
    fn the_same_estate_makes_no_difference(world in generate::world(true)) {
        let sides = sides(&world, world.at);
        let found = compare_plans(&sides, &sides, &GivenObjects::default(), instant(world.at));
        prop_assert!(found.is_empty(), "{:?}", found);
        prop_assert_eq!(found.summary.unchanged, found.summary.clients);
        prop_assert!(found.transitions.is_empty());
    }

    #[test]
    fn each_client_of_both_sides_is_told_of_once((before, after) in two()) {
        let at = before.at;
        let (before, after) = (sides(&before, at), sides(&after, at));
        let found = compare_plans(&before, &after, &GivenObjects::default(), instant(at));
        let (old, new) = (decisions(&before), decisions(&after));
        let all: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
        prop_assert_eq!(found.summary.clients, all.len());
        prop_assert_eq!(found.summary.changed + found.summary.unchanged, all.len());
        prop_assert_eq!(found.summary.changed, found.clients.len());

        let changed: BTreeMap<Key, &ChangedClient> =
            found.clients.iter().map(|client| (key(client), client)).collect();
        prop_assert_eq!(changed.len(), found.clients.len(), "nobody twice");
        for key in all {
            match changed.get(key) {
                Some(client) => {
                    prop_assert_eq!(client.before.as_ref(), old.get(key));
                    prop_assert_eq!(client.after.as_ref(), new.get(key));
                }
                None => prop_assert!(old[key].is_same_as(&new[key]), "{:?} is not told", key),
            }
        }
        // The counts by transition and by fleet must include each changed client exactly once.
        let counted: usize = found.transitions.iter().map(|transition| transition.clients).sum();
        prop_assert_eq!(counted, found.clients.len());
        let by_fleet: usize = found.fleets.iter().map(|fleet| fleet.summary.changed).sum();
        prop_assert_eq!(by_fleet, found.clients.len());
        let out = |out: &[clientfleet::plan::diff::StayingOut]| -> usize {
            out.iter().map(|out| out.clients).sum()
        };
        let out_by_fleet: usize = found.fleets.iter().map(|fleet| out(&fleet.staying_out)).sum();
        prop_assert_eq!(out(&found.staying_out), out_by_fleet);
    }

    #[test]
    fn the_way_back_is_the_change_turned_round((before, after) in two()) {
        let at = before.at;
        let (before, after) = (sides(&before, at), sides(&after, at));
        let there = compare_plans(&before, &after, &GivenObjects::default(), instant(at));
        let back = compare_plans(&after, &before, &GivenObjects::default(), instant(at));
        let untouched: BTreeMap<_, _> =
            back.clients.iter().map(|c| (key(c), (c.before.clone(), c.after.clone()))).collect();
        prop_assert_eq!(turned(&there), untouched);
        prop_assert_eq!(there.summary.come, back.summary.gone);
        prop_assert_eq!(there.summary.gone, back.summary.come);
        prop_assert_eq!(there.objects.len(), back.objects.len());
    }

    /// Checks that the effect of each changed client agrees with the client's offers before and
    /// after the change. `MovesNow` requires a new offer and `Stops` requires that the offer ends;
    /// with every other effect, the client neither gets nor loses an offer.
    #[test]
    fn effects_are_about_offers((before, after) in two()) {
        let at = before.at;
        let (before, after) = (sides(&before, at), sides(&after, at));
        let found = compare_plans(&before, &after, &GivenObjects::default(), instant(at));
        let offer = |decision: &Option<Decision>| {
            let decision = decision.clone().filter(|decision| decision.state == "Distributing");
            decision.and_then(|decision| decision.target_version)
        };
        let next = |decision: &Option<Decision>| decision.as_ref()?.next_transition_time;
        for client in &found.clients {
            let (would, will) = (next(&client.before).is_some(), next(&client.after).is_some());
            let (had, has) = (offer(&client.before), offer(&client.after));
            match client.effect {
                Effect::MovesNow => prop_assert!(has.is_some() && has != had),
                Effect::Stops => prop_assert!(has.is_none() && had.is_some()),
                Effect::MovesLater => prop_assert!(has.is_none() && had.is_none() && will),
                Effect::MovesAtAnotherTime => {
                    prop_assert!(has.is_none() && had.is_none() && would && will);
                    prop_assert_ne!(next(&client.before), next(&client.after));
                }
                Effect::NoLongerMoves => {
                    prop_assert!(has.is_none() && had.is_none() && would && !will);
                }
                Effect::Other => prop_assert_eq!(has.is_some(), had.is_some()),
            }
        }
        let staying_out: usize = found.staying_out.iter().map(|out| out.clients).sum();
        let now = found.summary;
        let moving = now.moving_now + now.moving_later + now.moving_at_another_time;
        prop_assert!(moving + staying_out <= now.clients - now.gone, "nobody moves and stays out");
        let effects: Vec<Effect> = found.transitions.iter().map(|found| found.effect).collect();
        prop_assert!(effects.is_sorted());
    }
}
