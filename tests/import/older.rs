//! Tests that an export that is older than the fleets does not take the facts of clients back, and
//! removes no clients.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::{APPLY, apply, fleets, import, with_server};
use crate::estate::plane;
use crate::previous;

/// An export with a version and a time for each client.
fn export(rows: &[(&str, &str, &str)]) -> String {
    let rows = rows.iter().map(|(name, version, seen)| format!("{name},{version},{seen}\n"));
    format!("name,version,last seen\n{}", rows.collect::<String>())
}

const OLD: &str = "2026-11-20T12:00:00Z";
const NEW: &str = "2026-11-23T12:00:00Z";

fn reported(namespace: &str) -> Vec<(String, Value)> {
    let fleets = fleets(namespace);
    let clients = fleets.values().filter_map(|fleet| fleet["spec"]["clients"].as_array());
    let client = |client: &Value| {
        let name = client["name"].as_str().expect("a name").to_owned();
        (name, client["reported"]["version"].clone())
    };
    clients.flatten().map(client).collect()
}

fn of(clients: &[(&str, &str)]) -> Vec<(String, Value)> {
    clients.iter().map(|(name, version)| ((*name).to_owned(), json!(version))).collect()
}

#[test]
fn an_old_export_leaves_newer_facts() {
    let ns = "import-older";
    with_server(ns);
    apply(ns, &[], &export(&[("A", "2.0", NEW), ("B", "2.0", NEW), ("C", "2.0", NEW)]));
    let old = export(&[("A", "1.5", OLD), ("B", "1.5", OLD), ("D", "1.5", OLD)]);
    let mut told = String::from("# in a dry run\n");
    told += &apply(ns, &["--dry-run", "client"], &old);
    told += "# the export is older: C may be newer than it\n";
    told += &apply(ns, &[], &old);
    let kept = of(&[("A", "2.0"), ("B", "2.0"), ("C", "2.0"), ("D", "1.5")]);
    assert_eq!(reported(ns), kept);
    told += "# some rows are newer, one is older, one has no time\n";
    let mixed = export(&[
        ("A", "1.5", OLD),
        ("B", "1.5", ""),
        ("C", "2.1", "2026-11-24T11:00:00Z"),
        ("D", "1.5", OLD),
    ]);
    told += &apply(ns, &[], &mixed);
    assert_eq!(reported(ns), of(&[("A", "2.0"), ("B", "2.0"), ("C", "2.1"), ("D", "1.5")]));
    told += "# allowed\n";
    told += &import(ns, &[&APPLY[..], &["--allow-older"]].concat(), &old);
    told += &apply(ns, &["--allow-older", "--max-removals", "1"], &old);
    assert_eq!(reported(ns), of(&[("A", "1.5"), ("B", "1.5"), ("D", "1.5")]));
    insta::assert_snapshot!("older", told);
}

/// Sets what a client reports as the field manager `check-in`.
fn check_in(namespace: &str, client: &str, version: &str, seen: &str) {
    let fleet = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "emea-001", "namespace": namespace},
        "spec": {"clients": [
            {"name": client, "reported": {"version": version, "lastSeen": seen}},
        ]},
    });
    let apply =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=check-in", "-f", "-"];
    plane().kubectl_ok(&apply, &fleet.to_string()).unwrap();
}

#[test]
fn a_client_that_has_reported_itself_keeps_its_report() {
    let ns = "import-older-report";
    with_server(ns);
    apply(ns, &[], &export(&[("A", "1.5", OLD), ("B", "1.5", OLD)]));
    check_in(ns, "A", "2.0", NEW);
    let next = export(&[("A", "1.5", "2026-11-21T12:00:00Z"), ("B", "1.6", NEW)]);
    let told = apply(ns, &["--force-conflicts"], &next);
    assert_eq!(reported(ns), of(&[("A", "2.0"), ("B", "1.6")]));
    let counts = "0 clients new, 1 changed, 0 unchanged, 0 gone, 1 older left as it is\n";
    assert!(told.contains(counts), "{told}");
    // Without the older row, the import must not own what the check-in service has reported.
    check_in(ns, "A", "2.1", "2026-11-24T08:00:00Z");
    apply(ns, &[], &next);
    assert_eq!(reported(ns)[0], ("A".to_owned(), json!("2.1")));
}

/// Writes the output of an import to `old.yaml`, for `--previous`.
fn first(folder: &Path, text: &str) {
    let output = previous::import(folder, text, &[]);
    std::fs::write(folder.join("old.yaml"), output.stdout).expect("it is written");
}

const PREVIOUS: [&str; 2] = ["--previous", "old.yaml"];

#[test]
fn printed_fleets_are_compared_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let names: Vec<String> = (0..330).map(|number| format!("BER-{number:04}")).collect();
    let rows = |version, seen| {
        let rows: Vec<_> = names.iter().map(|name| (name.as_str(), version, seen)).collect();
        export(&rows)
    };
    first(folder, &rows("2.0", NEW));
    let known = std::fs::read(folder.join("old.yaml")).expect("it is read");
    let output = previous::import(folder, &rows("1.5", OLD), &PREVIOUS);
    assert!(output.stdout == known, "nothing changes");
    insta::assert_snapshot!("all_rows_older", String::from_utf8_lossy(&output.stderr));
    let output = previous::import(folder, &rows("1.5", NEW), &PREVIOUS);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.ends_with("0 clients new, 330 changed, 0 unchanged, 0 gone\n"), "{words}");
}

#[test]
fn a_wrong_time_in_the_fleet_keeps_no_row_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    first(folder, &export(&[("A", "1.0", NEW)]));
    let known = std::fs::read_to_string(folder.join("old.yaml")).expect("it is read");
    std::fs::write(folder.join("old.yaml"), known.replace(NEW, "2099-01-01T00:00:00Z"))
        .expect("it is written");
    let said = previous::transcript(folder, &export(&[("A", "2.0", NEW)]), &PREVIOUS);
    assert!(said.contains("version: \"2.0\"") && said.contains("1 changed"), "{said}");
}

#[test]
fn an_export_without_times_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    first(folder, &export(&[("A", "1.0", NEW)]));
    let said = previous::transcript(folder, "name,version\nA,2.0\n", &PREVIOUS);
    assert!(said.contains("or let it go with `--drop lastSeen`"), "{said}");
    let options = [&PREVIOUS[..], &["--drop", "lastSeen"]].concat();
    let said = previous::transcript(folder, "name,version\nA,2.0\n", &options);
    assert!(said.contains("version: \"2.0\""), "{said}");
}
