//! Tests `clientfleet plan --local` with the real binary. Snapshot tests cover the output for
//! `examples/`, and the other tests check the formats of input and output.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clientfleet::cli::yaml;
use serde_json::Value;

/// Tuesday, 24 November 2026, at 13:00 in Berlin, 07:00 in New York and 21:00 in Tokyo.
const DAY: &str = "2026-11-24T12:00:00Z";
/// Tuesday, 24 November 2026, at 15:00 in Berlin, 09:00 in New York and 23:00 in Tokyo.
const NIGHT_IN_TOKYO: &str = "2026-11-24T14:00:00Z";
/// 25 December 2026 at 00:30 in Berlin, during the year-end freeze of the examples.
const FREEZE: &str = "2026-12-24T23:30:00Z";

fn clientfleet(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it has an input");
    let input = input.to_owned();
    // Write the input in a thread while this thread reads the output. Both can be larger than the
    // buffer of a pipe, so writing the whole input first could block forever.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input is written");
    output
}

/// Runs `clientfleet`, which must succeed. Returns its standard output and standard error.
fn succeed(arguments: &[&str], input: &str) -> (String, String) {
    let output = clientfleet(arguments, input);
    let stderr = String::from_utf8(output.stderr).expect("words are text");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    (String::from_utf8(output.stdout).expect("results are text"), stderr)
}

fn examples(at: &str, format: &str) -> String {
    succeed(&["plan", "--local", "-f", "examples", "--at", at, "-o", format], "").0
}

/// Plans the documents in `text` at [`DAY`], and returns the first object in the output.
fn planned(text: &str) -> Value {
    let (output, _) = succeed(&["plan", "--local", "-f", "-", "--at", DAY, "-o", "json"], text);
    let list: Value = serde_json::from_str(&output).expect("it prints JSON");
    list["items"][0].clone()
}

fn states(list: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = |item: &Value| item["status"]["clients"].as_array().cloned().unwrap_or_default();
    let items = list["items"].as_array().expect("a list has items");
    let rows = items.iter().flat_map(rows);
    rows.map(|row| (text(&row["policy"]), text(&row["state"]), text(&row["reason"]))).collect()
}

const POLICY: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all}
spec: {upgrade: {mode: AutoUpgrade}}
";

const FLEET: &str = "\
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one}
spec: {packageVersion: '2.0', clients: [{name: a, reported: {version: '1.0'}}]}
";

#[test]
fn the_examples_as_tables() {
    insta::assert_snapshot!("examples_by_day", examples(DAY, "table"));
    insta::assert_snapshot!("examples_at_night_in_tokyo", examples(NIGHT_IN_TOKYO, "table"));
    insta::assert_snapshot!("examples_in_the_freeze", examples(FREEZE, "table"));
}

#[test]
fn the_examples_as_yaml() {
    insta::assert_snapshot!("examples_as_yaml", examples(NIGHT_IN_TOKYO, "yaml"));
}

