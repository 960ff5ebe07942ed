//! Tests imports of clients that other fleets of the namespace list, on a real API server.

use serde_json::{Value, json};

use crate::cluster::{clients, fleets, import, with_server};
use crate::estate::plane;

const HEADER: &str = "name,version,last seen,site\n";

fn export(clients: &[&str]) -> String {
    let row = |name: &&str| format!("{name},3.58,2026-11-24T10:00:00Z,york\n");
    HEADER.to_owned() + &clients.iter().map(row).collect::<String>()
}

fn into(fleet: &str, ns: &str, options: &[&str], export: &str) -> String {
    let fixed = ["--fleet", fleet, "--shard-size", "2", "--group-by", "site"];
    import(ns, &[&fixed, options].concat(), export)
}

fn applied(fleet: &str, ns: &str, options: &[&str], export: &str) -> String {
    let said = into(fleet, ns, &[&["--apply"], options].concat(), export);
    assert!(said.ends_with("[exit code 0]\n"), "{said}");
    said
}

fn of(fleet: &str, clients: &[&str]) -> (String, Vec<String>) {
    (fleet.to_owned(), clients.iter().map(ToString::to_string).collect())
}

fn apply_as(manager: &str, fleet: &Value) {
    let manager = format!("--field-manager={manager}");
    let apply = ["apply", "--server-side", manager.as_str(), "-f", "-"];
    plane().kubectl_ok(&apply, &fleet.to_string()).unwrap();
}

#[test]
fn a_client_of_another_import_stops_the_import_until_it_is_moved() {
    let ns = "import-move";
    with_server(ns);
    applied("york", ns, &[], &export(&["A", "B", "C"]));
    let before = fleets(ns);
    let mut told = into("berlin", ns, &["--apply"], &export(&["B", "C", "D"]));
    told += &into("berlin", ns, &[], &export(&["B", "C", "D"]));
    assert_eq!(fleets(ns), before, "nothing is written");
    for mode in ["client", "server"] {
        let dry = ["--move", "--dry-run", mode];
        told += &applied("berlin", ns, &dry, &export(&["B", "C", "D"]));
        assert_eq!(fleets(ns), before, "nothing is written");
    }
    told += &applied("berlin", ns, &["--move"], &export(&["B", "C", "D"]));
    assert_eq!(
        clients(ns),
        [
            of("berlin-001", &["B", "C"]),
            of("berlin-002", &["D"]),
            of("server", &[]),
            of("york-001", &["A"]),
            of("york-002", &[]),
        ]
    );
    let b = &fleets(ns)["berlin-001"]["spec"]["clients"][0];
    let facts = json!({"name": "B", "labels": {"site": "york"},
        "reported": {"version": "3.58", "lastSeen": "2026-11-24T10:00:00Z"}});
    assert_eq!(*b, facts);
    told += "\n# each of the two imports goes on\n";
    told += &applied("berlin", ns, &["--move"], &export(&["B", "C", "D"]));
    told += &applied("york", ns, &[], &export(&["A"]));
    told += "\n# the other import has them in its export still\n";
    told += &into("york", ns, &["--apply"], &export(&["A", "B", "C"]));
    insta::assert_snapshot!("move", told);
}

#[test]
fn a_killed_move_is_completed_by_the_next() {
    let ns = "import-move-killed";
    with_server(ns);
    applied("york", ns, &[], &export(&["A", "B", "C"]));
    // Simulate a run that was killed after it wrote its own fleets: B and C are in both imports.
    let both = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "berlin-001", "namespace": ns,
            "labels": {"clientfleet.dev/import": "berlin"}},
        "spec": {"packageFrom": {"name": "server"}, "clients": [
            {"name": "B", "labels": {"site": "york"},
             "reported": {"version": "3.58", "lastSeen": "2026-11-24T10:00:00Z"}},
            {"name": "C", "labels": {"site": "york"},
             "reported": {"version": "3.58", "lastSeen": "2026-11-24T10:00:00Z"}},
        ]},
    });
    apply_as("clientfleet-import", &both);
    let mut told = String::from("# without --move it goes on, and says what is left to do\n");
    told += &applied("berlin", ns, &[], &export(&["B", "C"]));
    assert_eq!(clients(ns)[2..], [of("york-001", &["A", "B"]), of("york-002", &["C"])]);
    told += "\n# with it, it is completed\n";
    told += &applied("berlin", ns, &["--move"], &export(&["B", "C"]));
    let wanted = [
        of("berlin-001", &["B", "C"]),
        of("server", &[]),
        of("york-001", &["A"]),
        of("york-002", &[]),
    ];
    assert_eq!(clients(ns), wanted);
    told += &applied("berlin", ns, &["--move"], &export(&["B", "C"]));
    assert_eq!(clients(ns), wanted);
    insta::assert_snapshot!("move_killed", told);
}

