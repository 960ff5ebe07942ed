//! Finds problems that the user should review before making a change: scope entries that match no
//! client, scopes that depend on a client's address, user or version, ties of equal priorities,
//! stalled objects, clients of several fleets, and circles of targets.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{GivenObjects, PlannedEstate, circles, ties};
use crate::api::policy::{ClientSelector, Scope, UpgradePolicyStatus};
use crate::api::{Condition, Kind, Text};
use crate::plan::client_fields::{ClientFields, Field};
use crate::plan::duplicates::{ClientEntry, DuplicateClient, DuplicateGroup};
use crate::plan::facts::Facts;
use crate::plan::package_source::is_wait_for_package;
use crate::plan::{Cached, Estate, parsed};
use crate::values::Timestamp;
use crate::values::selector::Keywords;

/// A problem in one object that the user should review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Kind of the object: `ClientFleet` or `UpgradePolicy`.
    pub kind: &'static str,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Description of the problem.
    pub message: String,
}

/// Returns the warnings for the objects in `given`, based on the state of the namespace after the
/// change, and for the clients that several fleets list because of the change. A circle of targets
/// that exists before the change, too, causes no warning.
pub(super) fn find(
    namespace: &str,
    before: &PlannedEstate,
    after: &PlannedEstate,
    given: &GivenObjects,
    at: Timestamp,
) -> Vec<Warning> {
    let is_given = |objects: &std::collections::BTreeSet<(String, String)>, name: &Text| {
        objects.contains(&(namespace.to_owned(), name.to_string()))
    };
    let warning = |kind: Kind, name: &str, message| Warning {
        kind: kind.name(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        message,
    };
    let mut ties = ties::find(after, at, |name| is_given(&given.policies, name));
    let mut found = Vec::new();
    for (fleet, group) in new_duplicates(&before.estate, &after.estate, at) {
        found.push(warning(Kind::ClientFleet, &fleet, group.to_string()));
    }
    for (name, status) in after.plan.policies.iter().filter(|p| is_given(&given.policies, &p.0)) {
        let unmatched = status.unmatched.iter().map(|entry| format!("{entry} matches no client"));
        let scope = spec(&after.estate.policies, name).and_then(|spec| spec.scope.as_ref());
        let moving = scope.map(|scope| moving(scope, &after.estate)).unwrap_or_default();
        let unknown = address_unknown(name, status);
        let ties = ties.remove(name).into_iter().flatten();
        let messages = stalled(&status.conditions).into_iter().chain(unmatched).chain(unknown);
        let messages = messages.chain(moving).chain(ties);
        found.extend(messages.map(|message| warning(Kind::UpgradePolicy, name, message)));
    }
    for (name, status) in after.plan.fleets.iter().filter(|f| is_given(&given.fleets, &f.0)) {
        let messages = stalled(&status.conditions).into_iter();
        found.extend(messages.map(|message| warning(Kind::ClientFleet, name, message)));
    }
    let mut circles = circles::find(after, at);
    if !circles.is_empty() {
        let known = circles::find(before, at);
        circles.retain(|policies, _| !known.contains_key(policies));
    }
    for (policies, circle) in circles {
        // Prefer the policy that comes first: it is the one that stops the others.
        let first = circle.chain.first_in_circle.iter().chain(&policies);
        let policy = first.into_iter().find(|name| is_given(&given.policies, name));
        let fleet = circle.fleets.iter().find(|name| is_given(&given.fleets, name));
        let policy = policy.map(|name| (Kind::UpgradePolicy, name));
        if let Some((kind, name)) = policy.or(fleet.map(|name| (Kind::ClientFleet, name))) {
            found.push(warning(kind, name, circle.warning()));
        }
    }
    found
}

/// Returns the duplicate clients that the change adds, grouped by the fleets that list them. Each
/// group comes with the name of a fleet to which the change adds the clients.
fn new_duplicates(before: &Estate, after: &Estate, at: Timestamp) -> Vec<(Text, DuplicateGroup)> {
    let duplicates = after.duplicate_clients();
    let mut known: BTreeMap<Text, Vec<&str>> =
        duplicates.iter().map(|duplicate| (duplicate.name.clone(), Vec::new())).collect();
    for fleet in &before.fleets {
        for name in fleet.client_names() {
            if let Some(fleets) = known.get_mut(name) {
                fleets.push(fleet.name());
            }
        }
    }
    let mut added: BTreeMap<Text, Vec<DuplicateClient>> = BTreeMap::new();
    for duplicate in duplicates {
        let known = &known[&duplicate.name];
        let is_new = |entry: &&ClientEntry| !known.contains(&entry.fleet.as_str());
        let fleet = duplicate.entries.iter().find(is_new).map(|entry| entry.fleet.clone());
        if let Some(fleet) = fleet {
            added.entry(fleet).or_default().push(duplicate);
        }
    }
    let groups = added.into_iter().flat_map(|(fleet, added)| {
        let groups = DuplicateGroup::all(&added, at);
        groups.into_iter().map(move |group| (fleet.clone(), group))
    });
    groups.collect()
}

fn spec<'a, K: parsed::Kind>(
    objects: &'a [std::sync::Arc<Cached<K>>],
    name: &str,
) -> Option<&'a K::Spec> {
    objects.iter().find(|object| object.name() == name)?.spec.as_deref().ok()
}

