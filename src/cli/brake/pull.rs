//! `halt`: reads what there is, counts, writes the brake in each namespace, waits until it is in
//! force.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use tokio::sync::oneshot;

use super::effect::Effect;
use super::policy::{self, Found, MANAGER, NAME, Rival};
use super::report::{Counts, Pulled, PulledIn, Pulling};
use super::{HaltArgs, in_force};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cli::changes::{DryRun, owner_of_object};
use crate::cli::cluster::{Cluster, Reach, sentence};
use crate::cli::{Failure, Surroundings};
use crate::plan::Live;

/// The rivals of the brake in each namespace that has policies.
type Rivals = BTreeMap<String, Vec<Rival>>;
type Effects = BTreeMap<String, Effect>;

/// Pulls the brake.
pub(super) async fn pull(arguments: &HaltArgs, around: &Surroundings) -> Result<Pulled, Failure> {
    let cluster = Cluster::connect(&arguments.place.connection).await?;
    let reach = cluster.reach(&arguments.place.place);
    let mut not_known = Vec::new();
    let rivals = match (rivals(&cluster, &reach).await, &reach) {
        (Ok(rivals), _) => rivals,
        (Err(failure), Reach::All) => return Err(failure),
        // Who may make the brake but not look at the others can still pull it.
        (Err(failure), Reach::Namespace(_)) => {
            not_known.extend(failure.messages);
            Rivals::new()
        }
    };
    let counting = |begun| effects(&cluster, &reach, &rivals, around, begun);
    let (effects, acted) = match &reach {
        // Nobody waits for the counting: with its first page the moment stands that is counted.
        Reach::Namespace(namespace) => {
            let (begun, has_begun) = oneshot::channel();
            let acting = async {
                let _ = has_begun.await;
                act(&cluster, arguments, namespace).await
            };
            let (effects, acted) = tokio::join!(counting(Some(begun)), acting);
            (effects, vec![(namespace.clone(), acted)])
        }
        // Here the fleets tell which namespaces there are.
        Reach::All => {
            let effects = counting(None).await;
            let mut namespaces: BTreeSet<&String> = rivals.keys().collect();
            namespaces.extend(effects.iter().flat_map(BTreeMap::keys));
            let act = async |namespace: &String| {
                (namespace.clone(), act(&cluster, arguments, namespace).await)
            };
            let acted = join_all(namespaces.into_iter().map(act)).await;
            (effects, acted)
        }
    };
    let effects = effects.map_err(|failure| not_known.extend(failure.messages)).ok();
    let report = |(namespace, acted)| report(namespace, acted, &rivals, effects.as_ref());
    let namespaces = acted.into_iter().map(report).collect();
    Ok(Pulled { dry_run: arguments.place.dry_run, namespaces, not_known })
}

async fn rivals(cluster: &Cluster, reach: &Reach) -> Result<Rivals, Failure> {
    let note = |rivals: &mut Rivals, policy: Live<UpgradePolicy>| {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        rivals.entry(namespace).or_default().extend(Rival::of(&policy));
    };
    cluster.gather(reach, None, Rivals::new(), note).await
}

/// Counts what it stops. Says when the first fleets were read, or none was.
async fn effects(
    cluster: &Cluster,
    reach: &Reach,
    rivals: &Rivals,
    around: &Surroundings,
    mut begun: Option<oneshot::Sender<()>>,
) -> Result<Effects, Failure> {
    let note = |effects: &mut Effects, fleet: Live<ClientFleet>| {
        if let Some(begun) = begun.take() {
            // Who listens no more has seen enough.
            let _ = begun.send(());
        }
        let namespace = fleet.metadata.namespace.clone().unwrap_or_default();
        let rivals = rivals.get(&namespace).map(Vec::as_slice).unwrap_or_default();
        let comes_before = |policy: &str| rivals.iter().any(|rival| rival.name == policy);
        effects.entry(namespace).or_default().add(&fleet, around.now, comes_before);
    };
    cluster.gather(reach, None, Effects::new(), note).await
}

/// What was done in a namespace.
struct Acted {
    written: Result<(Pulling, ObjectMeta), String>,
    /// Whether it came to be in force, where somebody waited for that.
    in_force: Option<Result<bool, String>>,
}

/// Pulls it in one namespace, and waits.
async fn act(cluster: &Cluster, arguments: &HaltArgs, namespace: &str) -> Acted {
    let written = write(cluster, arguments, namespace).await;
    let waits = written.is_ok() && arguments.wait && arguments.place.dry_run.is_real();
    let in_force = if waits {
        Some(in_force::comes_to_be(cluster, namespace, arguments.timeout).await)
    } else {
        None
    };
    Acted { written, in_force }
}

