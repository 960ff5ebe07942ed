//! Faults of watches and lists.

use std::time::Duration;

use serde_json::json;

use super::endures;
use crate::fault::{FLEETS, Fault, POLICIES, Requests};
use crate::history::rows_of;
use crate::objects::policy;
use crate::observer::Stored;
use crate::proxy::{Proxy, Seen};
use crate::stage::{Stage, eventually};

/// Time for which the events of a policy's hold are held back after a restart.
const LATE: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_interrupted_again_and_again() {
    endures("churn", |proxy| {
        proxy.always(Requests::WATCHES, Fault::Truncate(1500));
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_watch_is_never_answered() {
    endures("silent-head", |proxy| {
        proxy.next(2, Requests::WATCHES, Fault::SwallowBefore);
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_silent_after_its_head() {
    endures("silent-body", |proxy| {
        proxy.next(2, Requests::WATCHES, Fault::SilentBody);
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_watch_is_late() {
    endures("late-fleets", |proxy| proxy.hold(FLEETS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_watch_is_late() {
    endures("late-policies", |proxy| proxy.hold(POLICIES)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_twice() {
    endures("duplicate", |proxy| {
        proxy.always(Requests::WATCHES, Fault::Duplicate);
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_drip() {
    endures("drip", |proxy| {
        proxy.always(Requests::WATCHES, Fault::Drip(Duration::from_millis(2)));
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_expire() {
    endures("expired", |proxy| {
        proxy.next(4, Requests::WATCHES, Fault::Expired);
        proxy.interrupt_watches();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_answered_with_an_error() {
    endures("watch-500", |proxy| {
        proxy.next(4, Requests::WATCHES, Fault::Answer(500));
        proxy.interrupt_watches();
    })
    .await;
}

/// After an expired watch the lists are never complete.
#[tokio::test(flavor = "multi_thread")]
async fn lists_are_truncated() {
    endures("list-cut", |proxy| {
        proxy.next(2, Requests::WATCHES, Fault::Expired);
        proxy.next(4, Requests::LISTS, Fault::Truncate(300));
        proxy.interrupt_watches();
    })
    .await;
}

/// After an expired watch each list expires too, as with a continue token that is too old.
#[tokio::test(flavor = "multi_thread")]
async fn lists_expire() {
    endures("list-410", |proxy| {
        proxy.next(2, Requests::WATCHES, Fault::Expired);
        proxy.next(6, Requests::LISTS, Fault::Answer(410));
        proxy.interrupt_watches();
    })
    .await;
}

fn hold() -> serde_json::Value {
    policy("hold", json!({"priority": 90, "upgrade": {"mode": "NoUpgrade"}}))
}

/// Makes the API server serve policies only from the recorded list: as pages, because streaming
/// lists are rejected. Consistent reads of one object still return the current version.
fn list_from_the_past(proxy: &Proxy) {
    proxy.always(Requests::POLICY_STREAMS, Fault::Answer(422));
    proxy.always(Requests::POLICY_PAGES, Fault::Replay);
}

fn is_offered(stored: &Stored) -> bool {
    rows_of(stored).iter().any(|row| row.state == "Distributing")
}

impl Stage {
    /// Records the list of policies, and then creates a hold and waits until it is in force.
    async fn holds_after_record(&self) {
        let path =
            format!("/apis/clientfleet.dev/v1alpha1/namespaces/{}/upgradepolicies", self.namespace);
        self.proxy.record(&path).await;
        self.apply(hold()).await;
        self.is_in_force("hold").await;
    }

    async fn old_list_is_served(&self) {
        let is_replay = |seen: &Seen| seen.fault.as_deref() == Some("Replay");
        eventually("the old list is served", async || {
            match self.proxy.seen().iter().any(is_replay) {
                true => Ok(()),
                false => Err(self.log()),
            }
        })
        .await;
    }

    /// Returns how many versions of fleets with offers were stored after `version`.
    fn offers_after(&self, version: u64) -> usize {
        let fleets = self.fleets.stored();
        fleets.iter().filter(|stored| stored.version > version && is_offered(stored)).count()
    }
}

/// A restarted controller receives a list of policies from before a hold, and the hold's events 6 s
/// later. It must not repeat the offers that the hold has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_lists_policies_from_before_a_hold() {
    let mut stage = Stage::start("stale-list").await;
    stage.holds_after_record().await;
    let version = stage.version();
    stage.kill().await;
    let stale = |proxy: &Proxy| {
        list_from_the_past(proxy);
        proxy.hold(POLICIES);
    };
    stale(&stage.proxy);
    stage.restart();
    stage.old_list_is_served().await;
    tokio::time::sleep(LATE).await;
    assert_eq!(stage.offers_after(version), 0, "{}", stage.log());
    stage.proxy.heal();
    stage.converges().await;
    assert_eq!(stage.offers_after(version), 0, "{}", stage.log());
    stage.ends_well(stale).await;
}

/// The policy watch expires, and the list that replaces it is from before a hold.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_watch_is_followed_by_a_list_from_before_a_hold() {
    let stage = Stage::start("stale-410").await;
    stage.holds_after_record().await;
    let version = stage.version();
    let stale = |proxy: &Proxy| {
        proxy.next(1, Requests::POLICY_WATCHES, Fault::Expired);
        list_from_the_past(proxy);
        proxy.hold(POLICIES);
        proxy.interrupt_watches();
    };
    stale(&stage.proxy);
    stage.old_list_is_served().await;
    // Change the fleets, so that the controller plans with what it knows.
    stage.edit("ClientFleet", "lima", json!({"spec": {"packageVersion": "3.61"}})).await;
    tokio::time::sleep(LATE).await;
    assert_eq!(stage.offers_after(version), 0, "{}", stage.log());
    stage.proxy.heal();
    stage.edit("ClientFleet", "lima", json!({"spec": {"packageVersion": "3.60"}})).await;
    stage.ends_well(stale).await;
}

/// The first list of a new process is never answered.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_list_is_never_answered() {
    let mut stage = Stage::start("first-list").await;
    stage.kill().await;
    let silent = |proxy: &Proxy| proxy.next(2, Requests::LISTS, Fault::SwallowBefore);
    silent(&stage.proxy);
    stage.restart();
    stage.fault_applies().await;
    stage.work().await;
    stage.ends_well(silent).await;
}
