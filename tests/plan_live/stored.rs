//! Tests `plan` without files, which compares stored statuses with what this version decides.

use serde_json::{Value, json};

use crate::estate::{DAY, apply, command, namespace, of_examples, plane, run_with, transcript};

fn plan(arguments: &[&str]) -> (i32, String, String) {
    let output = run_with(command(DAY, &[&["plan"], arguments].concat()), "");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

/// Replaces a fleet's status, as another version of clientfleet would write it.
fn rewrite(namespace: &str, fleet: &str, rewrite: impl FnOnce(&mut Value)) {
    let get = ["get", "clf", fleet, "-n", namespace, "-o", "json"];
    let mut object: Value = serde_json::from_str(&plane().kubectl_ok(&get, "").unwrap()).unwrap();
    rewrite(&mut object["status"]);
    let replace = ["replace", "--subresource=status", "-f", "-"];
    plane().kubectl_ok(&replace, &object.to_string()).unwrap();
}

#[test]
fn another_version_of_the_controller_is_compared() {
    of_examples("plan-version", DAY);
    let (code, output, words) = plan(&["-n", "plan-version", "--exit-code"]);
    assert_eq!((code, words.as_str()), (0, ""), "{output}");
    assert!(output.contains("decides what the statuses in the cluster say."), "{output}");

    // In the older version, the policy whose name sorted first won a tie.
    rewrite("plan-version", "berlin", |status| {
        let rows = status["clients"].as_array_mut().unwrap();
        let held = rows.iter_mut().find(|row| row["state"] == "Held").expect("a held client");
        held["state"] = json!("Distributing");
        held["reason"] = json!("UpgradeOffered");
        held["policy"] = json!("a-tie");
        held["targetVersion"] = json!("3.59.127.0");
        held.as_object_mut().unwrap().remove("nextTransitionTime");
    });
    insta::assert_snapshot!("another_version", transcript(DAY, &["plan", "-n", "plan-version"]));
    let (code, output, _) = plan(&["-A", "-o", "json", "--exit-code"]);
    assert_eq!(code, 1);
    let data: Value = serde_json::from_str(&output).unwrap();
    assert!(data["namespaces"].as_array().unwrap().contains(&json!("plan-version")));
}

#[test]
fn statuses_behind_their_objects_are_pointed_out() {
    namespace("plan-undecided");
    let fleet = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, namespace: plan-undecided}
spec: {packageVersion: '2.0', clients: [{name: a, reported: {version: '1.0'}}]}
";
    apply(fleet);
    let (code, _, words) = plan(&["-n", "plan-undecided"]);
    assert_eq!(code, 0);
    assert!(words.contains("the status of 1 of 1 fleets is older than the fleet"), "{words}");
}

#[test]
fn options_about_files_need_files() {
    for (options, message) in [
        (vec!["--local"], "--local plans from files: add -f, or --filename, with the files"),
        (vec!["--at", DAY], "--at, --field-manager and --server-side are about files"),
        (vec!["--server-side"], "--at, --field-manager and --server-side are about files"),
        (vec!["-o", "json", "--limit", "3"], "--limit is about the rows of tables"),
        (vec!["-A", "-f", "examples"], "cannot be used with"),
        (vec!["-A", "-n", "here"], "cannot be used with"),
    ] {
        let (code, output, words) = plan(&options);
        assert_eq!((code, output.as_str()), (2, ""), "{options:?}");
        assert!(words.contains(message), "{options:?}: {words}");
    }
}
