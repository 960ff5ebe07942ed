//! Tests the outbox of pending status writes, mainly between the API server's response to a write
//! and the watch event for the write. Tests with a real API server cannot control this timing.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clientfleet::api::ClientFleet;
use clientfleet::controller::metrics::{Backlog, Backlogged};
use clientfleet::controller::outbox::{Outbox, WriteAttempt};
use clientfleet::plan::trigger::{Cause, PlanTrigger};
use clientfleet::plan::{Planned, Planner};
use clientfleet::values::Timestamp;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};

/// Returns a planned fleet with the resourceVersion `version`, and the package versions `stored` in
/// its stored status and `wanted` in its planned status.
///
/// The fleet has one client, whose name is also the package version.
fn planned(version: &str, stored: &str, wanted: &str) -> Planned<ClientFleet> {
    let before = plan(version, stored, &json!(null)).status();
    plan(version, wanted, &json!(before))
}

fn plan(version: &str, package: &str, status: &Value) -> Planned<ClientFleet> {
    plan_of("berlin", version, package, status)
}

fn plan_of(name: &str, version: &str, package: &str, status: &Value) -> Planned<ClientFleet> {
    plan_object(&json!({
        "metadata": {"namespace": "ns", "name": name, "resourceVersion": version},
        "spec": {"packageVersion": package, "clients": [{"name": package}]},
        "status": status,
    }))
}

fn plan_object(object: &Value) -> Planned<ClientFleet> {
    let mut planner = Planner::default();
    planner.observe_fleet(Arc::new(serde_json::from_str(&object.to_string()).unwrap()));
    let planned = planner.plan(Timestamp::UNIX_EPOCH).fleets.remove(0);
    Planned { trigger: PlanTrigger::default(), ..planned }
}

fn outbox() -> Arc<Outbox<ClientFleet>> {
    Outbox::new(Duration::ZERO, 8)
}

fn attempt(outbox: &Outbox<ClientFleet>) -> WriteAttempt<ClientFleet> {
    attempt_of(outbox, &key())
}

fn attempt_of(outbox: &Outbox<ClientFleet>, key: &(String, String)) -> WriteAttempt<ClientFleet> {
    let letter = outbox.next(key).unwrap();
    let status = letter.status();
    let attempt = WriteAttempt::new(letter, status);
    outbox.sending(&attempt);
    attempt
}

fn key() -> (String, String) {
    key_of("berlin")
}

fn key_of(name: &str) -> (String, String) {
    ("ns".to_owned(), name.to_owned())
}

/// Returns the package version in the pending status and the resourceVersion that the write must
/// replace; `None` if no write is pending. Does not remove the status from the outbox.
fn next(outbox: &Outbox<ClientFleet>) -> Option<(String, String)> {
    let letter = outbox.next(&key());
    outbox.end(&key());
    let letter = letter?;
    let status = letter.planned.status().package_version.as_ref().unwrap().to_string();
    Some((status, letter.resource_version.unwrap()))
}

fn letter(status: &str, version: &str) -> Option<(String, String)> {
    Some((status.to_owned(), version.to_owned()))
}

#[test]
fn an_own_write_counts_before_the_watch_tells_of_it() {
    let outbox = outbox();
    let first = planned("1", "old", "new");
    assert!(outbox.post(&first));
    assert!(!outbox.post(&first), "it waits already");
    assert_eq!(next(&outbox), letter("new", "1"));
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    assert_eq!(next(&outbox), None);
    assert!(!outbox.post(&first), "it is written already");

    assert!(outbox.post(&planned("1", "old", "newer")), "planned without the echo");
    assert_eq!(next(&outbox), letter("newer", "2"), "over the own write");
    assert!(outbox.post(&planned("1", "old", "old")), "back to what the store shows");
    assert_eq!(next(&outbox), letter("old", "2"));
    assert!(!outbox.post(&planned("2", "new", "new")), "the echo, and nothing more is wanted");
    assert_eq!(next(&outbox), None);
}

