//! Tests the number of status writes: without a change there are none, and a change causes only the
//! necessary ones.

use clientfleet::api::{ClientFleet, UpgradePolicy};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::objects::{auto, client, distinct_fleet, fleet, nightly, policy};
use crate::recording_client::{Call, RequestRecorder};
use crate::world::{World, eventually, instant};

/// Name of a fleet and a policy, the sentinels, which affect no client. A test edits the sentinels
/// to find out whether the controller has processed all earlier changes.
const SENTINEL: &str = "zz";

impl World {
    pub async fn with_sentinels(&self) {
        self.apply(fleet(SENTINEL, &[])).await;
        let nobody = json!({"scope": {"fleetSelector": {"matchLabels": {"site": "nobody"}}}});
        self.apply(policy(SENTINEL, nobody)).await;
        self.comes_to_rest().await;
    }

    /// Waits until the controller has processed all earlier changes and has nothing left to write.
    ///
    /// Edits the sentinels last: watch events arrive in the order of the changes, so a controller
    /// that has processed these edits has received all earlier changes.
    pub async fn comes_to_rest(&self) {
        self.settles().await;
        let generation = self.raw("ClientFleet", SENTINEL).await.metadata.generation;
        let version = format!("1.{}", generation.unwrap_or_default());
        let fleet = json!({"spec": {"retainedVersions": [version]}});
        self.edit("ClientFleet", SENTINEL, fleet).await;
        let generation = self.raw("UpgradePolicy", SENTINEL).await.metadata.generation;
        self.edit("UpgradePolicy", SENTINEL, json!({"spec": {"priority": generation}})).await;
        eventually("the sentinels are answered", async || {
            let fleet = self.api::<ClientFleet>().get(SENTINEL).await.unwrap();
            let policy = self.api::<UpgradePolicy>().get(SENTINEL).await.unwrap();
            let fleet_seen =
                fleet.status.and_then(|s| s.observed_generation) == fleet.metadata.generation;
            let policy_seen =
                policy.status.and_then(|s| s.observed_generation) == policy.metadata.generation;
            if fleet_seen && policy_seen { Ok(()) } else { Err("they are not".to_owned()) }
        })
        .await;
        eventually("every answer has come", async || {
            let open =
                self.wire.calls().into_iter().find(|c| c.is_status_write() && c.code.is_none());
            open.map_or(Ok(()), |call| Err(format!("{call:?}")))
        })
        .await;
        self.settles().await;
    }

    /// Runs `doing`, waits until the controller has nothing left to write, and returns the objects
    /// whose status was written. The objects are sorted, and named in the form
    /// `clientfleets/berlin`.
    async fn writes_of(&self, doing: impl Future<Output = ()>) -> Vec<String> {
        let mark = self.wire.mark();
        doing.await;
        self.comes_to_rest().await;
        writes(&self.wire, mark)
    }
}

pub fn writes(wire: &RequestRecorder, mark: usize) -> Vec<String> {
    let calls = wire.since(mark).into_iter().filter(Call::is_status_write);
    let mut written: Vec<String> = calls
        .map(|call| {
            assert_eq!(call.code, Some(200), "{}", call.path);
            call.path.trim_end_matches("/status").to_owned()
        })
        .filter(|path| !path.ends_with(&format!("/{SENTINEL}")))
        .collect();
    written.sort();
    written
}

const NOTHING: [&str; 0] = [];

async fn three_fleets(prefix: &str) -> World {
    let world = World::start(prefix).await;
    world.apply(nightly("night")).await;
    let other = json!({"priority": 1, "scope": {"clients": [{"names": ["nobody"]}]}});
    world.apply(policy("other", other)).await;
    for site in ["berlin", "paris", "rome"] {
        let clients = crate::objects::names(10);
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        world.apply(distinct_fleet(site, &clients)).await;
    }
    world.with_sentinels().await;
    world
}

