//! Implements `plan` with a cluster: reads the current objects, predicts the result of applying the
//! files, and compares both plans for every client. Writes nothing to the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::local::{given, passed_over, refuse};
use super::owner::ApplyOptions;
use super::prediction::{AppliedObject, PredictedBy, Prediction, PredictionRefusal, predict};
use super::{Compared, Failure, PlanArgs};
use crate::api::{ClientFleet, ClientFleetStatus, Kind, Text, UpgradePolicy};
use crate::cli::WRONG_INPUT;
use crate::cli::cluster::{Cluster, NamespaceScope};
use crate::cli::files::File;
use crate::cli::objects::{self, Findings, Identity, Object};
use crate::cli::terminal::progress::Progress;
use crate::cli::terminal::table::printable;
use crate::plan::diff::{GivenObjects, PlannedEstate, PlannedEstates, Warning, compare_plans};
use crate::plan::{Cached, Estate, Parsed, Plan, parsed};
use crate::values::Timestamp;

const MAX_CONCURRENT_DRY_RUNS: usize = 4;

/// Compares the plan for the cluster's current objects with the plan after `files` are applied.
/// Computes both plans for the instant `at`.
pub(super) async fn compare(
    arguments: &PlanArgs,
    files: impl IntoIterator<Item = File>,
    at: Timestamp,
    now: Timestamp,
) -> Result<Compared, Failure> {
    let cluster = Cluster::connect(&arguments.connection).await?;
    let namespace = arguments.namespace.as_ref().unwrap_or(&cluster.namespace);
    let mut objects = Vec::new();
    let findings =
        objects::find_in(namespace, files, &mut |Object { identity, source: given, .. }| {
            objects.push(AppliedObject { identity, source: given });
        });
    refuse([&findings])?;
    stay_inside(arguments.namespace.as_deref(), &findings, &objects)?;
    let mut remarks = passed_over(&findings);
    let mut namespaces = read(&cluster, &objects).await?;
    let asked =
        ApplyOptions { owner: arguments.field_manager.clone(), server_side: arguments.server_side };
    let foreseen = predict_all(&cluster, &findings, &objects, &asked, &mut namespaces).await?;
    remarks += &how(&objects, &foreseen.by);
    let sides = |estate: fn(&LiveNamespace) -> Estate, at| -> PlannedEstates {
        let settled = namespaces.iter().map(|(name, there)| (name, estate(there)));
        settled.map(|(name, estate)| (name.clone(), PlannedEstate::settled(estate, at))).collect()
    };
    let (before, after) = (sides(LiveNamespace::before, at), sides(LiveNamespace::after, at));
    let due = (now != at).then(|| sides(LiveNamespace::before, now));
    remarks += &behind(namespaces, due.as_ref().unwrap_or(&before), now);
    let given = given(&findings);
    let mut difference = compare_plans(&before, &after, &given, at);
    difference.warnings.splice(..0, foreseen.warnings);
    Ok(Compared { difference, remarks })
}

/// Returns an error if an object is outside the namespace given with `-n`. As in kubectl, `-n` does
/// not move an object that specifies its own namespace.
fn stay_inside(
    namespace: Option<&str>,
    findings: &Findings,
    objects: &[AppliedObject],
) -> Result<(), Failure> {
    let Some(namespace) = namespace else { return Ok(()) };
    let outside = objects.iter().filter(|o| o.identity.namespace != namespace);
    let messages: Vec<String> = outside
        .map(|object| {
            let text = format!(
                "{}: it is not in namespace {namespace}, as -n says: leave -n out, or the \
                 object's `namespace: {}`",
                named(findings, object),
                object.identity.namespace
            );
            printable(&text).into_owned()
        })
        .collect();
    if messages.is_empty() { Ok(()) } else { Err(Failure { messages, code: WRONG_INPUT }) }
}

