//! Tests the command `status`.

use super::running::user;
use crate::estate::{DAY, apply, json, namespace, of_examples, plane, settle_at, transcript};

/// Instant eight days after [`DAY`], the time of the last status update.
const LATER: &str = "2026-12-02T12:00:00Z";

fn status(namespace: &str, at: &str, more: &[&str]) -> String {
    transcript(at, &[&["status", "-n", namespace], more].concat())
}

#[test]
fn the_examples() {
    of_examples("status", DAY);
    insta::assert_snapshot!("the_examples", status("status", DAY, &[]));
    insta::assert_snapshot!("as_data", status("status", DAY, &["-o", "yaml"]));
    let data = json(DAY, &["status", "-n", "status", "-o", "json"]);
    assert_eq!(data["clients"]["total"], 61);
    // The controller has not updated the statuses for eight days, so the command must report them
    // as overdue.
    insta::assert_snapshot!("the_examples_untended", status("status", LATER, &[]));
}

const CALM: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {namespace: NAMESPACE, name: office}
spec:
  packageVersion: '2.0'
  timeZone: Europe/Berlin
  clients:
    - {name: a, reported: {version: '2.0'}}
    - {name: b, reported: {version: '1.0'}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {namespace: NAMESPACE, name: nightly}
spec:
  effectiveUntil: '2026-11-25T12:00:00Z'
  upgrade: {mode: AutoUpgrade}
  distribution: {windows: [{start: '22:00', end: '04:00'}]}
";

#[test]
fn where_nothing_needs_anybody() {
    namespace("status-calm");
    insta::assert_snapshot!("empty", status("status-calm", DAY, &[]));
    apply(&CALM.replace("NAMESPACE", "status-calm"));
    settle_at("status-calm", DAY);
    insta::assert_snapshot!("calm", status("status-calm", DAY, &[]));
    let night = "2026-11-24T22:00:00Z";
    settle_at("status-calm", night);
    insta::assert_snapshot!("calm_at_night", status("status-calm", night, &[]));
}

/// Checks that the overview names the clients that do not upgrade although they could: not those
/// with an error, and outside windows not those that have not reported since the last opening.
#[test]
fn clients_that_never_upgrade() {
    let place = "status-slow";
    namespace(place);
    apply(&format!(
        "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {{namespace: {place}, name: office}}
spec:
  packageVersion: '2.0'
  timeZone: Europe/Berlin
  clients:
    - {{name: slow, reported: {{version: '1.0', lastSeen: '2026-12-09T09:00:00Z'}}}}
    - {{name: failing, reported: {{version: '1.0', lastSeen: '2026-12-09T09:00:00Z', lastError: {{version: '2.0', message: '1603', time: '2026-11-26T09:00:00Z'}}}}}}
    - {{name: unseen, reported: {{version: '1.0', lastSeen: '2026-11-20T09:00:00Z'}}}}
    - {{name: other-error, reported: {{version: '1.0', lastSeen: '2026-12-09T09:00:00Z', lastError: {{version: '1.9', message: '1603', time: '2026-11-20T09:00:00Z'}}}}}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {{namespace: {place}, name: nightly}}
spec:
  upgrade: {{mode: AutoUpgrade}}
  distribution: {{windows: [{{start: '22:00', end: '04:00'}}]}}
"
    ));
    let listed = |at: &str, what: &str| {
        settle_at(place, at);
        let data = json(at, &["status", "-n", place, "-o", "json"]);
        let names = data["needs"][what]["names"].as_array().unwrap().clone();
        assert_eq!(data["needs"][what]["count"], names.len());
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let (slow, unseen, other) = ("slow (office)", "unseen (office)", "other-error (office)");
    assert_eq!(listed("2026-11-24T22:00:00Z", "offeredLong"), "");
    assert_eq!(listed("2026-12-01T22:00:00Z", "offeredLong"), "");
    let night = "2026-12-01T22:30:00Z";
    assert_eq!(listed(night, "offeredLong"), [slow, unseen, other].join(", "));
    insta::assert_snapshot!("offered_long", status(place, night, &[]));
    assert_eq!(listed("2026-12-08T12:00:00Z", "waitingLong"), "");
    let day = "2026-12-09T12:00:00Z";
    assert_eq!(listed(day, "waitingLong"), [slow, other].join(", "));
    insta::assert_snapshot!("waiting_long", status(place, day, &[]));
}

#[test]
fn policies_of_all_sorts() {
    namespace("status-sorts");
    let policy = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: clientfleet.dev/v1alpha1\nkind: UpgradePolicy\nmetadata: {{namespace: \
             status-sorts, name: {name}}}\nspec: {spec}\n"
        )
    };
    let policies = [
        policy(
            "suspended",
            "{suspend: true, priority: 1, upgrade: {mode: AutoUpgrade}, scope: {clients: [{names: [a]}]}}",
        ),
        policy("later", "{priority: 2, effectiveFrom: '2026-12-01T00:00:00Z'}"),
        policy("over", "{priority: 3, effectiveUntil: '2026-11-01T00:00:00Z'}"),
        policy("in-vain", "{priority: -1, upgrade: {mode: OnlyUpgradeTo, version: '1.0'}}"),
        policy("misspelled", "{priority: 4, scope: {clients: [{names: [c, d, e, f, g]}]}}"),
        policy(
            "lost",
            "{priority: 5, upgrade: {mode: AutoUpgrade}, distribution: {timeZone: Europe/Brelin}, scope: {clients: [{names: [b]}]}}",
        ),
    ];
    apply(&(CALM.replace("NAMESPACE", "status-sorts") + &policies.concat()));
    settle_at("status-sorts", DAY);
    insta::assert_snapshot!("all_sorts", status("status-sorts", DAY, &[]));
    // No controller is running, so this change makes the statuses out of date.
    let patch = r#"{"spec": {"priority": 10}}"#;
    let arguments =
        ["patch", "upol", "suspended", "-n", "status-sorts", "--type=merge", "-p", patch];
    plane().kubectl_ok(&arguments, "").unwrap();
    insta::assert_snapshot!("behind", status("status-sorts", DAY, &[]));
}

/// Checks that the withdrawn versions of the fleet that `packageFrom` names count, although that
/// fleet is listed last, and that clients ahead with such a version are not done.
#[test]
fn clients_that_run_a_withdrawn_version() {
    let place = "status-withdrawn";
    namespace(place);
    let fleet = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: clientfleet.dev/v1alpha1\nkind: ClientFleet\nmetadata: {{namespace: \
             {place}, name: {name}}}\nspec: {spec}\n"
        )
    };
    let fleets = [
        fleet(
            "berlin",
            "{packageFrom: {name: server}, withdrawnVersions: ['1.9'], clients: [{name: a, \
             reported: {version: '1.8'}}, {name: b, reported: {version: '1.9'}}, {name: c, \
             reported: {version: 'v1.8.0', computer: C}}, {name: d, reported: {version: '1.5'}}]}",
        ),
        fleet("server", "{packageVersion: '1.5', withdrawnVersions: ['1.8']}"),
        fleet("nowhere", "{packageFrom: {name: hq}, clients: [{name: e}]}"),
    ];
    let policy = CALM.split_once("---").unwrap().1.replace("NAMESPACE", place);
    apply(&(fleets.concat() + "---" + &policy));
    settle_at(place, DAY);
    insta::assert_snapshot!("withdrawn", status(place, DAY, &[]));
}

