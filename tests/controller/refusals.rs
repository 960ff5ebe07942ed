//! Tests status writes that the API server refuses, and their effect on the status of a policy.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::objects::{auto, distinct_fleet, fleet, policy};
use crate::world::{World, eventually};

const BERLIN: &str = "clientfleets/berlin/status";

async fn is_written_after_refusal(prefix: &str, path: &str, code: u16) {
    let world = World::start(prefix).await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    let mark = world.wire.mark();
    world.wire.refuse(path, code);
    let begun = Instant::now();
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    world.settles().await;
    assert!(begun.elapsed() < Duration::from_secs(60), "it took {:?}", begun.elapsed());
    assert_eq!(world.wire.replacements_left(), 0, "the write was refused");
    assert_eq!(world.row("berlin", "a").await.state, "Held");
    let tries = world.wire.since(mark).iter().filter(|call| call.path == path).count();
    assert!(tries >= 2, "{tries} tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_no_event_follows_is_tried_again() {
    is_written_after_refusal("conflict", BERLIN, 409).await;
    is_written_after_refusal("conflict-policy", "upgradepolicies/all/status", 409).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_that_no_event_follows_is_tried_again() {
    is_written_after_refusal("missing", BERLIN, 404).await;
    is_written_after_refusal("missing-policy", "upgradepolicies/all/status", 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_comes_into_force_after_a_refused_write_that_is_no_longer_needed() {
    let world = World::start("taken-back").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    for code in [503, 409] {
        world.wire.refuse(BERLIN, code);
        world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
        eventually("the write is refused", async || match world.wire.replacements_left() {
            0 => Ok(()),
            _ => Err("no write".to_owned()),
        })
        .await;
        // No watch event follows the next write of the fleet, because it changes nothing. Hold that
        // write back until the policy waits for it, so that no event of the policy comes later.
        world.wire.hold(&[BERLIN]);
        world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": false}})).await;
        eventually("the policy waits for the fleet", async || {
            let generation = world.raw("UpgradePolicy", "all").await.metadata.generation;
            let status = world.policy("all").await;
            let ready = status.conditions.iter().find(|c| c.r#type == "Ready").unwrap();
            let waits = ready.status == "Unknown" && ready.observed_generation == generation;
            if waits { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
        world.wire.release();
        world.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_not_in_force_while_stored_offers_contradict_it() {
    let world = World::start("contradicted").await;
    let nothing = json!({"priority": 90, "upgrade": {"mode": "NoUpgrade"}});
    world.apply(policy("top", nothing)).await;
    let fleets = ["f0", "f1", "f2"];
    for name in fleets {
        world.apply(distinct_fleet(name, &["a", "b"])).await;
    }
    world.settles().await;
    world.wire.silence_watch("clientfleets");
    let set = async |upgrade| {
        world.edit("UpgradePolicy", "top", json!({"spec": {"upgrade": upgrade}})).await;
    };
    set(json!({"mode": "AutoUpgrade"})).await;
    for name in fleets {
        eventually("the offer is stored", async || {
            let row = world.row(name, &format!("{name}-a")).await;
            if row.state == "Distributing" { Ok(()) } else { Err(format!("{row:?}")) }
        })
        .await;
        let annotations = json!({"metadata": {"annotations": {"edited": "by hand"}}});
        world.edit("ClientFleet", name, annotations).await;
    }
    let mark = world.wire.mark();
    set(json!({"mode": "OnlyUpgradeTo", "version": "3.61"})).await;
    eventually("conflicts", async || {
        let calls = world.wire.since(mark);
        let conflicts = calls.iter().filter(|call| call.code == Some(409)).count();
        if conflicts >= fleets.len() { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    set(json!({"mode": "NoUpgrade", "version": null})).await;
    eventually("the last generation is planned", async || {
        let object = world.raw("UpgradePolicy", "top").await;
        let status = world.policy("top").await;
        let ready = status.conditions.iter().find(|condition| condition.r#type == "Ready");
        let planned = ready.and_then(|ready| ready.observed_generation);
        if planned == object.metadata.generation { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    let status = world.policy("top").await;
    assert_eq!(world.row("f0", "f0-a").await.state, "Distributing", "the offers still stand");
    let ready = status.conditions.iter().find(|c| c.r#type == "Ready").unwrap();
    assert_ne!(ready.status, "True", "{status:?}");
    assert!(status.observed_generation < ready.observed_generation, "{status:?}");

    world.wire.resume_watches();
    world.settles().await;
    assert_eq!(world.row("f0", "f0-a").await.state, "Held");
    let status = world.policy("top").await;
    assert_eq!(
        status.observed_generation,
        world.raw("UpgradePolicy", "top").await.metadata.generation
    );
}
