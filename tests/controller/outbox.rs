//! What is still to be written while the watch has not told of the last own write: the moments
//! between an answer and its echo, which a test with an API server cannot hold.

use std::sync::Arc;

use clientfleet::api::{ClientFleet, ClientFleetStatus};
use clientfleet::controller::outbox::{Attempt, Outbox};
use clientfleet::plan::Planned;
use clientfleet::plan::observed::Digest;
use clientfleet::plan::occasion::Occasion;
use serde_json::json;

/// A fleet at a resource version, and what its package should be told as.
fn planned(version: &str, stored: &str, wanted: &str) -> Planned<ClientFleet> {
    let object = json!({
        "metadata": {"namespace": "ns", "name": "berlin", "resourceVersion": version},
        "spec": {},
        "status": {"packageVersion": stored},
    });
    let status =
        ClientFleetStatus { package_version: Some(wanted.into()), ..ClientFleetStatus::default() };
    Planned {
        observed: Arc::new(serde_json::from_str(&object.to_string()).unwrap()),
        digest: Digest::of(&status),
        status: Arc::new(status),
        occasion: Occasion::default(),
    }
}

/// What is to be written next, as it is sent.
fn attempt(outbox: &Outbox<ClientFleet>) -> Attempt<ClientFleet> {
    let letter = outbox.next(&key()).unwrap();
    Attempt { status: Arc::clone(&letter.planned.status), letter }
}

fn key() -> (String, String) {
    ("ns".to_owned(), "berlin".to_owned())
}

/// What is to be written, and over which version.
fn next(outbox: &Outbox<ClientFleet>) -> Option<(String, String)> {
    let letter = outbox.next(&key())?;
    let status = letter.planned.status.package_version.as_ref().unwrap().to_string();
    Some((status, letter.resource_version.unwrap()))
}

fn letter(status: &str, version: &str) -> Option<(String, String)> {
    Some((status.to_owned(), version.to_owned()))
}

#[test]
fn an_own_write_counts_before_the_watch_tells_of_it() {
    let (outbox, _queue) = Outbox::new();
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
fn whoever_is_overtaken_waits_for_the_newer_version() {
    let (outbox, _queue) = Outbox::new();
    let first = planned("1", "old", "new");
    outbox.post(&first);
    outbox.overtaken(&first);
    assert_eq!(next(&outbox), None);
    assert!(outbox.post(&planned("3", "foreign", "new")));
    assert_eq!(next(&outbox), letter("new", "3"));
    outbox.overtaken(&first);
    assert_eq!(next(&outbox), letter("new", "3"), "what is newer stays");
}

#[test]
fn nothing_leaves_a_closed_outbox() {
    let (outbox, _queue) = Outbox::new();
    outbox.post(&planned("1", "old", "new"));
    outbox.close();
    assert_eq!(next(&outbox), None);
}
