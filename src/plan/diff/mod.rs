//! Compares two plans for the same instant, to find the effects of a change to fleets or policies
//! from a cluster or from files.
//!
//! The difference lists the clients that are offered a version now or later because of the change,
//! the clients that lose their offer, and the clients that get no offer, with the reasons.

mod circles;
mod clients;
mod objects;
mod staying_out;
mod ties;
mod transitions;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use clients::{ChangedClient, Decision, Effect, When};
pub use objects::{ChangedObject, ObjectChange};
pub use staying_out::StayingOut;
pub use transitions::Transition;
pub use warnings::Warning;
pub(crate) use warnings::address_unknown;

use super::{Estate, Plan, settle};
use crate::api::fleet::ClientStatus;
use crate::api::{Kind, Text};
use crate::values::Timestamp;
use clients::ClientComparison;
use staying_out::StayingOutCounts;

/// One namespace before or after a change: its objects, and the plan that the controller makes once
/// all statuses are written.
#[derive(Clone, Debug, Default)]
pub struct PlannedEstate {
    /// Fleets and policies of the namespace.
    pub estate: Estate,
    /// Plan for the namespace after all statuses are written.
    pub plan: Plan,
}

impl PlannedEstate {
    /// Plans a namespace for an instant. The plan equals the one that the controller makes once all
    /// statuses are written.
    #[must_use]
    pub fn settled(estate: Estate, at: Timestamp) -> Self {
        Self { plan: settle(&estate, at), estate }
    }
}

/// State of every compared namespace before or after a change, by namespace name.
pub type PlannedEstates = BTreeMap<String, PlannedEstate>;

/// Returns a message for each circle of targets in a namespace.
#[must_use]
pub fn circles(planned: &PlannedEstate, at: Timestamp) -> Vec<String> {
    circles::find(planned, at).values().map(circles::Circle::warning).collect()
}

/// Namespaces and names of the objects that the user passed.
#[derive(Clone, Debug, Default)]
pub struct GivenObjects {
    /// Namespaces and names of the fleets.
    pub fleets: BTreeSet<(String, String)>,
    /// Namespaces and names of the policies.
    pub policies: BTreeSet<(String, String)>,
}

impl GivenObjects {
    /// Adds an object.
    pub fn insert(&mut self, kind: Kind, namespace: &str, name: &str) {
        let objects = match kind {
            Kind::ClientFleet => &mut self.fleets,
            Kind::UpgradePolicy => &mut self.policies,
        };
        objects.insert((namespace.to_owned(), name.to_owned()));
    }
}

/// Result of comparing two plans. The most important fields come first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Instant for which both plans were made.
    pub at: Timestamp,
    /// Namespaces that were compared.
    pub namespaces: Vec<String>,
    /// Number of clients for each effect.
    pub summary: Counts,
    /// Changed clients, grouped by their state before and after the change.
    pub transitions: Vec<Transition>,
    /// Fleets and policies that are created, changed or deleted.
    pub objects: Vec<ChangedObject>,
    /// Problems that the user should review before making the change.
    pub warnings: Vec<Warning>,
    /// Clients that get no offer after the change, counted by reason.
    pub staying_out: Vec<StayingOut>,
    /// Summary of the change for each fleet.
    pub fleets: Vec<FleetDifference>,
    /// Clients whose decision changes.
    pub clients: Vec<ChangedClient>,
}

/// Number of clients for each effect of the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All clients that exist before or after the change.
    pub clients: usize,
    /// Clients whose decision changes, or that are added or removed.
    pub changed: usize,
    /// Clients whose decision does not change.
    pub unchanged: usize,
    /// Clients that exist only after the change.
    pub come: usize,
    /// Clients that exist only before the change.
    pub gone: usize,
    /// Clients that are now offered a version that they were not offered before.
    pub moving_now: usize,
    /// Clients that will be offered a version later because of the change.
    pub moving_later: usize,
    /// Clients that will be offered the same version as before, but at another time.
    pub moving_at_another_time: usize,
    /// Clients that lose their offer.
    pub stopping: usize,
    /// Clients that would get an offer later without the change, but not with the change.
    pub no_longer_moving: usize,
    /// Changed clients whose next restart activates a version that they should not run.
    pub staged: usize,
}