#[test]
fn the_new_fleets_are_written_before_the_old_ones() {
    let ns = "import-move-order";
    with_server(ns);
    applied("york", ns, &[], &export(&["A", "B", "C", "D"]));
    // The API server refuses the second fleet of the import, whose label another manager owns.
    let stranger = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "berlin-002", "namespace": ns,
            "labels": {"clientfleet.dev/import": "berlin"}},
        "spec": {"packageFrom": {"name": "other"}},
    });
    apply_as("git", &stranger);
    let told = into("berlin", ns, &["--apply", "--move"], &export(&["A", "B", "C", "D"]));
    let left = clients(ns);
    assert_eq!(left[3..], [of("york-001", &["A", "B"]), of("york-002", &["C", "D"])]);
    insta::assert_snapshot!("move_failed", told);
    applied("berlin", ns, &["--move", "--force-conflicts"], &export(&["A", "B", "C", "D"]));
    assert_eq!(
        clients(ns),
        [
            of("berlin-001", &["A", "B"]),
            of("berlin-002", &["C", "D"]),
            of("server", &[]),
            of("york-001", &[]),
            of("york-002", &[]),
        ]
    );
}

#[test]
fn what_git_lists_is_not_moved() {
    let ns = "import-move-git";
    with_server(ns);
    let fleet = |name: &str, clients: Value| {
        json!({
            "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"packageFrom": {"name": "server"}, "clients": clients},
        })
    };
    apply_as("kustomize-controller", &fleet("lab", json!([{"name": "A"}, {"name": "B"}])));
    applied("york", ns, &[], &export(&["C", "D"]));
    // Git lists a client of the other import too.
    let mut shared = fleet("york-001", json!([{"name": "C"}]));
    shared["spec"].as_object_mut().unwrap().remove("packageFrom");
    apply_as("git", &shared);
    let before = fleets(ns);
    let mut told = into("berlin", ns, &["--apply"], &export(&["A", "C", "D", "E"]));
    told += &into("berlin", ns, &["--apply", "--move"], &export(&["A", "C", "D", "E"]));
    told += "\n# printed for Git\n";
    told += &into("berlin", ns, &["--move"], &export(&["D", "E"]));
    assert_eq!(fleets(ns), before, "nothing is written");
    insta::assert_snapshot!("move_git", told);
}

