//! Tests that status writes never lose transition times or last offers, even if the controller
//! plans again before it receives the watch event of its previous write.

use std::collections::BTreeMap;
use std::time::Duration;

use clientfleet::api::Condition;
use clientfleet::api::fleet::{ClientFleetStatus, ClientStatus};
use clientfleet::values::Timestamp;
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::objects::{distinct_fleet, fleet, names, policy};
use crate::world::{NOON, World, eventually, instant, status_of};

fn after_noon(seconds: i64) -> Timestamp {
    instant(NOON) + chrono::TimeDelta::seconds(seconds)
}

async fn set_mode(world: &World, mode: &str) {
    world.edit("UpgradePolicy", "all", json!({"spec": {"upgrade": {"mode": mode}}})).await;
}

async fn written_since(world: &World, mark: usize) {
    eventually("the fleet's status is written", async || {
        let calls = world.wire.since(mark);
        let is_answered = |call: &crate::recording_client::Call| {
            call.path == "clientfleets/berlin/status" && call.code == Some(200)
        };
        if calls.iter().any(is_answered) { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
}

/// Starts a [`World`] with one fleet and a policy with the mode `NoUpgrade`. The controller's fleet
/// watch delivers no events until the test resumes the watch.
async fn held(prefix: &str) -> World {
    let world = World::start(prefix).await;
    world.apply(policy("all", json!({"upgrade": {"mode": "NoUpgrade"}}))).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    world.wire.silence_watch("clientfleets");
    world
}

fn assert_held(row: &ClientStatus, offered: Timestamp, held: Timestamp) {
    assert_eq!(row.state, "Held");
    assert_eq!(row.last_transition_time, Some(held), "the time of its own state");
    let offer = row.last_offer.as_deref().expect("the offer that was written before");
    assert_eq!((offer.version.as_str(), offer.time), ("3.60", offered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replan_before_the_watch_event_keeps_the_history() {
    let world = held("history").await;
    let mark = world.wire.mark();
    world.clock.set(after_noon(60));
    set_mode(&world, "AutoUpgrade").await;
    written_since(&world, mark).await;
    assert_eq!(world.row("berlin", "a").await.state, "Distributing");

    let mark = world.wire.mark();
    world.clock.set(after_noon(120));
    set_mode(&world, "NoUpgrade").await;
    written_since(&world, mark).await;
    assert_held(&world.row("berlin", "a").await, after_noon(60), after_noon(120));
    eventually("the event of the first write is held back", async || {
        match world.wire.undelivered_events("clientfleets") {
            0 => Err("no event has arrived".to_owned()),
            _ => Ok(()),
        }
    })
    .await;

    world.wire.resume_watches();
    world.settles().await;
    assert_held(&world.row("berlin", "a").await, after_noon(60), after_noon(120));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replan_during_a_write_ends_its_offer_without_the_watch() {
    let world = held("in-flight").await;
    let mark = world.wire.mark();
    world.wire.hold(&["clientfleets/berlin/status"]);
    world.clock.set(after_noon(60));
    set_mode(&world, "AutoUpgrade").await;
    eventually("the write has begun", async || {
        let calls = world.wire.since(mark);
        let is_it = |call: &crate::recording_client::Call| call.is_status_write();
        let begun = calls.iter().any(|call| is_it(call) && call.path.starts_with("clientfleets"));
        if begun { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    world.clock.set(after_noon(120));
    set_mode(&world, "NoUpgrade").await;
    // The stored status of the policy shows whether the controller has made the second plan.
    eventually("the second plan is made", async || {
        let policy = world.policy("all").await;
        let said = policy.distribution_state.clone().unwrap_or_default();
        if said == "Off" { Ok(()) } else { Err(said.into_owned()) }
    })
    .await;
    world.wire.release();
    eventually("the hold is written", async || {
        let row = world.row("berlin", "a").await;
        if row.last_offer.is_some() && row.state == "Held" { Ok(()) } else { Err(json!(row)) }
            .map_err(|row| row.to_string())
    })
    .await;
    assert_held(&world.row("berlin", "a").await, after_noon(60), after_noon(120));
    world.wire.resume_watches();
    world.settles().await;
}

/// Test observer that checks every stored version of all fleets. The observer does not use the
/// controller's API client, because the test delays the watch events of that client.
struct Observer {
    /// Task that reads the watch and returns the number of stored versions of each fleet.
    ended: JoinHandle<BTreeMap<String, usize>>,
}

/// Annotation that marks the last version of each fleet for the observer.
const LAST: &str = "last";

impl Observer {
    async fn start(world: &World) -> Self {
        let api = world.dynamic("ClientFleet");
        let listed = api.list(&kube::api::ListParams::default()).await.unwrap();
        let version = listed.metadata.resource_version.clone().unwrap();
        let mut last: BTreeMap<String, ClientFleetStatus> =
            listed.iter().map(|fleet| (name_of(fleet), status_of(fleet))).collect();
        let mut events = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
        let ended = tokio::spawn(async move {
            let (mut counts, mut open) = (BTreeMap::new(), last.len());
            while open > 0 {
                let event = events.next().await.expect("the watch continues");
                if let WatchEvent::Modified(fleet) = event.expect("no error") {
                    let (name, status) = (name_of(&fleet), status_of(&fleet));
                    assert_continues(&name, &last[&name], &status);
                    *counts.entry(name.clone()).or_default() += 1;
                    last.insert(name, status);
                    open -= usize::from(fleet.annotations().contains_key(LAST));
                }
            }
            counts
        });
        Self { ended }
    }

    async fn stop(self, world: &World, fleets: &[&str]) -> BTreeMap<String, usize> {
        for name in fleets {
            let mark = json!({"metadata": {"annotations": {LAST: "true"}}});
            world.edit("ClientFleet", name, mark).await;
        }
        self.ended.await.unwrap()
    }
}

fn name_of(object: &DynamicObject) -> String {
    object.metadata.name.clone().unwrap()
}

/// Checks that transition times and last offers never become earlier, and that a client's
/// transition time changes only together with the client's state.
fn assert_continues(fleet: &str, before: &ClientFleetStatus, after: &ClientFleetStatus) {
    assert_conditions_continue(fleet, &before.conditions, &after.conditions);
    let (before, after) = (before.clients.as_deref(), after.clients.as_deref());
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    assert_eq!(before.len(), after.len(), "{fleet}: every client keeps its row");
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before.name, after.name, "{fleet}: the rows keep their order");
        let context = || format!("{fleet}:\n{}\n{}", json!(before), json!(after));
        assert!(after.last_transition_time >= before.last_transition_time, "{}", context());
        if after.state == before.state {
            let kept = after.last_transition_time == before.last_transition_time;
            assert!(kept, "the state stays: {}", context());
        }
        let time = |row: &ClientStatus| row.last_offer.as_ref().map(|offer| offer.time);
        assert!(time(after) >= time(before), "the last offer: {}", context());
    }
}

/// Checks that a condition's transition time never becomes earlier, and changes only together with
/// the condition's status.
fn assert_conditions_continue(fleet: &str, before: &[Condition], after: &[Condition]) {
    let types = |all: &[Condition]| all.iter().map(|c| c.r#type.to_string()).collect::<Vec<_>>();
    assert_eq!(types(before), types(after), "{fleet}: every condition stays");
    for (before, after) in before.iter().zip(after) {
        let context = || format!("{fleet}:\n{}\n{}", json!(before), json!(after));
        assert!(after.last_transition_time >= before.last_transition_time, "{}", context());
        let kept = after.last_transition_time == before.last_transition_time;
        assert!(kept || after.status != before.status, "the status stays: {}", context());
    }
}

/// Switches a policy between two modes 30 times, and checks every stored version of six fleets of
/// 20 clients each. If `has_rival` is true, another writer changes the fleets, so that some status
/// writes fail with a conflict.
async fn to_and_fro(prefix: &str, late: Duration, has_rival: bool) {
    let world = World::start(prefix).await;
    world.apply(policy("all", json!({"upgrade": {"mode": "NoUpgrade"}}))).await;
    let fleets = ["f0", "f1", "f2", "f3", "f4", "f5"];
    let clients = names(20);
    let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
    for name in fleets {
        world.apply(distinct_fleet(name, &clients)).await;
    }
    world.settles().await;
    let observer = Observer::start(&world).await;
    world.wire.delay_watch("clientfleets", late);
    for edit in 0..30_u32 {
        world.clock.set(after_noon(1 + i64::from(edit)));
        set_mode(&world, if edit % 2 == 0 { "AutoUpgrade" } else { "NoUpgrade" }).await;
        if has_rival {
            let name = fleets[edit as usize % fleets.len()];
            let annotations = json!({"annotations": {"edit": edit.to_string()}});
            world.edit("ClientFleet", name, json!({"metadata": annotations})).await;
        }
        // Vary the length of the pause, so that the edits arrive at different stages of a status
        // write.
        let pause = 10 + edit * 53 % 141;
        tokio::time::sleep(Duration::from_millis(pause.into())).await;
    }
    world.settles().await;
    if has_rival {
        let conflicts = world.wire.calls().iter().filter(|call| call.code == Some(409)).count();
        assert!(conflicts > 0, "no write met a conflict");
    }
    assert!(late.is_zero() || world.wire.slowed_events("clientfleets") > 0, "no event was late");
    // Wait for the delayed events of earlier writes, because the plan can be settled before these
    // events arrive.
    eventually("all events are delivered", async || {
        match world.wire.undelivered_events("clientfleets") {
            0 => Ok(()),
            events => Err(format!("{events} events are still late")),
        }
    })
    .await;
    world.settles().await;
    let versions = observer.stop(&world, &fleets).await;
    assert!(versions.values().sum::<usize>() > 3 * fleets.len(), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_continues_the_one_before() {
    to_and_fro("to-and-fro", Duration::ZERO, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_continues_the_one_before_though_the_fleet_watch_is_late() {
    for (prefix, late) in [("late-100ms", 100), ("late-1s", 1000), ("late-4s", 4000)] {
        to_and_fro(prefix, Duration::from_millis(late), false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_continues_the_one_before_after_conflicts() {
    for (prefix, late) in [("rival-100ms", 100), ("rival-2s", 2000)] {
        to_and_fro(prefix, Duration::from_millis(late), true).await;
    }
}
