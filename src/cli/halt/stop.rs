//! Implements `resume`: finds the halt policy, counts the clients that each policy will govern
//! after the halt, and deletes the halt policy.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectMeta;
use serde_json::json;

use super::ResumeArgs;
use super::policy::{self, FoundHalt, MANAGER, NAME};
use super::report::{GoesBack, ResumeReport, ResumeResult, ResumedNamespace};
use super::start::foreign;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cli::cluster::{
    Cluster, NamespaceScope, OnePolicy, UserName, attempt, sentence, with_doubt,
};
use crate::cli::gitops::{DryRun, owner_of_object};
use crate::cli::recorded_change::RecordedChange;
use crate::cli::terminal::interrupt::Interrupt;
use crate::cli::{Context, Failure};
use crate::plan::{self, Cached, Estate, Parsed};
use crate::values::Timestamp;

/// Fleets and policies of each halted namespace, except the halt policy.
type Estates = BTreeMap<String, Estate>;

/// Resumes the selected namespaces, and returns a report of the outcome in each namespace.
pub(super) async fn release(arguments: &ResumeArgs, cx: &Context) -> Result<ResumeReport, Failure> {
    let cluster = Cluster::connect(&arguments.place.connection).await?;
    let reach = cluster.reach(&arguments.place.place);
    let mut not_known = Vec::new();
    let (halted, mut estates) = match (halted(&cluster, &reach).await, &reach) {
        (Ok(found), _) => found,
        (Err(failure), NamespaceScope::All) => return Err(failure),
        (Err(failure), NamespaceScope::Namespace(namespace)) => {
            not_known.extend(failure.messages);
            (vec![namespace.clone()], Estates::new())
        }
    };
    if not_known.is_empty() && !halted.is_empty() {
        let note = |estates: &mut Estates, fleet: Parsed<ClientFleet>| {
            let namespace = fleet.metadata.namespace.clone().unwrap_or_default();
            if let Some(estate) = estates.get_mut(&namespace) {
                estate.fleets.push(Arc::new(fleet.into()));
            }
        };
        match cluster.gather(&reach, None, estates.clone(), note).await {
            Ok(gathered) => estates = gathered,
            Err(failure) => {
                not_known.extend(failure.messages);
                estates.clear();
            }
        }
    }
    let run = ResumeRun::new(&cluster, arguments, cx.now);
    // Finish the deletions after a signal, so that the report is complete.
    let _interrupt = Interrupt::listen();
    let each = halted.into_iter().map(|namespace| {
        let back = estates.get(&namespace).map(|estate| policies_after_resume(estate, cx.now));
        release_in(&run, namespace, back)
    });
    let mut namespaces = join_all(each).await;
    if let (NamespaceScope::Namespace(namespace), true) = (&reach, namespaces.is_empty()) {
        namespaces.push(ResumedNamespace::new(namespace.clone(), ResumeResult::NotHalted));
    }
    let dry_run = arguments.place.dry_run;
    Ok(ResumeReport { dry_run, namespaces, not_known, not_recorded: run.not_recorded.into_inner() })
}

/// Returns the namespaces with a halt policy, and the other policies in these namespaces.
/// Identifies the halt policy by name only.
async fn halted(
    cluster: &Cluster,
    reach: &NamespaceScope,
) -> Result<(Vec<String>, Estates), Failure> {
    let note = |found: &mut (Vec<String>, Estates), policy: Parsed<UpgradePolicy>| {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        if policy.metadata.name.as_deref() == Some(NAME) {
            found.0.push(namespace);
        } else {
            found.1.entry(namespace).or_default().policies.push(Arc::new(policy.into()));
        }
    };
    let empty = (Vec::new(), Estates::new());
    let (halted, mut estates) = cluster.gather(reach, None, empty, note).await?;
    estates.retain(|namespace, _| halted.contains(namespace));
    for namespace in &halted {
        estates.entry(namespace.clone()).or_default();
    }
    Ok((halted, estates))
}

/// Counts the clients that each policy will govern after the halt, and the clients that no policy
/// will govern.
fn policies_after_resume(estate: &Estate, now: Timestamp) -> (Vec<GoesBack>, u32) {
    let plan = plan::plan(estate, now);
    let policies = plan.policies.iter().filter_map(|(name, status)| {
        let summary = status.summary.filter(|summary| summary.total > 0)?;
        Some(GoesBack {
            policy: name.to_string(),
            clients: summary.total,
            offered: summary.distributing,
            next_transition_time: status.next_transition_time,
        })
    });
    let summaries = plan.fleets.iter().filter_map(|(_, status)| status.summary);
    (policies.collect(), summaries.map(|summary| summary.unmanaged).sum())
}

impl ResumedNamespace {
    fn new(namespace: String, result: ResumeResult) -> Self {
        Self {
            namespace,
            result,
            error: None,
            since: None,
            reason: None,
            change: RecordedChange::default(),
            generation: None,
            policies: Vec::new(),
            unmanaged: 0,
            kept_in_git_by: None,
        }
    }
}

/// One run of `resume`, for all of its namespaces.
struct ResumeRun<'a> {
    cluster: &'a Cluster,
    dry_run: DryRun,
    /// Name of the user; `None` in a dry run, which records nothing.
    user: Option<UserName>,
    now: Timestamp,
    not_recorded: RefCell<Option<String>>,
}

