//! Cases in which objects change while the controller does not see it, or cannot be read.

use serde_json::json;

use super::no_fault;
use crate::control_plane::ControlPlane;
use crate::fault::{FLEETS, Fault, POLICIES, Requests};
use crate::objects::{auto, fleet, policy, relaxed_crds};
use crate::proxy::Proxy;
use crate::stage::{Stage, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_deleted_and_created_unseen() {
    let stage = Stage::start("recreated").await;
    let unseen = |proxy: &Proxy| proxy.hold(FLEETS);
    unseen(&stage.proxy);
    stage.delete("ClientFleet", "lima").await;
    stage.apply(fleet("lima", &["c", "d"])).await;
    stage.suspend(true).await;
    stage.fault_applies().await;
    stage.ends_well(unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_deleted_and_created_unseen() {
    let stage = Stage::start("policy-again").await;
    let unseen = |proxy: &Proxy| proxy.hold(POLICIES);
    unseen(&stage.proxy);
    stage.delete("UpgradePolicy", "all").await;
    stage.apply(policy("all", json!({"upgrade": {"mode": "NoUpgrade"}}))).await;
    stage.work().await;
    stage.fault_applies().await;
    stage.ends_well(unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_deleted_during_a_write() {
    let stage = Stage::start("deleted").await;
    let lost = |proxy: &Proxy| proxy.next(3, Requests::FLEET_WRITES, Fault::SwallowAfter);
    lost(&stage.proxy);
    stage.suspend(true).await;
    stage.fault_applies().await;
    for name in ["berlin", "cairo", "lima"] {
        stage.delete("ClientFleet", name).await;
    }
    stage.apply(fleet("berlin", &["a"])).await;
    stage.ends_well(lost).await;
}

/// Two changes of which the controller sees only the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_changes_twice_unseen() {
    let stage = Stage::start("unseen").await;
    let unseen = |proxy: &Proxy| {
        proxy.next(2, Requests::WATCHES, Fault::Expired);
        proxy.interrupt_watches();
    };
    // Hold the events back until the watch has ended, so that only the list shows the changes.
    stage.proxy.hold(POLICIES);
    stage.suspend(true).await;
    stage.suspend(false).await;
    unseen(&stage.proxy);
    stage.fault_applies().await;
    stage.ends_well(unseen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writer_changes_the_fleets_during_writes() {
    let stage = Stage::start("rival").await;
    let late = |proxy: &Proxy| {
        let delay = Fault::DelayRequest(std::time::Duration::from_millis(300));
        proxy.next(6, Requests::FLEET_WRITES, delay);
    };
    late(&stage.proxy);
    for round in 0..6 {
        stage.suspend(round % 2 == 0).await;
        let annotations = json!({"metadata": {"annotations": {"round": round.to_string()}}});
        for name in ["berlin", "cairo", "lima"] {
            stage.edit("ClientFleet", name, annotations.clone()).await;
        }
    }
    stage.fault_applies().await;
    stage.ends_well(late).await;
}

/// A fleet whose deletion waits for a finalizer.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_a_finalizer() {
    let stage = Stage::start("finalizer").await;
    let finalizers = json!({"metadata": {"finalizers": ["example.com/backup"]}});
    stage.edit("ClientFleet", "lima", finalizers).await;
    stage.delete("ClientFleet", "lima").await;
    stage.work().await;
    let none = json!({"metadata": {"finalizers": null}});
    eventually("lima has a deletion time", async || {
        let current = stage.fleets.current();
        let lima = current.iter().find(|stored| stored.name() == "lima");
        let is_so = lima.is_some_and(|l| l.object.metadata.deletion_timestamp.is_some());
        if is_so { Ok(()) } else { Err(format!("{lima:?}")) }
    })
    .await;
    stage.edit("ClientFleet", "lima", none).await;
    stage.ends_well(no_fault).await;
}

/// A policy and a fleet become unreadable, and readable again, while the controller is restarted.
#[tokio::test(flavor = "multi_thread")]
async fn objects_become_corrupt_and_are_repaired() {
    let plane = ControlPlane::start().unwrap();
    plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &relaxed_crds().to_string()).unwrap();
    crate::stage::wait_for_crds(&plane);
    let mut stage = Stage::on(&plane, "corrupt").await;
    stage.apply(policy("broken", json!({"priority": "high"}))).await;
    stage
        .fleet_is("berlin", "offers nothing", |fleet| {
            crate::history::rows_of(fleet).iter().all(|row| row.reason == "PolicyInvalid")
        })
        .await;
    stage.kill().await;
    stage.restart();
    stage
        .apply(json!({
            "kind": "ClientFleet", "metadata": {"name": "none"}, "spec": {"clients": "none"},
        }))
        .await;
    stage.apply(policy("broken", json!({"priority": -1}))).await;
    stage
        .fleet_is("berlin", "is offered again", |fleet| {
            crate::history::rows_of(fleet).iter().all(|row| row.state == "Distributing")
        })
        .await;
    stage.apply(fleet("none", &["d"])).await;
    stage.apply(auto("broken")).await;
    stage.ends_well(no_fault).await;
}
