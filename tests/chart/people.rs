//! Tests the roles for users: compares the permissions that kubectl lists for each role with a
//! snapshot.

use crate::helm::{RELEASE, objects, template};
use crate::plane;

const ROLES: [&str; 3] = ["clientfleet-view", "clientfleet-policies", "clientfleet-inventory"];

#[test]
fn each_role_may_do_this() {
    let plane = plane::with_namespaces(&[RELEASE, "berlin"]);
    for object in objects(&template("")) {
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
    }
    let mut told = String::new();
    for role in ROLES {
        let (role_of, user_of) = (format!("--clusterrole={role}"), format!("--user={role}"));
        plane
            .kubectl_ok(&["create", "rolebinding", role, "-n", "berlin", &role_of, &user_of], "")
            .unwrap();
        let list = plane
            .kubectl_ok(&["auth", "can-i", "--list", "-n", "berlin", "--as", role], "")
            .unwrap();
        // Keep only the permissions for this project's resources, because kubectl also lists the
        // permissions that every user has.
        let mut own: Vec<_> =
            list.lines().filter(|line| line.contains("clientfleet.dev")).collect();
        own.sort_unstable();
        told += &format!("{role}\n{}\n\n", own.join("\n"));

        let elsewhere = plane
            .kubectl_ok(&["auth", "can-i", "--list", "-n", "default", "--as", role], "")
            .unwrap();
        assert!(!elsewhere.contains("clientfleet.dev"), "{role}: {elsewhere}");
    }
    insta::assert_snapshot!(told);
}

/// Tests that the cluster's default roles aggregate the chart's user roles. The test cluster does
/// not run the controller that aggregates roles, so the test evaluates the same label selectors
/// with kubectl.
#[test]
fn the_cluster_s_own_roles_take_them_up() {
    let plane = plane::with_namespaces(&[RELEASE]);
    for object in objects(&template("")) {
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
    }
    let selected = |into: &str| {
        let path = "jsonpath={.aggregationRule.clusterRoleSelectors[*].matchLabels}";
        let labels = plane.kubectl_ok(&["get", "clusterrole", into, "-o", path], "").unwrap();
        let labels: std::collections::BTreeMap<String, String> =
            serde_json::from_str(&labels).unwrap();
        let selector: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let names = plane
            .kubectl_ok(
                &[
                    "get",
                    "clusterrole",
                    "-l",
                    &selector.join(","),
                    "-o",
                    "jsonpath={.items[*].metadata.name}",
                ],
                "",
            )
            .unwrap();
        names.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let holds = |into: &str, role: &str| selected(into).iter().any(|name| name == role);
    assert!(holds("view", ROLES[0]) && !holds("view", ROLES[1]) && !holds("view", ROLES[2]));
    assert!(holds("edit", "view") && holds("edit", ROLES[1]) && holds("edit", ROLES[2]));
    assert!(holds("admin", "edit"));
}
