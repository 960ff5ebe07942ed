//! Tests that a frozen leader writes nothing when it resumes after its lease has expired.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::estate::Estate;
use super::replica::Replica;
use super::takeover::{assert_in_time, two_terms, writes_of};

const MINUTE: Duration = Duration::from_secs(60);

fn wake(replica: &Replica) -> DateTime<Utc> {
    let woken = Utc::now();
    replica.wake();
    woken
}

async fn gives_up(replica: &mut Replica) {
    replica.gives_up(&["the lease could not be renewed within the renew deadline"]).await;
}

fn assert_silent(estate: &Estate, woken: DateTime<Utc>) {
    let entries = estate.audit();
    let (frozen, taker) = two_terms(&entries);
    assert_in_time(&frozen, &taker);
    let writes = writes_of(&entries, &frozen);
    let late = writes.iter().filter(|write| write.received > woken).count();
    assert_eq!(late, 0, "it has sent something: {writes:#?}");
}

/// Freezes a leader for one minute. When the leader resumes, another replica leads and is still
/// writing statuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_frozen_for_a_minute_leaves_the_work_to_the_one_that_leads() {
    let estate = Estate::make("minute").await;
    let (mut first, second) = estate.start_two(None).await;
    first.freeze().await;
    let stopped = Instant::now();
    estate.is_held_by(&second.name).await;
    estate.suspend(true).await;
    estate.settles().await;
    tokio::time::sleep_until((stopped + MINUTE).into()).await;

    estate.suspend(false).await;
    let woken = wake(&first);
    gives_up(&mut first).await;
    estate.suspend(true).await;
    estate.ends_well().await;
    assert_silent(&estate, woken);
    assert_eq!(estate.holder().await, Some(second.name.clone()));
}

/// Freezes a leader that has unread watch events. The second replica has not written the last
/// change, so the API server would accept the first replica's writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_frozen_writes_nothing_when_it_wakes() {
    let estate = Estate::make("frozen").await;
    let (mut first, mut second) = estate.start_two(None).await;
    first.freeze().await;
    estate.is_held_by(&second.name).await;
    estate.suspend(true).await;
    estate.settles().await;
    second.freeze().await;
    estate.suspend(false).await;
    let before = estate.world.statuses().await;

    let woken = wake(&first);
    gives_up(&mut first).await;
    assert_eq!(estate.world.statuses().await, before);
    assert_silent(&estate, woken);

    second.wake();
    // The second replica may have lost its leadership while it was frozen, so start a third one.
    let _third = estate.start("third");
    estate.ends_well().await;
    println!("the second one still runs: {}", second.is_running());
}