#[test]
fn a_refused_write_stays_until_a_newer_version_is_planned() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let refused = attempt(&outbox);
    assert!(!refused.is_accepted());
    outbox.end(&key());
    assert_eq!(next(&outbox), letter("new", "1"), "no event may follow the refusal");
    assert!(outbox.post(&planned("3", "foreign", "new")));
    assert_eq!(next(&outbox), letter("new", "3"));
    assert!(!refused.is_accepted());
    assert_eq!(next(&outbox), letter("new", "3"), "what is newer stays");
}

#[test]
fn a_status_is_outdated_until_the_store_shows_the_last_write() {
    let outbox = outbox();
    let is_outdated = || outbox.outdated().contains(&key());
    outbox.post(&planned("1", "old", "new"));
    assert!(is_outdated(), "a write is pending");
    let first = attempt(&outbox);
    assert!(outbox.written(&first, Some("2".to_owned())));
    outbox.end(&key());
    assert!(is_outdated(), "the store shows the version before");
    outbox.seen(&planned("2", "new", "new").cached);
    assert!(!is_outdated());

    outbox.post(&planned("2", "new", "newer"));
    let refused = attempt(&outbox);
    assert!(!refused.is_accepted());
    outbox.end(&key());
    assert!(outbox.post(&planned("2", "new", "new")) || is_outdated());
    assert!(is_outdated(), "the store may show what was before the refused write");
    outbox.seen(&planned("5", "foreign", "new").cached);
    outbox.post(&planned("5", "new", "new"));
    assert!(!is_outdated());
}

#[test]
fn a_write_is_reported_once_in_whichever_order_its_event_and_its_answer_arrive() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let lost = attempt(&outbox);
    assert!(!lost.is_accepted());
    outbox.end(&key());
    let second = attempt(&outbox);
    assert!(outbox.seen(&planned("2", "new", "new").cached).is_some(), "before the answer");
    assert!(!outbox.written(&second, Some("2".to_owned())), "reported already");
    outbox.end(&key());
    assert!(outbox.seen(&planned("2", "new", "new").cached).is_none());
    assert_eq!(next(&outbox), None);

    outbox.post(&planned("2", "new", "newer"));
    let third = attempt(&outbox);
    assert!(outbox.written(&third, Some("3".to_owned())), "the answer first");
    assert!(outbox.seen(&planned("3", "newer", "newer").cached).is_none());
}

#[test]
fn a_pending_status_that_another_writer_has_written_is_not_written() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    outbox.seen(&planned("2", "new", "new").cached);
    assert_eq!(next(&outbox), None);
    assert!(!outbox.outdated().contains(&key()));
}

#[test]
fn a_doubt_is_resolved_by_writing_what_the_store_shows() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let lost = attempt(&outbox);
    assert!(!lost.is_accepted());
    outbox.end(&key());
    assert!(outbox.post(&planned("1", "old", "old")), "the lost attempt may have been stored");
    let confirming = attempt(&outbox);
    assert!(outbox.outdated().contains(&key()));
    outbox.written(&confirming, Some("1".to_owned()));
    assert!(outbox.caught_up().now_or_never().is_none(), "the write has not ended");
    outbox.end(&key());
    assert!(outbox.caught_up().now_or_never().is_some(), "no watch event follows");
    assert_eq!(next(&outbox), None);
    assert!(!outbox.outdated().contains(&key()));
}

#[test]
fn the_end_of_a_write_that_a_watch_event_follows_does_not_wake_the_planning_loop() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.end(&key());
    assert!(outbox.caught_up().now_or_never().is_none());
}

#[tokio::test]
async fn each_accepted_write_is_announced_once() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let lost = attempt(&outbox);
    assert!(!lost.is_accepted());
    assert!(outbox.next_accepted().now_or_never().is_none());
    outbox.seen(&planned("2", "new", "new").cached);
    assert!(outbox.next_accepted().now_or_never().flatten().is_some());
    assert!(outbox.next_accepted().now_or_never().is_none());
}

