//! Tests that `plan` predicts the correct decisions for each method of applying objects. Each test
//! plans a file, applies it with the real kubectl, and then plans the stored objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::estate::{DAY, command, examples, namespace, plane, run_with};

fn kubectl(arguments: &[&str], input: &str) -> String {
    plane().kubectl_ok(arguments, input).unwrap_or_else(|error| panic!("{error}"))
}

fn run(arguments: &[&str], input: &str) -> Value {
    let output = run_with(command(DAY, arguments), input);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {words}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

type Decisions = BTreeMap<(String, String), Value>;

const PREDICTED_FIELDS: [&str; 5] =
    ["state", "reason", "policy", "targetVersion", "nextTransitionTime"];

/// Returns the decision for each client in the stored objects. The keys are pairs of fleet name and
/// client name.
fn decided(namespace: &str) -> Decisions {
    let live = kubectl(&["get", "clf,upol", "-n", namespace, "-o", "yaml"], "");
    let list = run(&["plan", "--local", "-f", "-", "-o", "json"], &live);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Decisions::new();
    for object in list["items"].as_array().expect("items") {
        for row in object["status"]["clients"].as_array().into_iter().flatten() {
            let told = PREDICTED_FIELDS
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), row.get(*field)?.clone())));
            let key = (text(&object["metadata"]["name"]), text(&row["name"]));
            found.insert(key, Value::Object(told.collect()));
        }
    }
    found
}

/// Returns the kind, name, labels and spec of each object in a namespace.
fn asked(namespace: &str) -> Value {
    let live = kubectl(&["get", "clf,upol", "-n", namespace, "-o", "json"], "");
    let list: Value = serde_json::from_str(&live).expect("JSON");
    let told =
        |o: &Value| json!([o["kind"], o["metadata"]["name"], o["metadata"]["labels"], o["spec"]]);
    list["items"].as_array().expect("items").iter().map(told).collect()
}

/// Plans a file, applies it, and checks that the resulting decisions are the predicted ones.
/// Returns the output of `plan`.
fn comes_true(namespace: &str, file: &str, plan: &[&str], apply: &[&str]) -> Value {
    let before = asked(namespace);
    let mut expected = decided(namespace);
    let arguments = [&["plan", "-f", "-", "-n", namespace, "-o", "json"], plan].concat();
    let told = run(&arguments, file);
    assert_eq!(asked(namespace), before, "planning writes nothing");
    for client in told["clients"].as_array().expect("clients") {
        let text = |field: &str| client[field].as_str().unwrap_or_default().to_owned();
        let key = (text("fleet"), text("name"));
        match client.get("after") {
            Some(after) => expected.insert(key, after.clone()),
            None => expected.remove(&key),
        };
    }
    kubectl(&[&["apply", "-n", namespace, "-f", "-"], apply].concat(), file);
    let found = decided(namespace);
    assert_eq!(
        serde_json::to_string(&found.iter().collect::<Vec<_>>()).expect("JSON"),
        serde_json::to_string(&expected.iter().collect::<Vec<_>>()).expect("JSON"),
    );
    // A correct prediction leaves nothing to change, so a second plan of the same file must be
    // empty.
    let again = run(&arguments, file);
    assert_eq!(again["objects"], json!([]), "after {file}");
    assert_eq!(again["clients"], json!([]));
    assert_eq!(
        asked(namespace) == before,
        told["objects"] == json!([]),
        "objects are told as changed"
    );
    told
}

const FLEET: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, labels: {site: berlin, ring: broad}}
spec:
  packageVersion: '2.0'
  retainedVersions: ['1.5', '1.6']
  timeZone: Europe/Berlin
  clients:
    - {name: a, labels: {role: office}, reported: {version: '1.0'}}
    - {name: b, labels: {role: kiosk}, reported: {version: '2.0'}}
    - {name: c, reported: {version: '1.0'}}
";

const POLICY: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all}
spec:
  suspend: true
  upgrade: {mode: OnlyUpgradeTo, version: '2.0', allowDowngrade: true}
  distribution: {windows: [{start: '08:00', end: '20:00'}]}
  scope: {fleetSelector: {matchLabels: {site: berlin}}}
";

/// Returns the objects of [`first`] with some fields removed, others changed, and one client
/// replaced.
fn later() -> String {
    let fleet = FLEET
        .replace("'2.0'\n", "'3.0'\n")
        .replace(", ring: broad", "")
        .replace("'1.5', ", "")
        .replace("labels: {role: office}, ", "")
        .replace("{name: c,", "{name: d,");
    let policy = POLICY.replace("  suspend: true\n", "").replace(", allowDowngrade: true", "");
    let policy = policy.replace("mode: OnlyUpgradeTo, version: '2.0'", "mode: AutoUpgrade");
    format!("{fleet}---\n{policy}")
}

/// Returns the objects of [`later`], but with the mode `OnlyUpgradeTo` and a version. With the mode
/// `AutoUpgrade`, the API server refuses the policy while another field manager still owns the
/// stored `version`.
fn later_in_mode() -> String {
    later().replace("mode: AutoUpgrade", "mode: OnlyUpgradeTo, version: '3.0'")
}

const FORCE: [&str; 2] = ["--server-side", "--force-conflicts"];

fn first() -> String {
    format!("{FLEET}---\n{POLICY}")
}

#[test]
fn what_is_new() {
    namespace("foresight-new");
    let told = comes_true("foresight-new", &first(), &[], &["--server-side"]);
    assert_eq!(told["summary"]["come"], 3);
    namespace("foresight-new-plain");
    comes_true("foresight-new-plain", &first(), &[], &[]);
}

