//! Tests a fleet that is too large to be stored with its status. These tests lower etcd's size
//! limit, because with the default limits only very long annotations make a fleet too large.

use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::objects::{auto, fleet, names};
use crate::recording_client::Call;
use crate::world::{World, eventually, install_crds, instant};

fn large_fleet(clients: usize, annotation: usize) -> Value {
    let names = names(clients);
    let mut large = fleet("large", &names.iter().map(String::as_str).collect::<Vec<_>>());
    large["metadata"]["annotations"] = json!({"note": "x".repeat(annotation)});
    large
}

async fn is_too_large(world: &World) {
    eventually("the fleet says that it is too large", async || {
        let status = world.fleet("large").await;
        let stalled =
            status.conditions.iter().any(|c| c.r#type == "Stalled" && c.reason == "ObjectTooLarge");
        if stalled { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
}

fn writes(world: &World, mark: usize) -> Vec<Option<u16>> {
    let of_fleet = |call: &Call| call.is_status_write() && call.path.contains("/large/");
    world.wire.since(mark).into_iter().filter(of_fleet).map(|call| call.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_too_large_loses_its_rows_and_nothing_else() {
    let plane = ControlPlane::builder().etcd_arg("--max-request-bytes=131072").start().unwrap();
    install_crds(&plane);
    let mut world = World::on(&plane, "large").await;
    world.apply(auto("all")).await;
    world.with_sentinels().await;
    let mark = world.wire.mark();
    world.apply(large_fleet(250, 60_000)).await;
    is_too_large(&world).await;
    world.comes_to_rest().await;
    let status = world.fleet("large").await;
    assert_eq!((status.clients, status.next_transition_time), (None, None));
    assert_eq!(status.summary.unwrap().distributing, 250, "the summary stays");
    let codes = writes(&world, mark);
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert_eq!(codes[1], Some(200), "{codes:?}");

    let mark = world.wire.mark();
    world.clock.set(instant("2026-11-24T12:00:00Z"));
    world.stop_controller().await;
    world.start_controller();
    world.comes_to_rest().await;
    assert_eq!(writes(&world, mark), [], "a restart");
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    world.comes_to_rest().await;
    assert_eq!(writes(&world, mark), [Some(200)], "another summary, no other try");
    assert_eq!(world.fleet("large").await.summary.unwrap().held, 250);

    world.apply(large_fleet(50, 60_000)).await;
    world.comes_to_rest().await;
    let status = world.fleet("large").await;
    assert_eq!(status.clients.unwrap().len(), 50, "mended");
    assert_eq!(status.conditions.len(), 1, "{:?}", status.conditions);
}
