//! Tests what an import makes of names: names that differ only in case, invisible characters,
//! identities that cannot be a name, and texts that cannot be a label.

use std::collections::BTreeSet;

use clientfleet::api::{Kind, admission};
use clientfleet::cli::yaml;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::program::{local, printed, transcript};

fn clients(options: &[&str], export: &str) -> Vec<Value> {
    let fleets = yaml::read(&printed(options, export.as_bytes()));
    let fleets = fleets.into_iter().map(|fleet| fleet.content.expect("it is YAML").value());
    fleets.flat_map(|fleet| fleet["spec"]["clients"].as_array().cloned().unwrap()).collect()
}

#[test]
fn names_that_differ_only_in_case_are_told() {
    let export =
        "name,version\nBER-0006,3.58\nBER-0007,3.58\nber-0006,3.58\nÄhre,3.58\na\u{308}hre,3.58\n";
    insta::assert_snapshot!("case", transcript(&["--shard-size", "250"], export.as_bytes()));
}

#[test]
fn invisible_characters_never_get_into_a_name() {
    let export = "name,computer,user,version\n\
        \u{feff}LT-1\u{200b},\u{200b}lt\u{ad}-1,a\u{a0}b,\u{feff}3.58\n\
        \u{a0}LT-2 ,lt-2,b,3.58\n\
        LT-3,lt-3,c,3.58\n";
    let made = clients(&["--group-by", "version=v"], export);
    let wanted = json!([
        {"name": "LT-1", "labels": {"v": "3.58"},
         "reported": {"computer": "lt-1", "lastUser": "a b", "version": "3.58"}},
        {"name": "LT-2", "labels": {"v": "3.58"},
         "reported": {"computer": "lt-2", "lastUser": "b", "version": "3.58"}},
        {"name": "LT-3", "labels": {"v": "3.58"},
         "reported": {"computer": "lt-3", "lastUser": "c", "version": "3.58"}},
    ]);
    assert_eq!(Value::Array(made), wanted);
    insta::assert_snapshot!("trimmed", transcript(&[], export.as_bytes()));
    let inside: String = [
        '\u{feff}',
        '\u{200b}',
        '\u{200d}',
        '\u{ad}',
        '\u{202e}',
        '\u{a0}',
        '\u{2060}',
        '\u{fe0f}',
        '\u{3164}',
        '\u{e0041}',
        '\u{7}',
        '\u{85}',
    ]
    .iter()
    .enumerate()
    .map(|(number, character)| format!("LT-{number}{character}x\n"))
    .collect();
    let export = format!("name\n{inside}\u{200b}\nLT-9\n\u{feff}LT-9\n");
    for options in [&[][..], &["--derive-names"]] {
        let output = local(options, export.as_bytes());
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let words = String::from_utf8(output.stderr).expect("words are text");
        let is_hidden = |c: char| !c.is_ascii() || c.is_ascii_control() && c != '\n';
        assert!(!words.contains(is_hidden), "{words}");
        assert!(words.contains("all 15 rows are bad"), "{words}");
    }
    insta::assert_snapshot!("invisible", transcript(&[], export.as_bytes()));
}

#[test]
fn admission_refuses_names_with_invisible_characters() {
    let refused = |name: &str| {
        let fleet = json!({
            "apiVersion": "clientfleet.dev/v1alpha1", "kind": "ClientFleet",
            "metadata": {"name": "hq"}, "spec": {"packageVersion": "1", "clients": [{"name": name}]},
        });
        !admission::check(Kind::ClientFleet, &fleet).is_empty()
    };
    for name in ["\u{feff}LT-1", "LT\u{200b}1", "LT\u{a0}1", "LT\u{ad}1", "LT\u{202e}1"] {
        assert!(refused(name), "{}", name.escape_unicode());
    }
    for name in ["LT 1", "Köln", "佐藤　太郎", "a\u{301}"] {
        assert!(!refused(name), "{name}");
    }
}

const ODD: &str = "\
asset id,version,office
R&D/PC <7>,3.58,R&D
Straße 7 – Øst \"Turm\" \\ Zimmer 12,3.58,Human Resources
an asset that has had a very long name ever since it was bought in 2019,3.58,Köln
佐藤さんのとても長い名前のとても古いパソコンその二号機です本当に,3.58,東京
LT-1,3.58,berlin-2
LT-2,3.58,Human Resources
";

#[test]
fn identities_become_names_and_texts_become_labels() {
    let options = ["--derive-names", "--group-by", "Office"];
    insta::assert_snapshot!("derived", transcript(&options, ODD.as_bytes()));
    insta::assert_snapshot!("not_derived", transcript(&options[1..], ODD.as_bytes()));
    let computers = "name,computer\nR&D 1,pc-1\nR&D 2,\n";
    insta::assert_snapshot!("computers", transcript(&["--derive-names"], computers.as_bytes()));
    let names = |export: &str| -> BTreeSet<String> {
        let clients = clients(&options, export);
        clients.iter().map(|client| client["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names(ODD);
    assert_eq!(all.len(), 6);
    let mut lines: Vec<&str> = ODD.lines().collect();
    lines[1..].reverse();
    assert_eq!(names(&lines.join("\n")), all, "the order of rows does not matter");
    lines.truncate(4);
    assert!(names(&lines.join("\n")).is_subset(&all), "nor do the other rows");
}

#[test]
fn a_derived_name_is_nobody_elses() {
    let first = clients(&["--derive-names"], "name\nR&D 1\n");
    let taken = first[0]["name"].as_str().unwrap();
    let export = format!("name\nR&D 1\n{taken}\nLT-1\n");
    let output = local(&["--derive-names"], export.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    let told = format!(
        "line 2, column `name`: \"R&D 1\" would have the name `{taken}`, as \"{taken}\" in line 3 does"
    );
    assert!(words.contains(&told) && words.contains("2 of 3 rows are bad"), "{words}");

    let first = clients(&["--group-by", "site"], "name,site\nA,R&D\n");
    let taken = first[0]["labels"]["site"].as_str().unwrap();
    let export = format!("name,site\nA,R&D\nB,{taken}\n");
    let output = local(&["--group-by", "site"], export.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("line 3, column `site`"), "{words}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Imports identities of any kind, and checks that the names are valid, distinct and the same in
    /// an export with other rows.
    #[test]
    fn names_and_labels_are_stable_valid_and_distinct(
        identities in proptest::collection::btree_set(r"[A-Zäß東&<>/ é-][ -~äß東é]{0,70}[a-z]", 2..12),
    ) {
        let row = |identity: &String| {
            let cell = format!("\"{}\"", identity.replace('"', "\"\""));
            format!("{cell},{cell}\n")
        };
        let rows: Vec<String> = identities.iter().map(row).collect();
        let names = |rows: &[String]| -> Vec<(String, String)> {
            let export = format!("name,site\n{}", rows.concat());
            let made = clients(&["--derive-names", "--group-by", "site"], &export);
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            made.iter().map(|made| (text(&made["name"]), text(&made["labels"]["site"]))).collect()
        };
        let all = names(&rows);
        let distinct: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
        prop_assert_eq!(distinct.len(), identities.len());
        let labels: BTreeSet<&String> = all.iter().map(|(_, label)| label).collect();
        prop_assert_eq!(labels.len(), identities.len());
        for few in names(&rows[..rows.len() / 2]) {
            prop_assert!(all.contains(&few), "{:?}", few);
        }
    }
}
