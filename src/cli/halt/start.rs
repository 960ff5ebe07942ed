//! Implements `halt`: lists policies and fleets, counts the affected clients and offers, writes the
//! halt policy in each namespace, and waits until the controller applies the policy.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use serde_json::json;
use tokio::sync::oneshot;

use super::effect::HaltEffect;
use super::policy::{self, FoundHalt, Gap, MANAGER, NAME};
use super::report::{HaltCounts, HaltReport, HaltResult, HaltedNamespace, NoRivals};
use super::{HaltArgs, in_force};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cli::cluster::{Cluster, NamespaceScope, OnePolicy, UserName, attempt, with_doubt};
use crate::cli::gitops::{DryRun, owner_of_object};
use crate::cli::recorded_change::RecordedChange;
use crate::cli::terminal::interrupt::Interrupt;
use crate::cli::{Context, Failure};
use crate::plan::Parsed;
use crate::values::Timestamp;

/// Names of the policies that cannot be read, by namespace. They come before the halt policy. The
/// list of a namespace is empty if all of its policies can be read.
type Unreadable = BTreeMap<String, Vec<String>>;
type Effects = BTreeMap<String, HaltEffect>;

/// Reason why the command does not count or wait any longer.
const INTERRUPTED: &str = "the command was interrupted";
const UNWRITTEN: &str = "the command was interrupted before it wrote anything";

/// Halts the selected namespaces, and returns the report.
pub(super) async fn pull(arguments: &HaltArgs, cx: &Context) -> Result<HaltReport, Failure> {
    let cluster = Cluster::connect(&arguments.place.connection).await?;
    let reach = cluster.reach(&arguments.place.place);
    let mut not_known = Vec::new();
    let unreadable = match (unreadable(&cluster, &reach).await, &reach) {
        (Ok(unreadable), _) => unreadable,
        (Err(failure), NamespaceScope::All) => return Err(failure),
        // A user who may write the halt policy but not list policies can still halt one namespace.
        (Err(failure), NamespaceScope::Namespace(_)) => {
            let not = "whether another policy comes before it is not known";
            not_known.extend(failure.messages.iter().map(|why| format!("{not}: {why}")));
            Unreadable::new()
        }
    };
    // Ask only now, because a credential plugin may have to log the user in first.
    let user = (arguments.place.dry_run != DryRun::Client).then(|| cluster.user_name());
    let cx = HaltRun { cluster: &cluster, arguments, user, now: cx.now };
    let interrupt = Interrupt::listen();
    let counting = async |begun| {
        tokio::select! {
            effects = effects(&cluster, &reach, cx.now, begun) => effects,
            () = interrupt.received() => Err(Failure::new(INTERRUPTED.to_owned())),
        }
    };
    let (effects, acted) = match &reach {
        // Write the halt policy as soon as the first fleet arrives, so that a long list of fleets
        // does not delay the halt. Later pages of the list have the `resourceVersion` of the first
        // page, so the halt does not change the counts.
        NamespaceScope::Namespace(namespace) => {
            let (begun, has_begun) = oneshot::channel();
            let acting = async {
                let _ = has_begun.await;
                act(&cx, namespace, &interrupt).await
            };
            let (effects, acted) = tokio::join!(counting(Some(begun)), acting);
            (effects, vec![(namespace.clone(), acted)])
        }
        // With `-A`, halt every namespace that has policies or fleets; list both kinds first to
        // find these namespaces.
        NamespaceScope::All => {
            let effects = counting(None).await;
            if interrupt.is_received() {
                return Err(Failure::new(UNWRITTEN.to_owned()));
            }
            let mut namespaces: BTreeSet<&String> = unreadable.keys().collect();
            namespaces.extend(effects.iter().flat_map(BTreeMap::keys));
            let act = async |namespace: &String| {
                (namespace.clone(), act(&cx, namespace, &interrupt).await)
            };
            let acted = join_all(namespaces.into_iter().map(act)).await;
            (effects, acted)
        }
    };
    let not = "what it stops cannot be counted";
    let uncounted = |failure: Failure| {
        not_known.extend(failure.messages.iter().map(|why| format!("{not}: {why}")));
    };
    let effects = effects.map_err(uncounted).ok();
    let unnamed = |acted: &HaltAttempt| acted.written.as_ref().ok()?.unnamed.clone();
    let not_recorded = acted.iter().find_map(|(_, acted)| unnamed(acted));
    let report = |(namespace, acted)| report(namespace, acted, &unreadable, effects.as_ref());
    let namespaces = acted.into_iter().map(report).collect();
    Ok(HaltReport { dry_run: arguments.place.dry_run, namespaces, not_known, not_recorded })
}

