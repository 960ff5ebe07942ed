//! Tests that `halt`, `resume` and `settings --select` record who changed a policy and when, that
//! `status`, `settings` and `explain` show it, and that a halt keeps its first reason.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::racing_proxy::race;
use super::running::{BOTH, user};
use crate::estate::{self, DAY, json, of_examples, plane, settle_at, transcript};

const BY: &str = "clientfleet.dev/changed-by";
const AT: &str = "clientfleet.dev/changed-at";
const HALT: &str = "clientfleet-halt";
const LATER: &str = "2026-11-24T12:05:00Z";

/// Returns the kubeconfig of an administrator with this name.
fn administrator(name: &str) -> String {
    plane().kubeconfig_path_as(name, &["system:masters"]).unwrap().display().to_string()
}

fn policy(namespace: &str, name: &str) -> Value {
    let get = ["get", "upol", name, "-n", namespace, "-o", "json"];
    serde_json::from_str(&plane().kubectl_ok(&get, "").unwrap()).unwrap()
}

fn annotation(namespace: &str, name: &str, key: &str) -> Value {
    policy(namespace, name)["metadata"]["annotations"][key].clone()
}

fn patch(namespace: &str, name: &str, patch: &str) {
    let arguments = ["patch", "upol", name, "-n", namespace, "--type=merge", "-p", patch];
    plane().kubectl_ok(&arguments, "").unwrap();
}

/// Runs a command at the time `at`, and returns its transcript with the start of the halt replaced.
fn page(at: &str, arguments: &[&str]) -> String {
    let text = estate::transcript(at, arguments);
    let since = regex::Regex::new(r"since \w{3} \d+ \w{3}( \d{4})? \d\d:\d\d").unwrap();
    since.replace_all(&text, "since WHEN").into_owned()
}

