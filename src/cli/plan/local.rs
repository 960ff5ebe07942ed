//! Implements `plan --local`, which computes the statuses that the controller would eventually
//! write for the objects in the files, without a cluster or a clock.
//!
//! With `--against`, compares these statuses with the statuses computed from older files.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Compared, PlanFormat, estate_tables};
use crate::api::fleet::ClientFleetSpec;
use crate::api::{ClientFleetStatus, Kind, Text, UpgradePolicyStatus};
use crate::cli::files::File;
use crate::cli::objects::{self, Findings, Identity, Object, SourceObject};
use crate::cli::{Failure, WRONG_INPUT, data};
use crate::plan::diff::{self, PlannedEstate, PlannedEstates, compare_plans};
use crate::plan::duplicates::DuplicateGroup;
use crate::plan::facts::Package;
use crate::plan::version_text::VersionText;
use crate::plan::{CachedPolicy, Estate, Plan, State};
use crate::values::Timestamp;

/// The plans of all namespaces in the files, computed for one instant.
pub(super) struct LocalPlan {
    /// Objects from the files, in file order. Empty unless the output format is JSON or YAML,
    /// because only these formats print the objects.
    given: Vec<(Identity, SourceObject)>,
    namespaces: BTreeMap<String, PlannedNamespace>,
    at: Timestamp,
    format: PlanFormat,
}

/// The policies and the plan of one namespace.
pub(super) struct PlannedNamespace {
    pub(super) policies: Vec<Arc<CachedPolicy>>,
    /// Client names that several fleets list.
    pub(super) duplicates: Vec<DuplicateGroup>,
    /// Messages about circles of targets.
    pub(super) circles: Vec<String>,
    /// Numbers of governed clients that are `Ahead` of their target on a withdrawn version, by
    /// policy.
    pub(super) ahead_on_withdrawn: BTreeMap<Text, u32>,
    pub(super) plan: Plan,
}

impl PlannedNamespace {
    fn settled(estate: Estate, at: Timestamp) -> Self {
        let duplicates = DuplicateGroup::all(&estate.duplicate_clients(), at);
        let planned = PlannedEstate::settled(estate, at);
        let circles = diff::circles(&planned, at);
        let PlannedEstate { estate, plan } = planned;
        let ahead_on_withdrawn = ahead_on_withdrawn(&estate, &plan);
        Self { policies: estate.policies, duplicates, circles, ahead_on_withdrawn, plan }
    }
}

fn ahead_on_withdrawn(estate: &Estate, plan: &Plan) -> BTreeMap<Text, u32> {
    let specs: BTreeMap<&str, &ClientFleetSpec> = estate
        .fleets
        .iter()
        .filter_map(|fleet| Some((fleet.name(), fleet.spec.as_deref().ok()?)))
        .collect();
    let mut counts = BTreeMap::new();
    for (name, status) in &plan.fleets {
        let Some(spec) = specs.get(name.as_str()) else { continue };
        let source = spec.package_from.as_ref().and_then(|from| specs.get(from.name.as_str()));
        let package = Package::read(spec, source.copied());
        for row in status.clients.iter().flatten().filter(|row| row.state == State::Ahead.as_str())
        {
            let version = row.version.clone().map(VersionText::new);
            if let Some(policy) = &row.policy
                && version.is_some_and(|version| package.has_withdrawn(&version))
            {
                *counts.entry(policy.clone()).or_default() += 1;
            }
        }
    }
    counts
}

/// Computes the plan for the objects in `files` at the instant `at`. Also returns remarks about the
/// files, for example about skipped objects.
pub(super) fn plan(
    files: impl IntoIterator<Item = File>,
    at: Timestamp,
    format: PlanFormat,
) -> (Result<LocalPlan, Failure>, String) {
    let are_printed = matches!(format, PlanFormat::Json | PlanFormat::Yaml);
    let mut given = Vec::new();
    let (findings, estates) = read(files, |object| {
        if are_printed {
            given.push((object.identity.clone(), object.source.clone()));
        }
    });
    let planned = refuse([&findings]).map(|()| {
        let settled =
            |(name, estate): (String, Estate)| (name, PlannedNamespace::settled(estate, at));
        let namespaces = estates.into_iter().map(settled).collect();
        LocalPlan { given, namespaces, at, format }
    });
    (planned, passed_over(&findings))
}

/// Compares the plan for the files `new` with the plan for the files `old`, both at the instant
/// `at`.
pub(super) fn compare(
    new: impl IntoIterator<Item = File>,
    old: impl IntoIterator<Item = File>,
    at: Timestamp,
) -> Result<Compared, Failure> {
    let (new, after) = read(new, |_| ());
    let (old, before) = read(old, |_| ());
    let remarks = passed_over(&new) + &lines("passed over", &old.passed_over);
    refuse([&old, &new])?;
    let sides = |estates: BTreeMap<String, Estate>| -> PlannedEstates {
        estates
            .into_iter()
            .map(|(name, estate)| (name, PlannedEstate::settled(estate, at)))
            .collect()
    };
    let (before, after) = (sides(before), sides(after));
    Ok(Compared { difference: compare_plans(&before, &after, &given(&new), at), remarks })
}

