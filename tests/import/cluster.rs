//! Tests imports on a real API server: the objects that an import must write, the objects that it
//! must not change, and consecutive imports of changed exports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::estate::{DAY, command, namespace, plane, run_with};

/// Runs `import -` in a namespace. Returns the output and the exit code as text for a snapshot.
pub fn import(namespace: &str, options: &[&str], export: &str) -> String {
    let fixed = ["import", "-", "--package-from", "server", "-n", namespace];
    let arguments = [&fixed, options].concat();
    let output = run_with(command(DAY, &arguments), export);
    let mut text = format!("$ clientfleet import - {}\n", options.join(" "));
    text.push_str(&String::from_utf8(output.stdout).expect("results are text"));
    let words = String::from_utf8(output.stderr).expect("words are text");
    text.extend(words.lines().map(|line| format!("[stderr] {line}\n")));
    text.push_str(&format!("[exit code {}]\n", output.status.code().expect("it is not killed")));
    text.replace(&plane().folder().display().to_string(), "FOLDER")
}

pub const APPLY: [&str; 5] = ["--fleet", "emea", "--shard-size", "2", "--apply"];

/// Runs an import with `--apply` and at most two clients per fleet, and checks that it succeeds.
/// Returns the same text as [`import`].
pub fn apply(namespace: &str, options: &[&str], export: &str) -> String {
    let said = import(namespace, &[&APPLY, options].concat(), export);
    assert!(said.ends_with("[exit code 0]\n"), "{said}");
    said
}

pub fn export(clients: &[(&str, &str)]) -> String {
    let rows = clients.iter().map(|(name, version)| format!("{name},{version}\n"));
    format!("name,version\n{}", rows.collect::<String>())
}

/// Returns all fleets in a namespace by name.
pub fn fleets(namespace: &str) -> BTreeMap<String, Value> {
    let get = ["get", "clientfleets", "-n", namespace, "-o", "json", "--show-managed-fields"];
    let list: Value = serde_json::from_str(&plane().kubectl_ok(&get, "").unwrap()).unwrap();
    let items = list["items"].as_array().expect("a list has items").iter();
    let name = |fleet: &Value| fleet["metadata"]["name"].as_str().expect("a name").to_owned();
    items.map(|fleet| (name(fleet), fleet.clone())).collect()
}

/// Returns the names of all fleets in a namespace, each with the names of the fleet's clients.
pub fn clients(namespace: &str) -> Vec<(String, Vec<String>)> {
    let name = |client: &Value| client["name"].as_str().expect("a name").to_owned();
    let clients = |fleet: &Value| fleet["spec"]["clients"].as_array().cloned().unwrap_or_default();
    let all = fleets(namespace).into_iter();
    all.map(|(fleet, object)| (fleet, clients(&object).iter().map(name).collect())).collect()
}

fn versions(namespace: &str) -> BTreeMap<String, String> {
    let version =
        |fleet: &Value| fleet["metadata"]["resourceVersion"].as_str().expect("text").to_owned();
    fleets(namespace).iter().map(|(name, fleet)| (name.clone(), version(fleet))).collect()
}

/// Creates a namespace with the fleet `server`, from which the imported fleets take their package.
pub fn with_server(name: &str) {
    namespace(name);
    let server = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "server", "namespace": name}, "spec": {"packageVersion": "3.59"},
    });
    plane().kubectl_ok(&["apply", "--server-side", "-f", "-"], &server.to_string()).unwrap();
}

fn of(fleet: &str, clients: &[&str]) -> (String, Vec<String>) {
    (fleet.to_owned(), clients.iter().map(ToString::to_string).collect())
}

const FIRST: [(&str, &str); 5] =
    [("A", "3.58"), ("B", "3.58"), ("C", "3.58"), ("D", "3.58"), ("E", "3.58")];

#[test]
fn day_after_day() {
    let ns = "import-days";
    with_server(ns);
    let mut told = String::from("# the first day\n");
    told += &apply(ns, &[], &export(&FIRST));
    let first = versions(ns);

    told += "\n# the same again\n";
    told += &apply(ns, &[], &export(&FIRST));
    assert_eq!(versions(ns), first, "nothing is written");

    told += "\n# B has another version, AA is new\n";
    let next =
        [("A", "3.58"), ("AA", "3.58"), ("B", "3.59"), ("C", "3.58"), ("D", "3.58"), ("E", "3.58")];
    told += &apply(ns, &[], &export(&next));
    let second = versions(ns);
    let written: Vec<&String> =
        second.keys().filter(|name| first.get(*name) != second.get(*name)).collect();
    assert_eq!(written, ["emea-001", "emea-003"]);
    assert_eq!(
        clients(ns),
        [
            of("emea-001", &["A", "B"]),
            of("emea-002", &["C", "D"]),
            of("emea-003", &["AA", "E"]),
            of("server", &[]),
        ]
    );

    told += "\n# C and D are gone\n";
    let fewer = [("A", "3.58"), ("AA", "3.58"), ("B", "3.59"), ("E", "3.58")];
    told += &import(ns, &APPLY, &export(&fewer));
    assert_eq!(versions(ns), second, "nothing is written");
    told += &apply(ns, &["--max-removals", "2"], &export(&fewer));
    assert_eq!(clients(ns)[1], of("emea-002", &[]));

    told += "\n# the emptied one is removed\n";
    told += &apply(ns, &["--prune", "--dry-run", "server"], &export(&fewer));
    assert!(fleets(ns).contains_key("emea-002"));
    told += &apply(ns, &["--prune"], &export(&fewer));
    assert!(!fleets(ns).contains_key("emea-002"));
    told += "\n# newcomers fill the gap\n";
    told += &apply(
        ns,
        &[],
        &export(&[("A", "3.58"), ("AA", "3.58"), ("B", "3.59"), ("E", "3.58"), ("F", "3.58")]),
    );
    assert_eq!(clients(ns)[1], of("emea-002", &["F"]));
    insta::assert_snapshot!("days", told);
}

