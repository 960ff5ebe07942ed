//! Tests `clientfleet plan --local --against` with the real binary. Snapshots show how changes to
//! `examples/` affect each client.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Tuesday, 24 November 2026, at 13:00 in Berlin, 07:00 in New York and 21:00 in Tokyo.
const DAY: &str = "2026-11-24T12:00:00Z";
/// Tuesday, 24 November 2026, at 10:00 in Berlin, 04:00 in New York and 18:00 in Tokyo.
const MORNING: &str = "2026-11-24T09:00:00Z";
/// Tuesday, 24 November 2026, at 15:00 in Berlin, 09:00 in New York and 23:00 in Tokyo.
const NIGHT_IN_TOKYO: &str = "2026-11-24T14:00:00Z";

/// A folder with the examples before a change (`old`) and after it (`new`).
struct Change {
    folder: TempDir,
}

impl Change {
    /// Copies the examples to `old` and `new`, and makes the edits in `new`.
    ///
    /// An edit consists of a part of a file name, a text in that file (empty to remove the file),
    /// and the replacement for this text.
    fn of(edits: &[(&str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for side in ["old", "new"] {
            std::fs::create_dir(folder.path().join(side)).expect("a folder");
        }
        for entry in std::fs::read_dir(examples).expect("the examples") {
            let path = entry.expect("an example").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
            if !name.ends_with(".yaml") || name == "00-namespace.yaml" {
                continue;
            }
            let mut text = std::fs::read_to_string(&path).expect("an example");
            std::fs::write(folder.path().join("old").join(name), &text).expect("a file");
            let mut is_gone = false;
            for (_, from, to) in edits.iter().filter(|edit| name.contains(edit.0)) {
                is_gone |= from.is_empty();
                assert!(text.contains(from), "{name} has no {from}");
                text = text.replace(from, to);
            }
            if !is_gone {
                std::fs::write(folder.path().join("new").join(name), &text).expect("a file");
            }
        }
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(["plan", "--local", "-f", "new", "--against", "old"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TZ", "Europe/Berlin")
            .output()
            .expect("the program runs")
    }

    /// Runs `plan`, which must succeed with an empty standard error. Returns its standard output.
    fn run_plan(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).expect("results are text")
    }

    fn data(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        serde_json::from_str(&self.run_plan(&arguments)).expect("it prints JSON")
    }

    fn ends(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let words = String::from_utf8(output.stderr).expect("words are text");
        (output.status.code().expect("it is not killed"), words)
    }
}

fn new_version() -> Change {
    Change::of(&[("10-fleet-berlin", "\"3.59.127.0\"\n  retained", "\"3.60.1.0\"\n  retained")])
}

/// Returns a change with several kinds of edits, for the tests of output formats and of `--limit`.
fn much() -> Change {
    Change::of(&[
        ("10-fleet-berlin", "\"3.59.127.0\"\n  retained", "\"3.60.1.0\"\n  retained"),
        ("32-lab-downgrade", "", ""),
        ("34-dated", "priority: 30", "priority: 30\n  suspend: true"),
        ("50-one", "BER-LT-008", "BER-LT-009"),
    ])
}

#[test]
fn a_new_version() {
    insta::assert_snapshot!(new_version().run_plan(&["--at", DAY]));
}

#[test]
fn a_policy_is_suspended() {
    let change = Change::of(&[("21-nights", "priority: 10", "priority: 10\n  suspend: true")]);
    insta::assert_snapshot!(change.run_plan(&["--at", NIGHT_IN_TOKYO]));
}

#[test]
fn a_freeze() {
    let change = Change::of(&[("40-year-end", "2026-12-19", "2026-11-24")]);
    insta::assert_snapshot!(change.run_plan(&["--at", NIGHT_IN_TOKYO]));
}

/// Checks the plan for a policy that stops two offers now, and also cancels upgrades that would
/// start in later nights. The plan must list the canceled upgrades.
#[test]
fn a_hold_takes_away_what_was_to_come() {
    let change = Change::of(&[("20-nothing", "priority: 0", "priority: 90")]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
    let data = change.data(&["--at", DAY]);
    let lost = data["clients"].as_array().expect("clients").iter();
    let lost: Vec<&Value> = lost.filter(|client| client["effect"] == "NoLongerMoves").collect();
    assert_eq!(data["summary"]["noLongerMoving"].as_u64(), Some(lost.len() as u64));
    for client in lost {
        assert_eq!(client["was"]["when"], "From", "{client}");
    }
}

/// Checks a change that shifts the start of a window. Every affected client then moves to its
/// target version at another time, and the plan must print the old and the new time.
#[test]
fn a_window_is_shifted() {
    let change = Change::of(&[("21-nights", "start: \"22:00\"", "start: \"21:00\"")]);
    insta::assert_snapshot!(change.run_plan(&["--at", MORNING]));
    let summary = &change.data(&["--at", MORNING])["summary"];
    assert_eq!(summary["movingLater"], 0);
    assert_eq!(summary["movingAtAnotherTime"], summary["changed"]);
}

/// Checks a change that renames a policy. The new policy offers the same version at the same time,
/// so only the policy in the clients' decisions changes.
#[test]
fn another_policy_decides_the_same() {
    let change = Change::of(&[("21-nights", "name: nights-and-weekends", "name: nights")]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY, "--limit", "5"]));
    assert_eq!(change.data(&["--at", DAY])["summary"]["movingLater"], 0);
}

/// Checks that `stayingOut` does not count clients that move later.
#[test]
fn nobody_moves_and_stays_out() {
    let told = new_version().data(&["--at", "2026-12-24T12:00:00Z"]);
    let fleets = told["fleets"].as_array().expect("fleets");
    assert!(fleets.iter().any(|fleet| fleet["summary"]["movingLater"] != 0));
    for fleet in fleets {
        let out = fleet["stayingOut"].as_array().expect("a list").iter();
        let out: u64 = out.filter_map(|out| out["clients"].as_u64()).sum();
        let count = |name: &str| fleet["summary"][name].as_u64().unwrap_or_default();
        let moving = count("movingNow") + count("movingLater") + count("movingAtAnotherTime");
        assert!(out + moving <= count("clients"), "{fleet:#}");
    }
}

#[test]
fn a_hold_with_a_typing_error() {
    let change = Change::of(&[("50-one", "BER-LT-008", "BER-LT-O08")]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
}

#[test]
fn networks_in_doubt() {
    let change = Change::of(&[
        ("10-fleet-berlin", "        ip: \"10.10.1.11\"\n", ""),
        ("10-fleet-berlin", "ip: \"10.10.1.12\"\n", "ip: \"10.10.1.12, DHCP\"\n"),
        ("30-canary", "  scope:\n", "  scope:\n    exclude:\n      - cidrs: [\"10.20.0.0/16\"]\n"),
        ("32-lab", "198.51.100.0/24", "198.51.100.0/25"),
    ]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
}

#[test]
fn a_policy_is_removed() {
    let change = Change::of(&[("30-canary", "", "")]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
}

#[test]
fn clients_and_fleets_come_and_go() {
    let change = Change::of(&[
        ("14-fleet-depot", "", ""),
        ("10-fleet-berlin", "name: ber-ws-001", "name: ber-ws-101"),
    ]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
}

#[test]
fn every_format() {
    let change = much();
    for format in ["wide", "markdown", "yaml", "name"] {
        insta::assert_snapshot!(
            format!("as_{format}"),
            change.run_plan(&["--at", DAY, "-o", format])
        );
    }
    let markdown = change.run_plan(&["--at", DAY, "-o", "markdown"]);
    assert!(markdown.contains("2026-11-24 22:00 Asia/Tokyo"), "read for weeks: {markdown}");
    let of_yaml = &clientfleet::cli::yaml::read(&change.run_plan(&["--at", DAY, "-o", "yaml"]))[0];
    assert_eq!(of_yaml.content.as_ref().expect("YAML").value(), change.data(&["--at", DAY]));
}

#[test]
fn rows_are_limited_and_counts_are_not() {
    let change = much();
    let limited = change.run_plan(&["--at", DAY, "--limit", "3"]);
    insta::assert_snapshot!(limited);
    let all = change.run_plan(&["--at", DAY, "--limit", "0"]);
    assert!(!all.contains("more: --limit"), "{all}");
    assert_eq!(all, change.run_plan(&["--at", DAY]), "35 are fewer than 50");
    assert_eq!(change.data(&["--at", DAY])["clients"].as_array().map(Vec::len), Some(35));
}

#[test]
fn nothing_changes() {
    let change = Change::of(&[]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY, "--exit-code", "--max-moving", "0"]));
    assert_eq!(change.run_plan(&["--at", DAY, "-o", "name"]), "");
}

#[test]
fn another_spelling_of_a_version_changes_the_object_alone() {
    let change = Change::of(&[(
        "12-fleet-new-york",
        "packageVersion: \"3.59.127.0\"",
        "packageVersion: \"v3.59.127\"",
    )]);
    insta::assert_snapshot!(change.run_plan(&["--at", DAY]));
}

#[test]
fn the_moment_decides() {
    let moving = |at: &str| new_version().data(&["--at", at])["summary"]["movingNow"].as_u64();
    assert_eq!(moving(DAY), Some(3));
    assert!(moving("2026-11-24T21:30:00Z") > Some(3), "night in Berlin");
}

/// A rollback of the version that the package has: the ring `canary` would go up again.
const ROLLBACK: (&str, &str, &str) = (
    "32-lab-downgrade",
    "version: \"3.57.98.2\"\n    allowDowngrade: true\n  scope:\n    clients:\n      - cidrs: [\"198.51.100.0/24\"]",
    "version: \"3.58.110.0\"\n    allowDowngrade: true\n  scope:\n    clients:\n      \
     - versions: [\"3.59.127\"]\n        cidrs: [\"0.0.0.0/0\"]",
);

/// Checks that `plan` warns of a circle that the change makes, and of the facts that decide who is in
/// scope.
#[test]
fn a_new_circle_is_a_warning() {
    let change = Change::of(&[ROLLBACK]);
    let warnings = |change: &Change| {
        let output = change.run(&["--at", DAY, "-o", "json"]);
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let warnings = found["warnings"].as_array().expect("a list").iter();
        let messages = warnings.map(|w| {
            format!("{}: {}", w["name"].as_str().unwrap(), w["message"].as_str().unwrap())
        });
        messages.filter(|message| message.starts_with("lab-downgrade")).collect::<Vec<_>>()
    };
    insta::assert_snapshot!(warnings(&change).join("\n"));
    // Both sides have the circle.
    let folder = change.folder.path();
    std::fs::copy(
        folder.join("new/32-lab-downgrade.yaml"),
        folder.join("old/32-lab-downgrade.yaml"),
    )
    .expect("a copy");
    assert!(warnings(&change).iter().all(|message| !message.contains("circle")));
}

/// Checks that the warning counts exactly the clients of the circle, wherever in its fleet a client
/// stands that runs the same version and that another policy holds where the circle would lead it.
#[test]
fn a_circle_counts_its_clients_in_any_order() {
    let policies = "
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all, namespace: c}
spec: {priority: 10, upgrade: {mode: AutoUpgrade}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: kiosks, namespace: c}
spec:
  priority: 400
  upgrade: {mode: NoUpgrade}
  scope: {clients: [{labelSelector: {matchLabels: {role: kiosk}}}]}
";
    let back = "---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: back, namespace: c}
spec:
  priority: 500
  upgrade: {mode: OnlyUpgradeTo, version: '3.58', allowDowngrade: true}
  scope: {clients: [{versions: ['3.59']}]}
";
    for kiosk in ["a-kiosk", "k-kiosk", "z-kiosk"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut clients: Vec<String> = ["b", "m", "p"]
            .map(|name| format!("{{name: {name}, reported: {{version: '3.59'}}}}"))
            .to_vec();
        clients.push(format!(
            "{{name: {kiosk}, labels: {{role: kiosk}}, reported: {{version: '3.59'}}}}"
        ));
        clients.sort();
        let fleet = format!(
            "---\napiVersion: clientfleet.dev/v1alpha1\nkind: ClientFleet\nmetadata: {{name: f, \
             namespace: c}}\nspec: {{packageVersion: '3.59', retainedVersions: ['3.58'], clients: \
             [{}]}}\n",
            clients.join(", ")
        );
        let write = |side: &str, text: &str| {
            std::fs::write(folder.path().join(side), text).expect("a file");
        };
        write("old", &[policies, &fleet].concat());
        write("new", &[policies, &fleet, back].concat());
        let data = Change { folder }.data(&["--at", DAY]);
        let warnings = data["warnings"].as_array().expect("a list").iter();
        let mut messages = warnings.map(|warning| warning["message"].as_str().expect("a text"));
        let message = messages.find(|message| message.contains("circle")).expect("a warning");
        assert!(message.starts_with("3 clients have targets that form a circle"), "{message}");
    }
}

#[test]
fn exit_codes_tell_whether_something_changes_and_how_much_moves() {
    let (change, none) = (new_version(), Change::of(&[]));
    assert_eq!(change.ends(&["--at", DAY]), (0, String::new()));
    assert_eq!(change.ends(&["--at", DAY, "--exit-code"]), (1, String::new()));
    assert_eq!(none.ends(&["--at", DAY, "--exit-code"]), (0, String::new()));
    assert_eq!(change.ends(&["--at", DAY, "--max-moving", "3"]), (0, String::new()));
    let words = "error: 3 clients would move now, more than --max-moving 2 allows\n".to_owned();
    let limit = ["--at", DAY, "--max-moving", "2", "--exit-code"];
    assert_eq!(change.ends(&limit), (3, words));
    assert!(!change.run(&limit).stdout.is_empty(), "the plan is printed all the same");
    // With `--exit-code`, a changed object must give exit code 1 even if no client is affected.
    let spelled = Change::of(&[("30-canary", "retryAfterHours: 1", "retryAfterHours: 2")]);
    assert_eq!(spelled.ends(&["--at", DAY, "--exit-code"]).0, 1);
}

#[test]
fn options_that_make_no_sense_together_are_refused() {
    let change = Change::of(&[]);
    let ends = |arguments: &[&str]| change.ends(arguments);
    for arguments in [
        &["-n", "clients"][..],
        &["--field-manager", "flux"],
        &["--server-side"],
        &["--context", "prod"],
        &["--limit", "3", "-o", "json"],
        &["--against", "-", "-f", "-"],
        &["--against", "missing"],
        &["--at", "noon"],
        &["-o", "csv"],
    ] {
        let (code, words) = ends(arguments);
        assert_eq!(code, 2, "{arguments:?}: {words}");
        assert!(words.starts_with("error: "), "{arguments:?}: {words}");
    }
    for arguments in [&["--limit", "1"][..], &["--exit-code"], &["-o", "markdown"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(["plan", "--local", "-f", "examples"])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("the program runs");
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(words.contains("--against"), "{words}");
    }
}

#[test]
fn what_is_wrong_on_either_side_is_told() {
    let change = Change::of(&[("30-canary", "mode: AutoUpgrade", "mode: Automatic")]);
    let (code, words) = change.ends(&["--at", DAY]);
    assert_eq!(code, 2);
    assert!(words.contains("new/30-canary.yaml, document 1"), "{words}");
}

/// Checks the warnings about policies that are not applied yet: scope entries that match no client,
/// criteria on values that change often (IP address, last user), and an unknown time zone. A search
/// for a computer name must cause no warning.
#[test]
fn a_policy_is_looked_at_before_it_is_applied() {
    let scope = "scope:\n    clients:\n      - search: \"10.10.1. ber\"\n      - search: ber-ws\n    exclude:\n      - users: [nobody]\n        computers: [BER-WS-001]\n";
    let from =
        "scope:\n    clients:\n      - labelSelector:\n          matchLabels: {ring: canary}\n";
    let change = Change::of(&[
        ("30-canary", from, scope),
        ("31-finance", "timeZone: Europe/Berlin", "timeZone: Europe/Bonn"),
    ]);
    let warnings = change.data(&["--at", DAY])["warnings"].clone();
    let told = |name: &str| -> Vec<String> {
        let all = warnings.as_array().expect("warnings").iter();
        let of = all.filter(|warning| warning["name"] == *name);
        of.map(|warning| warning["message"].as_str().unwrap_or_default().to_owned()).collect()
    };
    insta::assert_snapshot!("warnings_of_a_scope", told("canary").join("\n"));
    insta::assert_snapshot!("warnings_of_an_invalid_policy", told("finance-locked").join("\n"));
}

/// Checks that both policies of a tie are named with the one that governs, and that equal
/// priorities without shared clients cause no warning.
#[test]
fn a_tie_of_priorities_is_pointed_out() {
    let change = Change::of(&[
        ("30-canary", "priority: 50", "priority: 10"),
        ("20-nothing-by-default", "priority: 0", "priority: 10"),
    ]);
    let warnings = change.data(&["--at", DAY])["warnings"].clone();
    let told = warnings.as_array().expect("warnings").iter().map(|warning| {
        let text = |field: &str| warning[field].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("name"), text("message"))
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"));
}
