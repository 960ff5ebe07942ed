//! Tests that `plan` warns about conflicts between field managers, and returns an error if the API
//! server would refuse a file for another reason.

use serde_json::Value;

use crate::estate::{DAY, command, namespace, plane, run_with, transcript_with};

const POLICY: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: locked}
spec: {priority: 60, upgrade: {mode: OnlyUpgradeTo, version: '2.0'}}
";

fn kubectl(arguments: &[&str], input: &str) -> Result<String, String> {
    plane().kubectl_ok(arguments, input).map_err(|error| error.to_string())
}

/// Creates a policy in a new namespace, and then changes its mode as the field manager
/// `clientfleet-settings`. If the policy's file is applied again, the API server reports a
/// conflict.
fn taken(name: &str, as_whom: &[&str]) {
    namespace(name);
    let apply = [&["apply", "--server-side", "-n", name, "-f", "-"], as_whom].concat();
    kubectl(&apply, POLICY).unwrap();
    let patch = r#"{"spec": {"upgrade": {"mode": "NoUpgrade", "version": null}}}"#;
    let by_hand = "--field-manager=clientfleet-settings";
    let patch = ["patch", "upol", "locked", "-n", name, "--type=merge", by_hand, "-p", patch];
    kubectl(&patch, "").unwrap();
}

fn warnings(name: &str, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["plan", "-f", "-", "-n", name, "-o", "json"], arguments].concat();
    let output = run_with(command(DAY, &arguments), POLICY);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{words}");
    let data: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(data["objects"][0]["change"], "Changed", "the change is foretold all the same");
    let warnings = data["warnings"].as_array().expect("warnings").iter();
    warnings.map(|warning| warning["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_somebody_else_owns_is_told_before_kubectl_is_refused() {
    let name = "plan-conflict";
    taken(name, &[]);
    insta::assert_snapshot!(
        "owned_by_somebody_else",
        transcript_with(DAY, &["plan", "-f", "-", "-n", name], POLICY)
    );
    let apply = ["apply", "--server-side", "-n", name, "-f", "-"];
    let refused = kubectl(&apply, POLICY).expect_err("kubectl is refused");
    assert!(refused.contains("conflict with \"clientfleet-settings\""), "{refused}");

    let told = warnings(name, &["--field-manager", "me"]).join("\n");
    assert!(told.contains("--field-manager=me"), "{told}");
}

/// Checks that `plan` does not warn about conflicts if the field manager is Flux or Argo CD,
/// because these tools always force conflicts.
#[test]
fn who_overrules_others_is_not_warned() {
    let name = "plan-overruled";
    taken(name, &["--field-manager=kustomize-controller"]);
    assert_eq!(warnings(name, &[]), Vec::<String>::new());
    assert_eq!(warnings(name, &["--field-manager", "argocd-controller"]), Vec::<String>::new());
    assert_eq!(warnings(name, &["--server-side", "--field-manager", "kubectl"]).len(), 1);
}

/// Checks files that were copied from the output of `kubectl get -o yaml`. `plan` must list the
/// fields that the user has to remove before the file can be applied.
#[test]
fn what_is_copied_from_the_cluster_is_told_field_by_field() {
    let name = "plan-copied";
    namespace(name);
    kubectl(&["apply", "--server-side", "-n", name, "-f", "-"], POLICY).unwrap();
    let get = ["get", "upol", "locked", "-n", name, "-o", "yaml", "--show-managed-fields"];
    let copied = kubectl(&get, "").unwrap();
    let told = |input: &str| {
        let output = run_with(command(DAY, &["plan", "-f", "-", "-n", name]), input);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("text")
    };
    insta::assert_snapshot!("managed_fields_given", told(&copied));
    // `plan` may refuse the file only if `kubectl apply` refuses it, too.
    assert!(kubectl(&["apply", "--server-side", "-n", name, "-f", "-"], &copied).is_err());

    // A file without `managedFields` can be applied until the stored object changes, because the
    // file contains the `resourceVersion` of that object.
    let get = ["get", "upol", "locked", "-n", name, "-o", "yaml"];
    let copied = kubectl(&get, "").unwrap();
    let output = run_with(command(DAY, &["plan", "-f", "-", "-n", name]), &copied);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let written = ["label", "upol", "locked", "-n", name, "by-hand=yes"];
    kubectl(&written, "").unwrap();
    insta::assert_snapshot!("older_copy_given", told(&copied));
}
