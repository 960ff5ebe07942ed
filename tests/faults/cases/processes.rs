//! Cases in which the controller itself is killed, stopped or restarted.

use std::time::Duration;

use super::no_fault;
use crate::fault::{Fault, Requests};
use crate::objects::distinct_fleet;
use crate::proxy::Proxy;
use crate::stage::{Stage, TELLING_TIME, eventually};

/// Time for which the controller is stopped: longer than its 90 s limit for a silent watch is not
/// needed, because a stopped process also loses the events in its socket buffers.
const STOPPED: Duration = Duration::from_secs(8);

/// Kills the controller at its write number `place`, which meets the fault `fault`.
async fn killed_at(prefix: &str, place: u32, requests: Requests, fault: Fault) {
    let mut stage = Stage::start(prefix).await;
    stage.proxy.after(place, requests, fault);
    stage.work().await;
    stage.fault_applies().await;
    stage.kill().await;
    stage.proxy.heal();
    stage.restart();
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_a_write_arrives() {
    killed_at("crash-before", 1, Requests::WRITES, Fault::SwallowBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_write_is_stored() {
    killed_at("crash-after", 2, Requests::WRITES, Fault::SwallowAfter).await;
}

/// One write is in flight at the crash, and all others have been audited.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_one_write_is_in_flight() {
    let mut stage = Stage::start("crash-one").await;
    stage.proxy.after(1, Requests::FLEET_WRITES, Fault::SwallowBefore);
    stage.work().await;
    stage.fault_applies().await;
    eventually("all other writes are audited", async || match stage.fleets.quiet_for() {
        quiet if quiet > TELLING_TIME => Ok(()),
        quiet => Err(format!("a version was stored {quiet:?} ago")),
    })
    .await;
    stage.kill().await;
    stage.proxy.heal();
    stage.restart();
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_policy_is_in_force() {
    killed_at("crash-policy", 0, Requests::POLICY_WRITES, Fault::SwallowBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_an_event_is_published() {
    killed_at("crash-event", 0, Requests::EVENTS, Fault::SwallowBefore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_during_the_first_list() {
    let mut stage = Stage::start("crash-list").await;
    stage.kill().await;
    stage.work().await;
    stage.proxy.always(Requests::LISTS, Fault::Drip(Duration::from_millis(20)));
    stage.restart();
    stage.fault_applies().await;
    stage.kill().await;
    stage.proxy.heal();
    stage.restart();
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_controller_continues() {
    let stage = Stage::start("stopped").await;
    stage.program.signal("STOP");
    stage.work().await;
    tokio::time::sleep(STOPPED).await;
    stage.program.signal("CONT");
    stage.ends_well(no_fault).await;
}

/// A controller that is stopped while it waits for the response to a write.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_is_stopped_during_a_write() {
    let stage = Stage::start("stopped-write").await;
    let late = Fault::DelayResponse(Duration::from_secs(2));
    stage.proxy.next(3, Requests::WRITES, late);
    stage.suspend(true).await;
    stage.fault_applies().await;
    stage.program.signal("STOP");
    stage.suspend(false).await;
    tokio::time::sleep(STOPPED).await;
    stage.program.signal("CONT");
    stage.ends_well(no_fault).await;
}

/// A controller that reads slowly while many objects change: the API server ends the watch of a
/// consumer that is too slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_consumer() {
    let stage = Stage::start("slow-consumer").await;
    let clients: Vec<String> = (0..100).map(|number| format!("client-{number}")).collect();
    let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
    let drip = |proxy: &Proxy| {
        proxy.always(Requests::WATCHES, Fault::Drip(Duration::from_millis(10)));
        proxy.interrupt_watches();
    };
    drip(&stage.proxy);
    for round in 0..40 {
        stage.apply(distinct_fleet(&format!("many-{}", round % 8), &clients[round..])).await;
    }
    stage.fault_applies().await;
    // The watches that are already open would go on dripping.
    stage.proxy.heal();
    stage.proxy.interrupt_watches();
    stage.ends_well(drip).await;
}

/// A controller that is terminated while a write has no response says that its outcome is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_is_terminated_before_a_response_comes() {
    let stage = Stage::start("terminated-early").await;
    stage.ends_well(|proxy| proxy.always(Requests::FLEET_WRITES, Fault::SwallowBefore)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_is_terminated_and_started_again() {
    let mut stage = Stage::start("terminated").await;
    stage.suspend(true).await;
    assert!(stage.program.terminate().await.is_some_and(|status| status.success()));
    stage.work().await;
    stage.restart();
    stage.ends_well(no_fault).await;
}