#[test]
fn rights_that_are_missing() {
    namespace("status-rights");
    let policies = "upgradepolicies.clientfleet.dev";
    let nobody = user("status-nobody", "status-rights", "", "");
    let half = user("status-half", "status-rights", "list", policies);
    let pages = [
        status("status-rights", DAY, &["--kubeconfig", &nobody]),
        status("status-rights", DAY, &["--kubeconfig", &half]),
        transcript(DAY, &["status", "-A", "--kubeconfig", &half]),
    ];
    insta::assert_snapshot!("rights", pages.join("\n"));
}

/// Replaces the start time of a halt, because this time comes from the system clock.
fn undated(text: &str) -> String {
    let age = regex::Regex::new(r"since \w{3} \d+ \w{3}( \d{4})? \d\d:\d\d").unwrap();
    age.replace_all(text, "since WHEN").into_owned()
}

#[test]
fn a_halt_is_told_first_and_whether_it_is_carried_out() {
    namespace("status-halt");
    apply(&CALM.replace("NAMESPACE", "status-halt"));
    settle_at("status-halt", DAY);
    transcript(DAY, &["halt", "-n", "status-halt", "--wait=false"]);
    let pulled = status("status-halt", DAY, &[]);
    settle_at("status-halt", DAY);
    let in_force = status("status-halt", DAY, &[]);
    insta::assert_snapshot!("halted", undated(&[pulled, in_force].join("\n")));
}

