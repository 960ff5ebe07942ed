//! Creates the test cases for the GitOps tools: objects in every state in which a tool can read
//! them from the API server.

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::objects::{auto, fleet, policy};
use crate::world::{World, eventually};

/// An object in one state, with the health that each tool must report for the object.
pub struct Case {
    pub what: &'static str,
    pub kstatus: &'static str,
    pub argocd: &'static str,
    pub object: Value,
}

/// Health that kstatus and Argo CD must report for an object that is being reconciled.
const MOVING: [&str; 2] = ["InProgress", "Progressing"];
/// Health that kstatus and Argo CD must report for an object that is fully reconciled.
const SETTLED: [&str; 2] = ["Current", "Healthy"];
/// Health that kstatus and Argo CD must report for an object that a user must fix.
const BROKEN: [&str; 2] = ["Failed", "Degraded"];
/// Health that kstatus and Argo CD must report for an object that is being deleted. Argo CD has no
/// health status for deletion, and reports `Progressing` with the message `Pending deletion`.
const LEAVING: [&str; 2] = ["Terminating", "Progressing"];

const POLICY: &str = "UpgradePolicy";
const FLEET: &str = "ClientFleet";

struct Album {
    world: World,
    cases: Vec<Case>,
}

/// Returns all cases. Creates the objects only once, because all tests share them.
pub async fn cases() -> &'static [Case] {
    static CASES: OnceCell<Vec<Case>> = OnceCell::const_new();
    CASES
        .get_or_init(|| async {
            let mut cases = from_the_first_moment_to_the_last().await;
            cases.extend(whatever_the_spec_says().await);
            cases
        })
        .await
}

impl Album {
    async fn open(prefix: &str) -> Self {
        Self { world: World::start(prefix).await, cases: Vec::new() }
    }

    async fn take(
        &mut self,
        what: &'static str,
        kind: &str,
        name: &str,
        verdicts: [&'static str; 2],
    ) {
        let object = serde_json::to_value(self.world.raw(kind, name).await).unwrap();
        let [kstatus, argocd] = verdicts;
        self.cases.push(Case { what, kstatus, argocd, object });
    }

    async fn change(&self, kind: &str, name: &str, spec: Value) {
        self.world.edit(kind, name, json!({"spec": spec})).await;
    }
}

async fn from_the_first_moment_to_the_last() -> Vec<Case> {
    let mut album = Album::open("gitops-moments").await;
    album.world.stop_controller().await;
    album.world.apply(auto("all")).await;
    album.world.apply(fleet("first", &["a"])).await;
    album.world.apply(fleet("second", &["b"])).await;
    album.take("a policy before the controller has run", POLICY, "all", MOVING).await;
    album.take("a fleet before the controller has run", FLEET, "first", MOVING).await;

    album.world.start_controller();
    album.world.settles().await;
    album.take("a policy in force, no client upgraded", POLICY, "all", SETTLED).await;
    album.take("a fleet that is planned, no client upgraded", FLEET, "first", SETTLED).await;

    album.world.wire.hold(&["clientfleets/second"]);
    album.change(POLICY, "all", json!({"suspend": true})).await;
    eventually("the policy waits for its second fleet alone", async || {
        let conditions = album.world.policy("all").await.conditions;
        let waits = conditions.iter().any(|condition| condition.r#type == "Reconciling");
        let first = album.world.row("first", "a").await.state;
        if waits && first == "Held" { Ok(()) } else { Err(format!("{first}, {conditions:?}")) }
    })
    .await;
    album.take("a policy whose fleets do not all say so yet", POLICY, "all", MOVING).await;
    album.change(FLEET, "second", json!({"packageVersion": "3.61"})).await;
    album.take("a fleet whose new generation is not planned yet", FLEET, "second", MOVING).await;
    album.world.wire.release();
    album.world.settles().await;
    album.take("a suspended policy in force", POLICY, "all", ["Current", "Suspended"]).await;
    album.take("the fleet, planned again", FLEET, "second", SETTLED).await;

    album.world.wire.hold(&["upgradepolicies/all"]);
    album.change(POLICY, "all", json!({"suspend": false})).await;
    album.take("a policy whose new generation nobody has seen", POLICY, "all", MOVING).await;
    album.world.wire.release();
    album.world.settles().await;
    album.take("the policy, in force again", POLICY, "all", SETTLED).await;

    for (what, kind, name) in [
        ("a policy that is being deleted", POLICY, "all"),
        ("a fleet that is being deleted", FLEET, "first"),
    ] {
        let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
        album.world.edit(kind, name, finalizers(json!(["example.com/keep"]))).await;
        album.world.delete(kind, name).await;
        album.world.settles().await;
        album.take(what, kind, name, LEAVING).await;
        album.world.edit(kind, name, finalizers(Value::Null)).await;
    }
    album.cases
}

async fn whatever_the_spec_says() -> Vec<Case> {
    let mut album = Album::open("gitops-specs").await;
    let zone = |name: &str| json!({"distribution": {"timeZone": name}});
    album.world.apply(fleet("good", &["a"])).await;
    album.world.apply(fleet("odd", &["b"])).await;
    album.world.apply(auto("all")).await;
    album.change(POLICY, "all", zone("Europe/Berln")).await;
    album.change(FLEET, "odd", json!({"timeZone": "Europe/Berln"})).await;
    album.world.settles().await;
    album.take("a policy with an unknown time zone", POLICY, "all", BROKEN).await;
    album.take("a fleet with an unknown time zone", FLEET, "odd", BROKEN).await;
    album.take("a fleet whose clients an invalid policy blocks", FLEET, "good", SETTLED).await;

    album.change(POLICY, "all", zone("Europe/Berlin")).await;
    album.change(FLEET, "odd", json!({"timeZone": "Europe/Berlin"})).await;
    album.world.settles().await;
    album.take("the policy, mended", POLICY, "all", SETTLED).await;
    album.take("the fleet, mended", FLEET, "odd", SETTLED).await;

    let error = json!({"version": "3.60", "message": "disk full"});
    let client = json!({"name": "b", "reported": {"version": "3.59", "lastError": error}});
    album.change(FLEET, "odd", json!({"clients": [client]})).await;
    album.world.apply(policy("nothing", json!({"priority": -1}))).await;
    let until = json!({"effectiveUntil": "2026-01-01T00:00:00Z"});
    album.world.apply(policy("over", until)).await;
    album.world.settles().await;
    assert_eq!(album.world.row("odd", "b").await.state, "Failed");
    album.take("a fleet with a failed client", FLEET, "odd", SETTLED).await;
    album.take("a policy that distributes nothing", POLICY, "nothing", SETTLED).await;
    album.take("a policy that has ended", POLICY, "over", SETTLED).await;
    album.cases
}
