//! Wrong controllers, which prove that each oracle can fail. Most of them are the real controller
//! behind a proxy that forges its writes.

use std::time::Duration;

use kube::{Client, Config};
use serde_json::{Value, json};

use crate::fault::{Fault, Requests};
use crate::oracles::Oracle;
use crate::proxy::Proxy;
use crate::stage::Stage;

/// Time in which a controller that is right would have converged.
const SHORT_LIMIT: Duration = Duration::from_secs(8);

/// Lets the forging proxy change the writes while users work, and checks that `oracle` fails.
async fn is_caught(prefix: &str, oracle: Oracle, requests: Requests, fault: Fault) {
    let mut stage = Stage::start(prefix).await;
    stage.proxy.always(requests, fault);
    stage.work().await;
    stage.fault_applies().await;
    stage.converges_within(SHORT_LIMIT).await;
    is_found(stage, oracle).await;
}

async fn is_found(mut stage: Stage, oracle: Oracle) {
    let found = stage.terminates().await;
    assert!(
        found.iter().any(|found| found.oracle == oracle),
        "{oracle:?} finds nothing: {found:#?}"
    );
}

/// Says that a status is written, although it is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_writes_nothing() {
    is_caught("nothing", Oracle::EqualsPlan, Requests::FLEET_WRITES, Fault::Claim).await;
}

/// Sends a merge patch through the proxy, as if the controller had sent it.
async fn patch_through(proxy: &Proxy, namespace: &str, path: &str, changes: &Value) {
    let client = Client::try_from(Config::new(proxy.url().parse().unwrap())).unwrap();
    let path = format!("/apis/clientfleet.dev/v1alpha1/namespaces/{namespace}/{path}");
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(changes.to_string().into_bytes())
        .unwrap();
    client.request::<Value>(request).await.unwrap();
}

fn change_rows(object: &mut Value, change: fn(&mut Value)) {
    let rows = object["status"]["clients"].as_array_mut();
    rows.into_iter().flatten().for_each(change);
}

/// Offers version 3.60 to every client, also while the policy is suspended.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_offers_too_much() {
    let forge = Fault::Forge(|object| {
        change_rows(object, |row| {
            row["state"] = json!("Distributing");
            row["reason"] = json!("UpgradeOffered");
        });
    });
    is_caught("too-much", Oracle::OffersAreAsked, Requests::FLEET_WRITES, forge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_never_rests() {
    let mut stage = Stage::start("restless").await;
    let proxy = stage.proxy.clone();
    let namespace = stage.namespace.clone();
    let write = async |number: u32| {
        let changes = json!({"metadata": {"annotations": {"number": number.to_string()}}});
        patch_through(&proxy, &namespace, "upgradepolicies/all", &changes).await;
    };
    write(0).await;
    let writes = async {
        for number in 1.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            write(number).await;
        }
    };
    tokio::select! {
        () = writes => {}
        () = stage.converges_within(SHORT_LIMIT) => {}
    }
    is_found(stage, Oracle::ComesToRest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_observes_older_generations() {
    let forge = Fault::Forge(|object| {
        object["status"]["observedGeneration"] = json!(0);
    });
    is_caught("older", Oracle::GenerationsRise, Requests::POLICY_WRITES, forge).await;
}

/// Says that the policy is in force while the fleets still offer what it forbids.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_in_force_too_early() {
    let mut stage = Stage::start("early").await;
    stage.proxy.always(Requests::FLEET_WRITES, Fault::SwallowBefore);
    let forge = Fault::Forge(|object| {
        for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
            if condition["type"] == "Ready" {
                condition["status"] = json!("True");
            }
        }
        let planned = object["status"]["conditions"][0]["observedGeneration"].clone();
        object["status"]["observedGeneration"] = planned;
    });
    stage.proxy.always(Requests::POLICY_WRITES, forge);
    stage.suspend(true).await;
    stage.is_in_force("all").await;
    stage.converges_within(Duration::ZERO).await;
    is_found(stage, Oracle::InForceIsTrue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_forgets_offers() {
    let forge = Fault::Forge(|object| {
        change_rows(object, |row| {
            row.as_object_mut().unwrap().remove("lastOffer");
        });
    });
    is_caught("forgets", Oracle::HistoryIsKept, Requests::FLEET_WRITES, forge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_in_a_hot_loop() {
    is_caught("hot", Oracle::BehavesWell, Requests::WRITES, Fault::Repeat(60)).await;
}

/// A program that is stopped does not react to SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_does_not_end() {
    let stage = Stage::start("endless").await;
    stage.program.signal("STOP");
    is_found(stage, Oracle::Shutdown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_writes_specs() {
    let stage = Stage::start("specs").await;
    let spec = json!({"spec": {"suspend": true}});
    patch_through(&stage.proxy, &stage.namespace, "upgradepolicies/all", &spec).await;
    is_found(stage, Oracle::WritesOnlyStatus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_forgets_an_audit_line() {
    let stage = Stage::start("audit").await;
    let file = stage.folder.path().join("audit");
    let lines = std::fs::read_to_string(&file).unwrap();
    let all_but_the_first = lines.split_once('\n').unwrap().1;
    std::fs::write(&file, all_but_the_first).unwrap();
    is_found(stage, Oracle::AuditIsComplete).await;
}
