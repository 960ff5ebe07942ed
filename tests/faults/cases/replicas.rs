//! Cases with two controllers, of which at most one may write.

use std::time::Duration;

use clientfleet::values::Timestamp;
use serde_json::json;

use super::no_fault;
use crate::control_plane::shared;
use crate::fault::{Fault, POLICIES, Requests};
use crate::history::rows_of;
use crate::objects::policy;
use crate::proxy::Proxy;
use crate::stage::{Replica, Stage, eventually};

/// Time after a takeover during which the standby's policy events are still held back.
const LATE: Duration = Duration::from_secs(6);

/// Starts a leader, and then a standby whose caches are filled.
async fn start_two(prefix: &str) -> (Stage, Replica) {
    let stage = start_leader(prefix).await;
    let second = stage.start_replica().await;
    eventually("the standby's caches are filled", async || {
        let filled = stage.log().matches("stores are filled").count();
        if filled >= 2 { Ok(()) } else { Err(stage.log()) }
    })
    .await;
    (stage, second)
}

/// Starts a stage with one controller that uses leader election, with times that a loaded
/// machine can keep.
async fn start_leader(prefix: &str) -> Stage {
    let namespace = Stage::new_namespace(prefix);
    let words = format!(
        "--namespace {namespace} --leader-elect --lease-namespace {namespace} \
         --lease-duration 12s --renew-deadline 9s --retry-period 2s"
    );
    let arguments = words.split(' ').map(str::to_owned).collect();
    let client = shared().client().unwrap();
    let mut stage = Stage::with_arguments(shared(), client, arguments).await;
    stage.converges().await;
    stage
}

impl Stage {
    async fn second_leads(&self) {
        eventually("the second controller leads", async || {
            let leading = self.log().matches(" leading").count();
            if leading >= 2 { Ok(()) } else { Err(self.log()) }
        })
        .await;
    }
}

/// The standby has not seen a hold that was in force when the leader was killed. It must not repeat
/// the offers that the hold has ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_has_missed_a_hold_takes_over() {
    let (mut stage, mut second) = start_two("missed-hold").await;
    second.proxy.hold(POLICIES);
    stage.apply(policy("hold", json!({"priority": 90, "upgrade": {"mode": "NoUpgrade"}}))).await;
    stage.is_in_force("hold").await;
    let version = stage.version();
    stage.kill().await;
    stage.swap(&mut second);
    stage.second_leads().await;
    tokio::time::sleep(LATE).await;
    let is_offer = |stored: &&crate::observer::Stored| {
        stored.version > version && rows_of(stored).iter().any(|row| row.state == "Distributing")
    };
    let offers = stage.fleets.stored();
    let offers: Vec<_> = offers.iter().filter(is_offer).collect();
    assert!(offers.is_empty(), "{offers:#?}\n{}", stage.log());
    stage.ends_well(no_fault).await;
}

/// A standby of a cluster in which nothing changes plans within 5 s after it leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_plans_soon_after_it_leads() {
    let (mut stage, mut second) = start_two("idle").await;
    stage.kill().await;
    stage.swap(&mut second);
    stage.suspend(true).await;
    stage.second_leads().await;
    stage.is_in_force("all").await;
    let log = stage.log();
    let at = |line: &str| line.split_whitespace().next().unwrap().parse::<Timestamp>().unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let leads = lines.iter().rposition(|line| line.contains(" leading")).unwrap();
    let plans = lines[leads..].iter().find(|line| line.contains(": planned")).unwrap();
    let took = at(plans) - at(lines[leads]);
    assert!(took < chrono::TimeDelta::seconds(5), "{took}: {log}");
    stage.ends_well(no_fault).await;
}

/// A leader is stopped until another one leads, and continues. It must write nothing and end.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_leader_wakes_up() {
    let (mut stage, mut second) = start_two("zombie").await;
    stage.program.signal("STOP");
    stage.swap(&mut second);
    stage.second_leads().await;
    stage.suspend(true).await;
    stage.converges().await;
    let place = second.proxy.seen().len();
    second.program.signal("CONT");
    let ended = eventually("the former leader ends", async || {
        second.program.ended().ok_or_else(|| "it runs".to_owned())
    })
    .await;
    assert_eq!(ended.code(), Some(1), "{}", stage.log());
    let writes = second.proxy.seen().split_off(place);
    let writes: Vec<_> = writes.iter().filter(|seen| seen.path.ends_with("/status")).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    stage.ends_well(no_fault).await;
}

/// The lease cannot be renewed: the leader gives up, and leads again after the fault.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_cannot_be_renewed() {
    let mut stage = start_leader("lease").await;
    stage.may_end = true;
    let refused = |proxy: &Proxy| proxy.always(Requests::LEASES, Fault::Answer(503));
    refused(&stage.proxy);
    stage.has_logged("error: ").await;
    stage.work().await;
    stage.ends_well(no_fault).await;
}

/// The first leader is killed in the middle of its writes, and the second one continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_killed_during_writes() {
    let (mut stage, mut second) = start_two("failover").await;
    stage.proxy.after(1, Requests::WRITES, Fault::SwallowAfter);
    stage.work().await;
    stage.fault_applies().await;
    stage.kill().await;
    stage.swap(&mut second);
    stage.second_leads().await;
    stage.ends_well(no_fault).await;
}
