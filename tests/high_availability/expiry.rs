//! When a lease expires is not read from its times, which are those of another machine's clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ListParams, PostParams};
use serde_json::json;

use crate::estate::{Estate, plane};
use crate::replica::{Replica, kubeconfig};

/// A lease whose holder is gone, and whose clock was so many hours off.
async fn is_taken_after_its_duration(prefix: &str, hours: i64) {
    let estate = Estate::make(prefix).await;
    let namespace = &estate.world.namespace;
    let renewed = Timestamp::now() + SignedDuration::from_hours(hours);
    let renewed = renewed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": "clientfleet", "labels": {"kept": "yes"}},
        "spec": {
            "holderIdentity": "gone", "leaseDurationSeconds": 5, "leaseTransitions": 7,
            "acquireTime": renewed, "renewTime": renewed,
        },
    }))
    .unwrap();
    let api = estate.world.api::<Lease>();
    api.create(&PostParams::default(), &lease).await.unwrap();
    let name = format!("only-of-{namespace}");
    let started = Instant::now();
    let replica =
        Replica::start(&name, &kubeconfig(plane(), &name, None), namespace, ["3s", "2s", "500ms"]);
    replica.has_logged("holder=\"gone\"").await;
    estate.is_held_by(&name).await;
    // The lease's own duration counts, which is longer.
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(5), "{hours} hours: it was taken after {took:?}");
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
