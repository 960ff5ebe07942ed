//! Tests that a policy's status reports a generation in `observedGeneration` only after every fleet
//! in the policy's scope has applied that generation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use clientfleet::api::{ClientFleet, UpgradePolicy, UpgradePolicyStatus};
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use serde_json::json;

use crate::control_plane::shared;
use crate::objects::{auto, distinct_fleet, fleet, policy};
use crate::world::{World, eventually};

fn conditions(status: &UpgradePolicyStatus) -> Vec<String> {
    let one = |c: &clientfleet::api::Condition| format!("{}={}/{}", c.r#type, c.status, c.reason);
    status.conditions.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_waits_for_its_fleets() {
    let world = World::start("in-force").await;
    world.apply(auto("all")).await;
    world.apply(fleet("first", &["a"])).await;
    world.apply(fleet("second", &["b"])).await;
    world.settles().await;
    assert_eq!(
        conditions(&world.policy("all").await),
        ["Ready=True/Reconciled", "Complete=False/InProgress"]
    );

    world.wire.hold(&["clientfleets/second"]);
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    let expected =
        ["Ready=Unknown/InProgress", "Reconciling=True/InProgress", "Complete=False/InProgress"];
    eventually("reconciling, the first fleet written", async || {
        let status = world.policy("all").await;
        let first = world.row("first", "a").await.state;
        let is_so = conditions(&status) == expected && first == "Held";
        if is_so { Ok(()) } else { Err(format!("{first}, {status:?}")) }
    })
    .await;
    let status = world.policy("all").await;
    assert_eq!(status.observed_generation, Some(1), "the generation that is in force");
    assert_eq!(status.conditions[0].observed_generation, Some(2));
    assert_eq!(status.distribution_state.as_deref(), Some("Off"));
    assert_eq!(world.row("second", "b").await.state, "Distributing");

    world.wire.release();
    world.settles().await;
    let status = world.policy("all").await;
    assert_eq!(conditions(&status), ["Ready=True/Reconciled", "Complete=False/InProgress"]);
    assert_eq!(status.observed_generation, Some(2));
}

/// All versions of the policies and fleets of a namespace, by resourceVersion. The versions of both
/// kinds are comparable, because one etcd stores both kinds.
#[derive(Clone, Default)]
struct History(Arc<Mutex<BTreeMap<u64, Version>>>);

#[derive(Clone, Debug)]
enum Version {
    Policy(Box<UpgradePolicy>),
    Fleet(Box<ClientFleet>),
}

impl History {
    fn of(world: &World) -> Self {
        let history = Self::default();
        history.follow::<UpgradePolicy>(world, |policy| Version::Policy(Box::new(policy)));
        history.follow::<ClientFleet>(world, |fleet| Version::Fleet(Box::new(fleet)));
        history
    }

    fn follow<K>(&self, world: &World, version: fn(K) -> Version)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + Send
            + 'static,
    {
        let versions = Arc::clone(&self.0);
        let events = watcher(world.api::<K>(), watcher::Config::default()).applied_objects();
        tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(object) = events.next().await {
                let object = object.unwrap();
                let written = object.resource_version().unwrap().parse().unwrap();
                versions.lock().unwrap().insert(written, version(object));
            }
        });
    }

    async fn has(&self, policy: &str, generation: i64) {
        eventually("the history has come so far", async || {
            let versions = self.0.lock().unwrap();
            let is_it = |version: &Version| match version {
                Version::Policy(p) => {
                    p.name_any() == policy
                        && p.status.as_ref().and_then(|s| s.observed_generation) == Some(generation)
                }
                Version::Fleet(_) => false,
            };
            if versions.values().any(is_it) { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_generation_is_called_in_force_before_the_fleets_say_so() {
    let world = World::start("history").await;
    let fleets = ["one", "two", "three", "four", "five", "six"];
    for name in fleets {
        world.apply(distinct_fleet(name, &["a"])).await;
    }
    let history = History::of(&world);
    // Each generation of the policy sets a different target version, so that a fleet's status shows
    // which generation the fleet has applied.
    let lock = |generation: i64| {
        let version = format!("4.{generation}");
        policy("all", json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": version}}))
    };
    for generation in 1..=5 {
        world.apply(lock(generation)).await;
        history.has("all", generation).await;
    }
    world.settles().await;

    let mut targets: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = vec![];
    for version in history.0.lock().unwrap().values() {
        match version {
            Version::Fleet(fleet) => {
                let mut rows =
                    fleet.status.iter().flat_map(|status| status.clients.iter().flatten());
                let target = rows.find_map(|row| row.target_version.as_deref());
                targets.insert(fleet.name_any(), target.unwrap_or_default().to_owned());
            }
            Version::Policy(policy) => {
                let status = policy.status.clone().unwrap_or_default();
                let generation = policy.metadata.generation.unwrap();
                seen.push((generation, status.observed_generation.unwrap_or(-1)));
                let in_force = status.observed_generation == Some(generation);
                let reconciling = status.conditions.iter().any(|c| c.r#type == "Reconciling");
                assert!(!(in_force && reconciling), "{status:?}");
                for (fleet, target) in targets.iter().filter(|_| in_force) {
                    assert_eq!(*target, format!("4.{generation}"), "{fleet} of {fleets:?}");
                }
            }
        }
    }
    for generation in 1..=5 {
        assert!(seen.contains(&(generation, generation)), "{seen:?}");
        let behind = |(g, observed): &(i64, i64)| *g == generation && *observed < generation;
        assert!(seen.iter().any(behind), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_waits_and_shows_columns() {
    let world = World::start("kubectl").await;
    let kubectl = |arguments: &[&str]| {
        let all = [&["-n", &world.namespace], arguments].concat();
        shared().kubectl_ok(&all, "").unwrap()
    };
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "upol/all", "clf/berlin"]);
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    kubectl(&["wait", "--for=condition=Ready", "--timeout=180s", "upol/all"]);
    assert_eq!(
        world.row("berlin", "a").await.state,
        "Held",
        "whoever has waited finds it in force"
    );
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": false}})).await;
    world.settles().await;

    let words = |text: &str, line: usize| {
        let line = text.lines().nth(line).unwrap();
        line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let fleets = kubectl(&["get", "clf"]);
    let columns = [
        "NAME",
        "PACKAGE",
        "CLIENTS",
        "UPTODATE",
        "DISTRIBUTING",
        "RESTART",
        "FAILED",
        "BLOCKED",
        "NEXT",
        "READY",
        "AGE",
    ];
    assert_eq!(words(&fleets, 0), columns);
    assert_eq!(
        words(&fleets, 1)[..8],
        ["berlin", "3.60", "2", "0", "2", "0", "0", "0"],
        "{fleets}"
    );
    let policies = kubectl(&["get", "upol"]);
    assert!(words(&policies, 1).iter().any(|word| word == "Open"), "{policies}");
    assert!(words(&policies, 1).iter().any(|word| word == "True"), "{policies}");
}
