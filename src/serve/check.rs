//! Implements `clientfleet serve --check`: prints what would be served, and what is missing for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use tokio::sync::watch;

use super::packages::{Package, PackageCatalog};
use super::running::{Options, Serving};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::FleetKey;
use crate::cluster::connection::with_causes;
use crate::daemon::clock::SystemClock;
use crate::ddi::Agent;
use crate::plan::State;
use crate::values::Version;

/// Maximum time for the API server to show the fleets and policies.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(30);

/// Checks everything that serving needs. Prints the packages, the namespaces and the problems.
///
/// # Errors
/// Returns a message with the number of problems if there are any.
pub async fn run(
    client: Client,
    options: Options,
    stopped: impl Future<Output = ()>,
) -> Result<(), String> {
    let catalog = options.packages.1.clone();
    let tenants = options.callers.tenants.clone();
    let variant_label = options.service.variant_label.clone();
    let serving = Serving::start(client.clone(), Arc::new(SystemClock), options);
    let catalog = tokio::select! {
        () = stopped => return Err("stopped before the check was complete".to_owned()),
        catalog = complete(catalog) => catalog?,
    };
    let mut report = packages(&catalog);
    let mut problems: Vec<String> = catalog.problems().iter().map(ToString::to_string).collect();
    let namespaces: BTreeSet<&String> = tenants.values().collect();
    for namespace in namespaces {
        problems.extend(missing_rights(&client, namespace).await?);
    }
    if problems.is_empty() || tokio::time::timeout(CLUSTER_TIMEOUT, serving.filled()).await.is_ok()
    {
        let fleets = serving.fleets();
        for (tenant, namespace) in &tenants {
            let of_it: Vec<_> =
                fleets.iter().filter(|fleet| fleet.namespace() == namespace).collect();
            let clients: usize = of_it.iter().map(|fleet| fleet.client_names().count()).sum();
            let fleets = of_it.len();
            let _ = writeln!(
                report,
                "tenant {tenant}: namespace {namespace}, fleets: {fleets}, clients: {clients}"
            );
        }
        problems.extend(missing_packages(&fleets, &catalog, &variant_label));
    } else {
        problems.push(format!("the fleets were not listed within {CLUSTER_TIMEOUT:?}"));
    }
    for problem in &problems {
        let _ = writeln!(report, "problem: {problem}");
    }
    print(&report)?;
    match problems.len() {
        0 => Ok(()),
        1 => Err("there is 1 problem".to_owned()),
        count => Err(format!("there are {count} problems")),
    }
}

async fn complete(
    mut catalog: watch::Receiver<Arc<PackageCatalog>>,
) -> Result<Arc<PackageCatalog>, String> {
    let complete = catalog.wait_for(|catalog| catalog.is_complete()).await;
    Ok(Arc::clone(&*complete.map_err(|_| "the scanner of the packages has stopped".to_owned())?))
}

fn packages(catalog: &PackageCatalog) -> String {
    let mut files: Vec<_> = catalog.ready().collect();
    files.sort_by(|a, b| (a.version(), a.path()).cmp(&(b.version(), b.path())));
    let paths: Vec<String> = files.iter().map(|file| file.path().to_string()).collect();
    let width = paths.iter().map(String::len).max().unwrap_or_default();
    let mut report = String::new();
    for (file, path) in files.iter().zip(&paths) {
        let bytes = file.artifact().size;
        let _ = writeln!(report, "package {path:width$}  {bytes:>12} bytes");
    }
    if files.is_empty() {
        report.push_str("no packages\n");
    }
    report
}

/// Returns the rights in a namespace that the service needs and does not have.
async fn missing_rights(client: &Client, namespace: &str) -> Result<Vec<String>, String> {
    let fleets = ClientFleet::plural(&()).into_owned();
    let policies = UpgradePolicy::plural(&()).into_owned();
    let mut missing = Vec::new();
    for (verb, resource) in [
        ("list", &fleets),
        ("watch", &fleets),
        ("get", &fleets),
        ("patch", &fleets),
        ("list", &policies),
        ("watch", &policies),
    ] {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(ClientFleet::group(&()).into_owned()),
                    namespace: Some(namespace.to_owned()),
                    resource: Some(resource.clone()),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        let reviewed = reviews.create(&PostParams::default(), &review).await;
        let reviewed = reviewed.map_err(|error| with_causes(&error))?;
        if !reviewed.status.is_some_and(|status| status.allowed) {
            missing.push(format!("namespace {namespace}: this user may not {verb} {resource}"));
        }
    }
    Ok(missing)
}

/// Returns which offered versions have no package for their clients, with the number of clients.
fn missing_packages(
    fleets: &[Arc<DeliveryFleet>],
    catalog: &PackageCatalog,
    variant_label: &str,
) -> Vec<String> {
    let mut missing: BTreeMap<(FleetKey, String), usize> = BTreeMap::new();
    for fleet in fleets {
        for index in 0..fleet.client_names().count() {
            let row = fleet.entry(index).and_then(|entry| entry.row);
            let awaits = matches!(
                row.and_then(|row| row.state),
                Some(State::Distributing | State::Waiting | State::Offline)
            );
            let Some(target) = row.and_then(|row| row.target.as_ref()).filter(|_| awaits) else {
                continue;
            };
            let variant = fleet.label(index, variant_label);
            let package = Version::parse(target).map_err(|error| error.to_string());
            let package = package.and_then(|version| {
                catalog.package(&version, variant).map_err(|error| error.to_string())
            });
            let Err(problem) = package.and_then(installable) else { continue };
            let key = (fleet.key(), format!("{target}: {problem}"));
            *missing.entry(key).or_default() += 1;
        }
    }
    missing
        .into_iter()
        .map(|(((namespace, fleet), problem), clients)| {
            format!(
                "fleet {namespace}/{fleet}: no package for {clients} clients with the target {problem}"
            )
        })
        .collect()
}

/// Returns a message if no agent can install the package: the agents of the clients are not known.
fn installable(package: &Package) -> Result<(), String> {
    let is_chosen = |agent| package.choose(agent).is_ok();
    if [Agent::Swupdate, Agent::RaucHawkbit].into_iter().any(is_chosen) {
        return Ok(());
    }
    // All other agents install the only file.
    package.choose(Agent::Other).map(drop).map_err(|problem| problem.to_string())
}

/// Prints the report. Standard output may be a closed pipe.
fn print(report: &str) -> Result<(), String> {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let written = output.write_all(report.as_bytes()).and_then(|()| output.flush());
    written.map_err(|error| format!("standard output cannot be written: {error}"))
}
