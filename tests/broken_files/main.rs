//! Tests the error messages of `clientfleet plan --local` for invalid files, which must state where
//! the error is and what to write instead.
//!
//! One snapshot contains all messages for review; further tests check that no input causes a panic.

mod empty_keys;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use clientfleet::cli::files::File;
use clientfleet::cli::objects;
use clientfleet::plan::{self, Estate};
use clientfleet::values::Timestamp;
use proptest::prelude::*;

const HEAD: &str = "apiVersion: clientfleet.dev/v1alpha1\nkind: ";

struct Case {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    arguments: Vec<&'static str>,
    says: Vec<&'static str>,
}

fn case(name: &'static str, content: impl Into<Vec<u8>>, says: &[&'static str]) -> Case {
    let files = vec![("a.yaml", content.into())];
    Case { name, files, arguments: vec!["plan", "--local", "-f", "a.yaml"], says: says.to_vec() }
}

fn files(name: &'static str, files: &[(&'static str, &str)], says: &[&'static str]) -> Case {
    let files = files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect();
    Case { name, files, arguments: vec!["plan", "--local", "-f", "."], says: says.to_vec() }
}

fn called(name: &'static str, arguments: &[&'static str], says: &[&'static str]) -> Case {
    Case { name, files: Vec::new(), arguments: arguments.to_vec(), says: says.to_vec() }
}

fn fleet(spec: &str) -> String {
    format!(
        "{HEAD}ClientFleet\nmetadata: {{name: berlin}}\nspec:\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

fn policy(spec: &str) -> String {
    format!(
        "{HEAD}UpgradePolicy\nmetadata: {{name: nights}}\nspec:\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

fn unreadable() -> Vec<Case> {
    let utf_16: Vec<u8> =
        "\u{feff}kind: ClientFleet".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        case(
            "not YAML",
            "kind: ClientFleet\n  spec: [1,\n",
            &["a.yaml, document 1, line 2", "not YAML"],
        ),
        case(
            "binary",
            vec![0x7f, b'E', b'L', b'F', 0xd0, 0xff],
            &["a.yaml: line 1, column 5", "UTF-8"],
        ),
        case("UTF-16", utf_16, &["a.yaml: ", "UTF-16", "save it as UTF-8"]),
        case("a NUL byte", "kind: Cl\0ientFleet\n", &["a.yaml: line 1, column 9", "NUL"]),
        case("empty", "", &["a.yaml: ", "holds no object"]),
        case("comments alone", "# nothing\n---\n# here\n", &["a.yaml: ", "holds no object"]),
        case(
            "broken JSON",
            "{\"kind\": \"ClientFleet\",",
            &["a.yaml, document 1, line 1", "not JSON"],
        ),
        case("an alias bomb", alias_bomb(), &["a.yaml, document 1, line 6", "aliases", "16 MiB"]),
        case(
            "an alias of itself",
            "a: &a [*a]\n",
            &["a.yaml, document 1, line 1, column 8", "alias"],
        ),
        case("an unknown alias", "a: *b\n", &["a.yaml, document 1, line 1, column 4"]),
        case("deep YAML", "[".repeat(10_000), &["a.yaml, document 1"]),
        case("deep JSON", "{\"a\":".repeat(10_000), &["a.yaml, document 1"]),
        case(
            "deep blocks",
            (0..200).map(|n| " ".repeat(n) + "a:\n").collect::<String>(),
            &["document 1, line 65"],
        ),
        case(
            "a field twice",
            fleet("packageVersion: '1'\npackageVersion: '2'"),
            &["document 1, line 6", "`packageVersion` is given twice"],
        ),
        case(
            "a field twice in JSON",
            "{\"kind\": \"a\", \"kind\": \"b\"}",
            &["document 1, line 1", "`kind` is given twice"],
        ),
        case(
            "a field twice in an item of a list in JSON",
            "{\"apiVersion\": \"v1\", \"items\": [{\"kind\": \"Namespace\"},\n\
             {\"a\": 1, \"a\": 2}], \"kind\": \"List\"}",
            &["document 1, line 2", "`a` is given twice"],
        ),
        case(
            "a merge over a field",
            "a: 1\n<<: {a: 2}\n",
            &["document 1, line 2", "put `<<` first"],
        ),
        case("a tag", "a: !secret b\n", &["document 1, line 1", "the tag !secret"]),
        case(
            "no number",
            fleet("packageVersion: .nan"),
            &["document 1, line 5", "`.nan`", "quotes"],
        ),
    ]
}

fn alias_bomb() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{below}]");
    }
    text
}

