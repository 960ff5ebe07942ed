//! Writes a new setting into a policy, but only if the policy has not changed since it was read.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::{Value, json};

use super::choice::Choice;
use crate::api::UpgradePolicy;
use crate::cli::Failure;
use crate::cli::cluster::{Cluster, OnePolicy, attempt, with_doubt};
use crate::cli::recorded_change::{RecordedChange, SETTINGS_MANAGER};
use crate::cli::terminal::interrupt::Interrupt;
use crate::cli::terminal::table::printable;

/// Maximum number of attempts to write a policy. After a conflict, `settings` tries again only if
/// the spec of the policy is unchanged.
const MAX_WRITE_ATTEMPTS: usize = 5;

/// Writes `choice` into `policy`, and records who changes it. Returns an error if the policy has
/// changed since it was read.
pub(super) async fn make(
    cluster: &Cluster,
    namespace: &str,
    policy: &OnePolicy,
    choice: &Choice,
    change: &RecordedChange,
    dry_run: bool,
) -> Result<(), Failure> {
    let name = policy.whole.metadata.name.clone().unwrap_or_default();
    let doing = format!("change upgradepolicy {name} in namespace {namespace}");
    let api: Api<DynamicObject> = Api::namespaced_with(
        cluster.client.clone(),
        namespace,
        &ApiResource::erase::<UpgradePolicy>(&()),
    );
    let parameters = PatchParams {
        field_manager: Some(SETTINGS_MANAGER.to_owned()),
        dry_run,
        ..PatchParams::default()
    };
    // Finish the write after a signal, so that its outcome is reported.
    let _interrupt = Interrupt::listen();
    let mut resource_version = policy.whole.metadata.resource_version.clone();
    let mut may_be_stored = false;
    for _ in 0..MAX_WRITE_ATTEMPTS {
        let patch = Patch::Merge(patch(choice, change, resource_version.as_deref()));
        match attempt(async || api.patch(&name, &parameters, &patch).await).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == Some(409) => may_be_stored |= error.may_be_stored,
            Err(error) => return Err(Failure::new(error.sentence(&doing))),
        }
        let again = cluster.policy(namespace, &name).await;
        let again = again.map_err(|failure| {
            Failure::new(with_doubt(failure.messages.join("; "), may_be_stored))
        })?;
        // An attempt without a response may have been stored.
        if again.live.spec.as_ref().is_ok_and(|spec| Choice::of(&spec.upgrade).is_same_as(choice)) {
            return Ok(());
        }
        // The controller may have caused the conflict, because a status update also changes the
        // resourceVersion. Try again if the spec of the policy is unchanged.
        let identity = |policy: &OnePolicy| {
            let metadata = &policy.whole.metadata;
            (metadata.uid.clone(), metadata.generation)
        };
        if identity(&again) != identity(policy) {
            return Err(changed_meanwhile(namespace, &name, may_be_stored));
        }
        resource_version = again.whole.metadata.resource_version;
    }
    Err(changed_meanwhile(namespace, &name, may_be_stored))
}

fn changed_meanwhile(namespace: &str, name: &str, may_be_stored: bool) -> Failure {
    let (namespace, name) = (printable(namespace), printable(name));
    let outcome = match may_be_stored {
        true => "and it is not known whether this change was stored before that",
        false => "so nothing is changed",
    };
    Failure::new(format!(
        "somebody else has changed policy {name} in namespace {namespace} just now, {outcome}: look \
         at it again with `clientfleet settings {name} -n {namespace}`"
    ))
}

/// Returns the JSON merge patch that writes `choice` into a policy. If `choice` has no version, the
/// patch removes the policy's version.
fn patch(choice: &Choice, change: &RecordedChange, resource_version: Option<&str>) -> Value {
    json!({
        "metadata": {"annotations": change.merge_patch(), "resourceVersion": resource_version},
        "spec": {"upgrade": {"mode": choice.mode, "version": choice.version}},
    })
}

/// Returns a partial manifest that shows the change to make in Git.
pub(super) fn for_git(namespace: &str, name: &str, choice: &Choice) -> Value {
    let mut upgrade = json!({"mode": choice.mode});
    if let Some(version) = &choice.version {
        upgrade["version"] = json!(version);
    }
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"upgrade": upgrade},
    })
}
