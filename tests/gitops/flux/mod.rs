//! Tests that Flux applies the examples from a Git repository, detects when all fleets have applied
//! them, and writes nothing if nothing has changed.
//!
//! Flux must revert manual changes and delete objects that were removed from Git, but keep the
//! statuses that our controller writes and the fields that other field managers own.

mod audit;
mod cluster;
mod source;

use std::fs;
use std::path::Path;

use clientfleet::daemon::clock::Clock as _;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::judges::judge;
use crate::world::eventually;
use cluster::Cluster;

const QUIET_ROUNDS: usize = 6;

const KINDS: [&str; 2] = ["ClientFleet", "UpgradePolicy"];

async fn objects(cluster: &Cluster) -> Vec<Value> {
    let mut objects = Vec::new();
    for kind in KINDS {
        let listed = cluster.ours(kind).list(&ListParams::default()).await.unwrap();
        objects.extend(listed.items.iter().map(|object| serde_json::to_value(object).unwrap()));
    }
    objects
}

/// Waits until our controller has written all statuses, and then returns all objects. Flux can
/// report that it is ready before these writes.
async fn at_rest(cluster: &Cluster) -> Vec<Value> {
    cluster.world.settles().await;
    objects(cluster).await
}

fn fill_with_examples(cluster: &Cluster) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        cluster.repository.write(name, &fs::read_to_string(&path).unwrap());
        files += usize::from(name.ends_with(".yaml"));
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_applies_the_examples_and_comes_to_rest() {
    let mut cluster = Cluster::start();
    let files = fill_with_examples(&cluster);
    cluster.is_ready_with(&cluster.publish().await).await;
    let objects = objects(&cluster).await;
    assert!(objects.len() + 1 >= files, "{} of {files} files", objects.len());
    for verdict in judge("kstatus", &cluster.plane, &objects) {
        assert_eq!(verdict.status, "Current", "Flux said Ready: {verdict:?}");
    }

    it_comes_to_rest(&mut cluster).await;
    it_brings_back_what_was_changed_by_hand(&mut cluster).await;
    it_leaves_to_an_importer_what_is_the_importer_s(&mut cluster).await;
    it_takes_away_what_is_gone(&cluster).await;
    it_says_what_is_invalid(&cluster).await;
    it_waits_for_the_server_of_a_shard(&cluster).await;
}

async fn it_comes_to_rest(cluster: &mut Cluster) {
    let before = at_rest(cluster).await;
    let writes = cluster.audit.writes().len();
    assert!(writes >= 2 * before.len(), "each was made and got a status: {writes} writes");
    for _ in 0..QUIET_ROUNDS {
        cluster.reconcile().await;
    }
    assert_eq!(objects(cluster).await, before, "not even a resource version");
    let more = cluster.audit.writes().split_off(writes);
    assert_eq!(more, Vec::<String>::new(), "written while nothing had changed");
}

async fn it_brings_back_what_was_changed_by_hand(cluster: &mut Cluster) {
    let policies = cluster.ours("UpgradePolicy");
    let before = policies.get("canary").await.unwrap();
    let by_hand =
        PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"priority": 1, "upgrade": {"mode": "NoUpgrade"}}}));
    policies.patch("canary", &by_hand, &patch).await.unwrap();
    let writes = cluster.audit.writes().len();
    cluster.reconcile().await;
    at_rest(cluster).await;
    let after = policies.get("canary").await.unwrap();
    assert_eq!(after.data["spec"], before.data["spec"]);
    let generation = before.metadata.generation.unwrap() + 2;
    assert_eq!(after.metadata.generation, Some(generation), "there and back");
    let writes = cluster.audit.writes().split_off(writes);
    let flux: Vec<_> =
        writes.iter().filter(|write| write.contains("kustomize-controller")).collect();
    // Flux first transfers the ownership of the fields from kubectl's field manager to its own,
    // with a patch that changes no values. Then it applies the policy.
    let taken = "patch upgradepolicies/canary by kustomize-controller";
    assert_eq!(flux, [taken, "apply upgradepolicies/canary by kustomize-controller"]);
}

