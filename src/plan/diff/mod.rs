//! What a change of fleets and policies does to every client: who moves now, who later, who stops, and
//! who stays out and why. Compares two plans of the same instant; decides nothing itself, and does not
//! know where the objects come from.

mod clients;
mod objects;
mod staying_out;
mod transitions;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use clients::{ChangedClient, Decision, Effect, When};
pub use objects::{ChangedObject, ObjectChange};
pub use staying_out::StayingOut;
pub use transitions::Transition;
pub use warnings::Warning;

use super::{Estate, Plan, settle};
use crate::api::fleet::ClientStatus;
use crate::api::{Kind, Text};
use crate::values::Timestamp;
use clients::Comparing;
use staying_out::StayingOutCounts;

/// One namespace before or after a change: its objects, and the plan on which the controller settles.
#[derive(Clone, Debug, Default)]
pub struct PlannedEstate {
    /// All its fleets and policies.
    pub estate: Estate,
    /// What follows from them.
    pub plan: Plan,
}

impl PlannedEstate {
    /// Plans for a namespace at an instant.
    #[must_use]
    pub fn settled(estate: Estate, at: Timestamp) -> Self {
        Self { plan: settle(&estate, at), estate }
    }
}

/// The namespaces by name.
pub type PlannedEstates = BTreeMap<String, PlannedEstate>;

/// The objects that somebody gave, by kind, namespace and name.
#[derive(Clone, Debug, Default)]
pub struct GivenObjects {
    /// Fleets.
    pub fleets: BTreeSet<(String, String)>,
    /// Policies.
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

/// What a change does, what matters most first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The instant of both plans.
    pub at: Timestamp,
    /// The namespaces that were compared.
    pub namespaces: Vec<String>,
    /// How many clients do what.
    pub summary: Counts,
    /// The changed clients, counted by what becomes of them.
    pub transitions: Vec<Transition>,
    /// The fleets and policies that come, go or are changed.
    pub objects: Vec<ChangedObject>,
    /// What a person should look at before the change is made.
    pub warnings: Vec<Warning>,
    /// The clients that neither move nor have arrived once the change is made, and why.
    pub staying_out: Vec<StayingOut>,
    /// The same for each fleet.
    pub fleets: Vec<FleetDifference>,
    /// The clients for which something else is decided.
    pub clients: Vec<ChangedClient>,
}

/// Numbers of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All of both sides.
    pub clients: usize,
    /// Those for which something else is decided, or that come or go.
    pub changed: usize,
    /// The others.
    pub unchanged: usize,
    /// Those that there were not before.
    pub come: usize,
    /// Those that there are no longer.
    pub gone: usize,
    /// Those that are offered a version now that they were not offered before.
    pub moving_now: usize,
    /// The changed ones that are offered one later, that they were not to be offered before.
    pub moving_later: usize,
    /// Those that are offered the same one later, at another time than before.
    pub moving_at_another_time: usize,
    /// Those whose offer is taken away.
    pub stopping: usize,
    /// Those that were to be offered one later, and no longer are.
    pub no_longer_moving: usize,
    /// The changed ones that a restart still brings a version that they should not run.
    pub staged: usize,
}

/// What a change does to one fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetDifference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: Text,
    /// How many of its clients do what.
    pub summary: Counts,
    /// Those that neither move nor have arrived, and why.
    pub staying_out: Vec<StayingOut>,
}

impl Difference {
    /// Whether there is nothing to tell: no object is another, and nothing else is decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.clients.is_empty()
    }
}

/// Compares two plans of the instant `at`. A namespace that one side lacks is empty there. Warnings are
/// about the objects in `given` alone.
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
        warnings.extend(warnings::find(namespace, after, given));
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

/// Compares the fleets of a namespace, and adds what is found to what was found in others.
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
        let comparing = Comparing::new(namespace, name, &before.estate, &after.estate);
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
    /// Counts one client: how it changes, or that it does not.
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
