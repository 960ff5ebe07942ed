//! Tests the commands `halt` and `resume`.

use regex::Regex;

use super::racing_proxy::race;
use super::running::{BOTH, Controller, user};
use crate::estate::{self, DAY, apply, json, namespace, of_examples, plane, settle_at};

/// Runs the program and returns the transcript. Replaces the start time of the halt, because this
/// time comes from the system clock.
pub fn transcript(arguments: &[&str]) -> String {
    let text = estate::transcript(DAY, arguments);
    let age = Regex::new(r"since \w{3} \d+ \w{3}( \d{4})? \d\d:\d\d").unwrap();
    let told = age.replace_all(&text, "since WHEN").into_owned();
    // Reduce each run of three or more spaces to three, because the column width depends on the
    // length of the replaced time.
    let blanks = Regex::new(" {3,}").unwrap();
    let lines = told.lines().map(|line| {
        let is_uneven = line.contains("since WHEN") || line.starts_with("NAMESPACE   HALT  ");
        let is_uneven = is_uneven && told.contains("since WHEN");
        if is_uneven { blanks.replace_all(line, "   ").into_owned() } else { line.to_owned() }
    });
    lines.map(|line| line + "\n").collect()
}

fn brake_of(namespace: &str) -> Option<serde_json::Value> {
    let get =
        ["get", "upol", "clientfleet-halt", "-n", namespace, "-o", "json", "--ignore-not-found"];
    let text = plane().kubectl_ok(&get, "").unwrap();
    (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())
}

#[test]
fn halted_and_resumed_with_a_controller() {
    of_examples("brake", DAY);
    let controller = Controller::start("brake", DAY);
    let steps = [
        transcript(&["resume", "-n", "brake"]),
        transcript(&["halt", "-n", "brake", "--reason", "breaks the printers"]),
        transcript(&["halt", "-n", "brake"]),
        transcript(&["halt", "-n", "brake", "--reason", "breaks the plotters too"]),
        transcript(&["resume", "-n", "brake", "--dry-run=server"]),
    ];
    let states = json(DAY, &["plan", "--local", "-f", "examples", "-o", "json", "--at", DAY]);
    assert!(states.to_string().contains("Distributing"), "without the brake something moves");
    drop(controller);
    let fleets = plane().kubectl_ok(&["get", "clf", "-n", "brake", "-o", "json"], "").unwrap();
    assert!(!fleets.contains("\"Distributing\""), "with it nothing does");
    let show =
        ["get", "upol", "clientfleet-halt", "-n", "brake", "-o", "json", "--show-managed-fields"];
    let brake = plane().kubectl_ok(&show, "").unwrap();
    assert!(brake.contains("\"manager\": \"clientfleet-halt\""), "{brake}");
    let released = [transcript(&["resume", "-n", "brake"]), transcript(&["resume", "-n", "brake"])];
    assert!(brake_of("brake").is_none());
    insta::assert_snapshot!("halted_and_resumed", [&steps[..], &released[..]].concat().join("\n"));
}

#[test]
fn nobody_carries_it_out() {
    of_examples("brake-alone", DAY);
    let text = transcript(&["halt", "-n", "brake-alone", "--timeout", "1s"]);
    insta::assert_snapshot!("nobody_carries_it_out", text);
    // With `--wait=false` the command does not wait for a controller, so it does not warn that no
    // controller has applied the halt.
    let text = transcript(&["halt", "-n", "brake-alone", "--wait=false"]);
    insta::assert_snapshot!("nobody_waits", text);
    settle_at("brake-alone", DAY);
    assert_eq!(
        json(DAY, &["halt", "-n", "brake-alone", "-o", "json"])["namespaces"][0]["inForce"],
        true
    );
}

