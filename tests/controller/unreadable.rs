//! Tests that invalid objects do not prevent the controller from reconciling other objects.
//!
//! The tests install a relaxed schema, so that the API server stores objects that cannot be
//! deserialized or that admission would normally reject.

use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::objects::{auto, fleet, policy, relaxed_crds};
use crate::world::{World, eventually, install};

async fn says(world: &World, fleet: &str, expected: &str) {
    eventually(&format!("{fleet} says {expected}"), async || {
        let rows = world.fleet(fleet).await.clients.unwrap_or_default();
        let said: Vec<String> =
            rows.iter().map(|row| format!("{} {}", row.state, row.reason)).collect();
        let is_so = !said.is_empty() && said.iter().all(|said| said == expected);
        if is_so { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    world.settles().await;
}

const OFFERED: &str = "Distributing UpgradeOffered";
const INVALID: &str = "Blocked PolicyInvalid";

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_objects_stop_nothing_else() {
    let plane = ControlPlane::start().unwrap();
    install(&plane, &relaxed_crds().to_string());
    let (world, other) = (World::on(&plane, "unreadable").await, World::on(&plane, "other").await);
    for world in [&world, &other] {
        world.apply(auto("all")).await;
        world.apply(fleet("berlin", &["a", "b"])).await;
        says(world, "berlin", OFFERED).await;
    }

    world.apply(policy("broken", json!({"priority": "high"}))).await;
    says(&world, "berlin", INVALID).await;
    let broken = world.policy("broken").await;
    let stalled = broken.conditions.iter().find(|c| c.r#type == "Stalled").unwrap();
    assert_eq!(stalled.reason, "ObjectUnreadable");
    assert!(stalled.message.contains("\"high\""), "{}", stalled.message);
    assert_eq!(broken.governed_clients, Some(2), "above all others");

    let none =
        json!({"kind": "ClientFleet", "metadata": {"name": "none"}, "spec": {"clients": "none"}});
    world.apply(none).await;
    eventually("the fleet is stalled, without rows", async || {
        let status = world.fleet("none").await;
        let stalled = status
            .conditions
            .iter()
            .any(|c| c.r#type == "Stalled" && c.reason == "ObjectUnreadable");
        if stalled && status.clients.is_none() { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    // The controller must still receive objects that are created later.
    world.apply(fleet("paris", &["c"])).await;
    says(&world, "paris", INVALID).await;
    says(&other, "berlin", OFFERED).await;

    world.apply(policy("broken", json!({"priority": -1}))).await;
    says(&world, "paris", OFFERED).await;
    world.apply(fleet("none", &["d"])).await;
    says(&world, "none", OFFERED).await;

    // The client of the fleet `none` has an offer. When the fleet becomes unreadable, the
    // controller must remove its clients from the status.
    let clients = json!({"spec": {"clients": "none"}});
    world.edit("ClientFleet", "none", clients).await;
    eventually("the rows are gone", async || {
        let status = world.fleet("none").await;
        if status.clients.is_none() { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_admission_would_refuse_blocks_its_clients() {
    let plane = ControlPlane::start().unwrap();
    install(&plane, &relaxed_crds().to_string());
    let world = World::on(&plane, "refused").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    let invalid = json!({
        "priority": 1,
        "upgrade": {"mode": "AutoUpgrade"},
        "distribution": {"windows": [{"start": "22:00", "end": "22:00"}]},
        "scope": {"clients": [{"names": ["a"]}]},
    });
    world.apply(policy("refused", invalid)).await;
    eventually("a is blocked, b is not", async || {
        let rows = world.fleet("berlin").await.clients.unwrap_or_default();
        let said: Vec<&str> = rows.iter().map(|row| row.reason.as_ref()).collect();
        if said == ["PolicyInvalid", "UpgradeOffered"] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    world.settles().await;
    let status = world.policy("refused").await;
    let told: Vec<String> = status
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.r#type, c.status, c.reason))
        .collect();
    let expected = [
        "Ready=False/PolicyInvalid",
        "Stalled=True/PolicyInvalid",
        "Complete=Unknown/PolicyInvalid",
    ];
    assert_eq!(told, expected);
    assert!(status.conditions[1].message.contains("spec.distribution.windows[0]"), "{status:?}");
    assert_eq!(status.observed_generation, Some(1));
}
