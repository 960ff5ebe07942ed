//! Tests imports into fleets in which other field managers own fields, and imports by users who
//! lack permissions.

use serde_json::{Value, json};

use crate::cluster::{APPLY, apply, clients, export, fleets, import, with_server};
use crate::estate::plane;

fn apply_as(manager: &str, namespace: &str, mut fleet: Value, force: bool) {
    fleet["apiVersion"] = "clientfleet.dev/v1alpha1".into();
    fleet["kind"] = "ClientFleet".into();
    fleet["metadata"]["namespace"] = namespace.into();
    let manager = format!("--field-manager={manager}");
    let force = format!("--force-conflicts={force}");
    let apply = ["apply", "--server-side", manager.as_str(), force.as_str(), "-f", "-"];
    plane().kubectl_ok(&apply, &fleet.to_string()).unwrap();
}

const TWO: [(&str, &str); 2] = [("A", "3.58"), ("B", "3.58")];

#[test]
fn what_others_own_stays() {
    let ns = "import-git";
    with_server(ns);
    apply(ns, &["--label", "region=emea"], &export(&TWO));
    let git = json!({
        "metadata": {"name": "emea-001", "labels": {"tier": "1"}, "annotations": {"owner": "it"}},
        "spec": {"timeZone": "Europe/Berlin", "withdrawnVersions": ["3.57"], "clients": [
            {"name": "A", "labels": {"ring": "pilot"}},
            {"name": "GIT-1", "timeZone": "Asia/Tokyo"},
        ]},
    });
    apply_as("git", ns, git, false);
    let of_git = fleets(ns)["emea-001"].clone();

    // The edit above concerns only fields that the import does not own, so the import writes nothing.
    apply(ns, &["--label", "region=emea"], &export(&TWO));
    let same = fleets(ns)["emea-001"].clone();
    assert_eq!(same["metadata"]["resourceVersion"], of_git["metadata"]["resourceVersion"]);

    apply(ns, &["--label", "region=apac"], &export(&[("A", "3.59"), ("B", "3.58"), ("C", "3.58")]));
    let fleet = fleets(ns)["emea-001"].clone();
    assert_eq!(
        fleet["metadata"]["labels"],
        json!({
            "clientfleet.dev/import": "emea", "region": "apac", "tier": "1",
        })
    );
    assert_eq!(fleet["metadata"]["annotations"], json!({"owner": "it"}));
    assert_eq!(
        fleet["spec"],
        json!({
            "packageFrom": {"name": "server"}, "timeZone": "Europe/Berlin", "withdrawnVersions": ["3.57"],
            "clients": [
                {"name": "A", "labels": {"ring": "pilot"}, "reported": {"version": "3.59"}},
                {"name": "B", "reported": {"version": "3.58"}},
                {"name": "GIT-1", "timeZone": "Asia/Tokyo"},
            ],
        }),
        "GIT-1 takes a place, and C has gone to the next"
    );

    // The export no longer contains client A, but Git also lists this client. The import must
    // remove only its own fields from the client.
    let said = apply(ns, &["--prune", "--max-removals", "100%"], &export(&[("D", "3.58")]));
    let fleet = fleets(ns)["emea-001"].clone();
    assert_eq!(fleet["spec"]["clients"][0], json!({"name": "A", "labels": {"ring": "pilot"}}));
    assert_eq!(fleet["spec"]["clients"][1], json!({"name": "GIT-1", "timeZone": "Asia/Tokyo"}));
    let again = apply(ns, &["--prune"], &export(&[("D", "3.58")]));
    insta::assert_snapshot!("others", format!("{said}\n# again\n{again}"));
}

#[test]
fn a_conflict_names_who_owns_what() {
    let ns = "import-conflict";
    with_server(ns);
    apply(ns, &[], &export(&TWO));
    let person = json!({
        "metadata": {"name": "emea-001"},
        "spec": {"clients": [{"name": "A", "reported": {"version": "3.60"}}]},
    });
    apply_as("check-in", ns, person, true);
    let next = export(&[("A", "3.59"), ("B", "3.58"), ("C", "3.58")]);
    let mut told = import(ns, &APPLY, &next);
    let version =
        |at: usize| fleets(ns)["emea-001"]["spec"]["clients"][at]["reported"]["version"].clone();
    assert_eq!(version(0), "3.60", "it is not taken over");
    assert_eq!(clients(ns)[1].1, ["C"], "the others are written");
    told += "\n# and so it is as long as nobody decides\n";
    told += &import(ns, &APPLY, &next);
    told += "\n# forced\n";
    told += &apply(ns, &["--force-conflicts"], &next);
    assert_eq!(version(0), "3.59");
    told += &apply(ns, &[], &next);
    insta::assert_snapshot!("conflict", told);
}

/// Sets the reported `lastUser` of the client at index `at` as the field manager `check-in`. The
/// JSON patch contains only this field, so that `check-in` owns no other field.
fn report(namespace: &str, fleet: &str, at: usize, user: &str) {
    let path = format!("/spec/clients/{at}/reported/lastUser");
    let patch = json!([{"op": "add", "path": path, "value": user}]).to_string();
    let patch = ["patch", "clientfleet", fleet, "-n", namespace, "--type=json", "-p", &patch];
    plane().kubectl_ok(&[&patch[..], &["--field-manager=check-in"]].concat(), "").unwrap();
}

