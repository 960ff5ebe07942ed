//! Tests the Kubernetes events about policies: the controller publishes one event for each change,
//! and none after a restart.

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;

use crate::objects::{client, fleet, nightly};
use crate::world::{World, eventually, instant};

impl World {
    /// Returns the reason and the count of each event about a policy, such as `DistributionOpened
    /// 1`, in order of the reason.
    async fn events(&self, policy: &str) -> Vec<String> {
        let listed = self.api::<Event>().list(&ListParams::default()).await.unwrap();
        let about = |event: &Event| {
            let regarding = event.regarding.clone().unwrap_or_default();
            regarding.kind.as_deref() == Some("UpgradePolicy")
                && regarding.name.as_deref() == Some(policy)
        };
        let mut counted: std::collections::BTreeMap<String, i32> = [].into();
        for event in listed.items.into_iter().filter(about) {
            let times = event.series.map_or(1, |series| series.count);
            *counted.entry(event.reason.unwrap_or_default()).or_default() += times;
        }
        counted.into_iter().map(|(reason, times)| format!("{reason} {times}")).collect()
    }

    async fn announces(&self, what: &str, expected: &[&str]) {
        eventually(what, async || {
            let events = self.events("night").await;
            if events == expected { Ok(()) } else { Err(format!("{events:?}")) }
        })
        .await;
        self.comes_to_rest().await;
        assert_eq!(self.events("night").await, expected, "{what}: and no more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_announced_once() {
    let mut world = World::start("events").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.with_sentinels().await;
    world.announces("closed from the start", &[]).await;
    world.clock.set(instant("2026-11-24T21:00:00Z"));
    world.announces("an opening", &["DistributionOpened 1"]).await;
    let labels = json!({"metadata": {"labels": {"site": "other"}}});
    world.edit("ClientFleet", "berlin", labels).await;
    world.clock.set(instant("2026-11-24T22:00:00Z"));
    world.announces("nothing new", &["DistributionOpened 1"]).await;

    let done = json!({"spec": {"clients": [client("a", "3.60"), client("b", "3.61")]}});
    world.edit("ClientFleet", "berlin", done).await;
    world.announces("all have arrived", &["Completed 1", "DistributionOpened 1"]).await;
    world.stop_controller().await;
    world.start_controller();
    world.announces("a restart", &["Completed 1", "DistributionOpened 1"]).await;

    world.clock.set(instant("2026-11-25T03:00:00Z"));
    let closed = ["Completed 1", "DistributionClosed 1", "DistributionOpened 1"];
    world.announces("a closing", &closed).await;
    world.edit_status("UpgradePolicy", "night", json!({"distributionState": "Open"})).await;
    world.announces("a foreign status is no opening", &closed).await;

    let invalid = json!({"spec": {"distribution": {"timeZone": "Mars/Olympus"}}});
    world.edit("UpgradePolicy", "night", invalid).await;
    let wrong = ["Completed 1", "DistributionClosed 1", "DistributionOpened 1", "PolicyInvalid 1"];
    world.announces("invalid", &wrong).await;
    world.stop_controller().await;
    world.start_controller();
    world.announces("a restart", &wrong).await;

    let valid = json!({"spec": {"distribution": {"timeZone": "Europe/Berlin"}}});
    world.edit("UpgradePolicy", "night", valid).await;
    world.clock.set(instant("2026-11-25T21:00:00Z"));
    let again = ["Completed 2", "DistributionClosed 1", "DistributionOpened 2", "PolicyInvalid 1"];
    world.announces("the next opening, complete again", &again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_on_its_way_is_announced_once() {
    let world = World::start("events-once").await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    world.clock.set(instant("2026-11-24T21:00:00Z"));
    world.wire.hold(&["clientfleets/berlin"]);
    world.apply(nightly("night")).await;
    eventually("announced while it is on its way", async || {
        let events = world.events("night").await;
        if events == ["DistributionOpened 1"] { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    world.wire.release();
    world.announces("and not again", &["DistributionOpened 1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_announced_once_although_the_answers_to_its_writes_are_lost() {
    let world = World::start("lost-answers").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    world.wire.lose_the_answer_to("upgradepolicies/night/status");
    world.wire.lose_the_answer_to("upgradepolicies/night/status");
    world.clock.set(instant("2026-11-24T21:00:00Z"));
    world.announces("an opening", &["DistributionOpened 1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_announced_once_although_the_answer_is_an_error() {
    let world = World::start("false-answers").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    for code in [500, 409] {
        world.wire.accept_but_refuse("upgradepolicies/night/status", code);
    }
    world.clock.set(instant("2026-11-24T21:00:00Z"));
    world.announces("an opening", &["DistributionOpened 1"]).await;
}