/// Reads the objects from the files and groups them by namespace, in the form that the API server
/// would store. Also passes each object to `look`.
fn read(
    files: impl IntoIterator<Item = File>,
    mut look: impl FnMut(&Object),
) -> (Findings, BTreeMap<String, Estate>) {
    let mut estates: BTreeMap<String, Estate> = BTreeMap::new();
    let findings = objects::find(files, &mut |object| {
        look(&object);
        let estate = estates.entry(object.identity.namespace).or_default();
        object.stored.join(estate);
    });
    (findings, estates)
}

/// Returns an error that lists all problems in the findings, if there are any.
pub(super) fn refuse<'a>(findings: impl IntoIterator<Item = &'a Findings>) -> Result<(), Failure> {
    let messages: Vec<String> =
        findings.into_iter().flat_map(|found| found.problems.iter().cloned()).collect();
    if messages.is_empty() { Ok(()) } else { Err(Failure { messages, code: WRONG_INPUT }) }
}

/// Returns the identities of the objects in the files. The comparison reports warnings only about
/// these objects.
pub(super) fn given(findings: &Findings) -> diff::GivenObjects {
    let mut given = diff::GivenObjects::default();
    for identity in findings.identities() {
        given.insert(identity.kind, &identity.namespace, &identity.name);
    }
    given
}

/// Returns remarks about the files: the skipped objects of other API groups, and a note if the
/// files contain neither a fleet nor a policy.
pub(super) fn passed_over(findings: &Findings) -> String {
    let mut remarks = lines("passed over", &findings.passed_over);
    if findings.identities().next().is_none() && findings.problems.is_empty() {
        remarks += "there is neither a ClientFleet nor an UpgradePolicy in these files\n";
    }
    remarks
}

fn lines(word: &str, texts: &[String]) -> String {
    texts.iter().flat_map(|text| [word, ": ", text, "\n"]).collect()
}

impl LocalPlan {
    /// Writes the plan to `output` in the selected format.
    pub(super) fn write(&self, in_color: bool, output: &mut dyn Write) -> io::Result<()> {
        match self.format {
            PlanFormat::Json => data::write_json(&self.list(), output),
            PlanFormat::Yaml => data::write_yaml(&self.list(), output),
            // Only the table format reaches this arm: without a comparison, the validation of the
            // options rejects the formats wide, Markdown and name.
            _ => {
                let text = estate_tables::print(&self.namespaces, self.at, in_color);
                output.write_all(text.as_bytes())
            }
        }
    }

    /// Returns the objects with their planned statuses, as a `List` like the one that `kubectl get`
    /// prints.
    fn list(&self) -> ListDocument<'_> {
        let mut statuses = HashMap::new();
        for (namespace, PlannedNamespace { plan, .. }) in &self.namespaces {
            let fleets = plan.fleets.iter();
            statuses.extend(fleets.map(|(name, status)| {
                (key(Kind::ClientFleet, namespace, name), Status::Fleet(status))
            }));
            let policies = plan.policies.iter();
            statuses.extend(policies.map(|(name, status)| {
                (key(Kind::UpgradePolicy, namespace, name), Status::Policy(status))
            }));
        }
        let items = ListItems { given: &self.given, statuses };
        ListDocument { api_version: "v1", items, kind: "List", metadata: BTreeMap::new() }
    }
}

/// A list in the form that `kubectl get` prints, with its fields in alphabetical order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListDocument<'a> {
    api_version: &'static str,
    items: ListItems<'a>,
    kind: &'static str,
    metadata: BTreeMap<String, String>,
}

/// The list items: objects with their planned statuses. Serialization builds one item at a time, to
/// limit memory usage.
struct ListItems<'a> {
    given: &'a [(Identity, SourceObject)],
    statuses: HashMap<ObjectKey<'a>, Status<'a>>,
}

type ObjectKey<'a> = (Kind, &'a str, &'a str);

fn key<'a>(kind: Kind, namespace: &'a str, name: &'a str) -> ObjectKey<'a> {
    (kind, namespace, name)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Status<'a> {
    Fleet(&'a ClientFleetStatus),
    Policy(&'a UpgradePolicyStatus),
}

impl Serialize for ListItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut items = serializer.serialize_seq(Some(self.given.len()))?;
        for (identity, given) in self.given {
            let mut item = given.without_status();
            let status =
                self.statuses.get(&key(identity.kind, &identity.namespace, &identity.name));
            if let (Some(status), Value::Object(fields)) = (status, &mut item) {
                // Convert to a `Value` first, because this puts the fields in alphabetical order,
                // as in the output of `kubectl get`.
                let status = serde_json::to_value(status).map_err(S::Error::custom)?;
                fields.insert("status".to_owned(), status);
            }
            items.serialize_element(&item)?;
        }
        items.end()
    }
}
