//! Tests that a filter of `clients` that can select no client is an error, and the filter by the
//! clients' own labels.

use std::sync::OnceLock;

use crate::estate::{DAY, apply, json, namespace, transcript};

const FLEETS: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: hq, namespace: label-filter, labels: {site: berlin}}
spec:
  packageVersion: '2.0'
  clients:
  - {name: a, labels: {department: finance, role: office}, reported: {computer: PC-A, version: '1.0'}}
  - {name: b, labels: {department: hr, role: kiosk}, reported: {computer: PC-B, version: '1.0'}}
  - {name: c, reported: {computer: PC-C, version: 'build 7'}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: nightly, namespace: label-filter}
spec: {upgrade: {mode: AutoUpgrade}}
";

fn place() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        namespace("label-filter");
        apply(FLEETS);
    });
    "label-filter"
}

fn asked(arguments: &[&str]) -> String {
    transcript(DAY, &[&["clients", "-n", place()], arguments].concat())
}

fn found(arguments: &[&str]) -> String {
    let document = json(DAY, &[&["clients", "-n", place(), "-o", "json"], arguments].concat());
    let clients = document["clients"].as_array().expect("a list").iter();
    clients.map(|client| client["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn clients_are_selected_by_their_own_labels() {
    for (selector, expected) in [
        ("department=finance", "a"),
        ("department in (finance, hr),role!=kiosk", "a"),
        ("!department", "c"),
        ("role", "ab"),
        ("role notin (office)", "bc"),
        ("department=finance,role=kiosk", ""),
    ] {
        assert_eq!(found(&["--client-selector", selector]), expected, "{selector}");
    }
    assert_eq!(found(&["-l", "site=berlin", "--client-selector", "role=kiosk"]), "b");
    let document = json(DAY, &["clients", "-n", place(), "-o", "json", "PC-A"]);
    let labels = serde_json::json!({"department": "finance", "role": "office"});
    assert_eq!(document["clients"][0]["labels"], labels);
    let document = json(DAY, &["clients", "-n", place(), "-o", "json", "PC-C"]);
    assert_eq!(document["clients"][0].get("labels"), None);
}

/// Checks filters that no client can meet, whatever the cluster contains: the exit code is 2.
#[test]
fn a_filter_that_contradicts_itself_is_refused() {
    let filters: [&[&str]; 21] = [
        &["--client-selector", "department=finance,"],
        &["--client-selector", ""],
        &["--client-selector", "department=fin ance"],
        &["--client-selector", "ring>5"],
        &["--client-selector", "role=a,role=b"],
        &["-l", "site,!site"],
        &["--version", "=2.0"],
        &["--version", ">=3 <2"],
        &["--version", ">2 <=2.0"],
        &["--version", ""],
        &["--fleet", "hq,"],
        &["--fleet", "hq*"],
        &["--fleet", "label-filter/hq"],
        &["--policy", "nightly\u{200b}"],
        &["--policy", "night ly"],
        &["--state", "UpToDate", "--reason", "InstallFailed"],
        &["--state", "Unmanaged", "--policy", "nightly"],
        &["--reason", "NoMatchingPolicy", "--policy", "nightly"],
        &["PC\u{1b}A"],
        &["--older-than", "99999999d"],
        &["-o", "csv", "-w"],
    ];
    let pages = filters.map(|filter| {
        let page = asked(filter);
        assert!(page.ends_with("[exit code 2]\n"), "{page}");
        page
    });
    let text = pages.join("\n").replace('\u{200b}', "<U+200B>").replace('\u{1b}', "<ESC>");
    insta::assert_snapshot!("contradictory", text);
}

/// Checks filters that name what the cluster does not have: the exit code is 1.
#[test]
fn a_filter_that_names_what_does_not_exist_is_an_error() {
    let filters: [&[&str]; 12] = [
        &["--client-selector", "departement=hr"],
        &["--client-selector", "colour"],
        &["--client-selector", "site=berlin"],
        &["-l", "role=kiosk"],
        &["-l", "sit=berlin"],
        &["--version", "1.*"],
        &["--version", "unknown"],
        &["--fleet", "HQ"],
        &["--policy", "nightli"],
        &["PC\u{200b}-A"],
        &["--policy", "nightli", "-o", "csv", "--no-headers"],
        &["-l", "site=berlin", "--version", "3.x"],
    ];
    let mut pages: Vec<String> = filters.into_iter().map(asked).collect();
    pages.push(transcript(DAY, &["clients", "-n", "label-filtre"]));
    pages.push(transcript(DAY, &["status", "-n", "label-filtre"]));
    let setting = ["settings", "nihgtly", "-n", place()];
    pages.push(transcript(DAY, &setting));
    for page in &pages {
        assert!(page.ends_with("[exit code 1]\n"), "{page}");
    }
    insta::assert_snapshot!("not_there", pages.join("\n").replace('\u{200b}', "<U+200B>"));
}

/// Checks sensible filters that select no client: the exit code is 0.
#[test]
fn a_sensible_filter_may_select_nobody() {
    let filters: [&[&str]; 7] = [
        &["--client-selector", "department=finanse"],
        &["--client-selector", "department=finance,role=kiosk"],
        &["-l", "site=berlyn"],
        &["--version", ">=9"],
        &["--version", "3.59"],
        &["--state", "Failed", "--reason", "InstallFailed"],
        &["no-such-computer"],
    ];
    let pages = filters.map(|filter| {
        let page = asked(filter);
        assert!(page.ends_with("[exit code 0]\n"), "{page}");
        page
    });
    insta::assert_snapshot!("sensible", pages.join("\n"));
    // A text that a client reports is no mistake.
    assert_eq!(found(&["--version", "build 7"]), "c");
}