async fn it_leaves_to_an_importer_what_is_the_importer_s(cluster: &mut Cluster) {
    let fleets = cluster.ours("ClientFleet");
    let client = |name: &str| json!({"name": name, "reported": {"version": "3.58.110.0"}});
    let report = |fleet: &str| {
        let clients = [1, 2].map(|number| client(&format!("{fleet}-inventory-{number}")));
        json!({
            "apiVersion": "clientfleet.dev/v1alpha1",
            "kind": "ClientFleet",
            "metadata": {"name": fleet},
            "spec": {"clients": clients},
        })
    };
    let report_as = async |owner: &str, fleet: &str| {
        let parameters = PatchParams::apply(owner);
        fleets.patch(fleet, &parameters, &Patch::Apply(report(fleet))).await.unwrap()
    };
    report_as("inventory", "berlin").await;
    let before = at_rest(cluster).await;
    cluster.reconcile().await;
    assert_eq!(at_rest(cluster).await, before, "Flux leaves the importer's clients alone");

    // `kubectl apply --server-side` uses the field manager `kubectl` by default. Flux treats
    // changes of this field manager as manual, and reverts them.
    let clients = |fleet: &DynamicObject| fleet.data["spec"]["clients"].as_array().unwrap().len();
    let with = clients(&report_as("kubectl", "tokyo").await);
    cluster.reconcile().await;
    let fleet = fleets.get("tokyo").await.unwrap();
    assert_eq!(clients(&fleet), with - 2, "as the page warns");
}

async fn it_takes_away_what_is_gone(cluster: &Cluster) {
    let before = objects(cluster).await.len();
    cluster.repository.remove("30-canary.yaml");
    cluster.is_ready_with(&cluster.publish().await).await;
    assert_eq!(cluster.ours("UpgradePolicy").get_opt("canary").await.unwrap(), None);
    assert_eq!(objects(cluster).await.len(), before - 1);
    for object in at_rest(cluster).await {
        let clients = object["status"]["clients"].as_array();
        let mut policies = clients.into_iter().flatten().map(|client| &client["policy"]);
        assert!(!policies.any(|policy| policy == "canary"), "{object}");
    }
}

async fn it_says_what_is_invalid(cluster: &Cluster) {
    let file = "21-nights-and-weekends.yaml";
    let good = cluster.repository.read(file);
    let broken = good.replace("  distribution:\n", "  distribution:\n    timeZone: Europe/Berln\n");
    assert_ne!(good, broken);
    cluster.repository.write(file, &broken);
    let said = cluster.fails_with(&cluster.publish().await).await;
    println!("Flux says: {said}");
    assert!(said.contains("UpgradePolicy/clients/"), "{said}");
    assert!(said.contains("Failed"), "{said}");
    cluster.repository.write(file, &good);
    cluster.is_ready_with(&cluster.publish().await).await;
}

const SHARD: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: oslo, namespace: clients}
spec:
  packageFrom: {name: oslo-server}
  clients: [{name: oslo-1, reported: {version: 3.58.110.0}}]
";

const SERVER: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: oslo-server, namespace: clients}
spec: {packageVersion: 3.59.127.0, clients: []}
";

/// Flux waits for 2 minutes for the server of a shard, then fails at once, and succeeds when the
/// server is there.
async fn it_waits_for_the_server_of_a_shard(cluster: &Cluster) {
    let (shard, server) = ("60-oslo.yaml", "61-oslo-server.yaml");
    cluster.repository.write(shard, SHARD);
    it_fails_without_the_server(cluster, &cluster.publish().await).await;
    cluster.repository.write(server, SERVER);
    cluster.is_ready_with(&cluster.publish().await).await;

    cluster.repository.remove(server);
    it_fails_without_the_server(cluster, &cluster.publish().await).await;
    cluster.repository.write(server, SERVER);
    cluster.is_ready_with(&cluster.publish().await).await;

    // In one commit, in whichever order Flux applies the two.
    cluster.repository.remove(server);
    cluster.repository.remove(shard);
    cluster.is_ready_with(&cluster.publish().await).await;
    cluster.repository.write(shard, SHARD);
    cluster.repository.write(server, SERVER);
    cluster.is_ready_with(&cluster.publish().await).await;
}

async fn it_fails_without_the_server(cluster: &Cluster, revision: &str) {
    let shard = async || {
        let Some(object) = cluster.ours("ClientFleet").get_opt("oslo").await.unwrap() else {
            return (false, "missing".to_owned());
        };
        let object = serde_json::to_value(object).unwrap();
        let verdict = judge("kstatus", &cluster.plane, [&object]).remove(0);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is_unknown = |c: &Value| c["type"] == "Ready" && c["reason"] == "PackageUnknown";
        (conditions.iter().any(is_unknown), verdict.status)
    };
    eventually("the shard waits for its server", async || {
        let (is_unknown, verdict) = shard().await;
        if is_unknown && verdict == "InProgress" { Ok(()) } else { Err(verdict) }
    })
    .await;
    let clock = &cluster.world.clock;
    clock.set(clock.now() + chrono::TimeDelta::minutes(2));
    let said = cluster.fails_with(revision).await;
    assert!(said.contains("ClientFleet/clients/oslo status: 'Failed'"), "{said}");
    assert_eq!(shard().await, (true, "Failed".to_owned()));
}