#[test]
fn nothing_leaves_a_closed_outbox() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    outbox.close();
    assert_eq!(next(&outbox), None);
}

fn replaced(outbox: &Outbox<ClientFleet>) -> Vec<String> {
    let letter = outbox.next(&key()).unwrap();
    let rows = letter.replaces().into_iter().flat_map(|fleet| fleet.rows());
    rows.map(|row| row.name.to_string()).collect()
}

#[test]
fn what_a_write_replaces_is_the_own_one_before_it() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    assert_eq!(replaced(&outbox), ["old"]);
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.post(&planned("1", "old", "newer"));
    assert_eq!(replaced(&outbox), ["new"], "the store does not show it yet");
    outbox.seen(&planned("2", "new", "newer").cached);
    outbox.post(&planned("2", "new", "newer"));
    assert_eq!(replaced(&outbox), ["new"]);
}

#[test]
fn what_a_write_replaces_is_not_its_own_one_under_a_foreign_one() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.seen(&planned("3", "foreign", "new").cached);
    outbox.post(&planned("3", "foreign", "newer"));
    assert_eq!(replaced(&outbox), ["foreign"]);
    assert_eq!(next(&outbox), letter("newer", "3"));
}

/// Posts and writes a status with the package version `package-<number>` for each number. The watch
/// shows none of these writes, and each write sets the resourceVersion to the number plus one.
fn write_unseen(outbox: &Outbox<ClientFleet>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert!(outbox.post(&planned("1", "old", &format!("package-{number}"))));
        let attempt = attempt(outbox);
        assert_eq!(attempt.write.resource_version, Some(number.to_string()));
        outbox.written(&attempt, Some((number + 1).to_string()));
    }
}

#[test]
fn the_version_of_the_plan_stays_known_through_any_number_of_writes() {
    let outbox = outbox();
    write_unseen(&outbox, 1..200);
    outbox.seen(&planned("1", "old", "new").cached);
    write_unseen(&outbox, 200..210);
    assert!(outbox.post(&planned("1", "old", "last")));
    assert_eq!(next(&outbox), letter("last", "210"));
    assert_eq!(replaced(&outbox), ["package-209"]);
}

fn created(uid: &str, version: &str) -> Planned<ClientFleet> {
    plan_object(&json!({
        "metadata": {"namespace": "ns", "name": "berlin", "resourceVersion": version, "uid": uid},
        "spec": {"packageVersion": "new", "clients": [{"name": "new"}]},
    }))
}

/// Checks that the outbox ignores the result of a write to a deleted object if another object with
/// this name was created during the write.
#[test]
fn the_end_of_a_write_is_not_that_of_an_object_created_since() {
    type Outcome = fn(&Outbox<ClientFleet>, &WriteAttempt<ClientFleet>);
    let outcomes: [Outcome; 3] = [
        |outbox, attempt| assert!(outbox.written(attempt, Some("2".to_owned()))),
        |outbox, attempt| outbox.refused(attempt),
        |_, attempt| assert!(!attempt.is_accepted()),
    ];
    for outcome in outcomes {
        let outbox = outbox();
        outbox.post(&created("first", "1"));
        let old = attempt(&outbox);
        assert!(outbox.post(&created("second", "5")));
        outcome(&outbox, &old);
        outbox.end(&key());
        assert_eq!(next(&outbox), letter("new", "5"));
    }
}

/// Checks that a status that is posted during a retry is written after the retry.
#[test]
fn a_retry_is_in_flight_too() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let failed = attempt(&outbox);
    outbox.end(&key());
    let retry = attempt(&outbox);
    assert_eq!(retry.write.planned.digest, failed.write.planned.digest);
    assert!(outbox.post(&planned("1", "old", "old")), "the store will show the retry's status");
    outbox.written(&retry, Some("2".to_owned()));
    outbox.end(&key());
    assert_eq!(next(&outbox), letter("old", "2"));
}