#[test]
fn the_examples_show_nearly_every_reason() {
    let mut seen = std::collections::BTreeSet::new();
    for at in [DAY, NIGHT_IN_TOKYO, FREEZE] {
        let list: Value = serde_json::from_str(&examples(at, "json")).expect("it prints JSON");
        seen.extend(states(&list).into_iter().map(|(_, _, reason)| reason));
    }
    let seen: Vec<String> = seen.into_iter().collect();
    insta::assert_snapshot!(seen.join("\n"), @r"
    AtTarget
    ClientVersionUnreadable
    DistributionEnded
    DowngradeNotAllowed
    DowngradeOffered
    Excluded
    InstallFailed
    NoMatchingPolicy
    NoUpgrade
    NotSeen
    NotStarted
    OtherVersionStaged
    OutsideWindow
    PackageUnavailable
    PackageWithdrawn
    PolicySuspended
    RestartPending
    TimeZoneUnknown
    UpgradeOffered
    ");
}

/// Checks that the examples contain a canary client in the state `Distributing` on any date. `make
/// demo` runs on the current date and needs such a client.
#[test]
fn a_canary_client_of_the_examples_is_distributing_at_any_time() {
    let times = ["2026-11-22T03:00:00Z", FREEZE, "2027-05-01T12:00:00Z", "2030-02-28T18:00:00Z"];
    for at in times {
        let list: Value = serde_json::from_str(&examples(at, "json")).expect("it prints JSON");
        let distributing = |(policy, state, _): &(String, String, String)| {
            policy == "canary" && state == "Distributing"
        };
        assert!(states(&list).iter().any(distributing), "at {at}");
    }
}

#[test]
fn yaml_and_json_say_the_same_and_can_be_planned_for_again() {
    let json = examples(DAY, "json");
    let documents = yaml::read(&examples(DAY, "yaml"));
    assert_eq!(documents.len(), 1);
    let of_yaml = documents[0].content.as_ref().expect("it prints YAML").value();
    assert_eq!(&serde_json::from_str::<Value>(&json).expect("it prints JSON"), &of_yaml);

    let again = ["plan", "--local", "-f", "-", "--at", DAY, "-o", "json"];
    assert_eq!(succeed(&again, &json).0, json);
}

#[test]
fn the_order_of_files_does_not_matter_for_a_plan_but_objects_are_printed_in_it() {
    let files = [
        "examples/10-fleet-berlin.yaml",
        "examples/30-canary.yaml",
        "examples/21-nights-and-weekends.yaml",
    ];
    let run = |files: [&str; 3], format: &str| {
        let [a, b, c] = files;
        let arguments = ["plan", "--local", "--at", DAY, "-o", format, "-f", a, "-f", b, "-f", c];
        succeed(&arguments, "").0
    };
    let [a, b, c] = files;
    assert_eq!(run([a, b, c], "table"), run([c, b, a], "table"));
    let list: Value = serde_json::from_str(&run([c, a, b], "json")).expect("it prints JSON");
    let names: Vec<_> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| &item["metadata"]["name"])
        .collect();
    assert_eq!(names, ["nights-and-weekends", "berlin", "canary"]);
}

#[test]
fn an_object_is_printed_as_given_with_its_status() {
    let fleet = planned(&format!("{FLEET}---\n{POLICY}"));
    assert_eq!(fleet["metadata"], serde_json::json!({ "name": "one" }));
    assert_eq!(fleet["status"]["observedGeneration"], 1);
    assert_eq!(fleet["status"]["clients"][0]["state"], "Distributing");

    let fleet = planned(&FLEET.replace("name: one", "name: one, generation: 7"));
    assert_eq!(fleet["status"]["observedGeneration"], 7);
}

#[test]
fn a_policy_governs_its_own_namespace_and_no_namespace_is_default() {
    let elsewhere = POLICY.replace("name: all", "name: all, namespace: elsewhere");
    assert_eq!(
        planned(&format!("{FLEET}---\n{elsewhere}"))["status"]["clients"][0]["state"],
        "Unmanaged"
    );
    let default = POLICY.replace("name: all", "name: all, namespace: default");
    assert_eq!(
        planned(&format!("{FLEET}---\n{default}"))["status"]["clients"][0]["state"],
        "Distributing"
    );
}

#[test]
fn a_package_from_that_leads_nowhere_is_noted() {
    let from = |name: &str| {
        FLEET.replace("packageVersion: '2.0'", &format!("packageFrom: {{name: {name}}}"))
    };
    let notes = |objects: &str| {
        let (table, _) = succeed(&["plan", "--local", "-f", "-", "--at", DAY], objects);
        let notes: Vec<&str> = table.lines().filter(|line| line.contains("Unknown:")).collect();
        notes.join("\n")
    };
    assert_eq!(
        notes(&from("server")),
        "  fleet one: PackageUnknown: spec.packageFrom.name: there is no fleet \"server\" in this \
         namespace; create it, or name a fleet that has a packageVersion"
    );
    assert_eq!(
        notes(&from("one")),
        "  fleet one: PackageUnknown: spec.packageFrom.name: the fleet \"one\" has a packageFrom \
         too; name the fleet that has the packageVersion"
    );
    let conditions = planned(&from("server"))["status"]["conditions"].clone();
    assert_eq!(conditions[0]["status"], "False");
    assert_eq!(conditions[1]["type"], "Reconciling");
}