const ALL: [&str; 4] =
    ["clientfleets/berlin", "clientfleets/paris", "clientfleets/rome", "upgradepolicies/night"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_nothing_changes() {
    let mut world = three_fleets("quiet").await;
    let looks = async {
        for hour in 12..20 {
            world.clock.set(instant(&format!("2026-11-24T{hour}:00:00Z")));
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(world.writes_of(looks).await, NOTHING, "time passes");

    let annotation = json!({"metadata": {"annotations": {"note": "x"}}});
    let annotate = async {
        world.edit("ClientFleet", "berlin", annotation.clone()).await;
        world.edit("UpgradePolicy", "night", annotation.clone()).await;
        let label = json!({"metadata": {"labels": {"team": "x"}}});
        world.edit("ClientFleet", "rome", label.clone()).await;
        world.edit("UpgradePolicy", "night", label).await;
    };
    assert_eq!(world.writes_of(annotate).await, NOTHING, "annotations and labels");

    let mark = world.wire.mark();
    world.stop_controller().await;
    world.start_controller();
    world.comes_to_rest().await;
    assert_eq!(writes(&world.wire, mark), NOTHING, "a restart");
    let sentinels = |call: &Call| call.path.contains(&format!("/{SENTINEL}/"));
    let mut asked: Vec<String> =
        world.wire.since(mark).into_iter().filter(|c| !sentinels(c)).map(|c| c.path).collect();
    asked.sort();
    // Remove duplicates, because the controller may send several requests to start one watch.
    asked.dedup();
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let expected = [
        format!("{definitions}/clientfleets.clientfleet.dev"),
        format!("{definitions}/upgradepolicies.clientfleet.dev"),
        "clientfleets".to_owned(),
        "upgradepolicies".to_owned(),
    ];
    assert_eq!(asked, expected, "a restart looks at the definitions and watches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_costs_one_write_and_at_most_one_of_the_policy() {
    let world = three_fleets("reports").await;
    let report = |version| {
        let mut clients: Vec<Value> = vec![client("berlin-pc-000", version)];
        let others = crate::objects::names(10).into_iter().skip(1);
        clients.extend(others.map(|name| client(&format!("berlin-{name}"), "3.59")));
        world.edit("ClientFleet", "berlin", json!({"spec": {"clients": clients}}))
    };
    let before = world.fleet("berlin").await;
    let upgraded = world.writes_of(report("3.60")).await;
    assert_eq!(upgraded, ["clientfleets/berlin", "upgradepolicies/night"]);
    let after = world.fleet("berlin").await;
    assert_eq!(before.clients.unwrap()[1..], after.clients.unwrap()[1..], "the others");

    let respelled = world.writes_of(report("v3.60.0")).await;
    assert_eq!(respelled, ["clientfleets/berlin"], "its decision stays, the version is shown");

    let spec = json!({"spec": {"retainedVersions": ["3.1"]}});
    let unused = world.writes_of(world.edit("ClientFleet", "paris", spec)).await;
    assert_eq!(unused, ["clientfleets/paris"], "the generation alone");

    let spec = json!({"spec": {"priority": 2}});
    let unused = world.writes_of(world.edit("UpgradePolicy", "other", spec)).await;
    assert_eq!(unused, ["upgradepolicies/other"], "the generation alone, of a policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_costs_a_write_of_each_fleet_and_two_of_its_own() {
    let world = three_fleets("policies").await;
    let suspend = json!({"spec": {"suspend": true}});
    let suspended = world.writes_of(world.edit("UpgradePolicy", "night", suspend)).await;
    assert_at_most_two(&suspended, "night");
    let resume = json!({"spec": {"suspend": false}});
    let resumed = world.writes_of(world.edit("UpgradePolicy", "night", resume)).await;
    assert_at_most_two(&resumed, "night");

    let opened = async { world.clock.set(instant("2026-11-24T21:00:00Z")) };
    assert_eq!(world.writes_of(opened).await, ALL, "an opening");

    let mut above = auto("night-2");
    above["spec"]["priority"] = json!(5);
    let mut created = world.writes_of(world.apply(above)).await;
    let lost = created.iter().position(|path| path.ends_with("/night")).unwrap();
    created.remove(lost);
    assert_at_most_two(&created, "night-2");

    let gone = world.writes_of(world.delete("UpgradePolicy", "night-2")).await;
    assert_eq!(gone, ALL, "deleted");
}

fn assert_at_most_two(written: &[String], policy: &str) {
    let policy = format!("upgradepolicies/{policy}");
    let (policies, fleets): (Vec<&String>, Vec<&String>) =
        written.iter().partition(|path| path.starts_with("upgradepolicies/"));
    assert_eq!(fleets, ALL[..3]);
    assert!(policies.iter().all(|path| **path == policy), "{policies:?}");
    assert!((1..=2).contains(&policies.len()), "{policies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fleets_cost_their_policy_two_writes() {
    let world = World::start("many").await;
    world.with_sentinels().await;
    for number in 0..40 {
        world.apply(distinct_fleet(&format!("fleet-{number:02}"), &["a", "b"])).await;
    }
    let mut created = world.writes_of(world.apply(auto("all"))).await;
    let policies = created.extract_if(.., |path| path.starts_with("upgradepolicies/"));
    assert!((1..=2).contains(&policies.count()));
    created.dedup();
    assert_eq!(created.len(), 40);
    let listed = world.api::<ClientFleet>().list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items.len(), 41);
}