fn stalled(conditions: &[Condition]) -> Option<String> {
    let is_stalled =
        |c: &&Condition| c.r#type == "Stalled" && c.status == "True" || is_wait_for_package(c);
    let stalled = conditions.iter().find(is_stalled)?;
    Some(format!("{}: {}", stalled.reason, stalled.message))
}

/// Returns a warning if clients are out of a policy's scope only because their address is unknown.
pub(crate) fn address_unknown(policy: &str, status: &UpgradePolicyStatus) -> Option<String> {
    let (clients, report) = match status.address_unknown_clients.unwrap_or_default() {
        0 => return None,
        1 => ("1 client".to_owned(), "reports"),
        clients => (format!("{clients} clients"), "report"),
    };
    Some(format!(
        "{clients} {report} no address, or one that cannot be read, and would be in scope of \
         {policy} with an address in its networks"
    ))
}

/// Returns the warnings for the selectors in `scope` that depend on a client's address, user or
/// version, because a client can report another value at any time.
fn moving(scope: &Scope, estate: &Estate) -> Vec<String> {
    let lists = [("clients", &scope.clients), ("exclude", &scope.exclude)];
    let selectors = lists.into_iter().flat_map(|(list, selectors)| {
        selectors
            .iter()
            .flatten()
            .enumerate()
            .map(move |(index, selector)| (format!("scope.{list}[{index}]"), selector))
    });
    selectors.flat_map(|(place, selector)| rests_on(&place, selector, estate)).collect()
}

/// Returns a warning for each reported fact that `selector` depends on: at most one for the address
/// and the user, and one for the version.
fn rests_on(place: &str, selector: &ClientSelector, estate: &Estate) -> Vec<String> {
    let by_version =
        selector.versions.as_ref().map(|_| ("versions", "the version that a client runs"));
    let by_place = rests_on_place(selector, estate);
    let message = |(field, fact)| {
        format!(
            "{place}.{field} goes by {fact}, which moves: clients come into the scope and leave it \
             by themselves"
        )
    };
    by_place.into_iter().chain(by_version).map(message).collect()
}

/// Returns the field of `selector` that depends on a client's address or last user, and that fact.
fn rests_on_place(
    selector: &ClientSelector,
    estate: &Estate,
) -> Option<(&'static str, &'static str)> {
    let by_search = selector.search.as_ref().filter(|search| is_found_by_facts(search, estate));
    if selector.cidrs.is_some() {
        Some(("cidrs", "a client's address"))
    } else if selector.users.is_some() {
        Some(("users", "the user who logged in last"))
    } else if by_search.is_some() {
        Some(("search", "a client's address or its last user"))
    } else {
        None
    }
}

/// Returns whether `search` matches at least one client only because of the client's address or
/// last user.
fn is_found_by_facts(search: &str, estate: &Estate) -> bool {
    let Some(keywords) = Keywords::parse(search) else { return false };
    let specs = estate.fleets.iter().filter_map(|fleet| fleet.spec.as_deref().ok());
    specs.flat_map(|spec| spec.clients.iter().flatten()).any(|client| {
        let facts = Facts::read(client);
        let client = facts.subject();
        let moving = Field::ALL.into_iter().filter(|field| field.is_moving());
        let without = moving.fold(client, ClientFields::without);
        keywords.occur_in(&client.folded) && !keywords.occur_in(&without.folded)
    })
}
