//! Compares the verdicts of kubectl and the program on texts: several documents, lists, JSON, and what
//! YAML makes of unquoted words.

use clientfleet::cli::files::File;
use clientfleet::cli::objects;

use crate::{control_plane, served};

const FLEET: &str = "apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, namespace: default}
spec: {packageVersion: '2.0', clients: [{name: a}]}
";
const POLICY: &str = "apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all, namespace: default}
spec: {upgrade: {mode: AutoUpgrade}}
";
/// A policy whose lists and scope are commented out, as in users' files.
const COMMENTED_OUT: [(&str, &str); 3] = [
    ("windows", "\n  distribution:\n    windows:\n#   - {start: '22:00', end: '05:00'}\n"),
    ("exclude", "\n  scope:\n    clients: [{search: a}]\n    exclude:\n#   - {search: kiosk}\n"),
    ("scope", "\n  scope:\n#   clients: [{search: canary}]\n"),
];

fn indented(text: &str) -> String {
    format!("- {}", text.trim_end().replace('\n', "\n  "))
}

fn list(header: &str, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| indented(item)).collect();
    format!("{header}\nitems:\n{}\n", items.join("\n"))
}

fn accepted() -> Vec<(&'static str, String)> {
    let (v1, fleets) = (
        "apiVersion: v1\nkind: List",
        "apiVersion: clientfleet.dev/v1alpha1\nkind: ClientFleetList",
    );
    let bare = FLEET.lines().skip(2).collect::<Vec<_>>().join("\n");
    let json = |text: &str| {
        serde_saphyr::from_str::<serde_json::Value>(text).expect("an object").to_string()
    };
    vec![
        ("one object", FLEET.to_owned()),
        ("two documents", format!("{FLEET}---\n{POLICY}")),
        ("empty documents", format!("---\n---\n# nothing\n---\n{FLEET}---\n")),
        ("JSON", json(POLICY)),
        ("JSON after JSON", format!("{}\n{}", json(POLICY), json(FLEET))),
        ("a list", list(v1, &[FLEET, POLICY])),
        ("a list of fleets", list(fleets, &[FLEET])),
        ("a list of fleets without a kind", list(fleets, &[&bare])),
        ("a byte order mark", format!("\u{feff}{FLEET}")),
        ("carriage returns", FLEET.replace('\n', "\r\n")),
        ("a status", format!("{FLEET}status: {{observedGeneration: 3}}\n")),
        ("an alias", FLEET.replace("'2.0'", "&v '2.0'").replace("name: a", "name: *v")),
        ("an octal number", POLICY.replace("spec: {", "spec: {offlineAfterDays: 030, ")),
        ("creationTimestamp", FLEET.replace("name: one", "name: one, creationTimestamp: null")),
    ]
}

fn refused() -> Vec<(&'static str, String)> {
    let v1 = "apiVersion: v1\nkind: List";
    let nested = list(v1, &[&list(v1, &[FLEET])]);
    let mut texts = vec![
        ("nothing", String::new()),
        ("comments", "# here\n".to_owned()),
        ("a list without items", format!("{v1}\n")),
        ("a list of null", format!("{v1}\nitems:\n")),
        ("a list in a list", nested),
        ("another kind", FLEET.replace("ClientFleet", "clientfleet")),
        ("another version", FLEET.replace("v1alpha1", "v1")),
        ("generateName", FLEET.replace("name: one", "generateName: one-")),
        ("no name", FLEET.replace("name: one, ", "")),
        ("a number as a name", FLEET.replace("name: one", "name: 1")),
        ("a number as a version", FLEET.replace("'2.0'", "2.0")),
        ("a boolean as a label", FLEET.replace("name: one", "name: one, labels: {a: yes}")),
        ("a tab", FLEET.replace("spec: {packageVersion", "spec:\n\tpackageVersion")),
        ("an unknown alias", FLEET.replace("'2.0'", "*v")),
    ];
    for (name, rest) in COMMENTED_OUT {
        let spec = format!("spec:\n  upgrade: {{mode: AutoUpgrade}}{rest}");
        texts.push((name, POLICY.replace("spec: {upgrade: {mode: AutoUpgrade}}\n", &spec)));
    }
    texts
}

/// Returns texts that only the program refuses, because they rarely say what their author means.
fn refused_here_alone() -> Vec<(&'static str, String)> {
    vec![
        ("a field twice", FLEET.replace("spec: {", "spec: {packageVersion: '1', ")),
        ("no namespace", FLEET.replace("namespace: default", "namespace: ")),
        ("a null with a default", POLICY.replace("spec: {", "spec: {priority: , ")),
    ]
}

#[tokio::test]
async fn kubectl_and_the_program_judge_texts_alike() {
    served::client().await;
    let plane = control_plane::shared();
    let tables =
        [(accepted(), true, true), (refused(), false, false), (refused_here_alone(), true, false)];
    let cases = tables.into_iter().flat_map(|(table, by_kubectl, here)| {
        table.into_iter().map(move |(name, text)| (name, text, by_kubectl, here))
    });
    let mut wrong = Vec::new();
    for (name, text, is_accepted_by_kubectl, is_accepted_here) in cases {
        let arguments = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
        let kubectl = plane.kubectl_ok(&arguments, &text);
        if kubectl.is_ok() != is_accepted_by_kubectl {
            wrong.push(format!("{name}: kubectl: {kubectl:?}"));
        }
        let file = File { name: "a.yaml".to_owned(), content: Ok(text.into_bytes()) };
        let problems = objects::find([file], &mut |_| {}).problems;
        if problems.is_empty() != is_accepted_here {
            wrong.push(format!("{name}: the program: {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