fn named(findings: &Findings, object: &AppliedObject) -> String {
    match findings.place(&object.identity) {
        Some(place) => format!("{place} ({})", object.identity),
        None => object.identity.to_string(),
    }
}

/// The objects of a namespace, before and after the files are applied.
#[derive(Default)]
struct LiveNamespace {
    /// Name and stored status of each fleet in the cluster.
    stored: Vec<(Text, ClientFleetStatus)>,
    fleets: PredictedObjects<ClientFleet>,
    policies: PredictedObjects<UpgradePolicy>,
}

struct PredictedObjects<K: parsed::Kind> {
    before: BTreeMap<String, Arc<Cached<K>>>,
    after: BTreeMap<String, Arc<Cached<K>>>,
}

impl<K: parsed::Kind> Default for PredictedObjects<K> {
    fn default() -> Self {
        Self { before: BTreeMap::new(), after: BTreeMap::new() }
    }
}

async fn read(
    cluster: &Cluster,
    objects: &[AppliedObject],
) -> Result<BTreeMap<String, LiveNamespace>, Failure> {
    let names: BTreeSet<&String> =
        objects.iter().map(|object| &object.identity.namespace).collect();
    let mut namespaces = BTreeMap::new();
    for name in names {
        let reach = NamespaceScope::Namespace(name.clone());
        let (fleets, policies) = (cluster.fleets(&reach).await?, cluster.policies(&reach).await?);
        let stored = fleets.iter().map(stored).collect();
        let there =
            LiveNamespace { stored, fleets: predicted(fleets), policies: predicted(policies) };
        namespaces.insert(name.clone(), there);
    }
    Ok(namespaces)
}

fn stored(fleet: &Parsed<ClientFleet>) -> (Text, ClientFleetStatus) {
    let name = fleet.metadata.name.as_deref().unwrap_or_default();
    (name.into(), fleet.status.clone().unwrap_or_default())
}

/// Creates [`PredictedObjects`] with the current objects in both maps. The predictions later
/// replace the objects to which files are applied.
fn predicted<K: parsed::Kind>(objects: Vec<Parsed<K>>) -> PredictedObjects<K> {
    let observed = objects.into_iter().map(Cached::from);
    let before: BTreeMap<_, _> =
        observed.map(|object| (object.name().to_owned(), Arc::new(object))).collect();
    PredictedObjects { after: before.clone(), before }
}

impl LiveNamespace {
    fn before(&self) -> Estate {
        estate(&self.fleets.before, &self.policies.before)
    }

    fn after(&self) -> Estate {
        estate(&self.fleets.after, &self.policies.after)
    }

    fn foresee(&mut self, object: &AppliedObject, prediction: &Prediction) -> Result<(), String> {
        let name = &object.identity.name;
        let foreseen = match object.identity.kind {
            Kind::ClientFleet => self.fleets.foresee(name, prediction),
            Kind::UpgradePolicy => self.policies.foresee(name, prediction),
        };
        foreseen.map_err(|error| format!("{} cannot be read: {error}", object.identity))
    }
}

fn estate(
    fleets: &BTreeMap<String, Arc<Cached<ClientFleet>>>,
    policies: &BTreeMap<String, Arc<Cached<UpgradePolicy>>>,
) -> Estate {
    Estate {
        fleets: fleets.values().cloned().collect(),
        policies: policies.values().cloned().collect(),
    }
}

impl<K: parsed::Kind> PredictedObjects<K> {
    /// Replaces the object in `before` and in `after` with the two objects of a prediction. The
    /// object in `before` may be outdated, because the prediction reads the object again.
    fn foresee(&mut self, name: &str, prediction: &Prediction) -> serde_json::Result<()> {
        self.before.remove(name);
        if let Some(before) = &prediction.before {
            self.before.insert(name.to_owned(), Arc::new(serde_json::from_str(before)?));
        }
        self.after.insert(name.to_owned(), Arc::new(serde_json::from_str(&prediction.after)?));
        Ok(())
    }
}