fn no_objects() -> Vec<Case> {
    vec![
        case("a list", "- a\n- b\n", &["a.yaml, document 1: this is a list"]),
        case("plain text", "hello\n", &["a.yaml, document 1: this is plain text"]),
        case(
            "no apiVersion",
            "kind: ClientFleet\nmetadata: {name: berlin}\n",
            &["document 1, apiVersion:"],
        ),
        case("no kind", "apiVersion: v1\n", &["document 1, kind:"]),
        case(
            "another version",
            "apiVersion: clientfleet.dev/v1\nkind: ClientFleet\nmetadata: {name: berlin}\n",
            &["(ClientFleet berlin), apiVersion", "clientfleet.dev/v1alpha1"],
        ),
        case(
            "another kind",
            format!("{HEAD}ClientFleets\nmetadata: {{name: berlin}}\n"),
            &["(ClientFleets berlin), kind", "`ClientFleet`"],
        ),
        case(
            "no metadata",
            format!("{HEAD}ClientFleet\nspec: {{packageVersion: '1'}}\n"),
            &["(ClientFleet without a name), metadata.name"],
        ),
        case(
            "a name of other characters",
            fleet("packageVersion: '1'").replace("berlin", "Berlin_1"),
            &["(ClientFleet default/Berlin_1), metadata.name"],
        ),
        case(
            "a generation in words",
            fleet("packageVersion: '1'").replace("berlin", "berlin, generation: one"),
            &["(ClientFleet default/berlin), metadata"],
        ),
        case(
            "no spec",
            format!("{HEAD}ClientFleet\nmetadata: {{name: berlin}}\n"),
            &["(ClientFleet default/berlin), spec"],
        ),
        case(
            "an empty spec",
            format!("{HEAD}UpgradePolicy\nmetadata: {{name: nights}}\nspec:\n"),
            &["(UpgradePolicy default/nights), spec"],
        ),
        case(
            "another's status",
            fleet("packageVersion: '1'") + "status: {clients: 3}\n",
            &["(ClientFleet default/berlin), status", "leave `status` out"],
        ),
    ]
}

fn no_items() -> Vec<Case> {
    vec![
        case(
            "items of a list that leave out what the list says",
            "{\"apiVersion\": \"clientfleet.dev/v1alpha1\", \"items\": [{\"spec\": 3}, {}, 5], \
             \"kind\": \"ClientFleetList\"}",
            &["document 1, item 1", "(ClientFleet without a name)", "document 1, item 3"],
        ),
        case(
            "a list in a list",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n",
            &["document 1, item 1: this is a list in a list"],
        ),
        case(
            "items that are none",
            "apiVersion: v1\nkind: List\nitems: {a: 1}\n",
            &["document 1, items"],
        ),
        case(
            "an item of a list",
            format!(
                "apiVersion: v1\nkind: List\nitems:\n- {{{}}}\n",
                "apiVersion: clientfleet.dev/v1alpha1, kind: ClientFleet"
            ),
            &["document 1, item 1 (ClientFleet"],
        ),
    ]
}

