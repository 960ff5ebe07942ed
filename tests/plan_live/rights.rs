//! Tests `plan` for users with three sets of permissions: to read, to read and patch, and none.

use serde_json::Value;

use crate::estate::{DAY, apply, command, namespace, plane, run_with, transcript_with};

const NAMESPACE: &str = "plan-rights";

/// Grants a user the given verbs on ClientFleet and UpgradePolicy, and returns the path of the
/// user's kubeconfig.
fn user(name: &str, verbs: &str) -> String {
    if !verbs.is_empty() {
        let resource = "--resource=clientfleets.clientfleet.dev,upgradepolicies.clientfleet.dev";
        let (role, verb) = (format!("plan-{name}"), format!("--verb={verbs}"));
        let create = ["create", "role", &role, &verb, resource, "-n", NAMESPACE];
        plane().kubectl_ok(&create, "").unwrap();
        let (role_of, user) = (format!("--role={role}"), format!("--user={name}"));
        let bind = ["create", "rolebinding", &role, &role_of, &user, "-n", NAMESPACE];
        plane().kubectl_ok(&bind, "").unwrap();
    }
    let path = plane().kubeconfig_path_as(name, &[]).unwrap();
    path.to_str().expect("a plain path").to_owned()
}

const OBJECTS: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, namespace: plan-rights}
spec:
  packageVersion: '2.0'
  clients:
    - {name: a, reported: {version: '1.0'}}
    - {name: b, reported: {version: '2.0'}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all, namespace: plan-rights}
spec: {upgrade: {mode: AutoUpgrade}}
";

#[test]
fn rights_decide_who_is_asked() {
    namespace(NAMESPACE);
    apply(OBJECTS);
    let reader = user("plan-reader", "get,list,watch");
    let nobody = user("plan-nobody", "");
    let patcher = user("plan-patcher", "get,list,patch");
    let input = OBJECTS.replace("'2.0'\n  clients", "'3.0'\n  clients");
    let told = |kubeconfig: &str| {
        let output = run_with(
            command(DAY, &["plan", "-f", "-", "-o", "json", "--kubeconfig", kubeconfig]),
            &input,
        );
        let words = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(0), "{words}");
        (serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), words)
    };
    let administrator = plane().kubeconfig_path();
    let (all, words) = told(administrator.to_str().expect("a plain path"));
    assert!(!words.contains("may not patch"), "{words}");
    assert_eq!(all["summary"]["movingNow"], 2);

    let (seen, words) = told(&reader);
    assert_eq!(seen, all, "what a reader is told is the same here");
    assert!(words.contains("you may not patch 2 of these objects"), "{words}");
    let (seen, words) = told(&patcher);
    assert_eq!(seen, all);
    assert!(!words.contains("may not patch"), "{words}");

    insta::assert_snapshot!(
        "without_rights",
        transcript_with(DAY, &["plan", "-f", "-", "--kubeconfig", &nobody], &input)
            .replace(&nobody, "KUBECONFIG")
    );
}