#[test]
fn only_who_lists_a_client_keeps_it() {
    let ns = "import-leaf";
    with_server(ns);
    let all = [("A", "3.58"), ("B", "3.58"), ("C", "3.58"), ("D", "3.58"), ("E", "3.58")];
    apply(ns, &[], &export(&all));
    for (fleet, at) in [("emea-001", 0), ("emea-001", 1), ("emea-002", 0)] {
        report(ns, fleet, at, "kschulz");
    }
    let git = json!({"metadata": {"name": "emea-002"}, "spec": {"clients": [{"name": "D"}]}});
    apply_as("git", ns, git, false);
    // The import must remove client C although another field manager owns the field `name` of C. A
    // client must remain only if another field manager owns the client's list entry itself.
    let named = json!({"f:spec": {"f:clients": {"k:{\"name\":\"C\"}": {"f:name": {}}}}});
    let manager = json!({"manager": "namer", "operation": "Update", "fieldsType": "FieldsV1",
        "apiVersion": "clientfleet.dev/v1alpha1", "time": "2026-11-24T12:00:00Z", "fieldsV1": named});
    let patch = json!([{"op": "add", "path": "/metadata/managedFields/-", "value": manager}]);
    let patch =
        ["patch", "clientfleet", "emea-002", "-n", ns, "--type=json", "-p", &patch.to_string()]
            .map(ToOwned::to_owned);
    let patch: Vec<&str> = patch.iter().map(String::as_str).collect();
    plane().kubectl_ok(&patch, "").unwrap();
    let has_namer = fleets(ns)["emea-002"]["metadata"]["managedFields"].to_string();
    assert!(has_namer.contains("namer"), "{has_namer}");

    let told = apply(ns, &["--prune", "--max-removals", "100%"], &export(&all[4..]));
    let listed = |fleet: &str, names: &[&str]| {
        (fleet.to_owned(), names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        clients(ns),
        [listed("emea-002", &["D"]), listed("emea-003", &["E"]), listed("server", &[])],
    );
    insta::assert_snapshot!("leaf", told);
}

#[test]
fn a_fleet_is_emptied_although_others_own_fields_in_it() {
    let ns = "import-emptied";
    with_server(ns);
    apply(ns, &[], &export(&[("A", "3.58"), ("B", "3.58"), ("C", "3.58")]));
    report(ns, "emea-001", 1, "kschulz");
    let next = export(&[("C", "3.58")]);
    let mut told = apply(ns, &["--max-removals", "2", "--dry-run", "server"], &next);
    assert_eq!(clients(ns)[0].1, ["A", "B"]);
    told += &apply(ns, &["--max-removals", "2"], &next);
    assert_eq!(fleets(ns)["emea-001"]["spec"], json!({"packageFrom": {"name": "server"}}));
    told += &apply(ns, &[], &next);
    insta::assert_snapshot!("emptied", told);
}

#[test]
fn printed_by_one_and_applied_by_another() {
    let ns = "import-adopted";
    with_server(ns);
    let printed = json!({
        "metadata": {"name": "emea-001", "labels": {"clientfleet.dev/import": "emea"}},
        "spec": {"packageFrom": {"name": "server"}, "clients": [
            {"name": "A", "reported": {"version": "3.58"}},
            {"name": "B", "reported": {"version": "3.58"}},
        ]},
    });
    apply_as("kubectl", ns, printed, false);
    let mut told = apply(ns, &["--max-removals", "1"], &export(&[("A", "3.58"), ("C", "3.58")]));
    assert_eq!(
        clients(ns)[..2],
        [
            ("emea-001".to_owned(), vec!["A".to_owned(), "B".to_owned()]),
            ("emea-002".to_owned(), vec!["C".to_owned()]),
        ]
    );
    told += &import(ns, &APPLY, &export(&[("A", "3.59"), ("B", "3.58"), ("C", "3.58")]));
    insta::assert_snapshot!("adopted", told);
}

#[test]
fn rights_that_are_missing_are_told() {
    let ns = "import-rights";
    with_server(ns);
    apply(ns, &[], &export(&TWO));
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "reader", "namespace": ns},
        "rules": [{"apiGroups": ["clientfleet.dev"], "resources": ["clientfleets"], "verbs": ["get", "list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "reader", "namespace": ns},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": "import-reader", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    for object in [role, binding] {
        plane().kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
    }
    let mut told = String::new();
    let next = export(&[("A", "3.59"), ("B", "3.58"), ("C", "3.58")]);
    for user in ["import-reader", "import-nobody"] {
        let kubeconfig = plane().kubeconfig_path_as(user, &[]).unwrap();
        let kubeconfig = kubeconfig.display().to_string();
        told += &format!("# {user}\n");
        told += &import(
            ns,
            &[&APPLY, ["--kubeconfig", kubeconfig.as_str()].as_slice()].concat(),
            &next,
        );
    }
    // The import writes the two fleets concurrently, so either error can come first. Replace one
    // fleet name, so that the snapshot is the same in both cases.
    insta::assert_snapshot!("rights", told.replace("\"emea-002\"", "\"emea-001\""));
}