/// One run of `halt`, for all of its namespaces.
struct HaltRun<'a> {
    cluster: &'a Cluster,
    arguments: &'a HaltArgs,
    /// Name of the user; `None` in a client-side dry run.
    user: Option<UserName>,
    now: Timestamp,
}

impl HaltRun<'_> {
    /// Returns the record of a change that the user makes now, and why it names no user.
    async fn change(&self) -> (RecordedChange, Option<String>) {
        match self.user.clone() {
            Some(user) => RecordedChange::by_user(user.await, self.now),
            None => (RecordedChange::default(), None),
        }
    }
}

async fn unreadable(cluster: &Cluster, reach: &NamespaceScope) -> Result<Unreadable, Failure> {
    let note = |unreadable: &mut Unreadable, policy: Parsed<UpgradePolicy>| {
        let names = unreadable.entry(policy.metadata.namespace.unwrap_or_default()).or_default();
        if policy.spec.is_err() && policy.metadata.deletion_timestamp.is_none() {
            names.extend(policy.metadata.name);
        }
    };
    cluster.gather(reach, None, Unreadable::new(), note).await
}

/// Computes the effect of the halt on each namespace. Sends a message on `begun` when the first
/// fleet arrives, or drops `begun` if no fleet exists.
async fn effects(
    cluster: &Cluster,
    reach: &NamespaceScope,
    now: Timestamp,
    mut begun: Option<oneshot::Sender<()>>,
) -> Result<Effects, Failure> {
    let note = |effects: &mut Effects, fleet: Parsed<ClientFleet>| {
        if let Some(begun) = begun.take() {
            // Ignore the error, because the receiver may have been dropped.
            let _ = begun.send(());
        }
        let namespace = fleet.metadata.namespace.clone().unwrap_or_default();
        effects.entry(namespace).or_default().add(&fleet, now);
    };
    cluster.gather(reach, None, Effects::new(), note).await
}

struct WrittenHalt {
    result: HaltResult,
    metadata: ObjectMeta,
    /// Gaps found in an existing halt policy whose spec was changed.
    mended: Vec<Gap>,
    /// Why the policy does not name the user; `None` if it does, or if it was not written.
    unnamed: Option<String>,
    /// Reason that the user gave, if the halt has another reason already.
    reason_not_stored: Option<String>,
}

struct HaltAttempt {
    written: Result<WrittenHalt, String>,
    /// Result of waiting until the controller applies the halt; `None` if the command did not wait.
    in_force: Option<Result<bool, String>>,
}

/// Writes the halt policy in one namespace. If the options require it, waits until the controller
/// applies the policy.
async fn act(cx: &HaltRun<'_>, namespace: &str, interrupt: &Interrupt) -> HaltAttempt {
    if interrupt.is_received() {
        return HaltAttempt { written: Err(UNWRITTEN.to_owned()), in_force: None };
    }
    let written = write(cx, namespace).await;
    let HaltRun { cluster, arguments, .. } = cx;
    let waits = written.is_ok() && arguments.wait && arguments.place.dry_run.is_real();
    let in_force = if waits {
        let waiting = in_force::wait_until_in_force(cluster, namespace, arguments.timeout);
        Some(tokio::select! {
            in_force = waiting => in_force,
            () = interrupt.received() => Err(INTERRUPTED.to_owned()),
        })
    } else {
        None
    };
    HaltAttempt { written, in_force }
}