#[test]
fn a_moved_client_keeps_what_is_known_of_it() {
    let ns = "import-move-facts";
    with_server(ns);
    let york = "name,version,last seen,user,site\n\
        A,3.60,2026-11-24T10:00:00Z,a,york\nB,3.58,2026-11-20T10:00:00Z,b,york\n\
        C,3.59,2026-11-24T10:00:00Z,c,york\n";
    applied("york", ns, &[], york);
    let berlin = "name,version,last seen,site\n\
        A,3.58,2026-11-22T10:00:00Z,york\nB,3.59,2026-11-23T10:00:00Z,york\n";
    let mut told = String::from("# the new export does not give the user\n");
    told += &into("berlin", ns, &["--apply", "--move"], berlin);
    assert_eq!(clients(ns)[1], of("york-001", &["A", "B"]));
    let berlin = "name,version,last seen,user,site\n\
        A,3.58,2026-11-22T10:00:00Z,x,york\nB,3.59,2026-11-23T10:00:00Z,y,york\n\
        C,3.58,,z,york\n";
    told += &applied("berlin", ns, &["--move"], berlin);
    insta::assert_snapshot!("move_facts", told);
    let mut moved = fleets(ns)["berlin-001"]["spec"]["clients"].as_array().unwrap().clone();
    moved.extend(fleets(ns)["berlin-002"]["spec"]["clients"].as_array().unwrap().clone());
    let wanted = json!([
        {"name": "A", "labels": {"site": "york"}, "reported":
            {"version": "3.60", "lastSeen": "2026-11-24T10:00:00Z", "lastUser": "a"}},
        {"name": "B", "labels": {"site": "york"}, "reported":
            {"version": "3.59", "lastSeen": "2026-11-23T10:00:00Z", "lastUser": "y"}},
        {"name": "C", "labels": {"site": "york"}, "reported":
            {"version": "3.59", "lastSeen": "2026-11-24T10:00:00Z", "lastUser": "c"}},
    ]);
    assert_eq!(Value::Array(moved), wanted, "york has seen A and C later than berlin");
}

#[test]
fn a_time_ahead_of_the_clock_keeps_no_report_of_the_old_fleet() {
    let ns = "import-move-ahead";
    with_server(ns);
    applied("york", ns, &[], &export(&["A"]));
    let ahead = json!([{"op": "replace", "path": "/spec/clients/0/reported",
        "value": {"version": "1.0", "lastSeen": "2099-01-01T00:00:00Z"}}])
    .to_string();
    let patch = ["patch", "clientfleet", "york-001", "-n", ns, "--type=json", "-p", &ahead];
    plane().kubectl_ok(&[&patch[..], &["--field-manager=check-in"]].concat(), "").unwrap();
    let told = applied("berlin", ns, &["--move"], &export(&["A"]));
    assert!(!told.contains("older"), "{told}");
    let reported = &fleets(ns)["berlin-001"]["spec"]["clients"][0]["reported"];
    assert_eq!(*reported, json!({"version": "3.58", "lastSeen": "2026-11-24T10:00:00Z"}));
}

#[test]
fn names_that_differ_in_case_from_those_in_the_cluster_are_told() {
    let ns = "import-case";
    with_server(ns);
    applied("york", ns, &[], &export(&["BER-0006", "YRK-1"]));
    let told = applied("berlin", ns, &["--dry-run=client"], &export(&["ber-0006", "x"]));
    let again =
        applied("york", ns, &["--dry-run=client"], &export(&["BER-0006", "YRK-1", "yrk-1"]));
    insta::assert_snapshot!("case_in_the_cluster", format!("{told}{again}"));
}

#[test]
fn what_a_reporter_has_written_is_not_lost_by_a_move() {
    let ns = "import-move-reporter";
    with_server(ns);
    let names = |names: &[&str]| format!("name\n{}\n", names.join("\n"));
    let york = ["--fleet", "york", "--apply"];
    let berlin = ["--fleet", "berlin", "--apply", "--move"];
    let said = import(ns, &york, &names(&["A", "B"]));
    assert!(said.ends_with("[exit code 0]\n"), "{said}");
    let patch = json!([{"op": "add", "path": "/spec/clients/0/reported",
        "value": {"version": "3.58"}}]);
    let patch = patch.to_string();
    let patch = ["patch", "clientfleet", "york-001", "-n", ns, "--type=json", "-p", &patch];
    plane().kubectl_ok(&[&patch[..], &["--field-manager=check-in"]].concat(), "").unwrap();
    let mut told = import(ns, &berlin, &names(&["A"]));
    assert_eq!(clients(ns)[1], of("york-001", &["A", "B"]), "nothing is written");
    told += &import(ns, &[&berlin[..], &["--drop", "version"]].concat(), &names(&["A"]));
    assert_eq!(clients(ns), [of("berlin-001", &["A"]), of("server", &[]), of("york-001", &["B"])]);
    insta::assert_snapshot!("move_reporter", told);
}
