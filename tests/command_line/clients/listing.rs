//! Tests which clients the command `clients` lists, with and without options, and its output
//! formats.

use serde_json::Value;

use crate::estate::{DAY, apply, json, namespace, plane, settled_examples, transcript};

fn listed(arguments: &[&str]) -> String {
    let place = ["clients", "-n", settled_examples()];
    transcript(DAY, &[&place, arguments].concat())
}

fn found(arguments: &[&str]) -> Vec<String> {
    let place = ["clients", "-n", settled_examples(), "-o", "json"];
    let document = json(DAY, &[&place, arguments].concat());
    let clients = document["clients"].as_array().expect("a list").iter();
    clients.map(|client| client["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn all_of_them() {
    insta::assert_snapshot!("by_day", listed(&[]));
}

#[test]
fn wide_and_as_data_and_by_name() {
    insta::assert_snapshot!("wide", listed(&["-o", "wide", "--fleet", "new-york"]));
    insta::assert_snapshot!("as_json", listed(&["-o", "json", "BER-LAB"]));
    insta::assert_snapshot!("as_yaml", listed(&["-o", "yaml", "ber-ws-003"]));
    insta::assert_snapshot!("by_name", listed(&["-o", "name", "lab"]));
    insta::assert_snapshot!("without_titles", listed(&["--no-headers", "lab"]));
}

#[test]
fn keywords_find_as_search_in_a_policy_does() {
    assert_eq!(found(&["BER", "10.10.8."]), ["ber-fi-001", "ber-fi-002", "ber-fi-003"]);
    // Keywords match in any order and regardless of upper and lower case.
    assert_eq!(found(&["10.10.8.31 ber-FI"]), found(&["ber-fi-001"]));
    // Keywords have no wildcards, so `*` matches only the character `*`.
    assert!(found(&["ber-*"]).is_empty());
}

#[test]
fn options_narrow_it_down() {
    let all = found(&[]);
    assert_eq!(all.len(), 61);
    let offline = found(&["--state", "offline"]);
    assert_eq!(offline, ["ber-lt-009", "ber-ws-012", "tyo-lt-002"]);
    let both = found(&["--state", "Offline,Ahead"]);
    assert_eq!(both, found(&["--state", "Ahead", "--state", "OFFLINE"]));
    assert_eq!(both.len(), offline.len() + 2);
    assert_eq!(found(&["--reason", "RestartPending", "--fleet", "tokyo"]), ["tyo-ws-005"]);
    assert_eq!(found(&["--policy", "lab-downgrade"]), ["ber-lab-01", "ber-lab-02"]);
    // `--version` compares version numbers, not texts: `3.59.127` also matches a client that
    // reports `v3.59.127`.
    assert!(found(&["--version", "3.59.127"]).contains(&"ber-ws-005".to_owned()));
    assert!(found(&["--version", "unknown"]).contains(&"ber-ws-011".to_owned()));
    assert_eq!(found(&["-l", "site=tokyo"]), found(&["--fleet", "tokyo"]));
}

#[test]
fn how_long_they_are_in_their_state_is_asked() {
    settled_examples();
    let later = "2026-12-04T12:00:00Z";
    let count = |span| {
        let asked = ["clients", "-n", "clients", "-o", "json", "--older-than", span];
        json(later, &asked)["clients"].as_array().map(Vec::len)
    };
    assert_eq!(count("10d"), Some(61));
    assert_eq!(count("241h"), Some(0));
}

#[test]
fn nobody_is_no_error_but_is_said() {
    insta::assert_snapshot!("nobody_found", listed(&["no-such-computer"]));
    namespace("deserted");
    insta::assert_snapshot!("nobody_there", transcript(DAY, &["clients", "-n", "deserted"]));
}

#[test]
fn what_no_client_can_be_is_refused() {
    insta::assert_snapshot!("no_such_state", listed(&["--state", "Upgraded"]));
    insta::assert_snapshot!("no_such_reason", listed(&["--reason", "Because"]));
    insta::assert_snapshot!("no_word", listed(&[" "]));
    insta::assert_snapshot!("no_span", listed(&["--older-than", "7"]));
}

const TWO: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, namespace: NAMESPACE}
spec:
  packageVersion: '2.0'
  timeZone: Europe/Berlin
  clients:
  - {name: b, reported: {computer: ALPHA, version: '1.0'}}
  - {name: a, reported: {computer: beta, version: '1.0'}}
";

#[test]
fn across_namespaces_in_the_order_of_their_names() {
    for name in ["across-2", "across-1"] {
        namespace(name);
        apply(&TWO.replace("NAMESPACE", name));
    }
    let document = json(DAY, &["clients", "-A", "-o", "json", "--fleet", "one"]);
    let clients: Vec<(&str, &str)> = document["clients"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| (c["namespace"].as_str().unwrap_or(""), c["computer"].as_str().unwrap_or("")))
        .filter(|(namespace, _)| namespace.starts_with("across"))
        .collect();
    let expected =
        [("across-1", "ALPHA"), ("across-1", "beta"), ("across-2", "ALPHA"), ("across-2", "beta")];
    assert_eq!(clients, expected);
}

const TWO_OLD: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: hq, namespace: version-filter}
spec:
  packageVersion: '2.0'
  clients:
  - {name: a, labels: {role: office}, reported: {version: '1.0'}}
  - {name: b, labels: {role: kiosk}, reported: {version: '1.0-rc.1'}}
  - {name: c, reported: {version: 'build 7'}}