fn report(namespace: String, acted: Acted, rivals: &Rivals, effects: Option<&Effects>) -> PulledIn {
    let rivals = rivals.get(&namespace).map(Vec::as_slice).unwrap_or_default();
    let named = |unreadable: bool| {
        let of_kind = rivals.iter().filter(move |rival| rival.is_unreadable == unreadable);
        of_kind.map(|rival| rival.name.clone()).collect::<Vec<_>>()
    };
    let effect = effects.map(|effects| effects.get(&namespace).cloned().unwrap_or_default());
    let mut report = PulledIn {
        namespace,
        result: Pulling::Failed,
        error: None,
        since: None,
        reason: None,
        counts: effect.map(|effect| Counts {
            clients: effect.clients,
            offers_stopped: effect.offers,
            offers_not_stopped: effect.offers_beyond,
            staged: effect.staged,
            offers_end: effect.offers_end.filter(|_| !effect.some_never_end),
        }),
        comes_after: named(false),
        comes_after_unreadable: named(true),
        in_force: None,
        not_waited: None,
        kept_in_git_by: None,
    };
    match acted.written {
        Ok((result, metadata)) => {
            report.result = result;
            report.since = policy::since(&metadata).filter(|_| result != Pulling::Halted);
            report.reason = policy::reason(&metadata).map(ToOwned::to_owned);
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

/// Writes the brake, unless it stands already.
async fn write(
    cluster: &Cluster,
    arguments: &HaltArgs,
    namespace: &str,
) -> Result<(Pulling, ObjectMeta), String> {
    let found = cluster.find_policy(namespace, NAME).await;
    let found = found.map_err(|failure| failure.messages.join("; "))?;
    let metadata = found.as_ref().map(|policy| &policy.whole.metadata);
    let before = metadata.and_then(policy::reason);
    let reason = arguments.reason.as_deref().or(before);
    let result = match Found::of(found.as_ref()) {
        Found::Nothing => Pulling::Halted,
        Found::Pulled if reason == before => {
            return Ok((Pulling::HaltedBefore, metadata.cloned().unwrap_or_default()));
        }
        Found::Pulled | Found::Changed => Pulling::Changed,
        Found::Leaving => {
            return Err(format!(
                "{NAME} in namespace {namespace} is being deleted and not gone yet: wait until \
                 `kubectl get upol -n {namespace}` no longer shows it, then halt again"
            ));
        }
        Found::Foreign => return Err(foreign(namespace)),
    };
    let uid = metadata.and_then(|metadata| metadata.uid.as_deref());
    let object = policy::object(namespace, reason, uid);
    let (stored, is_as_it_should) = if arguments.place.dry_run == DryRun::Client {
        (metadata.cloned().unwrap_or_default(), true)
    } else {
        let api: Api<DynamicObject> = Api::namespaced_with(
            cluster.client.clone(),
            namespace,
            &ApiResource::erase::<UpgradePolicy>(&()),
        );
        // What somebody has made of it is taken back; of one made a moment ago nothing is known.
        let force = found.is_some();
        let dry_run = arguments.place.dry_run.is_of_server();
        let parameters = PatchParams { force, dry_run, ..PatchParams::apply(MANAGER) };
        let doing = format!("apply upgradepolicy {NAME} in namespace {namespace}");
        let stored = api.patch(NAME, &parameters, &Patch::Apply(&object)).await;
        let stored = stored.map_err(|error| sentence(&doing, &error))?;
        let spec = stored.data.get("spec").cloned().unwrap_or_default();
        let holds = serde_json::from_value(spec).is_ok_and(|spec| policy::holds_everybody(&spec));
        (stored.metadata, holds)
    };
    if !is_as_it_should {
        return Err(format!(
            "{NAME} in namespace {namespace} holds only some clients, because somebody has added \
             to its spec: delete it with `kubectl delete upol {NAME} -n {namespace}`, then halt again"
        ));
    }
    Ok((result, ObjectMeta { annotations: noted(reason), ..stored }))
}

/// The reason as the object will carry it, also where nothing was sent.
fn noted(reason: Option<&str>) -> Option<BTreeMap<String, String>> {
    let object = policy::object("", reason, None);
    serde_json::from_value(object["metadata"]["annotations"].clone()).ok()
}

/// A policy of the brake's name that is not the brake.
pub(super) fn foreign(namespace: &str) -> String {
    format!(
        "namespace {namespace} has an UpgradePolicy {NAME} that `clientfleet halt` did not make (it \
         lacks the label app.kubernetes.io/managed-by: clientfleet), so it is left alone: rename \
         it where it is written, or delete it with `kubectl delete upol {NAME} -n {namespace}`"
    )
}
