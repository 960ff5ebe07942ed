//! Cases in which the API server or etcd fails, or loses what the controller needs.

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::no_fault;
use crate::control_plane::ControlPlane;
use crate::fault::Fault;
use crate::objects::distinct_fleet;
use crate::stage::{Stage, eventually, install_crds};

/// Returns the control plane whose servers these cases break, one case at a time.
async fn plane() -> MutexGuard<'static, ControlPlane> {
    static PLANE: OnceCell<Mutex<ControlPlane>> = OnceCell::const_new();
    let start = async || {
        let plane = ControlPlane::start().unwrap();
        install_crds(&plane);
        Mutex::new(plane)
    };
    let mut plane = PLANE.get_or_init(start).await.lock().await;
    // A case that failed may have left the servers broken.
    plane.set_no_space_alarm(false).unwrap();
    plane.restart_apiserver().unwrap();
    plane
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_is_killed_during_writes() {
    let mut plane = plane().await;
    let stage = Stage::on(&plane, "api-server").await;
    stage.suspend(true).await;
    plane.kill_apiserver();
    stage.has_logged("the watch was interrupted").await;
    plane.start_apiserver().unwrap();
    stage.work().await;
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_killed_during_writes() {
    let mut plane = plane().await;
    let stage = Stage::on(&plane, "etcd").await;
    stage.suspend(true).await;
    plane.kill_and_start_etcd().unwrap();
    eventually("the API server accepts writes", async || stage.tries_to_write().await).await;
    stage.work().await;
    stage.ends_well(no_fault).await;
}

/// etcd is restored from a backup: all objects and versions go back, also the statuses that the
/// controller has written since.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_restored_from_a_backup() {
    let mut plane = plane().await;
    let mut stage = Stage::on(&plane, "restored").await;
    plane.save_etcd().unwrap();
    eventually("the API server accepts writes", async || stage.tries_to_write().await).await;
    stage.work().await;
    stage.converges().await;
    let place = stage.proxy.seen().len();
    plane.restore_etcd().unwrap();
    stage.forget_the_past().await;
    stage.converges().await;
    assert!(stage.proxy.seen().len() > place, "the controller has read the objects again");
    stage.work().await;
    stage.ends_well(no_fault).await;
}

/// etcd has no space left: it answers reads and refuses writes.
#[tokio::test(flavor = "multi_thread")]
async fn etcd_has_no_space_left() {
    let plane = plane().await;
    let stage = Stage::on(&plane, "no-space").await;
    stage.proxy.next(1, crate::fault::Requests::WRITES, Fault::SwallowBefore);
    stage.suspend(true).await;
    stage.fault_applies().await;
    plane.set_no_space_alarm(true).unwrap();
    eventually("etcd refuses writes", async || match stage.tries_to_write().await {
        Err(error) if error.contains("space exceeded") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    stage.proxy.heal();
    stage.has_logged("space exceeded").await;
    plane.set_no_space_alarm(false).unwrap();
    eventually("etcd accepts writes", async || stage.tries_to_write().await).await;
    stage.work().await;
    stage.ends_well(no_fault).await;
}

/// The CRD of the fleets is deleted, with all fleets, and created again.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_removed_and_created_again() {
    let plane = plane().await;
    let mut stage = Stage::on(&plane, "definition").await;
    let name = "clientfleets.clientfleet.dev";
    plane.kubectl_ok(&["delete", "crd", name], "").unwrap();
    stage.suspend(true).await;
    eventually("the fleets are deleted", async || match stage.fleets.current().len() {
        0 => Ok(()),
        count => Err(format!("{count} fleets")),
    })
    .await;
    install_crds(&plane);
    for name in ["berlin", "lima"] {
        stage.apply(distinct_fleet(name, &["a", "b"])).await;
    }
    stage.converges().await;
    stage.suspend(false).await;
    stage.ends_well(no_fault).await;
}

/// The controller's user loses its role, and gets it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_deleted_and_created_again() {
    let plane = plane().await;
    let user = "controller-without-role";
    let namespace = plane.namespace("role").unwrap();
    let bind = || {
        let role = ["create", "rolebinding", "controller", "--clusterrole=clientfleet-controller"];
        let to = ["--user", user, "-n", &namespace];
        plane.kubectl_ok(&[&role[..], &to[..]].concat(), "").unwrap();
    };
    plane.kubectl_ok(&["apply", "-f", "-"], RIGHTS).unwrap();
    bind();
    let arguments = vec!["--namespace".to_owned(), namespace.clone()];
    let client = plane.client_as(user, &[]).unwrap();
    let mut stage = Stage::with_arguments(&plane, client, arguments).await;
    stage.converges().await;
    let delete = ["delete", "rolebinding", "controller", "-n", &namespace];
    plane.kubectl_ok(&delete, "").unwrap();
    stage.suspend(true).await;
    stage.has_logged("forbidden").await;
    bind();
    stage.work().await;
    stage.ends_well(no_fault).await;
}

/// Roles for the controller in its namespace, and for reading the CRDs.
const RIGHTS: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: clientfleet-controller
rules:
- {apiGroups: [clientfleet.dev], resources: ["*"], verbs: ["*"]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-definitions}
rules:
- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: read-definitions}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: read-definitions}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
"#;
