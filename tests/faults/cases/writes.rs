//! Faults of single status writes.

use std::time::{Duration, Instant};

use super::endures;
use crate::fault::{Fault, Requests};
use crate::history::rows_of;
use crate::observer::Stored;
use crate::proxy::Proxy;
use crate::stage::{Stage, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_cut_off_before_it_arrives() {
    endures("cut-before", |proxy| proxy.next(4, Requests::WRITES, Fault::CutBefore)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_stored_but_its_response_is_cut_off() {
    endures("cut-after", |proxy| proxy.next(4, Requests::WRITES, Fault::CutAfter)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_lost_without_a_response() {
    endures("swallowed", |proxy| proxy.next(2, Requests::WRITES, Fault::SwallowBefore)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_stored_without_a_response() {
    endures("unanswered", |proxy| proxy.next(2, Requests::WRITES, Fault::SwallowAfter)).await;
}

/// The write arrives after newer changes, so the API server refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_arrives_late() {
    let late = Fault::DelayRequest(Duration::from_secs(2));
    endures("late", |proxy| proxy.next(3, Requests::FLEET_WRITES, late.clone())).await;
}

/// A write without a response arrives when the controller has taken its decision back, and has
/// found by a write that changes nothing that the status is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_arrives_after_its_decision_was_taken_back() {
    let stage = Stage::start("taken-back").await;
    let late = |proxy: &Proxy| {
        proxy.next(3, Requests::FLEET_WRITES, Fault::ArriveLate(Duration::from_secs(3)));
    };
    late(&stage.proxy);
    let version = stage.version();
    stage.suspend(true).await;
    stage.faults_exceed(2).await;
    stage.suspend(false).await;
    let is_held = |stored: &Stored| {
        stored.version > version && rows_of(stored).iter().any(|row| row.state == "Held")
    };
    eventually("the late writes are stored", async || {
        match stage.fleets.stored().iter().filter(|stored| is_held(stored)).count() {
            3 => Ok(()),
            count => Err(format!("{count} are stored")),
        }
    })
    .await;
    stage.ends_well(late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_write_arrives_after_its_watch_event() {
    let late = Fault::DelayResponse(Duration::from_secs(2));
    endures("late-response", |proxy| proxy.next(4, Requests::WRITES, late.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_forwarded_twice() {
    endures("twice", |proxy| proxy.next(4, Requests::WRITES, Fault::Repeat(2))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_write_is_truncated() {
    endures("truncated", |proxy| proxy.next(4, Requests::WRITES, Fault::Truncate(100))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_write_has_no_body() {
    endures("no-body", |proxy| proxy.next(2, Requests::WRITES, Fault::SilentBody)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_to_a_write_drips() {
    let drip = Fault::Drip(Duration::from_millis(20));
    endures("drips", |proxy| proxy.next(4, Requests::WRITES, drip.clone())).await;
}

/// Both writes of one change are stored without a response. The event about the change must still
/// be published.
#[tokio::test(flavor = "multi_thread")]
async fn all_responses_of_one_change_are_lost() {
    let stage = Stage::start("all-lost").await;
    let lose = |proxy: &Proxy| {
        proxy.next(4, Requests::WRITES, Fault::CutAfter);
    };
    let before = stage.proxy.seen().len();
    lose(&stage.proxy);
    stage.suspend(true).await;
    stage.is_in_force("all").await;
    let is_event = |seen: &crate::proxy::Seen| seen.path.contains("/events.k8s.io/");
    let begun = Instant::now();
    eventually("an event is published", async || {
        let events = stage.proxy.seen()[before..].iter().filter(|seen| is_event(seen)).count();
        if events >= 1 { Ok(()) } else { Err(format!("{events} events")) }
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    stage.ends_well(lose).await;
}