/// Effects of a change on one fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetDifference {
    /// Namespace of the fleet.
    pub namespace: String,
    /// Name of the fleet.
    pub name: Text,
    /// Number of the fleet's clients for each effect.
    pub summary: Counts,
    /// Clients of the fleet that get no offer after the change, counted by reason.
    pub staying_out: Vec<StayingOut>,
}

impl Difference {
    /// Returns whether the change has no effect, that is, no object and no decision differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.clients.is_empty()
    }
}

/// Compares two plans for the instant `at`, and reports warnings only for the objects in `given`.
///
/// A namespace that exists only before or only after the change is compared with an empty
/// namespace.
#[must_use]
pub fn compare_plans(
    before: &PlannedEstates,
    after: &PlannedEstates,
    given: &GivenObjects,
    at: Timestamp,
) -> Difference {
    let nothing = PlannedEstate::default();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed = Vec::new();
    let mut fleets = Vec::new();
    let mut total = StayingOutCounts::default();
    let mut objects = Vec::new();
    let mut warnings = Vec::new();
    for namespace in &names {
        let before = before.get(*namespace).unwrap_or(&nothing);
        let after = after.get(*namespace).unwrap_or(&nothing);
        objects.extend(objects::compare(namespace, &before.estate, &after.estate));
        warnings.extend(warnings::find(namespace, before, after, given, at));
        compare_fleets(namespace, before, after, &mut changed, &mut fleets, &mut total);
    }
    changed.sort_by(ChangedClient::order);
    let mut summary = Counts::default();
    for fleet in &fleets {
        summary.add(&fleet.summary);
    }
    Difference {
        at,
        namespaces: names.into_iter().cloned().collect(),
        summary,
        transitions: transitions::count(&changed),
        objects,
        warnings,
        staying_out: total.sorted(),
        fleets,
        clients: changed,
    }
}

fn compare_fleets(
    namespace: &str,
    before: &PlannedEstate,
    after: &PlannedEstate,
    changed: &mut Vec<ChangedClient>,
    fleets: &mut Vec<FleetDifference>,
    total: &mut StayingOutCounts,
) {
    let rows_before = rows(&before.plan);
    let rows_after = rows(&after.plan);
    let names: BTreeSet<&Text> = rows_before.keys().chain(rows_after.keys()).copied().collect();
    for name in names {
        let before_rows = rows_before.get(name).copied().unwrap_or_default();
        let after_rows = rows_after.get(name).copied().unwrap_or_default();
        let comparing = ClientComparison::new(namespace, name, &before.estate, &after.estate);
        let mut out = StayingOutCounts::default();
        let mut summary = Counts::default();
        comparing.run(before_rows, after_rows, |row, found| {
            if let Some(row) = row {
                out.count(namespace, row, found.as_ref());
                total.count(namespace, row, found.as_ref());
            }
            summary.count(found.as_ref());
            changed.extend(found);
        });
        fleets.push(FleetDifference {
            namespace: namespace.to_owned(),
            name: name.clone(),
            summary,
            staying_out: out.sorted(),
        });
    }
}

fn rows(plan: &Plan) -> BTreeMap<&Text, &[ClientStatus]> {
    plan.fleets
        .iter()
        .map(|(name, status)| (name, status.clients.as_deref().unwrap_or_default()))
        .collect()
}

impl Counts {
    fn count(&mut self, changed: Option<&ChangedClient>) {
        self.clients += 1;
        let Some(client) = changed else {
            self.unchanged += 1;
            return;
        };
        self.changed += 1;
        self.come += usize::from(client.before.is_none());
        self.gone += usize::from(client.after.is_none());
        self.moving_now += usize::from(client.effect == Effect::MovesNow);
        self.moving_later += usize::from(client.effect == Effect::MovesLater);
        self.moving_at_another_time += usize::from(client.effect == Effect::MovesAtAnotherTime);
        self.stopping += usize::from(client.effect == Effect::Stops);
        self.no_longer_moving += usize::from(client.effect == Effect::NoLongerMoves);
        self.staged += usize::from(client.is_staged_against_its_decision());
    }

    fn add(&mut self, other: &Self) {
        self.clients += other.clients;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.come += other.come;
        self.gone += other.gone;
        self.moving_now += other.moving_now;
        self.moving_later += other.moving_later;
        self.moving_at_another_time += other.moving_at_another_time;
        self.stopping += other.stopping;
        self.no_longer_moving += other.no_longer_moving;
        self.staged += other.staged;
    }
}
