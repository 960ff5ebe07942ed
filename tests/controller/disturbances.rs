//! Tests the controller with concurrent writers, deleted objects and a restarted API server. After
//! each of these disturbances, the statuses must match the plan again.

use clientfleet::api::{ClientFleet, UpgradePolicy};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::counts::writes;
use crate::objects::{auto, client, distinct_fleet, fleet, nightly};
use crate::recording_client::Call;
use crate::world::{World, eventually, install_crds, instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_status_is_mended() {
    let world = World::start("foreign").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.settles().await;
    let rows = json!({"clients": [{"name": "a", "state": "Distributing", "reason": "Because"}]});
    let fleet = async |status| world.edit_status("ClientFleet", "berlin", status).await;
    world.settles_after("rows", fleet(rows)).await;
    world.settles_after("a count", fleet(json!({"summary": {"total": 7}}))).await;
    world.settles_after("a word that nobody knows", fleet(json!({"conditions": null}))).await;
    world.settles_after("no status", fleet(Value::Null)).await;
    let policy = async |status| world.edit_status("UpgradePolicy", "all", status).await;
    world.settles_after("a state", policy(json!({"distributionState": "Closed"}))).await;
    world.settles_after("a generation", policy(json!({"observedGeneration": 99}))).await;
    world.settles_after("no status of a policy", policy(Value::Null)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_edit_in_the_middle_is_not_lost() {
    let world = World::start("middle").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.settles().await;
    let mark = world.wire.mark();
    world.wire.hold(&["clientfleets/berlin", "upgradepolicies/all"]);
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    eventually("both writes are on their way", async || {
        let calls = world.wire.since(mark);
        if calls.len() == 2 { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    let clients = json!({"spec": {"clients": [client("a", "3.60"), client("c", "3.59")]}});
    world.edit("ClientFleet", "berlin", clients).await;
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": false}})).await;
    world.wire.release();
    world.settles().await;
    let conflicts = world.wire.since(mark).into_iter().filter(|call| call.code == Some(409));
    let mut conflicts: Vec<String> = conflicts.map(|call| call.path).collect();
    conflicts.sort();
    assert_eq!(conflicts, ["clientfleets/berlin/status", "upgradepolicies/all/status"]);
    assert_eq!(world.row("berlin", "a").await.state, "UpToDate");
    assert_eq!(world.row("berlin", "c").await.state, "Distributing");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_at_once_and_comes_again() {
    let world = World::start("bulk").await;
    let everything = async || {
        world.apply(auto("all")).await;
        for number in 0..20 {
            world.apply(distinct_fleet(&format!("fleet-{number}"), &["a", "b"])).await;
        }
    };
    everything().await;
    // Delete all objects while some of their status writes are pending. The controller must discard
    // these writes.
    let (delete, list) = (DeleteParams::default(), ListParams::default());
    world.api::<ClientFleet>().delete_collection(&delete, &list).await.unwrap();
    world.api::<UpgradePolicy>().delete_collection(&delete, &list).await.unwrap();
    world.apply(fleet("survivor", &["a"])).await;
    let statuses = world.settles().await;
    assert_eq!(statuses.fleets.len(), 1);
    assert_eq!(world.row("survivor", "a").await.reason, "NoMatchingPolicy");
    everything().await;
    let statuses = world.settles().await;
    assert_eq!((statuses.fleets.len(), statuses.policies["all"].governed_clients), (21, Some(41)));
    let strange = |call: &Call| call.code.is_some_and(|code| ![200, 201, 404, 409].contains(&code));
    assert_eq!(world.wire.calls().into_iter().find(strange), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_come_to_rest() {
    let world = World::start("two").await;
    let second = world.start_second_controller();
    world.apply(nightly("night")).await;
    for site in ["berlin", "paris", "rome"] {
        world.apply(distinct_fleet(site, &["a", "b"])).await;
    }
    world.settles().await;
    for (time, suspend) in [("24T21:00", false), ("25T03:00", true), ("25T22:00", false)] {
        world.clock.set(instant(&format!("2026-11-{time}:00Z")));
        world.edit("UpgradePolicy", "night", json!({"spec": {"suspend": suspend}})).await;
        world.settles().await;
    }
    world.with_sentinels().await;
    let strange = |call: &Call| call.is_status_write() && !matches!(call.code, Some(200 | 409));
    assert_eq!(second.calls().into_iter().find(strange), None);
    assert!(second.calls().iter().any(Call::is_status_write), "the second one writes, too");

    let (mark, second_mark) = (world.wire.mark(), second.mark());
    world.clock.set(instant("2026-11-25T22:30:00Z"));
    world.settles().await;
    assert_eq!((writes(&world.wire, mark), writes(&second, second_mark)), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_api_server_is_found_again() {
    let mut plane = ControlPlane::start().unwrap();
    install_crds(&plane);
    let world = World::on(&plane, "restart").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    assert_eq!(counted(&plane), status_writes(&world), "the API server counts the same writes");

    plane.stop_apiserver().unwrap();
    // Change the clock while the API server is stopped, so that the status writes fail. The
    // controller must retry the writes after the restart.
    world.clock.set(instant("2026-11-24T21:00:00Z"));
    plane.start_apiserver().unwrap();
    world.apply(fleet("paris", &["b"])).await;
    world.settles().await;
    assert_eq!(world.row("berlin", "a").await.state, "Distributing");
    assert_eq!(world.row("paris", "b").await.state, "Distributing");

    // The controller must list the fleets again after its watch has expired. It receives no events
    // for fleets that were deleted in the meantime, so only the list shows that they are gone.
    world.wire.hold(&["clientfleets"]);
    plane.restart_apiserver().unwrap();
    eventually("the watch is taken up again", async || {
        let held = |call: &Call| call.path == "clientfleets" && call.code.is_none();
        if world.wire.calls().iter().any(held) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    world.delete("ClientFleet", "paris").await;
    world.apply(fleet("rome", &["c", "d"])).await;
    world.wire.expire("clientfleets");
    world.wire.release();
    world.settles().await;
    assert_eq!(world.policy("night").await.matched_clients, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_before_all_is_known() {
    let mut world = World::start("half").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.settles().await;
    world.stop_controller().await;

    let mark = world.wire.mark();
    world.wire.hold(&["clientfleets"]);
    world.start_controller();
    eventually("the policies are known, the fleets are not", async || {
        let calls = world.wire.since(mark);
        let seen = |path: &str, code| calls.iter().any(|c| c.path == path && c.code == code);
        let is_so = seen("upgradepolicies", Some(200)) && seen("clientfleets", None);
        if is_so { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    // A clock change must not start a plan before the controller has listed the fleets.
    world.clock.set(instant("2026-11-24T12:00:00Z"));
    world.statuses().await;
    // The controller must stop on request even if its stores are incomplete.
    world.stop_controller().await;
    world.wire.release();
    assert_eq!(writes(&world.wire, mark), Vec::<String>::new());

    world.start_controller();
    world.settles().await;
    let mark = world.wire.mark();
    world.wire.hold(&["clientfleets/berlin"]);
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    eventually("a write hangs", async || {
        let hangs = |call: &Call| call.is_status_write() && call.code.is_none();
        if world.wire.since(mark).iter().any(hangs) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    // The controller must stop on request even if the API server has not responded to a write.
    world.stop_controller().await;
}

fn status_writes(world: &World) -> usize {
    world.wire.calls().iter().filter(|call| call.is_status_write()).count()
}

fn counted(plane: &ControlPlane) -> usize {
    let metrics = plane.kubectl_ok(&["get", "--raw", "/metrics"], "").unwrap();
    let ours = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && line.contains("group=\"clientfleet.dev\"")
            && line.contains("subresource=\"status\"")
            && line.contains("verb=\"PUT\"")
    };
    let count = |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<usize>().ok());
    metrics.lines().filter(ours).filter_map(count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_stream_lists_is_listed() {
    let builder = ControlPlane::builder().apiserver_arg("--feature-gates=WatchList=false");
    let plane = builder.start().unwrap();
    install_crds(&plane);
    let world = World::on(&plane, "listed").await;
    world.apply(fleet("fleet", &["one"])).await;
    world.apply(auto("policy")).await;
    world.settles().await;
}