#[test]
fn what_was_applied_server_side() {
    namespace("foresight-server");
    kubectl(&["apply", "--server-side", "-n", "foresight-server", "-f", "-"], &first());
    let told = comes_true("foresight-server", &later(), &[], &["--server-side"]);
    assert_eq!((&told["summary"]["come"], &told["summary"]["gone"]), (&json!(1), &json!(1)));
}

#[test]
fn what_was_applied_client_side() {
    namespace("foresight-client");
    kubectl(&["apply", "-n", "foresight-client", "-f", "-"], &first());
    // `kubectl apply` keeps a label that was set only with `kubectl label`, and resets a label that
    // the file also contains. `plan` must predict both.
    let label = [
        "label",
        "clf",
        "one",
        "-n",
        "foresight-client",
        "by-hand=yes",
        "site=tokyo",
        "--overwrite",
    ];
    kubectl(&label, "");
    let told = comes_true("foresight-client", &later(), &[], &[]);
    assert_eq!((&told["summary"]["come"], &told["summary"]["gone"]), (&json!(1), &json!(1)));
}

#[test]
fn what_was_applied_client_side_and_is_taken_over() {
    namespace("foresight-over");
    kubectl(&["apply", "-n", "foresight-over", "-f", "-"], &first());
    comes_true("foresight-over", &later_in_mode(), &["--server-side"], &FORCE);
}

/// Checks that `plan` predicts the refusal of kubectl's first request. Only after this request
/// would kubectl take over the fields of its earlier field manager.
#[test]
fn what_kubectl_is_refused_is_foretold_as_refused() {
    for (namespace, verb) in [("foresight-refused", "apply"), ("foresight-refused-too", "create")] {
        self::namespace(namespace);
        kubectl(&[verb, "-n", namespace, "-f", "-"], &first());
        let arguments = ["plan", "-f", "-", "-n", namespace, "--server-side"];
        let output = run_with(command(DAY, &arguments), &later());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        let reason = "spec.upgrade.version: Forbidden: must be left out with this mode";
        assert!(told.contains(reason) && told.contains("standard input, document 2"), "{told}");
        let apply = [&["apply", "-n", namespace, "-f", "-"], &FORCE[..]].concat();
        let refused = plane().kubectl_ok(&apply, &later()).expect_err("kubectl is refused, too");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}

#[test]
fn what_several_own() {
    namespace("foresight-shared");
    let as_flux = "--field-manager=kustomize-controller";
    let apply = ["apply", "--server-side", "-n", "foresight-shared", "-f", "-"];
    kubectl(&[&apply[..], &[as_flux]].concat(), &first());
    // Let two more field managers own fields: `importer` takes over the reported fields, and
    // `kubectl patch` takes over two fields of the policy.
    let importer = FLEET
        .replace("  retainedVersions: ['1.5', '1.6']\n", "")
        .replace("  packageVersion: '2.0'\n", "");
    let importer = importer
        .replace("labels: {role: office}, ", "")
        .replace("version: '1.0'", "version: '1.5', ip: 10.0.0.1");
    let importer = importer
        .replace(", labels: {site: berlin, ring: broad}", "")
        .replace("  timeZone: Europe/Berlin\n", "");
    kubectl(&[&apply[..], &["--field-manager=importer", "--force-conflicts"]].concat(), &importer);
    let patch = r#"{"spec":{"suspend":false,"offlineAfterDays":30}}"#;
    kubectl(&["patch", "upol", "all", "-n", "foresight-shared", "--type=merge", "-p", patch], "");

    // Flux adds labels to the objects that it applies. `plan` must not report these labels as
    // removed, although no file contains them.
    let mark = "kustomize.toolkit.fluxcd.io/name";
    let marked = first().replace(
        "metadata: {name: one, labels: {",
        &format!("metadata: {{name: one, labels: {{{mark}: fleets, "),
    );
    kubectl(&[&apply[..], &[as_flux, "--force-conflicts"]].concat(), &marked);
    let same = run(&["plan", "-f", "-", "-n", "foresight-shared", "-o", "json"], &first());
    assert_eq!(same["objects"], json!([]), "{same:#}");
    kubectl(&[&apply[..], &[as_flux, "--force-conflicts"]].concat(), &first());

    // Without `--field-manager`, `plan` uses the field manager of a GitOps tool if the stored
    // objects have exactly one such field manager. In this test, that is Flux's field manager.
    let flux = ["--server-side", "--force-conflicts", as_flux];
    comes_true("foresight-shared", &later(), &[], &flux);
    // With `--field-manager=me`, applying the file must not remove fields that Flux owns.
    let me = ["--server-side", "--force-conflicts", "--field-manager=me"];
    comes_true("foresight-shared", &first(), &["--field-manager", "me"], &me);
}

#[test]
fn what_was_made_by_hand() {
    namespace("foresight-created");
    kubectl(&["create", "-n", "foresight-created", "-f", "-"], &first());
    comes_true("foresight-created", &later_in_mode(), &[], &FORCE);
}

#[test]
fn the_examples() {
    namespace("foresight-examples");
    let text = examples("foresight-examples");
    comes_true("foresight-examples", &text, &[], &["--server-side"]);
    let text = text
        .replace("packageVersion: \"3.59.127.0\"", "packageVersion: \"3.60.1.0\"")
        .replace("name: ber-ws-004", "name: ber-ws-404")
        .replace("BER-LT-008", "BER-LT-009")
        .replace("mode: NoUpgrade          ", "mode: NoUpgrade");
    comes_true("foresight-examples", &text, &[], &["--server-side"]);
}
