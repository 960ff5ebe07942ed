//! Defines the columns of `kubectl get clf,upol`, including those that `-o wide` adds. The columns
//! refer to fields by path, so this module does not use the API types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;

use super::crd::Kind;

/// Header, type and path of a column.
type Column = (&'static str, &'static str, &'static str);

/// The columns of fleets. A column with an instant in the future has the type `string`, because
/// kubectl shows a `date` column as an age.
const FLEET: [Column; 10] = [
    ("Package", "string", ".status.packageVersion"),
    ("Clients", "integer", ".status.summary.total"),
    ("UpToDate", "integer", ".status.summary.upToDate"),
    ("Distributing", "integer", ".status.summary.distributing"),
    ("Restart", "integer", ".status.summary.restartRequired"),
    ("Failed", "integer", ".status.summary.failed"),
    ("Blocked", "integer", ".status.summary.blocked"),
    ("Next", "string", ".status.nextTransitionTime"),
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

const FLEET_WIDE: [Column; 8] = [
    ("Waiting", "integer", ".status.summary.waiting"),
    ("Held", "integer", ".status.summary.held"),
    ("Ahead", "integer", ".status.summary.ahead"),
    ("Offline", "integer", ".status.summary.offline"),
    ("Unmanaged", "integer", ".status.summary.unmanaged"),
    ("PackageFrom", "string", ".spec.packageFrom.name"),
    ("TimeZone", "string", ".spec.timeZone"),
    ("Message", "string", ".status.conditions[?(@.type=='Ready')].message"),
];

const POLICY: [Column; 12] = [
    ("Mode", "string", ".spec.upgrade.mode"),
    ("Version", "string", ".spec.upgrade.version"),
    ("Priority", "integer", ".spec.priority"),
    ("Distribution", "string", ".status.distributionState"),
    ("Clients", "integer", ".status.governedClients"),
    ("UpToDate", "integer", ".status.summary.upToDate"),
    ("Failed", "integer", ".status.summary.failed"),
    ("Blocked", "integer", ".status.summary.blocked"),
    ("Next", "string", ".status.nextTransitionTime"),
    ("Complete", "string", ".status.conditions[?(@.type=='Complete')].status"),
    ("Ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

const POLICY_WIDE: [Column; 8] = [
    ("Suspended", "boolean", ".spec.suspend"),
    ("From", "string", ".spec.effectiveFrom"),
    ("Until", "string", ".spec.effectiveUntil"),
    ("Fleets", "integer", ".status.matchedFleets"),
    ("InScope", "integer", ".status.matchedClients"),
    ("Distributing", "integer", ".status.summary.distributing"),
    ("Restart", "integer", ".status.summary.restartRequired"),
    ("Message", "string", ".status.conditions[?(@.type=='Ready')].message"),
];

/// Returns the columns for objects of a kind.
pub fn of(kind: Kind) -> Vec<apiextensions::CustomResourceColumnDefinition> {
    let (always, wide): (&[Column], &[Column]) = match kind {
        Kind::ClientFleet => (&FLEET, &FLEET_WIDE),
        Kind::UpgradePolicy => (&POLICY, &POLICY_WIDE),
    };
    let always = always.iter().map(|column| definition(*column, None));
    always.chain(wide.iter().map(|column| definition(*column, Some(1)))).collect()
}

fn definition(
    (name, type_, json_path): Column,
    priority: Option<i32>,
) -> apiextensions::CustomResourceColumnDefinition {
    apiextensions::CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: json_path.to_owned(),
        priority,
        ..Default::default()
    }
}
