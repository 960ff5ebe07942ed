//! Waits until the status of the halt policy shows that the controller applies the halt.

use std::time::Duration;

use kube::Api;
use kube::runtime::wait::await_condition;

use super::policy::NAME;
use crate::api::UpgradePolicy;
use crate::cli::cluster::{Cluster, sentence};
use crate::plan::Parsed;

/// Waits until the controller applies the halt in a namespace. Returns `false` if the controller
/// does not do so within `patience`.
///
/// # Errors
///
/// Returns an error if the policy cannot be watched.
pub(super) async fn wait_until_in_force(
    cluster: &Cluster,
    namespace: &str,
    patience: Duration,
) -> Result<bool, String> {
    let api: Api<Parsed<UpgradePolicy>> = Api::namespaced(cluster.client.clone(), namespace);
    let condition = |policy: Option<&Parsed<UpgradePolicy>>| policy.is_some_and(is_in_force);
    match tokio::time::timeout(patience, await_condition(api, NAME, condition)).await {
        Err(_) => Ok(false),
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => {
            let doing = format!("watch upgradepolicy {NAME} in namespace {namespace}");
            Err(message(&doing, error))
        }
    }
}

fn message(doing: &str, error: kube::runtime::wait::Error) -> String {
    use kube::runtime::wait::Error;
    use kube::runtime::watcher;
    match error {
        Error::ProbeFailed(
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error),
        ) => sentence(doing, &error),
        Error::ProbeFailed(other) => format!("the cluster did not {doing}: {other}"),
    }
}

/// Returns whether the `Ready` condition of the policy is `True` for its current generation.
pub(in crate::cli) fn is_in_force(policy: &Parsed<UpgradePolicy>) -> bool {
    policy.status.as_ref().is_some_and(|status| {
        status.observed_generation == policy.metadata.generation
            && status.conditions.iter().any(|c| c.r#type == "Ready" && c.status == "True")
    })
}
