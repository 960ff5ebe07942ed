//! Tests reserved priorities on the real API server. Only members of the configured groups can
//! override, change or delete a policy with a reserved priority, called a freeze.

use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::helm::{RELEASE, objects, template};
use crate::plane;

const VALUES: &str = "reservedPriorities: {enabled: true, groups: [freeze-admins, emergency]}";

fn policy(name: &str, priority: i32, mode: &str) -> String {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": "UpgradePolicy",
        "metadata": {"name": name, "namespace": "berlin"},
        "spec": {"priority": priority, "upgrade": {"mode": mode}},
    })
    .to_string()
}

struct Reserved(ControlPlane);

impl Reserved {
    fn kubectl(&self, groups: &[&str], arguments: &[&str], stdin: &str) -> Result<String, String> {
        let groups: Vec<String> =
            groups.iter().map(|group| format!("--as-group={group}")).collect();
        let mut all = vec!["--as=somebody", "--as-group=editors"];
        all.extend(groups.iter().map(String::as_str));
        all.extend(["-n", "berlin"]);
        all.extend(arguments);
        self.0.kubectl_ok(&all, stdin).map_err(|error| error.to_string())
    }

    fn apply(&self, groups: &[&str], object: &str) -> Result<String, String> {
        self.kubectl(groups, &["apply", "-f", "-"], object)
    }

    /// Waits up to 180 s until the API server enforces the admission policy, because the server
    /// starts to enforce a new policy with a delay.
    fn wait_until_in_force(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
        let probe = policy("probe", 1000, "NoUpgrade");
        while self.kubectl(&[], &["create", "--dry-run=server", "-f", "-"], &probe).is_ok() {
            assert!(std::time::Instant::now() < deadline, "the admission policy is not in force");
        }
    }
}

fn reserved() -> Reserved {
    let plane = plane::with_namespaces(&[RELEASE, "berlin"]);
    for object in objects(&template(VALUES)) {
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &object.to_string()).unwrap();
    }
    let role = "--clusterrole=clientfleet-policies";
    plane.kubectl_ok(&["create", "clusterrolebinding", "e", role, "--group=editors"], "").unwrap();
    let reserved = Reserved(plane);
    reserved.wait_until_in_force();
    reserved
}

#[test]
fn only_the_group_has_them() {
    let reserved = reserved();
    let mut refused = String::new();
    let mut refuse = |what: &str, result: Result<String, String>| {
        let error = result.expect_err(what);
        let (_, sentence) = error.split_once("denied request: ").expect(&error);
        refused += &format!("{what}: {}\n", sentence.trim());
    };
    // Every user with the role `clientfleet-policies` can create and change policies whose priority
    // is below the reserved priorities.
    reserved.apply(&[], &policy("usual", 999, "AutoUpgrade")).unwrap();
    refuse("create at 1000", reserved.apply(&[], &policy("mine", 1000, "AutoUpgrade")));
    refuse("raise to 2147483647", reserved.apply(&[], &policy("usual", i32::MAX, "AutoUpgrade")));

    reserved.apply(&["freeze-admins"], &policy("freeze", 1000, "NoUpgrade")).unwrap();
    refuse("open a freeze", reserved.apply(&[], &policy("freeze", 1000, "AutoUpgrade")));
    refuse("lower a freeze", reserved.apply(&[], &policy("freeze", 0, "NoUpgrade")));
    refuse("delete a freeze", reserved.kubectl(&[], &["delete", "upol", "freeze"], ""));
    insta::assert_snapshot!(refused);

    // Every user with the role `clientfleet-policies` can change the labels and annotations of a
    // freeze, and delete other policies.
    reserved.kubectl(&[], &["label", "upol", "freeze", "ticket=42"], "").unwrap();
    reserved.kubectl(&[], &["annotate", "upol", "freeze", "note=seen"], "").unwrap();
    reserved.kubectl(&[], &["delete", "upol", "usual"], "").unwrap();
    reserved.apply(&["emergency"], &policy("freeze", 1001, "NoUpgrade")).unwrap();
    reserved.kubectl(&["emergency"], &["delete", "upol", "freeze"], "").unwrap();
}

#[test]
fn what_was_there_before_stays_as_it_is() {
    let reserved = reserved();
    let name = "clientfleet-priorities";
    let binding = reserved
        .0
        .kubectl_ok(&["get", "validatingadmissionpolicybinding", name, "-o", "json"], "")
        .unwrap();
    reserved.0.kubectl_ok(&["delete", "validatingadmissionpolicybinding", name], "").unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    while reserved.apply(&[], &policy("old", 5000, "NoUpgrade")).is_err() {
        assert!(std::time::Instant::now() < deadline, "the admission policy is still in force");
    }
    let mut binding: serde_json::Value = serde_json::from_str(&binding).unwrap();
    for key in ["resourceVersion", "uid"] {
        binding["metadata"].as_object_mut().unwrap().remove(key);
    }
    reserved.0.kubectl_ok(&["create", "-f", "-"], &binding.to_string()).unwrap();
    reserved.wait_until_in_force();

    reserved.kubectl(&[], &["label", "upol", "old", "ticket=42"], "").unwrap();
    reserved.apply(&[], &policy("old", 5000, "AutoUpgrade")).unwrap_err();
}

#[test]
fn the_cluster_may_clean_up_a_namespace() {
    let reserved = reserved();
    reserved.apply(&["freeze-admins"], &policy("freeze", 1000, "NoUpgrade")).unwrap();
    let arguments = [
        "--as=system:serviceaccount:kube-system:namespace-controller",
        "--as-group=system:serviceaccounts:kube-system",
        "--as-group=editors",
        "-n",
        "berlin",
        "delete",
        "upol",
        "freeze",
    ];
    reserved.0.kubectl_ok(&arguments, "").unwrap();
}