fn report(
    namespace: String,
    acted: HaltAttempt,
    unreadable: &Unreadable,
    effects: Option<&Effects>,
) -> HaltedNamespace {
    let effect = effects.map(|effects| effects.get(&namespace).cloned().unwrap_or_default());
    let mut report = HaltedNamespace {
        comes_after_unreadable: unreadable.get(&namespace).cloned().unwrap_or_default(),
        namespace,
        result: HaltResult::Failed,
        error: None,
        since: None,
        reason: None,
        reason_not_stored: None,
        change: RecordedChange::default(),
        generation: None,
        counts: effect.map(|effect| HaltCounts {
            clients: effect.clients,
            offers_stopped: effect.offers,
            offers_not_stopped: 0,
            staged: effect.staged,
            offers_end: effect.offers_end.filter(|_| !effect.some_never_end),
        }),
        rivals: NoRivals::default(),
        mended: Vec::new(),
        in_force: None,
        not_waited: None,
        kept_in_git_by: None,
    };
    match acted.written {
        Ok(WrittenHalt { result, metadata, mended, reason_not_stored, .. }) => {
            report.result = result;
            report.mended = mended;
            report.since = policy::since(&metadata).filter(|_| result != HaltResult::Halted);
            report.reason = policy::reason(&metadata).map(ToOwned::to_owned);
            report.reason_not_stored = reason_not_stored;
            report.change = RecordedChange::of(&metadata);
            report.generation = metadata.generation;
            report.kept_in_git_by = owner_of_object(&metadata);
        }
        Err(error) => report.error = Some(error),
    }
    match acted.in_force {
        Some(Ok(is_in_force)) => report.in_force = Some(is_in_force),
        Some(Err(why)) => report.not_waited = Some(why),
        None => {}
    }
    report
}

/// Maximum number of attempts to write the halt policy. The policy may change between read and
/// write, for example because the controller updates its status.
const MAX_WRITE_ATTEMPTS: usize = 5;

/// Writes the halt policy, unless it already exists with the required content. The first reason for
/// a halt is kept.
async fn write(cx: &HaltRun<'_>, namespace: &str) -> Result<WrittenHalt, String> {
    let dry_run = cx.arguments.place.dry_run;
    let given = cx.arguments.reason.as_deref().and_then(policy::said);
    // Result of an attempt after which the policy was read again. If the policy then has the required
    // content, that attempt was stored.
    let mut tried = None;
    for _ in 0..MAX_WRITE_ATTEMPTS {
        let found = cx.cluster.find_policy(namespace, NAME).await;
        let found =
            found.map_err(|failure| with_doubt(failure.messages.join("; "), tried.is_some()))?;
        let metadata = found.as_ref().map(|policy| policy.whole.metadata.clone());
        let metadata = metadata.unwrap_or_default();
        let before = policy::reason(&metadata);
        let reason = before.or(given);
        let reason_not_stored = given.filter(|_| given != reason).map(ToOwned::to_owned);
        let existing = FoundHalt::of(found.as_ref().map(|policy| &policy.live));
        let result = match existing {
            FoundHalt::Nothing => HaltResult::Halted,
            FoundHalt::Pulled if reason == before => {
                let before = (HaltResult::HaltedBefore, Vec::new(), None);
                // A policy with another reason is not the one that this command has written.
                let (result, mended, unnamed) =
                    tried.filter(|_| reason_not_stored.is_none()).unwrap_or(before);
                return Ok(WrittenHalt { result, metadata, mended, unnamed, reason_not_stored });
            }
            FoundHalt::Pulled => HaltResult::Changed,
            FoundHalt::Changed => HaltResult::Mended,
            FoundHalt::Leaving => {
                return Err(format!(
                    "{NAME} in namespace {namespace} is being deleted and not gone yet: wait until \
                     `kubectl get upol -n {namespace}` no longer shows it, then halt again"
                ));
            }
            FoundHalt::Foreign => return Err(foreign(namespace)),
        };
        let mended = match (result, &found) {
            (HaltResult::Mended, Some(policy)) => Gap::all(&policy.live, cx.now),
            _ => Vec::new(),
        };
        // A reason that is added later does not change who halted.
        let (change, unnamed) = match existing {
            FoundHalt::Pulled => (RecordedChange::of(&metadata), None),
            _ => cx.change().await,
        };
        let annotations = policy::annotations(reason, &change);
        let stored = if dry_run == DryRun::Client {
            Some(metadata)
        } else {
            let case = HaltWrite { namespace, annotations: &annotations, change: &change };
            case.store(cx.cluster, dry_run, found.as_ref()).await?
        };
        if let Some(mut metadata) = stored {
            // The API server does not know the annotations in a client-side dry run.
            metadata.annotations.get_or_insert_default().extend(annotations);
            return Ok(WrittenHalt { result, metadata, mended, unnamed, reason_not_stored });
        }
        tried = Some((result, mended, unnamed));
    }
    Err(format!(
        "{NAME} in namespace {namespace} does not come to hold everybody, because somebody changes it \
         all the time: look who writes it, then halt again"
    ))
}