#[test]
fn a_halt_names_who_halted_and_keeps_the_first_reason() {
    let place = "who-halted";
    of_examples(place, DAY);
    let (anna, bob) = (administrator("anna@example.com"), administrator("bob@example.com"));
    let halt = |at, kubeconfig: &str, more: &[&str]| {
        let common = ["halt", "-n", place, "--wait=false", "--kubeconfig", kubeconfig];
        page(at, &[&common, more].concat())
    };
    let trial = json(DAY, &["halt", "-n", place, "--dry-run=client", "-o", "json"]);
    assert_eq!(trial["namespaces"][0].get("changedBy"), None);
    let made = halt(DAY, &anna, &["--reason", "INC-4711"]);
    assert!(made.ends_with("takes it back.\n[exit code 0]\n"), "{made}");
    assert_eq!(annotation(place, HALT, BY), "anna@example.com");
    assert_eq!(annotation(place, HALT, AT), DAY);
    settle_at(place, DAY);

    let shown = page(LATER, &["status", "-n", place]);
    let head = "HALTED since WHEN by anna@example.com (INC-4711): nothing new is distributed";
    assert!(shown.contains(head), "{shown}");
    let data = json(LATER, &["status", "-n", place, "-o", "json"]);
    assert_eq!(data["halted"][0]["changedBy"], "anna@example.com");
    assert_eq!(data["halted"][0]["changedAt"], DAY);
    let explained = page(LATER, &["explain", "BER-WS-001", "-n", place]);
    let line =
        "Policy      clientfleet-halt, set by anna@example.com on Tue 24 Nov 13:00 (5m ago)\n";
    assert!(explained.contains(line), "{explained}");

    // The first reason stays, with the name of the administrator who gave it.
    let again = halt(LATER, &bob, &["--reason", "again"]);
    insta::assert_snapshot!("a_second_reason", again.replace(&bob, "BOB"));
    assert_eq!(annotation(place, HALT, "clientfleet.dev/reason"), "INC-4711");
    assert_eq!(annotation(place, HALT, BY), "anna@example.com");
    let told = json(LATER, &["halt", "-n", place, "--wait=false", "--reason", "x", "-o", "json"]);
    assert_eq!(told["namespaces"][0]["reason"], "INC-4711");
    assert_eq!(told["namespaces"][0]["reasonNotStored"], "x");
    assert_eq!(told["namespaces"][0]["changedBy"], "anna@example.com");
    let same = halt(LATER, &bob, &["--reason", "INC-4711"]);
    assert!(!same.contains("warning: namespace"), "{same}");

    // An administrator who restores a changed halt is named, with the time.
    patch(place, HALT, r#"{"spec": {"priority": 5}}"#);
    let mended = halt(LATER, &bob, &["--reason", "again"]);
    assert!(mended.contains("with the reason \"INC-4711\": it is kept"), "{mended}");
    assert_eq!(annotation(place, HALT, BY), "bob@example.com");
    settle_at(place, LATER);
    let shown = page(LATER, &["status", "-n", place]);
    let by = "since WHEN, set by bob@example.com on Tue 24 Nov 13:05 (0s ago) (INC-4711)";
    assert!(shown.contains(by), "{shown}");
    let released = page(LATER, &["resume", "-n", place]);
    assert!(released.contains("set by bob@example.com"), "{released}");
}

#[test]
fn the_last_state_of_a_halt_names_who_resumed() {
    let place = "who-resumed";
    of_examples(place, DAY);
    transcript(DAY, &["halt", "-n", place, "--wait=false"]);
    patch(place, HALT, r#"{"metadata": {"finalizers": ["example.com/keep"]}}"#);
    let carl = administrator("carl@example.com");
    let resume = ["resume", "-n", place, "--kubeconfig", &carl];
    let trial = page(LATER, &[&resume[..], &["--dry-run=server"]].concat());
    assert!(trial.contains("[exit code 0]"), "{trial}");
    assert_eq!(annotation(place, HALT, BY), "administrator");
    let released = page(LATER, &resume);
    assert!(released.contains("it was halted since WHEN by administrator\n"), "{released}");
    assert_eq!(annotation(place, HALT, BY), "carl@example.com");
    assert_eq!(annotation(place, HALT, AT), LATER);
    assert!(policy(place, HALT)["metadata"]["deletionTimestamp"].is_string());
    patch(place, HALT, r#"{"metadata": {"finalizers": null}}"#);

    // The right to delete is enough to resume.
    transcript(DAY, &["halt", "-n", place, "--wait=false"]);
    let deleter = user("who-deletes", place, "get,list,delete", BOTH);
    let released = page(LATER, &["resume", "-n", place, "--kubeconfig", &deleter]);
    assert!(
        released.contains("warning: who resumed is not recorded: you may not patch"),
        "{released}"
    );
    assert!(released.contains("[exit code 0]"), "{released}");
}

#[test]
fn a_setting_names_who_chose_it_until_another_tool_changes_it() {
    let place = "who-set";
    of_examples(place, DAY);
    let anna = administrator("anna@example.com");
    let select = |choice: &str, more: &[&str]| {
        let select = ["settings", "nights-and-weekends", "-n", place, "--any", "--select", choice];
        let common = ["-o", "json", "--kubeconfig", &anna];
        json(DAY, &[&select[..], &common, more].concat())
    };
    let trial = select("NoUpgrade", &["--dry-run=client"]);
    assert_eq!(trial.get("changedAt"), None);
    let trial = select("NoUpgrade", &["--dry-run=server"]);
    assert_eq!(trial["changedBy"], "anna@example.com");
    assert_eq!(annotation(place, "nights-and-weekends", BY), Value::Null);
    let changed = select("NoUpgrade", &[]);
    assert_eq!(
        (&changed["changedBy"], &changed["changedAt"]),
        (&"anna@example.com".into(), &DAY.into())
    );
    assert_eq!(annotation(place, "nights-and-weekends", BY), "anna@example.com");
    settle_at(place, DAY);

    let set = "set by anna@example.com on Tue 24 Nov 13:00 (5m ago)";
    let shown = || {
        [
            page(LATER, &["status", "-n", place]),
            page(LATER, &["settings", "nights-and-weekends", "-n", place]),
            page(LATER, &["explain", "BER-LT-001", "-n", place]),
        ]
    };
    for page in shown() {
        assert!(page.contains(set), "{page}");
    }
    let data = json(LATER, &["explain", "BER-LT-001", "-n", place, "-o", "json"]);
    assert_eq!(data["policyChange"]["changedBy"], "anna@example.com");
    let data = json(LATER, &["status", "-n", place, "-o", "json"]);
    let policies = data["policies"].as_array().unwrap();
    let named = policies.iter().filter(|policy| policy["changedBy"] == "anna@example.com");
    assert_eq!(named.map(|policy| &policy["name"]).collect::<Vec<_>>(), ["nights-and-weekends"]);

    // An exported policy says the same without a cluster, and no plan shows an annotation.
    let files = tempfile::tempdir().unwrap();
    let get = ["get", "clf,upol", "-n", place, "-o", "yaml"];
    let file = files.path().join("all.yaml");
    std::fs::write(&file, plane().kubectl_ok(&get, "").unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let explain = ["explain", "BER-LT-001", "--local", "-f", file, "-n", place];
    assert!(page(LATER, &explain).contains(set));
    let annotate = ["annotate", "upol", "nights-and-weekends", "-n", place, "--overwrite"];
    plane()
        .kubectl_ok(&[&annotate[..], &["clientfleet.dev/changed-by=mallory\u{1b}[2J"]].concat(), "")
        .unwrap();
    let plan = page(LATER, &["plan", "-n", place]);
    assert!(plan.contains("[exit code 0]") && !plan.contains("changed-by"), "{plan}");
    let escaped = page(LATER, &["settings", "nights-and-weekends", "-n", place]);
    assert!(escaped.contains("set by mallory\\u{1b}[2J on Tue"), "{escaped}");

    // Another tool changes the setting, so the record is no longer about the present one.
    patch(place, "nights-and-weekends", r#"{"spec": {"upgrade": {"mode": "AutoUpgrade"}}}"#);
    settle_at(place, LATER);
    for page in shown() {
        assert!(!page.contains("set by"), "{page}");
    }
}

/// Checks that a halt and a setting are made in time and without a name if the API server does not
/// answer who the user is.
#[test]
fn a_name_that_is_not_known_holds_nothing_up() {
    let place = "who-unknown";
    of_examples(place, DAY);
    let review = "POST /apis/authentication.k8s.io/";
    let silent = race("who-silent", review, || std::thread::sleep(Duration::from_secs(60)));
    let begun = Instant::now();
    let halted =
        page(DAY, &["halt", "-n", place, "--wait=false", "--kubeconfig", &silent.kubeconfig]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{halted}");
    let why = "warning: the halt does not record who made it: the API server did not say within 2s \
               who you are\n";
    assert!(halted.contains(why) && halted.contains("[exit code 0]"), "{halted}");
    assert_eq!(annotation(place, HALT, BY), Value::Null);
    assert_eq!(annotation(place, HALT, AT), DAY);

    patch(
        place,
        "canary",
        r#"{"metadata": {"annotations": {"clientfleet.dev/changed-by": "dora"}}}"#,
    );
    let broken = race("who-broken", review, || panic!("the test closes this connection"));
    let select = ["settings", "canary", "-n", place, "--select", "NoUpgrade", "--any"];
    let selected = page(DAY, &[&select[..], &["--kubeconfig", &broken.kubeconfig]].concat());
    let why = "warning: the policy does not record who changed it: the API server did not say";
    assert!(selected.contains(why) && selected.contains("[exit code 0]"), "{selected}");
    // The earlier name must not stand beside the new time.
    assert_eq!(annotation(place, "canary", BY), Value::Null);
    assert_eq!(annotation(place, "canary", AT), DAY);
}