#[test]
fn a_dry_run_writes_nothing() {
    let ns = "import-dry-run";
    with_server(ns);
    let mut told = apply(ns, &["--dry-run", "client"], &export(&FIRST));
    told += &apply(ns, &["--dry-run=server"], &export(&FIRST));
    assert_eq!(clients(ns), [of("server", &[])]);
    insta::assert_snapshot!("dry_run", told);
}

#[test]
fn a_run_that_was_killed_is_completed_by_the_next() {
    let ns = "import-killed";
    with_server(ns);
    apply(ns, &[], &export(&FIRST));
    // Simulate an interrupted run that wrote only the second of the three fleets.
    plane().kubectl_ok(&["delete", "clientfleet", "emea-001", "emea-003", "-n", ns], "").unwrap();
    let said = apply(ns, &[], &export(&FIRST));
    assert!(
        said.contains("created 2, changed 0, unchanged 1 fleets; 3 clients new, 0 changed, 2 unchanged, 0 gone"),
        "{said}"
    );
    assert_eq!(
        clients(ns)[..3],
        [of("emea-001", &["A", "B"]), of("emea-002", &["C", "D"]), of("emea-003", &["E"]),]
    );
}

#[test]
fn a_client_whose_row_is_bad_stays_as_it_is() {
    let ns = "import-bad-row";
    with_server(ns);
    apply(ns, &[], &export(&FIRST));
    let before = fleets(ns)["emea-001"]["spec"].clone();
    let bad =
        "name,version,time zone\nA,3.60,CEST\nB,3.58,\nC,3.58,\nD,3.58,\nE,3.59,\nF,3.59,CEST\n";
    let said = apply(ns, &["--skip-invalid"], bad);
    assert!(
        said.contains("created 0, changed 1, unchanged 2 fleets; 0 clients new, 1 changed, 3 unchanged, 0 gone"),
        "{said}"
    );
    assert_eq!(fleets(ns)["emea-001"]["spec"], before);
}

#[test]
fn imports_do_not_touch_each_other() {
    let ns = "import-two";
    with_server(ns);
    apply(ns, &[], &export(&FIRST));
    let before = versions(ns);
    let apac = ["--fleet", "apac", "--apply", "--prune", "--max-removals", "100%"];
    import(ns, &apac, &export(&[("X", "3.58"), ("Y", "3.58")]));
    import(ns, &apac, &export(&[]));
    assert_eq!(versions(ns), before);
}

#[test]
fn printed_fleets_applied_by_others_keep_their_clients() {
    let ns = "import-gitops";
    with_server(ns);
    let print = [
        "import",
        "-",
        "--package-from",
        "server",
        "-n",
        ns,
        "--fleet",
        "emea",
        "--shard-size",
        "2",
    ];
    let printed = |options: &[&str], text: &str| {
        let output = run_with(command(DAY, &[&print, options].concat()), text);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{words}");
        (String::from_utf8(output.stdout).unwrap(), words)
    };
    let apply = |text: &str| {
        plane().kubectl_ok(&["apply", "--server-side", "-f", "-"], text).unwrap();
    };
    let (first, _) = printed(&[], &export(&FIRST));
    assert_eq!(clients(ns), [of("server", &[])], "printing writes nothing");
    apply(&first);
    let (again, words) = printed(&[], &export(&FIRST));
    assert_eq!(again, first);
    assert_eq!(
        words,
        "new 0, changed 0, unchanged 3 fleets; 0 clients new, 0 changed, 5 unchanged, 0 gone\n"
    );

    let (next, words) = printed(
        &["--max-removals", "1"],
        &export(&[("0", "3.58"), ("A", "3.59"), ("C", "3.58"), ("D", "3.58"), ("E", "3.58")]),
    );
    assert_eq!(
        words,
        "1 client is gone from the export and leaves its fleet: B\n\
         new 0, changed 1, unchanged 2 fleets; 1 client new, 1 changed, 3 unchanged, 1 gone\n"
    );
    apply(&next);
    assert_eq!(clients(ns)[0], of("emea-001", &["0", "A"]));
}

#[test]
fn a_fleet_of_somebody_else_is_not_taken() {
    let ns = "import-stranger";
    namespace(ns);
    let stranger = json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
        "metadata": {"name": "emea-002", "namespace": ns}, "spec": {"packageFrom": {"name": "server"}},
    });
    plane().kubectl_ok(&["apply", "--server-side", "-f", "-"], &stranger.to_string()).unwrap();
    let mut told = import(ns, &APPLY, &export(&FIRST));
    assert_eq!(fleets(ns).len(), 1, "nothing is written");
    told += &import(ns, &["--fleet", "apac", "--apply"], &export(&FIRST));
    told += &import("import-nowhere", &APPLY, &export(&FIRST));
    insta::assert_snapshot!("stranger", told);
}
