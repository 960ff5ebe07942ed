//! Against the real API server, whose statuses the real controller has written.

use std::sync::OnceLock;

use serde_json::Value;

use crate::estate::{DAY, json, namespace, of_examples, transcript};

/// The examples in a namespace of this name, and an empty one.
fn estate() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        of_examples("explained", DAY);
        namespace("explained-empty");
    });
}

#[test]
fn the_status_and_the_explanation_say_the_same() {
    estate();
    for client in ["berlin/ber-ws-001", "berlin-2/ber-lt-009"] {
        let name = client.replace('/', "_");
        let text = transcript(DAY, &["explain", client, "-n", "explained"]);
        insta::assert_snapshot!(format!("cluster_{name}"), text);
    }
    let all: Value = json(DAY, &["clients", "-n", "explained", "-o", "json"]);
    let clients = all["clients"].as_array().expect("a list");
    assert_eq!(clients.len(), 61);
    for client in clients.iter().step_by(7) {
        let name = client["name"].as_str().expect("a name");
        let told = json(DAY, &["explain", name, "-A", "-o", "json"]);
        assert_eq!(told["decision"]["state"], client["state"], "{name}");
        assert_eq!(told["decision"]["reason"], client["reason"], "{name}");
        assert_eq!(told["stored"]["agrees"], true, "{name}");
    }
}

#[test]
fn a_status_that_is_behind_is_told() {
    estate();
    let night = "2026-11-24T23:00:00Z";
    let text = transcript(night, &["explain", "BER-LT-001", "-n", "explained"]);
    assert!(text.contains("still says Waiting (OutsideWindow) since"), "{text}");
    // What will be is not what the status is about.
    let text = transcript(DAY, &["explain", "BER-LT-001", "-n", "explained", "--at", night]);
    assert!(!text.contains("still says") && text.contains("Distributing"), "{text}");
}

#[test]
fn who_is_not_found_is_told_where() {
    estate();
    let mut text = String::new();
    for arguments in [
        &["explain", "BER-LT-0001", "-n", "explained"][..],
        &["explain", "BER-LT-001", "-n", "explained-empty"],
        &["explain", "BER-LT-001"],
        &["explain", "berlin-3/ber-lt-001", "-n", "explained"],
        &["explain", "explained/berlin/ber-lt-001"],
        &["explain", "nobody-at-all", "-A"],
        &["explain", "x", "--context", "nowhere"],
    ] {
        text += &transcript(DAY, arguments);
        text += "\n";
    }
    insta::assert_snapshot!("cluster_errors", text);
}