fn refused() -> Vec<Case> {
    let clients = |clients: &str| fleet(&format!("packageVersion: '1'\nclients:\n{clients}"));
    let many: String = (0..251).map(|n| format!("- {{name: c{n}}}\n")).collect();
    vec![
        case(
            "an unknown field",
            fleet("packageVerson: '3.59'"),
            &["(ClientFleet default/berlin), spec", "packageVerson", "packageVersion"],
        ),
        case(
            "a version without quotes",
            fleet("packageVersion: 3.59"),
            &["spec.packageVersion", "quotes"],
        ),
        case(
            "a user who reads as a boolean",
            clients("- {name: a, reported: {lastUser: no}}"),
            &["spec.clients[0].reported.lastUser", "quotes"],
        ),
        case(
            "a mapping for a list",
            fleet("packageVersion: '1'\nclients: {name: a}"),
            &["spec.clients", "list"],
        ),
        case("a client twice", clients("- {name: a}\n- {name: b}\n- {name: a}"), &["spec.clients"]),
        case("too many clients", clients(&many), &["spec.clients", "250"]),
        case(
            "a lock without a version",
            policy("upgrade: {mode: OnlyUpgradeTo}"),
            &["(UpgradePolicy default/nights), spec.upgrade"],
        ),
        case(
            "an unknown mode",
            policy("upgrade: {mode: Auto}"),
            &["spec.upgrade.mode", "AutoUpgrade"],
        ),
        case(
            "a network with host bits",
            policy("scope: {clients: [{cidrs: [10.1.2.3/8]}]}"),
            &["spec.scope.clients[0].cidrs[0]"],
        ),
        case(
            "a mistyped criterion",
            policy("scope: {clients: [{computer: [LT-1]}]}"),
            &["spec.scope.clients[0]", "computer"],
        ),
        case(
            "what a terminal would obey",
            fleet("packageVersion: \"\\e[2J\""),
            &["spec.packageVersion", "\\u{1b}"],
        ),
    ]
}

fn sets_and_calls() -> Vec<Case> {
    let one = fleet("packageVersion: '1'");
    vec![
        files(
            "an object twice",
            &[("a.yaml", &one), ("b.yaml", &format!("# first\n---\n# second\n---\n{one}"))],
            &[
                "./b.yaml, document 2 (ClientFleet default/berlin)",
                "given twice",
                "./a.yaml, document 1",
            ],
        ),
        files(
            "all problems of all files",
            &[("a.yaml", "a: [\n---\nb: ]\n---\n- c\n"), ("b.json", "{"), ("c.yml", "")],
            &[
                "./a.yaml, document 1",
                "./a.yaml, document 2",
                "./a.yaml, document 3",
                "./b.json, document 1",
                "./c.yml",
            ],
        ),
        files("a folder without files", &[("notes.txt", "")], &[".: this folder holds no"]),
        called(
            "a missing file",
            &["plan", "--local", "-f", "missing.yaml"],
            &["missing.yaml", "No such file"],
        ),
        called(
            "a link to nowhere",
            &["plan", "--local", "-f", "nowhere.yaml"],
            &["nowhere.yaml", "No such file"],
        ),
        called(
            "standard input twice",
            &["plan", "--local", "-f", "-", "-f", "-"],
            &["standard input", "twice"],
        ),
        called(
            "no moment",
            &["plan", "--local", "-f", "-", "--at", "tomorrow"],
            &["--at", "2026-11-24T12:00:00Z"],
        ),
        called(
            "no format",
            &["plan", "--local", "-f", "-", "-o", "csv"],
            &["csv", "table, wide, json, yaml, markdown, name"],
        ),
        called("no file", &["plan", "--local"], &["--filename"]),
        called(
            "no kubeconfig",
            &["plan", "-f", "-", "--kubeconfig", "missing.yaml"],
            &["missing.yaml", "--kubeconfig"],
        ),
        called("no change", &["plan", "--local", "-f", "-", "--exit-code"], &["--against"]),
        called("a cluster as well", &["plan", "--local", "-f", "-", "-n", "x"], &["--local"]),
        called("no command", &["plam"], &["plam", "plan"]),
    ]
}