";

#[test]
fn a_comparison_finds_who_is_older() {
    namespace("version-filter");
    apply(TWO_OLD);
    let found = |version: &str| {
        let asked = ["clients", "-n", "version-filter", "-o", "json", "--version", version];
        let document = json(DAY, &asked);
        let clients = document["clients"].as_array().expect("a list").iter();
        clients.map(|c| c["name"].as_str().expect("a name").to_owned()).collect::<String>()
    };
    assert_eq!(found("<2.0"), "ab");
    assert_eq!(found(">=1 <2"), "a");
    assert_eq!(found("v1,<1"), "ab");
    assert_eq!(found(">=2.0"), "");
    assert_eq!(found("build 7"), "c");
    // The command warns if an empty list may be due to a mistake in the options.
    for (name, arguments) in
        [("blank_in_comparison", &["--version", "< 2.0"][..]), ("wildcard", &["a*"])]
    {
        let place = ["clients", "-n", "version-filter"];
        insta::assert_snapshot!(name, transcript(DAY, &[&place, arguments].concat()));
    }
}

/// Tests clients without a state, because no controller reconciles their namespace. The command
/// must explain the missing values on standard error.
#[test]
fn a_status_that_is_behind_is_told() {
    namespace("behind");
    apply(&TWO.replace("NAMESPACE", "behind"));
    insta::assert_snapshot!("nothing_decided", transcript(DAY, &["clients", "-n", "behind"]));
    let document = json(DAY, &["clients", "-n", "behind", "-o", "json"]);
    assert_eq!(document["clients"][0]["statusIsCurrent"], Value::Bool(false));
    assert_eq!(document["clients"][0].get("state"), None);
}

/// Checks that the command prints each client exactly once if the API server returns several pages.
#[test]
fn an_estate_of_many_pages() {
    namespace("pages");
    let fleet = |index: usize| {
        TWO.replace("NAMESPACE", "pages").replace("name: one", &format!("name: fleet-{index:03}"))
    };
    apply(&(0..60).map(fleet).collect::<Vec<_>>().join("---"));
    let names = transcript(DAY, &["clients", "-n", "pages", "-o", "name"]);
    let mut names: Vec<&str> = names.lines().filter(|line| line.starts_with("fleet-")).collect();
    assert_eq!(names.len(), 120);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 120);
    assert!(plane().kubectl_ok(&["delete", "clf", "--all", "-n", "pages"], "").is_ok());
}