/// The content of the halt policy that `halt` writes.
struct HaltWrite<'a> {
    namespace: &'a str,
    annotations: &'a BTreeMap<String, String>,
    change: &'a RecordedChange,
}

impl HaltWrite<'_> {
    /// Writes the halt policy. Returns `None` if the policy in `found` has changed since it was read,
    /// or if the stored policy does not stop every client.
    async fn store(
        &self,
        cluster: &Cluster,
        dry_run: DryRun,
        found: Option<&OnePolicy>,
    ) -> Result<Option<ObjectMeta>, String> {
        let Self { namespace, annotations, change } = *self;
        let api: Api<DynamicObject> = Api::namespaced_with(
            cluster.client.clone(),
            namespace,
            &ApiResource::erase::<UpgradePolicy>(&()),
        );
        let metadata = found.map(|policy| &policy.whole.metadata);
        let uid = metadata.and_then(|metadata| metadata.uid.as_deref());
        let mut object = policy::object(namespace, annotations, uid);
        let dry_run = dry_run.is_of_server();
        let stored = match found {
            // Server-side apply would keep fields that other managers have added, so use a merge patch
            // that removes them.
            Some(policy) if FoundHalt::of(Some(&policy.live)) == FoundHalt::Changed => {
                object["spec"] =
                    policy::merge_patch(policy.whole.data.get("spec"), &object["spec"]);
                for (key, value) in change.merge_patch().as_object().into_iter().flatten() {
                    object["metadata"]["annotations"][key] = value.clone();
                }
                object["metadata"]["resourceVersion"] =
                    json!(policy.whole.metadata.resource_version);
                let manager = Some(MANAGER.to_owned());
                let parameters =
                    PatchParams { field_manager: manager, dry_run, ..PatchParams::default() };
                attempt(async || api.patch(NAME, &parameters, &Patch::Merge(&object)).await).await
            }
            _ => {
                // Without an existing policy, do not force conflicts: another user may have created the
                // policy in the meantime.
                let force = found.is_some();
                let parameters = PatchParams { force, dry_run, ..PatchParams::apply(MANAGER) };
                attempt(async || api.patch(NAME, &parameters, &Patch::Apply(&object)).await).await
            }
        };
        let stored = match stored {
            Ok(stored) => stored,
            // The policy has changed, or an attempt without a response was stored: the next read shows
            // which.
            Err(error) if error.code() == Some(409) => return Ok(None),
            Err(error) => {
                let doing = format!("apply upgradepolicy {NAME} in namespace {namespace}");
                return Err(error.sentence(&doing));
            }
        };
        let spec = stored.data.get("spec").cloned().unwrap_or_default();
        let holds = serde_json::from_value(spec).is_ok_and(|spec| policy::holds_everybody(&spec));
        Ok(holds.then_some(stored.metadata))
    }
}

/// Returns the error for a policy that has the name of the halt policy but was not created by
/// `halt`.
pub(super) fn foreign(namespace: &str) -> String {
    format!(
        "namespace {namespace} has an UpgradePolicy {NAME} that `clientfleet halt` did not make (it \
         lacks the label app.kubernetes.io/managed-by: clientfleet), so it is left alone: rename \
         it where it is written, or delete it with `kubectl delete upol {NAME} -n {namespace}`"
    )
}