#[test]
fn nothing_is_written_on_trial() {
    of_examples("brake-trial", DAY);
    let steps = [
        transcript(&["halt", "-n", "brake-trial", "--dry-run=client"]),
        transcript(&["halt", "-n", "brake-trial", "--dry-run=server", "-o", "yaml"]),
        transcript(&["halt", "-n", "brake-trial", "--dry-run=client", "-o", "name"]),
        transcript(&["resume", "-n", "brake-trial", "--dry-run=client"]),
    ];
    assert!(brake_of("brake-trial").is_none());
    insta::assert_snapshot!("on_trial", steps.join("\n"));
}

pub const FOREIGN: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: NAMESPACE, name: clientfleet-halt}
spec: {upgrade: {mode: AutoUpgrade}}
";

#[test]
fn somebody_elses_policy_of_its_name_is_left_alone() {
    namespace("brake-foreign");
    apply(&FOREIGN.replace("NAMESPACE", "brake-foreign"));
    let steps = [
        transcript(&["halt", "-n", "brake-foreign"]),
        transcript(&["resume", "-n", "brake-foreign"]),
    ];
    assert_eq!(brake_of("brake-foreign").unwrap()["spec"]["upgrade"]["mode"], "AutoUpgrade");
    insta::assert_snapshot!("somebody_elses", steps.join("\n"));
}

#[test]
fn no_policy_that_distributes_comes_before_it() {
    of_examples("brake-rival", DAY);
    apply(
        "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: brake-rival, name: all-at-once}
spec: {priority: 2147483647, upgrade: {mode: AutoUpgrade}, scope: {clients: [{search: lab}]}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: brake-rival, name: begins-later}
spec: {priority: 2147483647, upgrade: {mode: AutoUpgrade}, effectiveFrom: '2026-12-19T00:00:00Z'}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: brake-rival, name: ended-before}
spec: {priority: 2147483647, upgrade: {mode: AutoUpgrade}, effectiveUntil: '2026-11-01T00:00:00Z'}
",
    );
    settle_at("brake-rival", DAY);
    let unseen = transcript(&["halt", "-n", "brake-rival", "--wait=false"]);
    settle_at("brake-rival", DAY);
    let seen = transcript(&["halt", "-n", "brake-rival"]);
    plane().kubectl_ok(&["delete", "upol", "all-at-once", "-n", "brake-rival"], "").unwrap();
    settle_at("brake-rival", DAY);
    let alone = transcript(&["halt", "-n", "brake-rival"]);
    insta::assert_snapshot!("rivals_of_equal_priority", [unseen, seen, alone].join("\n"));
}