#[test]
fn a_try_without_an_answer_is_told_once_the_store_shows_it() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let lost = attempt(&outbox);
    assert!(!lost.is_accepted());
    assert!(!attempt(&outbox).is_accepted(), "a retry");
    let before = planned("1", "old", "new").cached;
    assert!(outbox.seen(&before).is_none(), "the store shows what it replaces");
    let after = planned("2", "new", "new").cached;
    let told = outbox.seen(&after).unwrap();
    assert_eq!(told.write.planned.digest, lost.write.planned.digest);
    assert!(outbox.seen(&after).is_none(), "once");
}

#[test]
fn a_try_without_an_answer_that_was_not_taken_is_forgotten() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let _ = attempt(&outbox);
    assert!(outbox.seen(&planned("2", "foreign", "new").cached).is_none());
    assert!(outbox.seen(&planned("3", "new", "new").cached).is_none(), "another wrote it");

    outbox.post(&planned("3", "old", "new"));
    let _ = attempt(&outbox);
    outbox.written(&attempt(&outbox), Some("4".to_owned()));
    assert!(outbox.seen(&planned("4", "new", "new").cached).is_none(), "told already");
}

#[test]
fn a_try_that_arrives_after_a_write_that_changed_nothing_is_told() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let late = attempt(&outbox);
    outbox.end(&key());
    outbox.post(&planned("1", "old", "old"));
    outbox.written(&attempt(&outbox), Some("1".to_owned()));
    outbox.end(&key());
    assert_eq!(next(&outbox), None, "a late attempt causes no write");
    assert!(outbox.seen(&planned("1", "old", "old").cached).is_none());
    let after = planned("2", "new", "old").cached;
    let told = outbox.seen(&after).unwrap();
    assert_eq!(told.write.planned.digest, late.write.planned.digest);
    assert!(outbox.seen(&after).is_none(), "once");
}

#[test]
fn a_write_is_told_once_though_its_object_is_deleted_before_the_answer() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let late = attempt(&outbox);
    assert!(outbox.seen(&planned("2", "new", "new").cached).is_some(), "the event tells of it");
    outbox.forget(&key());
    assert!(!outbox.written(&late, Some("2".to_owned())), "told already");

    outbox.post(&planned("1", "old", "new"));
    let unseen = attempt(&outbox);
    outbox.forget(&key());
    assert!(outbox.written(&unseen, Some("2".to_owned())), "only the answer tells of it");
}

/// Checks that the outbox writes a status again if a later list lacks it, because etcd was restored
/// from a backup.
#[test]
fn a_write_that_a_later_list_lacks_is_written_again() {
    let outbox = outbox();
    let before_the_write = Instant::now();
    outbox.post(&planned("1", "old", "new"));
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.end(&key());
    outbox.relisted(before_the_write);
    outbox.seen(&planned("1", "old", "new").cached);
    assert!(!outbox.post(&planned("1", "old", "new")), "the list may be older than the write");
    outbox.relisted(Instant::now());
    outbox.seen(&planned("1", "old", "new").cached);
    assert!(outbox.post(&planned("1", "old", "new")));
    assert_eq!(next(&outbox), letter("new", "1"));
}

/// Checks that a refused retry does not hide that the attempt before it was stored.
#[test]
fn a_refused_retry_does_not_end_the_doubt_about_the_attempt_before_it() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let _ = attempt(&outbox);
    outbox.end(&key());
    let retry = attempt(&outbox);
    outbox.refused(&retry);
    outbox.end(&key());
    assert!(outbox.seen(&planned("2", "new", "new").cached).is_some(), "the first was stored");
}