#[test]
fn what_kubectl_prints_is_read() {
    let of = |text: &str| planned(text)["status"]["clients"][0]["state"].clone();
    let (one, all) = (json_of(FLEET), json_of(POLICY));
    assert_eq!(of(&format!("{one}\n{all}")), "Distributing", "JSON after JSON");
    assert_eq!(
        of(&format!("\u{feff}{FLEET}---\n---\n{POLICY}---\n# end\n")),
        "Distributing",
        "a byte order mark, empty documents"
    );
    let list = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{one}, {all}]}}"#);
    assert_eq!(of(&list), "Distributing", "List");
    let mut bare: Value = serde_json::from_str(&one).expect("JSON");
    bare.as_object_mut()
        .expect("an object")
        .retain(|field, _| field == "metadata" || field == "spec");
    let list = format!(
        r#"{{"apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleetList", "items": [{bare}]}}"#
    );
    assert_eq!(of(&format!("{list}\n{all}")), "Distributing", "ClientFleetList");
    let aliases = FLEET.replace("'2.0'", "&v '2.0'").replace("'1.0'", "*v");
    assert_eq!(of(&format!("{aliases}---\n{POLICY}")), "UpToDate", "aliases");
}

fn json_of(text: &str) -> String {
    yaml::read(text)[0].content.as_ref().expect("it is YAML").value().to_string()
}

#[test]
fn other_kinds_are_passed_over_with_a_word_and_folders_are_read_without_their_subfolders() {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    std::fs::create_dir(folder.path().join("more.yaml")).expect("a subfolder");
    write("more.yaml/broken.yaml", "not read: [");
    write("notes.txt", "not read: [");
    write(
        "a.yaml",
        &format!(
            "{FLEET}---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}}}\n"
        ),
    );
    write("b.yml", POLICY);
    write("c.json", r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}"#);
    let path = folder.path().to_str().expect("a plain path");
    let (output, remarks) = succeed(&["plan", "--local", "-f", path, "--at", DAY], "");
    assert!(output.contains("Distributing"), "{output}");
    let expected = format!(
        "passed over: Deployment.apps/web ({path}/a.yaml, document 2)\n\
         passed over: Namespace/x ({path}/c.json, document 1)\n"
    );
    assert_eq!(remarks, expected);
}

#[test]
fn a_moment_is_rounded_down_to_the_second_and_may_be_left_out() {
    assert_eq!(examples("2026-11-24T13:00:00.999+01:00", "json"), examples(DAY, "json"));
    assert!(
        succeed(&["plan", "--local", "-f", "examples"], "").0.starts_with("Namespace clients at 2")
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for arguments in [&["crds"][..], &["plan", "--local", "-f", "examples", "-o", "yaml"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("error"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn colours_are_for_terminals() {
    assert!(!examples(DAY, "table").contains('\u{1b}'));
}

#[test]
fn the_program_tells_its_version_and_both_definitions() {
    let (version, _) = succeed(&["--version"], "");
    assert_eq!(version, format!("clientfleet {}\n", env!("CARGO_PKG_VERSION")));
    let documents = yaml::read(&succeed(&["crds"], "").0);
    let kinds: Vec<_> = documents
        .iter()
        .map(|document| document.content.as_ref().expect("YAML").value())
        .filter_map(|definition| definition.pointer("/spec/names/kind").cloned())
        .collect();
    assert_eq!(kinds, ["ClientFleet", "UpgradePolicy"]);
}

/// Checks that the first line of each example explains the example, and that the table in
/// `README.md` lists it.
#[test]
fn every_example_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let table = std::fs::read_to_string(folder.join("README.md")).expect("the table");
    for entry in std::fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("an example").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        if name != "README.md" {
            assert!(table.contains(&format!("| `{name}` |")), "{name} is missing in README.md");
            let text = std::fs::read_to_string(&path).expect("an example");
            assert!(text.starts_with("# "), "{name} does not say what it shows");
        }
    }
}
