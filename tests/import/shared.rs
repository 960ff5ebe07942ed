//! Fleets that others have a part in: Git owns labels and zones, a person changes what the import
//! has written, and users have other rights than the administrator.

use serde_json::{Value, json};

use crate::cluster::{APPLY, apply, clients, export, fleets, import, with_server};
use crate::estate::plane;

/// Server-side apply as another field manager.
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

    // Nothing of the import's own has changed: no write.
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

    // Gone from the export, but Git lists A: it stays, without what the import had written.
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
    // Of two writes at once either can be answered first.
    insta::assert_snapshot!("rights", told.replace("\"emea-002\"", "\"emea-001\""));
}
