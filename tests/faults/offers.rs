//! Judges each stored offer: it must follow from the fleet, and from policies that the controller
//! may have seen last.
//!
//! A controller may lag behind the API server, but not behind itself: after a policy was in force,
//! no offer may follow from an older version of that policy.

use std::sync::Arc;

use clientfleet::plan::{Cached, Estate, Kind, settle};
use kube::api::DynamicObject;
use serde_json::json;

use crate::history::{is_in_force, observed_generation, rows_of, successions};
use crate::observer::{Stored, latest};

/// Returns the offers that follow from no combination of policies that the controller may have
/// seen.
pub fn unasked(fleets: &[Stored], policies: &[Stored]) -> Vec<String> {
    let judge = |(place, fleet): (usize, &Stored)| {
        let before = before(fleets, place);
        // The first version of an object that was listed may be older than all known policies.
        let is_written = before.map_or(!fleet.follows_gap, |before| {
            before.object.data.get("status") != fleet.object.data.get("status")
        });
        let is_judged = is_written && !fleet.is_deleted;
        is_judged.then(|| contradiction(fleets, place, policies, fleet.version)).flatten()
    };
    fleets.iter().enumerate().filter_map(judge).collect()
}

/// Returns the offers that were stored when a policy came into force, and that the policy
/// contradicts.
pub fn contradictions(fleets: &[Stored], policies: &[Stored]) -> Vec<String> {
    let mut found = vec![];
    for (before, policy) in successions(policies) {
        if policy.is_deleted || !is_in_force(policy) || is_in_force(before) {
            continue;
        }
        for fleet in latest(fleets, policy.version) {
            let place = fleets.iter().position(|other| other.version == fleet.version);
            let offers =
                place.and_then(|place| contradiction(fleets, place, policies, policy.version));
            found.extend(offers.map(|offers| {
                format!("{} is in force at {}, but {offers}", policy.name(), policy.version)
            }));
        }
    }
    found
}

/// Returns the version before `fleets[place]` of the same object.
fn before(fleets: &[Stored], place: usize) -> Option<&Stored> {
    let uid = &fleets[place].object.metadata.uid;
    fleets[..place].iter().rev().find(|before| before.object.metadata.uid == *uid)
}

/// Returns the offers of `fleets[place]`, if they do not all follow from one combination of the
/// policies that a controller may have seen last at the resourceVersion `version`.
fn contradiction(
    fleets: &[Stored],
    place: usize,
    policies: &[Stored],
    version: u64,
) -> Option<String> {
    let fleet = &fleets[place];
    let offered: Vec<_> =
        rows_of(fleet).into_iter().filter(|row| row.state == "Distributing").collect();
    if offered.is_empty() {
        return None;
    }
    let Some(decided_from) = decided_from(fleets, fleet, before(fleets, place)) else {
        return Some(format!("{} {}: decided from no stored spec", fleet.name(), fleet.version));
    };
    let source = decided_from.data["spec"]["packageFrom"]["name"].as_str();
    let source = latest(fleets, version).into_iter().find(|other| Some(&*other.name()) == source);
    let estate: Vec<DynamicObject> =
        [decided_from].into_iter().chain(source.map(|source| source.object)).collect();
    let is_asked = |policies: &Vec<DynamicObject>| {
        let planned = planned_offers(&estate, policies, fleet);
        offered.iter().all(|row| {
            let target = row.target_version.as_ref().map(ToString::to_string);
            planned.contains(&(row.name.to_string(), target.unwrap_or_default()))
        })
    };
    let is_asked = combinations(policies, version).iter().any(is_asked);
    (!is_asked).then(|| format!("{} {}: {}", fleet.name(), fleet.version, json!(offered)))
}

/// Returns the fleet as the controller saw it: with the spec of the generation that the status
/// reports, and the status before it.
fn decided_from(
    fleets: &[Stored],
    fleet: &Stored,
    before: Option<&Stored>,
) -> Option<DynamicObject> {
    let generation = observed_generation(fleet)?;
    let is_it = |other: &&Stored| {
        other.object.metadata.uid == fleet.object.metadata.uid && other.generation() == generation
    };
    let mut seen = fleets.iter().find(is_it)?.object.clone();
    let status = before.and_then(|before| before.object.data.get("status").cloned());
    seen.data["status"] = status.unwrap_or_else(|| json!({}));
    Some(seen)
}

/// Returns all combinations of policy versions that the controller may have seen last when it wrote
/// a status as `version`.
fn combinations(policies: &[Stored], version: u64) -> Vec<Vec<DynamicObject>> {
    let known: Vec<Stored> =
        policies.iter().filter(|stored| stored.version <= version).cloned().collect();
    let mut names: Vec<String> = known.iter().map(Stored::name).collect();
    names.sort();
    names.dedup();
    let mut combinations = vec![vec![]];
    for name in names {
        let versions = candidates(&known, &name);
        let extended = combinations.iter().flat_map(|combination: &Vec<DynamicObject>| {
            versions
                .iter()
                .map(move |next| combination.iter().cloned().chain(next.clone()).collect())
        });
        combinations = extended.collect();
    }
    combinations
}

/// Returns the versions of a policy that the controller may have seen last: all since it was last
/// in force. `None` stands for a policy that does not exist.
fn candidates(known: &[Stored], name: &str) -> Vec<Option<DynamicObject>> {
    let own: Vec<&Stored> = known.iter().filter(|stored| stored.name() == name).collect();
    let in_force = own.iter().rposition(|stored| !stored.is_deleted && is_in_force(stored));
    let mut found = vec![];
    if in_force.is_none() {
        found.push(None);
    }
    let since = &own[in_force.unwrap_or_default()..];
    for (place, stored) in since.iter().enumerate() {
        let next = since.get(place + 1);
        let same_spec = |next: &&Stored| {
            next.object.metadata.uid == stored.object.metadata.uid
                && next.generation() == stored.generation()
        };
        if stored.is_deleted {
            found.push(None);
        } else if !next.is_some_and(|next| same_spec(next) && !next.is_deleted) {
            found.push(Some(stored.object.clone()));
        }
    }
    // The policy does not exist now, so the controller may know that.
    if latest(known, u64::MAX).iter().all(|stored| stored.name() != name) {
        found.push(None);
    }
    found
}

/// Returns the name and the target version of each client of the fleet `written` that the plan
/// offers an upgrade.
fn planned_offers(
    fleets: &[DynamicObject],
    policies: &[DynamicObject],
    written: &Stored,
) -> Vec<(String, String)> {
    let estate = Estate {
        fleets: fleets.iter().map(cached).collect(),
        policies: policies.iter().map(cached).collect(),
    };
    let plan = settle(&estate, written.time);
    let fleets = plan.fleets.into_iter().filter(|(name, _)| name.as_str() == written.name());
    let rows = fleets.flat_map(|(_, status)| status.clients.unwrap_or_default());
    rows.filter(|row| row.state == "Distributing")
        .map(|row| {
            let target = row.target_version.as_ref().map(ToString::to_string);
            (row.name.to_string(), target.unwrap_or_default())
        })
        .collect()
}

fn cached<K: Kind>(object: &DynamicObject) -> Arc<Cached<K>> {
    let text = serde_json::to_string(object).expect("an object is JSON");
    Arc::new(serde_json::from_str(&text).expect("a stored object can be read"))
}