/// Checks that a list during a write does not make the outbox forget the write before it.
#[test]
fn a_list_during_a_write_keeps_what_the_write_replaces() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.end(&key());
    outbox.post(&planned("1", "old", "newer"));
    let second = attempt(&outbox);
    outbox.relisted(Instant::now());
    outbox.seen(&planned("2", "new", "new").cached);
    outbox.written(&second, Some("3".to_owned()));
    outbox.end(&key());
    assert_eq!(outbox.outdated().len(), 1, "the store does not show version 3 yet");
}

#[test]
fn causes_add_up_until_they_are_written() {
    let outbox = outbox();
    let caused = |version: &str, cause: Cause| {
        let mut planned = planned("1", "old", version);
        planned.trigger.causes.insert(cause);
        planned
    };
    outbox.post(&caused("2", Cause::Spec));
    outbox.post(&caused("3", Cause::Policy("night".into())));
    assert_eq!(outbox.next(&key()).unwrap().planned.trigger.causes(), "Spec,Policy/night");
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    outbox.post(&caused("4", Cause::Time));
    assert_eq!(outbox.next(&key()).unwrap().planned.trigger.causes(), "Time");
}

#[test]
fn the_backlog_counts_what_waits() {
    let outbox = outbox();
    let empty = Backlog { window: 1, ..Backlog::default() };
    assert_eq!(outbox.backlog(), empty);
    outbox.post(&planned("1", "old", "new"));
    assert_eq!(outbox.backlog().depth, 1);
    let waits = outbox.backlog().oldest;
    outbox.post(&planned("1", "old", "newer"));
    assert!(outbox.backlog().oldest >= waits, "it waits since the first time");
    outbox.written(&attempt(&outbox), Some("2".to_owned()));
    assert_eq!(outbox.backlog(), empty);
}

#[test]
fn a_try_without_an_answer_is_told_at_once_where_the_store_shows_it_already() {
    let outbox = outbox();
    outbox.post(&planned("1", "old", "new"));
    let lost = attempt(&outbox);
    assert!(outbox.seen(&planned("2", "new", "new").cached).is_some(), "it is under way");
    assert!(lost.is_accepted(), "told already");
    assert!(outbox.next(&key()).is_none(), "nothing is left to write");
}

/// Checks that the limit on concurrent writes starts at one, increases when the watch event of a
/// write arrives, and decreases if a write gets no response.
///
/// The response to a write alone does not change the limit.
#[tokio::test]
async fn as_many_are_under_way_as_the_watch_has_told_of() {
    let outbox = outbox();
    for number in 0..5 {
        outbox.post(&plan_of(&format!("fleet-{number}"), "1", "new", &json!(null)));
    }
    let mut queue = pin!(Arc::clone(&outbox).queue());
    let mut turn = || queue.next().now_or_never().flatten().map(|object| object.name);

    assert_eq!(turn().as_deref(), Some("fleet-0"));
    assert_eq!(turn(), None, "one at first");
    let key = key_of("fleet-0");
    let written = attempt_of(&outbox, &key);
    outbox.written(&written, Some("2".to_owned()));
    outbox.end(&key);
    assert_eq!(turn().as_deref(), Some("fleet-1"));
    assert_eq!(turn(), None, "the watch has not told of the first");
    outbox.seen(&plan_of("fleet-0", "2", "new", &json!(*written.status)).cached);
    assert_eq!(turn().as_deref(), Some("fleet-2"));
    assert_eq!(turn(), None, "two");

    let key = key_of("fleet-1");
    let written = attempt_of(&outbox, &key);
    outbox.written(&written, Some("3".to_owned()));
    outbox.seen(&plan_of("fleet-1", "3", "new", &json!(*written.status)).cached);
    assert_eq!(outbox.backlog().window, 3);
    outbox.unanswered(&attempt_of(&outbox, &key_of("fleet-2")));
    assert_eq!(outbox.backlog().window, 2, "nobody has answered");
}
