//! Tests the output of `plan` for changed examples, and the errors for input that `plan` refuses.
//! Also tests that `plan` writes nothing to the cluster.

use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::estate::{
    DAY, apply, command, examples, namespace, of_examples, plane, run_with, transcript_with,
};

fn versions(namespace: &str) -> String {
    let columns = "custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion";
    plane().kubectl_ok(&["get", "clf,upol", "-n", namespace, "-o", columns], "").unwrap()
}

/// Returns the examples after two changes: Berlin and New York have a new package version, and one
/// policy is suspended.
fn changed(namespace: &str) -> String {
    let text = examples(namespace);
    let (from, to) = ("\"3.59.127.0\"\n  retained", "\"3.60.1.0\"\n  retained");
    assert!(text.contains(from) && text.contains("priority: 60"));
    text.replace(from, to).replacen("priority: 60", "priority: 60\n  suspend: true", 1)
}

fn plan(arguments: &[&str], input: &str) -> (i32, String, String) {
    let arguments = [&["plan", "-f", "-"], arguments].concat();
    let output = run_with(command(DAY, &arguments), input);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends"), text(output.stdout), text(output.stderr))
}

#[test]
fn the_examples_change_and_nothing_is_written() {
    of_examples("plan", DAY);
    let before = versions("plan");
    let input = changed("plan");
    insta::assert_snapshot!(
        "examples_change",
        transcript_with(DAY, &["plan", "-f", "-", "--max-moving", "2"], &input)
    );
    let (code, output, words) = plan(&["-o", "json", "--exit-code"], &input);
    assert_eq!((code, words.as_str()), (1, ""));
    let data: Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(data["summary"]["movingNow"], 5);
    assert_eq!(versions("plan"), before);

    // Files that equal the stored objects must give an empty plan, and exit code 0 even with
    // `--exit-code`.
    let (code, output, words) = plan(&["--exit-code"], &examples("plan"));
    assert_eq!((code, words.as_str()), (0, ""), "{output}");
    assert!(output.contains("Nothing changes"), "{output}");

    // Plan for 22:30 in Berlin, when the nightly windows there are open. More clients must move
    // than in the plan for 13:00.
    let (_, output, _) = plan(&["--at", "2026-11-24T21:30:00Z", "-o", "json"], &input);
    let data: Value = serde_json::from_str(&output).expect("JSON");
    assert!(data["summary"]["movingNow"].as_u64() > Some(5), "{}", data["summary"]);
    assert_eq!(data["at"], "2026-11-24T21:30:00Z");
}

const FLEET: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one}
spec: {packageVersion: '2.0', clients: [{name: a, reported: {version: '1.0'}}]}
";

const POLICY: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all}
spec: {upgrade: {mode: AutoUpgrade}}
";

#[test]
fn a_stopped_controller_is_told() {
    namespace("plan-behind");
    apply(&FLEET.replace("name: one", "name: one, namespace: plan-behind"));
    insta::assert_snapshot!(
        "controller_does_not_run",
        transcript_with(DAY, &["plan", "-f", "-", "-n", "plan-behind"], POLICY)
    );
}

#[test]
fn a_namespace_that_is_not_there_yet_is_planned_for() {
    plane();
    insta::assert_snapshot!(
        "no_namespace_yet",
        transcript_with(
            DAY,
            &["plan", "-f", "-", "-n", "plan-to-come"],
            &format!("{FLEET}---\n{POLICY}")
        )
    );
}

#[test]
fn what_the_server_refuses_is_told_with_object_and_file() {
    namespace("plan-refused");
    let known = FLEET.replace("name: one", "name: one, namespace: plan-refused");
    apply(&known);
    // Plan a file with an outdated `resourceVersion`, as if another user had changed the object
    // after the file was written.
    let stale =
        known.replace("namespace: plan-refused", "namespace: plan-refused, resourceVersion: '1'");
    let copied = POLICY.replace(
        "name: all",
        "name: all, namespace: plan-refused, uid: 6f2b1f0e-0000-4000-8000-000000000000",
    );
    let told = transcript_with(DAY, &["plan", "-f", "-"], &format!("{stale}---\n{copied}"));
    insta::assert_snapshot!("refused_by_the_server", told);

    // If admission would refuse an object, `plan` must report the error before it sends any object
    // to the API server.
    let wrong = known.replace("'2.0'", "latest");
    let (code, output, words) = plan(&[], &wrong);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(
        words.contains("standard input, document 1") && words.contains("spec.packageVersion"),
        "{words}"
    );

    // A client-side `kubectl apply` drops a key without a value, so `plan` must not depend on the
    // API server to refuse it.
    let (code, output, words) = plan(&[], &POLICY.replace("spec: {", "spec: {scope: , "));
    assert_eq!((code, output.as_str()), (2, ""), "{words}");
    assert!(words.contains("spec.scope: is empty (null): "), "{words}");
}

#[test]
fn n_does_not_move_an_object() {
    plane();
    let input = FLEET.replace("name: one", "name: one, namespace: elsewhere");
    insta::assert_snapshot!(
        "not_in_this_namespace",
        transcript_with(DAY, &["plan", "-f", "-", "-n", "here"], &input)
    );
}

#[test]
fn without_definitions_or_without_a_cluster_it_says_what_to_do() {
    let bare = ControlPlane::start().expect("a control plane without definitions");
    let kubeconfig = bare.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    let (code, output, words) = plan(&["--kubeconfig", kubeconfig], FLEET);
    assert_eq!((code, output.as_str()), (2, ""));
    assert!(words.contains("clientfleet crds | kubectl apply --server-side -f -"), "{words}");
    drop(bare);

    let missing = plane().folder().join("no-such-kubeconfig");
    let missing = missing.to_str().expect("a plain path");
    let (code, _, words) = plan(&["--kubeconfig", missing], FLEET);
    assert_eq!(code, 2, "{words}");
    assert!(words.starts_with("error: no cluster to connect to"), "{words}");
}