#[test]
fn a_brake_that_somebody_weakened_is_mended() {
    of_examples("brake-weak", DAY);
    let halt = ["halt", "-n", "brake-weak", "--wait=false", "--reason", "why"];
    assert!(transcript(&halt).contains("[exit code 0]"));
    let patch = |patch: &str| {
        let arguments =
            ["patch", "upol", "clientfleet-halt", "-n", "brake-weak", "--type=merge", "-p", patch];
        plane().kubectl_ok(&arguments, "").unwrap();
    };
    patch(
        r#"{"spec": {"priority": 5}, "metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "policies"}}}"#,
    );
    let mended = transcript(&["halt", "-n", "brake-weak", "--wait=false"]);
    assert_eq!(brake_of("brake-weak").unwrap()["spec"]["priority"], i32::MAX);
    let is_whole = || {
        let spec = brake_of("brake-weak").unwrap()["spec"].take();
        assert_eq!(spec["priority"], i32::MAX);
        assert_eq!(spec["upgrade"]["mode"], "NoUpgrade");
        assert!(spec["scope"].is_null() && spec["effectiveUntil"].is_null(), "{spec}");
    };
    is_whole();
    patch(r#"{"spec": {"scope": {"clients": [{"search": "lab"}]}}}"#);
    let on_trial = transcript(&["halt", "-n", "brake-weak", "--dry-run=server"]);
    assert!(brake_of("brake-weak").unwrap()["spec"]["scope"].is_object());
    let widened = transcript(&["halt", "-n", "brake-weak", "--wait=false"]);
    is_whole();
    patch(
        r#"{"spec": {"effectiveUntil": "2026-11-25T00:00:00Z", "upgrade": {"mode": "AutoUpgrade", "allowDowngrade": true}}}"#,
    );
    let for_good = transcript(&["halt", "-n", "brake-weak", "--wait=false", "--reason", ""]);
    is_whole();
    // `halt` must succeed even if another user changes the policy at the same time.
    patch(r#"{"spec": {"scope": {"clients": [{"search": "lab"}]}}}"#);
    let faster = race("brake-weaker", "PATCH", || {
        let more = r#"{"spec": {"effectiveUntil": "2026-11-26T00:00:00Z"}}"#;
        let patch =
            ["patch", "upol", "clientfleet-halt", "-n", "brake-weak", "--type=merge", "-p", more];
        plane().kubectl_ok(&patch, "").unwrap();
    });
    let halt = ["halt", "-n", "brake-weak", "--wait=false", "--kubeconfig", &faster.kubeconfig];
    assert!(transcript(&halt).contains("[exit code 0]"));
    is_whole();
    let released = transcript(&["resume", "-n", "brake-weak"]);
    insta::assert_snapshot!("weakened", [mended, on_trial, widened, for_good, released].join("\n"));
}

#[test]
fn rights_that_are_missing() {
    of_examples("brake-rights", DAY);
    let reader = user("brake-reader", "brake-rights", "get,list,watch", BOTH);
    let nobody = user("brake-nobody", "brake-rights", "", "");
    let policies = "upgradepolicies.clientfleet.dev";
    let brakeman = user("brakeman", "brake-rights", "get,create,patch,delete", policies);
    let ask = |command: &str, as_whom: &str| {
        transcript(&[command, "-n", "brake-rights", "--kubeconfig", as_whom])
    };
    let steps = [
        ask("halt", &reader),
        ask("halt", &nobody),
        ask("halt", &brakeman),
        ask("resume", &reader),
        ask("resume", &nobody),
        ask("resume", &brakeman),
        transcript(&["halt", "-A", "--kubeconfig", &reader]),
        transcript(&["halt", "-n", "nowhere", "--wait=false"]),
        transcript(&["halt", "-n", "brake-rights", "--timeout", "soon"]),
    ];
    insta::assert_snapshot!("rights", steps.join("\n"));
}

#[test]
fn somebody_else_is_faster() {
    of_examples("brake-race", DAY);
    let halt = ["halt", "-n", "brake-race", "--wait=false"];
    assert!(transcript(&halt).contains("[exit code 0]"));
    let patch = |patch: &'static str| {
        move || {
            let arguments = [
                "patch",
                "upol",
                "clientfleet-halt",
                "-n",
                "brake-race",
                "--type=merge",
                "-p",
                patch,
            ];
            plane().kubectl_ok(&arguments, "").unwrap();
        }
    };
    let resume =
        |kubeconfig: &str| transcript(&["resume", "-n", "brake-race", "--kubeconfig", kubeconfig]);
    // `resume` must fail, because another user changes the policy's `managed-by` label just before
    // `resume` deletes the policy.
    let mine = r#"{"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}"#;
    let other = race("brake-mine", "DELETE", patch(mine));
    let refused = resume(&other.kubeconfig);
    assert!(brake_of("brake-race").is_some());
    insta::assert_snapshot!("somebody_else", refused);
    // `resume` must succeed, because another user adds only an annotation and the `managed-by`
    // label stays the same.
    let ours = r#"{"metadata": {"labels": {"app.kubernetes.io/managed-by": "clientfleet"}}}"#;
    patch(ours)();
    let seen = r#"{"metadata": {"annotations": {"seen": "yes"}}}"#;
    let noted = race("brake-seen", "DELETE", patch(seen));
    assert!(resume(&noted.kubeconfig).contains("[exit code 0]"));
    assert!(brake_of("brake-race").is_none());
}