fn of_the_halt(namespace: &str) -> String {
    let page = undated(&status(namespace, DAY, &[]));
    let lines = page.lines().skip(3).take_while(|line| !line.is_empty());
    lines.map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn a_halt_that_does_not_hold_everybody() {
    let place = "status-weak";
    namespace(place);
    apply(&CALM.replace("NAMESPACE", place));
    transcript(DAY, &["halt", "-n", place, "--wait=false", "--reason", "breaks the printers"]);
    let patch = |name: &str, patch: &str| {
        let arguments = ["patch", "upol", name, "-n", place, "--type=merge", "-p", patch];
        plane().kubectl_ok(&arguments, "").unwrap();
        settle_at(place, DAY);
    };
    let mut pages = Vec::new();
    let mut look = |what: &str| pages.push(format!("== {what}\n{}", of_the_halt(place)));
    settle_at(place, DAY);
    look("whole");
    patch("clientfleet-halt", r#"{"spec": {"effectiveUntil": "2026-11-25T12:00:00Z"}}"#);
    look("ends by itself");
    patch("clientfleet-halt", r#"{"spec": {"effectiveUntil": "2026-11-20T12:00:00Z"}}"#);
    look("over");
    let scope = r#"{"spec": {"effectiveUntil": null, "priority": 7, "scope": {"clients": [{"names": ["a"]}]}}}"#;
    patch("clientfleet-halt", scope);
    look("a scope and a lower priority");
    transcript(DAY, &["halt", "-n", place, "--wait=false"]);
    let rival = |name: &str, more: &str| {
        format!(
            "---\napiVersion: clientfleet.dev/v1alpha1\nkind: UpgradePolicy\nmetadata: {{namespace: \
             {place}, name: {name}}}\nspec: {{priority: 2147483647, upgrade: {{mode: \
             AutoUpgrade}}{more}}}\n"
        )
    };
    let later = rival("aab", ", effectiveFrom: '2026-12-19T00:00:00Z'");
    let over = rival("aac", ", effectiveUntil: '2026-11-19T00:00:00Z'");
    apply(&[rival("aaa", ""), later, over].concat());
    settle_at(place, DAY);
    look("with rivals");
    let data = json(DAY, &["status", "-n", place, "-o", "json"]);
    assert_eq!(data["halted"][0]["reason"], "breaks the printers");
    assert_eq!(data["halted"][0]["holdsEverybody"], true);
    assert_eq!(data["halted"][0]["comesAfter"], serde_json::json!([]));
    assert_eq!(data["halted"][0]["comesAfterLater"], serde_json::json!([]));
    plane().kubectl_ok(&["delete", "upol", "aaa", "-n", place], "").unwrap();
    patch(
        "clientfleet-halt",
        r#"{"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}"#,
    );
    look("somebody else's");
    insta::assert_snapshot!("halted_in_part", pages.join("\n"));
    let bare = status(place, DAY, &["--no-headers"]);
    assert!(!bare.contains("POLICY ") && bare.contains("clientfleet-halt   none"), "{bare}");
}

#[test]
fn whoever_may_list_policies_sees_the_reason_of_a_halt() {
    let place = "status-lister";
    namespace(place);
    apply(&CALM.replace("NAMESPACE", place));
    transcript(DAY, &["halt", "-n", place, "--wait=false", "--reason", "breaks the printers"]);
    let both = "clientfleets.clientfleet.dev,upgradepolicies.clientfleet.dev";
    let lister = user("status-lister", place, "list", both);
    let page = status(place, DAY, &["--kubeconfig", &lister]);
    assert!(page.contains(" (breaks the printers)"), "{page}");
    assert!(page.contains("[exit code 0]"), "{page}");
}
