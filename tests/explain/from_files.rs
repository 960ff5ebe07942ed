//! Tests `explain` with files: one case for each rule, the examples, the output formats, and
//! errors.

use std::process::Command;

use clientfleet::plan::rules::RULES;
use serde_json::{Value, json};

use crate::case::Row;
use crate::estate::{DAY, run_with};
use crate::rows::rows;

/// Runs `explain` at the instant `at`, in the time zone `Europe/Berlin` and without access to a
/// cluster. Returns the exit code, standard output and standard error.
pub fn explain(at: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command
        .arg("explain")
        .args(arguments)
        .args(["--now", at])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("TZ", "Europe/Berlin");
    let output = run_with(command, input);
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (output.status.code().expect("it is not killed"), text(output.stdout), text(output.stderr))
}

fn example(client: &str) -> String {
    let (code, output, _) = explain(DAY, &[client, "--local", "-f", "examples"], "");
    assert_eq!(code, 0, "{client}");
    output
}

fn document(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Returns the content of a file with the fleet and the policy from a row of the decision table.
/// Leaves out fields that are `null` in the row.
fn files(row: &Row) -> String {
    let mut fleet = row.fleet.clone();
    let mut reported = row.client.clone();
    for fields in [&mut fleet, &mut reported] {
        fields.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    }
    fleet["clients"] = json!([{"name": "pc", "reported": reported}]);
    let policy = row.policy.as_ref().map(|policy| document("UpgradePolicy", "policy", policy));
    let other = row.other.as_ref().map(|other| document("UpgradePolicy", "other", other));
    let elsewhere = row.elsewhere.iter().enumerate().map(|(index, reported)| {
        let clients = json!([{"name": "pc", "reported": reported}]);
        let spec = json!({"packageVersion": "1", "clients": clients});
        document("ClientFleet", &format!("other-{index}"), &spec)
    });
    let own = [document("ClientFleet", "fleet", &fleet)].into_iter();
    let items: Vec<Value> = own.chain(elsewhere).chain(policy).chain(other).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Returns the headline, the matching rule and the remedies from the output of `explain`. The
/// snapshots of the examples cover the other parts of the output.
fn in_short(output: &str) -> String {
    let mut lines = output.lines();
    let headline = lines.next().unwrap_or_default();
    let held = lines.clone().find(|line| line.contains("   YES   ")).unwrap_or_default();
    let advice = lines.skip_while(|line| !line.starts_with("What would"));
    let advice: Vec<&str> = advice.collect();
    format!("{headline}\n{held}\n{}\n", advice.join("\n"))
}

/// Runs `explain` for each rule. Uses the rule's first row in the decision table whose objects
/// admission accepts, because `explain` rejects files with invalid objects.
#[test]
fn each_rule_is_explained() {
    let mut text = String::new();
    for name in RULES.iter().map(|rule| rule.name) {
        let rule = name.number();
        let explained = rows().into_iter().filter(|row| row.rule == name).find_map(|row| {
            let arguments = ["fleet/pc", "--local", "-f", "-"];
            let (code, output, _) = explain(row.at, &arguments, &files(&row));
            (code == 0).then_some((row, output))
        });
        let (row, output) = explained.unwrap_or_else(|| panic!("rule {rule} is not explained"));
        text += &format!("# rule {rule}: {}\n{}\n", row.what, in_short(&output));
        let held = format!("{rule:>4}   YES");
        assert!(output.contains(&held), "{}: another rule holds", row.what);
    }
    insta::assert_snapshot!("each_rule", text);
}

#[test]
fn the_examples() {
    for client in [
        "BER-FI-001",   // waiting for its window
        "BER-LT-009",   // offline, and closed then
        "BER-KIOSK-01", // excluded from one policy, held by the next
        "BER-WS-001",   // distributing
        "BER-WS-003",   // restart pending
        "BER-WH-01",    // withdrawn
        "BER-LT-007",   // in no time zone
        "BER-LT-008",   // held back by a policy of its own
    ] {
        insta::assert_snapshot!(format!("example_{}", client.to_lowercase()), example(client));
    }
}

#[test]
fn data_says_the_same_as_json_and_as_yaml() {
    let arguments = |format| ["ber-lt-009", "--local", "-f", "examples", "-o", format];
    let (_, json, _) = explain(DAY, &arguments("json"), "");
    let (_, yaml, _) = explain(DAY, &arguments("yaml"), "");
    let json: Value = serde_json::from_str(&json).expect("it prints JSON");
    let documents = crate::estate::documents(&yaml);
    assert_eq!(documents.first(), Some(&json));
    assert_eq!(documents.len(), 1);
    insta::assert_snapshot!("data", yaml);
    let remedy = &json["wouldMove"][0]["ways"][0];
    assert_eq!(remedy["way"], "CheckIn");
    assert_eq!(remedy["leadsTo"]["state"], "Waiting");
}

#[test]
fn another_moment_can_be_asked_for() {
    let freeze = "2026-12-24T23:30:00Z";
    let arguments = ["BER-FI-001", "--local", "-f", "examples", "--at", freeze];
    let (_, output, _) = explain(DAY, &arguments, "");
    insta::assert_snapshot!("in_the_freeze", in_short(&output));
}

/// Three fleets for searches by name. The first two fleets each have a client named `pc`, and a
/// second client of the second fleet reports the computer name `PC`.
const NAMESAKES: &str = "
{apiVersion: clientfleet.dev/v1alpha1, kind: ClientFleet, metadata: {name: one, namespace: a},
 spec: {packageVersion: '2', clients: [{name: pc, reported: {computer: X, version: '1'}}]}}
---
{apiVersion: clientfleet.dev/v1alpha1, kind: ClientFleet, metadata: {name: two, namespace: a},
 spec: {packageVersion: '2', clients: [{name: pc}, {name: other, reported: {computer: PC}}]}}
---
{apiVersion: clientfleet.dev/v1alpha1, kind: ClientFleet, metadata: {name: one, namespace: b},
 spec: {packageVersion: '2', clients: [{name: b1, reported: {computer: Pc-7}}, {name: a/b}]}}
";

#[test]
fn a_name_finds_all_that_have_it_and_computers_only_where_none_has() {
    let found = |arguments: &[&str]| {
        let all = [arguments, &["--local", "-f", "-", "-o", "json"]].concat();
        let (code, output, words) = explain(DAY, &all, NAMESAKES);
        assert_eq!(code, 0, "{arguments:?}: {words}");
        let data: Value = serde_json::from_str(&output).expect("it prints JSON");
        let all = data.as_array().cloned().unwrap_or_else(|| vec![data.clone()]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let name = |one: &Value| {
            format!(
                "{}/{}/{}",
                text(&one["namespace"]),
                text(&one["fleet"]),
                text(&one["client"]["name"])
            )
        };
        all.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(found(&["pc"]), ["a/one/pc", "a/two/pc"]);
    assert_eq!(found(&["PC"]), ["a/two/other"]);
    assert_eq!(found(&["x"]), ["a/one/pc"]);
    assert_eq!(found(&["pC-7"]), ["b/one/b1"]);
    assert_eq!(found(&["two/pc"]), ["a/two/pc"]);
    assert_eq!(found(&["a/one/pc"]), ["a/one/pc"]);
    assert_eq!(found(&["pc", "--fleet", "one"]), ["a/one/pc"]);
    assert_eq!(found(&["a/b", "--fleet", "one"]), ["b/one/a/b"]);
    assert_eq!(found(&["pc-7", "-n", "b"]), ["b/one/b1"]);
    assert_eq!(found(&["a/b"]), ["b/one/a/b"]);
    assert_eq!(found(&["a/b", "-n", "b"]), ["b/one/a/b"]);

    let (_, output, _) = explain(DAY, &["pc", "--local", "-f", "-"], NAMESAKES);
    insta::assert_snapshot!("namesakes", output);
}

#[test]
fn what_is_wrong_is_said() {
    let mut text = String::new();
    for arguments in [
        &["pcc", "--local", "-f", "-"][..],
        &["zzzzzz", "--local", "-f", "-"],
        &["pc-8", "-n", "b", "--local", "-f", "-"],
        &["ones/pc", "--local", "-f", "-"],
        &["a/b", "-n", "a", "--local", "-f", "-"],
        &["two/x", "--local", "-f", "-"],
        &["two/zzzzzz", "--local", "-f", "-"],
        &["a//pc", "--local", "-f", "-"],
        &["a/one/pc", "-n", "b", "--local", "-f", "-"],
        &["pc", "--local"],
        &["pc", "-f", "-"],
        &["pc", "--local", "-f", "-", "--context", "x"],
        &["pc", "--local", "-f", "-", "--at", "noon"],
        &["pc", "--local", "-f", "nowhere.yaml"],
    ] {
        let (code, output, words) = explain(DAY, arguments, NAMESAKES);
        assert_eq!(output, "", "{arguments:?}");
        text += &format!(
            "$ clientfleet explain {}\n{words}[exit code {code}]\n\n",
            arguments.join(" ")
        );
    }
    insta::assert_snapshot!("errors", text);
}

#[test]
fn a_terminal_is_given_no_orders() {
    // Nothing validates command-line arguments, so an error message must not print their control
    // characters to the terminal.
    let (code, _, words) = explain(DAY, &["\x1b[2Jpc", "--local", "-f", "-"], NAMESAKES);
    assert_eq!(code, 1);
    assert!(!words.contains('\x1b'), "{words:?}");
}