/// Runs a test case in the folder of its files, so that messages contain relative paths and are the
/// same on every machine. Returns the exit code, standard output and standard error.
fn run(case: &Case) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in &case.files {
        fs::write(folder.path().join(name), bytes).expect("a file");
    }
    if case.arguments.contains(&"nowhere.yaml") {
        std::os::unix::fs::symlink("gone.yaml", folder.path().join("nowhere.yaml"))
            .expect("a link");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
        .args(&case.arguments)
        .current_dir(folder.path())
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_mistake_is_told_with_where_and_what_to_write_instead() {
    insta::assert_snapshot!(
        "broken_files",
        told_of(&[unreadable(), no_objects(), no_items(), refused(), sets_and_calls(),])
    );
}

/// Runs the cases, each of which must fail with its messages. Returns all messages.
fn told_of(cases: &[Vec<Case>]) -> String {
    let mut told = String::new();
    let mut missing = String::new();
    for case in cases.iter().flatten() {
        let (code, stdout, stderr) = run(case);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{}: {stderr}", case.name);
        for fragment in case.says.iter().filter(|fragment| !stderr.contains(*fragment)) {
            let _ = writeln!(missing, "{}: `{fragment}` is not in: {stderr}", case.name);
        }
        let _ = writeln!(told, "# {}\n{stderr}", case.name);
    }
    assert!(missing.is_empty(), "{missing}");
    told
}

fn read_and_plan(bytes: Vec<u8>) {
    let mut estate = Estate::default();
    let file = File { name: "a.yaml".to_owned(), content: Ok(bytes) };
    let findings = objects::find([file], &mut |object| object.stored.join(&mut estate));
    if !findings.problems.is_empty() {
        return;
    }
    let readable = estate.fleets.iter().all(|fleet| fleet.spec.is_ok())
        && estate.policies.iter().all(|policy| policy.spec.is_ok());
    assert!(readable, "what is admitted can be read: {estate:?}");
    let at = Timestamp::from_timestamp(1_795_500_000, 0).expect("an instant");
    let statuses = plan::settle(&estate, at);
    assert_eq!(
        statuses.fleets.len() + statuses.policies.len(),
        estate.fleets.len() + estate.policies.len()
    );
}

fn example_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths =
        fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("an example").path());
    paths.map(|path| fs::read_to_string(path).expect("text")).collect()
}

/// Texts that users and programs write into files by mistake.
const ODD: [&str; 24] = [
    "",
    "null",
    "~",
    "[]",
    "{}",
    "no",
    "3.59",
    "-1",
    "9223372036854775807",
    "1e400",
    "'",
    "\"",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: ",
    "\t",
    "\u{feff}",
    "\u{0}",
    "24:00",
    "2026-02-30",
    "!!int x",
    "99999999999999999999.1.1.1.1.1.1",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_and_plan(bytes);
    }

    #[test]
    fn arbitrary_text_of_yaml_signs_does_not_panic(text in r#"[-\[\]{}:,&*!|>'"%@`#?<a1. \n\t]{0,200}"#) {
        read_and_plan(text.into_bytes());
    }

    #[test]
    fn spoiled_examples_do_not_panic(
        file in 0..100_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_usize, 0..ODD.len()), 1..4),
    ) {
        let files = example_files();
        let mut lines: Vec<String> = files[file % files.len()].lines().map(str::to_owned).collect();
        for (at, edit, odd) in edits {
            let line = at.index(lines.len());
            match edit {
                // Keep the key, so that the inserted text becomes the value of a field.
                0 => if let Some((key, _)) = lines[line].clone().split_once(": ") {
                    lines[line] = format!("{key}: {}", ODD[odd]);
                },
                1 => {
                    let middle = lines[line].char_indices().map(|(at, _)| at).nth(lines[line].chars().count() / 2);
                    lines[line].insert_str(middle.unwrap_or(0), ODD[odd]);
                }
                _ => lines[line].clear(),
            }
        }
        read_and_plan(lines.join("\n").into_bytes());
    }
}
