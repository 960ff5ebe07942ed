//! Tests that a replica uses its own clock to decide when a lease has expired. The timestamps in a
//! lease come from another machine, whose clock can be wrong.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use super::estate::{Estate, TIMES, plane};
use super::replica::{Replica, kubeconfig};
use crate::world::eventually;

/// Checks that a replica takes a lease of a missing holder only after the lease's
/// `leaseDurationSeconds`. The timestamps in the lease are `hours` hours in the future, or in the
/// past if `hours` is negative.
async fn is_taken_after_its_duration(prefix: &str, hours: i64) {
    let estate = Estate::make(prefix).await;
    let namespace = &estate.world.namespace;
    let renewed = Timestamp::now() + SignedDuration::from_hours(hours);
    let renewed = renewed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "clientfleet", "labels": {"kept": "yes"}},
        "spec": {
            "holderIdentity": "gone", "leaseDurationSeconds": 20, "leaseTransitions": 7,
            "acquireTime": renewed, "renewTime": renewed,
        },
    }))
    .unwrap();
    let api = estate.world.api::<Lease>();
    api.create(&PostParams::default(), &lease).await.unwrap();
    let name = format!("only-of-{namespace}");
    let started = Instant::now();
    let replica = Replica::start(&name, &kubeconfig(plane(), &name, None), namespace, TIMES);
    replica.has_logged("holder=\"gone\"").await;
    estate.is_held_by(&name).await;
    // The replica must wait for the lease's `leaseDurationSeconds` (20 s), because this duration is
    // longer than the replica's configured lease duration (15 s).
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(20), "{hours} hours: it was taken after {took:?}");
    let taken = api.list(&ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(taken.spec.unwrap().lease_transitions, Some(8));
    assert!(taken.metadata.labels.is_some(), "what is not ours is left");
    estate.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_a_clock_that_is_an_hour_behind_is_not_taken_early() {
    is_taken_after_its_duration("behind", -1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_a_clock_that_is_an_hour_ahead_is_not_kept_for_an_hour() {
    is_taken_after_its_duration("ahead", 1).await;
}

/// Tests the defaults of a replica: the name and times of the lease, the namespace, and the host
/// name as identity. The replica finds no lease, so it must create one and lead.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_not_there_is_made_at_once() {
    let estate = Estate::make("usual").await;
    let namespace = &estate.world.namespace;
    let kubeconfig = kubeconfig(plane(), "usual", None);
    let mut replica = Replica::start_with("usual", &kubeconfig, &["--namespace", namespace]);
    estate.settles().await;
    let leases: Api<Lease> = Api::namespaced(estate.world.client.clone(), "default");
    let spec = leases.get("clientfleet").await.unwrap().spec.unwrap();
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(0)));
    let holder = spec.holder_identity.unwrap();
    let (_, suffix) = holder.rsplit_once('_').unwrap();
    assert!(suffix.len() == 16 && suffix.chars().all(|c| c.is_ascii_hexdigit()), "{holder}");
    replica.signal("TERM");
    assert_eq!(replica.ended().await.code(), Some(0), "{}", replica.log());
    eventually("the lease is free", async || {
        let spec = leases.get("clientfleet").await.unwrap().spec.unwrap();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder.is_empty() { Ok(()) } else { Err(holder) }
    })
    .await;
}