/// The warnings of all predictions, and the component that computed each prediction.
#[derive(Default)]
struct Answers {
    /// Component that computed each prediction, in the order of the objects.
    by: Vec<PredictedBy>,
    warnings: Vec<Warning>,
}

impl Answers {
    fn add(&mut self, identity: &Identity, prediction: Prediction) {
        self.by.push(prediction.by);
        self.warnings.extend(prediction.warning.map(|message| Warning {
            kind: identity.kind.name(),
            namespace: identity.namespace.clone(),
            name: identity.name.clone(),
            message,
        }));
    }
}

/// Predicts how the cluster would store each object of the files, and adds the predictions to
/// `namespaces`. If the API server rejects files, the error lists all of them.
async fn predict_all(
    cluster: &Cluster,
    findings: &Findings,
    objects: &[AppliedObject],
    asked: &ApplyOptions,
    namespaces: &mut BTreeMap<String, LiveNamespace>,
) -> Result<Answers, Failure> {
    let mut progress = Progress::start("Trying objects out");
    let (mut collected, mut refusals) = (Answers::default(), Vec::new());
    let questions = objects
        .iter()
        .map(|object| async move { (object, predict(&cluster.client, object, asked).await) });
    let mut answers = stream::iter(questions).buffered(MAX_CONCURRENT_DRY_RUNS);
    while let Some((object, answer)) = answers.next().await {
        match answer {
            Ok(prediction) => {
                let there = namespaces.entry(object.identity.namespace.clone()).or_default();
                there.foresee(object, &prediction).map_err(Failure::new)?;
                collected.add(&object.identity, prediction);
            }
            Err(PredictionRefusal::OfFile(why)) => {
                let why = format!("{}: {why}", named(findings, object));
                refusals.push(printable(&why).into_owned());
            }
            Err(PredictionRefusal::OfCluster(why)) => return Err(Failure::new(why)),
        }
        progress.update(collected.by.len() + refusals.len(), Some(objects.len()));
    }
    if refusals.is_empty() {
        Ok(collected)
    } else {
        Err(Failure { messages: refusals, code: WRONG_INPUT })
    }
}

/// Returns warnings that state why some objects were predicted without a dry run.
fn how(objects: &[AppliedObject], answered: &[PredictedBy]) -> String {
    let by = |by: PredictedBy| objects.iter().zip(answered).filter(move |(_, who)| **who == by);
    let mut remarks = String::new();
    let without_rights = by(PredictedBy::Rights).count();
    if without_rights > 0 {
        remarks += &format!(
            "warning: you may not patch {without_rights} of these objects, so the API server was \
             not asked what it would make of them: others' fields are merged by this program, and \
             rules of the cluster are not known\n"
        );
    }
    let missing: BTreeSet<&str> =
        by(PredictedBy::Namespace).map(|(object, _)| object.identity.namespace.as_str()).collect();
    for namespace in missing {
        let namespace = printable(namespace);
        remarks += &format!(
            "warning: there is no namespace {namespace} yet: what is given for it is planned as if \
             there were\n"
        );
    }
    remarks
}

/// Returns a warning if the statuses in the cluster differ from the plan for the current instant.
/// In that case the controller is behind or not running.
fn behind(
    namespaces: BTreeMap<String, LiveNamespace>,
    due: &PlannedEstates,
    now: Timestamp,
) -> String {
    let stored = namespaces.into_iter().map(|(name, there)| {
        let plan = Plan { fleets: there.stored, ..Plan::default() };
        (name, PlannedEstate { estate: Estate::default(), plan })
    });
    let counts = compare_plans(&stored.collect(), due, &GivenObjects::default(), now).summary;
    if counts.changed == 0 {
        return String::new();
    }
    format!(
        "warning: the statuses in the cluster do not say of {} of {} clients what follows from the \
         objects now: the controller is behind or does not run; the plan begins with what follows\n",
        counts.changed, counts.clients
    )
}