impl<'a> ResumeRun<'a> {
    fn new(cluster: &'a Cluster, arguments: &ResumeArgs, now: Timestamp) -> Self {
        let dry_run = arguments.place.dry_run;
        let user = dry_run.is_real().then(|| cluster.user_name());
        Self { cluster, dry_run, user, now, not_recorded: RefCell::default() }
    }
}

async fn release_in(
    run: &ResumeRun<'_>,
    namespace: String,
    back: Option<(Vec<GoesBack>, u32)>,
) -> ResumedNamespace {
    let mut report = ResumedNamespace::new(namespace, ResumeResult::Failed);
    match take_away(run, &report.namespace).await {
        Ok(None) => report.result = ResumeResult::NotHalted,
        Ok(Some(metadata)) => {
            report.result = ResumeResult::Released;
            report.since = policy::since(&metadata);
            report.reason = policy::reason(&metadata).map(ToOwned::to_owned);
            report.change = RecordedChange::of(&metadata);
            report.generation = metadata.generation;
            report.kept_in_git_by = owner_of_object(&metadata);
            (report.policies, report.unmanaged) = back.unwrap_or_default();
        }
        Err(error) => report.error = Some(error),
    }
    report
}

/// Maximum number of attempts to delete the halt policy. An attempt fails if the policy changes
/// between read and deletion, for example when the controller updates the status.
const MAX_DELETE_ATTEMPTS: usize = 5;

/// Reads and deletes the halt policy, and retries if the policy changes between the two requests.
/// Returns the policy's metadata, or `None` if there is no halt policy.
async fn take_away(run: &ResumeRun<'_>, namespace: &str) -> Result<Option<ObjectMeta>, String> {
    // Metadata of the policy that an attempt may have deleted.
    let mut deleted = None;
    for _ in 0..MAX_DELETE_ATTEMPTS {
        let found = run.cluster.find_policy(namespace, NAME).await;
        let found =
            found.map_err(|failure| with_doubt(failure.messages.join("; "), deleted.is_some()))?;
        match FoundHalt::of(found.as_ref().map(|policy| &policy.live)) {
            FoundHalt::Nothing => return Ok(deleted),
            FoundHalt::Foreign => return Err(foreign(namespace)),
            FoundHalt::Leaving | FoundHalt::Pulled | FoundHalt::Changed => {}
        }
        let Some(OnePolicy { whole, .. }) = found else { return Ok(deleted) };
        let metadata = whole.metadata;
        // Report who halted, not who resumes, and on a repeated attempt too.
        let version = record(run, namespace, &metadata).await;
        let report = deleted.unwrap_or(metadata);
        if run.dry_run == DryRun::Client || delete(run, namespace, &version).await? {
            return Ok(Some(report));
        }
        deleted = Some(report);
    }
    Err(format!(
        "{NAME} in namespace {namespace} changes all the time, so it is left as it is: look who \
         writes it, then resume again"
    ))
}

/// Maximum time for the response to the request that records who resumes.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Records in the halt policy who is about to delete it, so that the last state of the policy, which
/// watches and audit logs receive, names the user. Returns the metadata with the version to delete.
///
/// If the policy cannot be written, notes why: the policy is deleted all the same.
async fn record(run: &ResumeRun<'_>, namespace: &str, metadata: &ObjectMeta) -> ObjectMeta {
    let Some(user) = run.user.clone() else { return metadata.clone() };
    let (change, unnamed) = RecordedChange::by_user(user.await, run.now);
    if unnamed.is_some() {
        *run.not_recorded.borrow_mut() = unnamed;
    }
    let patch = json!({"metadata": {
        "annotations": change.merge_patch(),
        "resourceVersion": metadata.resource_version,
        "uid": metadata.uid,
    }});
    let parameters =
        PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    let api: Api<Cached<UpgradePolicy>> = Api::namespaced(run.cluster.client.clone(), namespace);
    let written = api.patch_metadata(NAME, &parameters, &patch);
    let why = match tokio::time::timeout(RECORD_TIMEOUT, written).await {
        Ok(Ok(written)) => return written.metadata,
        // The policy has changed: the deletion finds that too, and is repeated.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => return metadata.clone(),
        Ok(Err(error)) => {
            sentence(&format!("patch upgradepolicy {NAME} in namespace {namespace}"), &error)
        }
        Err(_) => format!("the API server did not respond within {RECORD_TIMEOUT:?}"),
    };
    *run.not_recorded.borrow_mut() = Some(why);
    metadata.clone()
}

/// Deletes the policy if it has not changed since it was read. Returns `false` if it has changed.
async fn delete(
    run: &ResumeRun<'_>,
    namespace: &str,
    metadata: &ObjectMeta,
) -> Result<bool, String> {
    let preconditions = Preconditions {
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
    };
    let parameters = DeleteParams {
        dry_run: run.dry_run.is_of_server(),
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    let api: Api<Cached<UpgradePolicy>> = Api::namespaced(run.cluster.client.clone(), namespace);
    match attempt(async || api.delete(NAME, &parameters).await).await {
        Ok(_) => Ok(true),
        // The policy is already deleted, or it has changed: the next read shows which.
        Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(false),
        Err(error) => {
            let doing = format!("delete upgradepolicy {NAME} in namespace {namespace}");
            Err(error.sentence(&doing))
        }
    }
}
