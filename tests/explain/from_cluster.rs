//! Tests `explain` on the real API server, with statuses that the real controller has written.

use std::sync::OnceLock;

use serde_json::Value;

use crate::estate::{DAY, apply, json, namespace, of_examples, plane, settle_at, transcript};

/// Creates a namespace with the objects from `examples/` and an empty namespace, once for all
/// tests.
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
    // With `--at` in the future, `explain` must not warn that the stored status differs, because
    // that status describes the present.
    let text = transcript(DAY, &["explain", "BER-LT-001", "-n", "explained", "--at", night]);
    assert!(!text.contains("still says") && text.contains("Distributing"), "{text}");
}

#[test]
fn a_status_of_the_past_is_told_though_it_says_the_same() {
    estate();
    let next_noon = "2026-11-25T12:00:00Z";
    let text = transcript(next_noon, &["explain", "BER-LT-001", "-n", "explained"]);
    assert!(text.contains("nextTransitionTime is overdue"), "{text}");

    namespace("explained-edited");
    apply(EDITED);
    settle_at("explained-edited", DAY);
    let explain = || transcript(DAY, &["explain", "pc", "-n", "explained-edited"]);
    let text = explain();
    assert!(!text.contains("is the controller running?"), "{text}");
    apply(&EDITED.replace("Berlin", "Paris"));
    let text = explain();
    assert!(text.contains("computed from its fleet as it was before"), "{text}");

    transcript(DAY, &["halt", "-n", "explained-edited", "--wait=false"]);
    let text = explain();
    assert!(text.contains("NoUpgrade: clientfleet resume -n explained-edited"), "{text}");
}

const EDITED: &str = "
{apiVersion: clientfleet.dev/v1alpha1, kind: ClientFleet,
 metadata: {name: edited, namespace: explained-edited},
 spec: {packageVersion: '2', timeZone: Europe/Berlin, clients: [{name: pc, reported: {version: '1'}}]}}
";

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

/// Roles and bindings for two users in the namespace `explained`: one can read fleets and policies,
/// and the other can read only fleets.
const RIGHTS: &str = "
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: explain-all},
 rules: [{apiGroups: [clientfleet.dev], resources: [clientfleets, upgradepolicies], verbs: [get, list]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: all, namespace: explained},
 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: explain-all},
 subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: explain-reader}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: fleets, namespace: explained},
 rules: [{apiGroups: [clientfleet.dev], resources: [clientfleets], verbs: [get, list]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: fleets, namespace: explained},
 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fleets},
 subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: explain-fleets}]}
";

#[test]
fn nobody_needs_more_than_to_read() {
    estate();
    apply(RIGHTS);
    let asked = |user: &str, client: &str| {
        let kubeconfig = plane().kubeconfig_path_as(user, &[]).unwrap();
        let kubeconfig = kubeconfig.to_str().unwrap();
        transcript(DAY, &["explain", client, "-n", "explained", "--kubeconfig", kubeconfig])
    };
    for client in ["BER-LT-009", "berlin-2/ber-lt-009"] {
        let text = asked("explain-reader", client);
        assert!(text.contains("ber-lt-009 (BER-LT-009) is Offline"), "{text}");
    }
    let mut text = String::new();
    for (user, client) in [
        ("explain-fleets", "BER-LT-009"),
        ("explain-nobody", "BER-LT-009"),
        ("explain-nobody", "berlin-2/ber-lt-009"),
    ] {
        text += &asked(user, client);
        text += "\n";
    }
    insta::assert_snapshot!("cluster_rights", text);
}
