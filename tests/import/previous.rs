//! Tests consecutive imports without a cluster. Each import reads the output of the previous one
//! with `--previous`, and keeps each client in its fleet.

use std::path::Path;
use std::process::{Command, Output};

use clientfleet::cli::documents::Document;
use clientfleet::cli::yaml;
use serde_json::Value;

use crate::estate::{DAY, run_with};
use crate::program::FLEET;

pub fn import(folder: &Path, export: &str, options: &[&str]) -> Output {
    std::fs::write(folder.join("export.csv"), export).expect("the export is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command.args(["import", "export.csv", "--local", "--now", DAY]).args(FLEET).args(options);
    command.env_clear().current_dir(folder);
    run_with(command, "")
}

pub fn transcript(folder: &Path, export: &str, options: &[&str]) -> String {
    let output = import(folder, export, options);
    let mut text = String::from_utf8(output.stdout).expect("results are text");
    let words = String::from_utf8(output.stderr).expect("words are text");
    text.extend(words.lines().map(|line| format!("[stderr] {line}\n")));
    text + &format!("[exit code {}]\n", output.status.code().expect("it is not killed"))
}

fn export(names: impl IntoIterator<Item = usize>) -> String {
    let rows = names.into_iter().map(|n| format!("LT-{n:03},3.59\n"));
    format!("name,version\n{}", rows.collect::<String>())
}

/// Returns the name of each fleet in the output of an import, with the names of the fleet's
/// clients.
fn fleets(text: &[u8]) -> Vec<(String, Vec<String>)> {
    let text = std::str::from_utf8(text).expect("results are text");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let fleet = |document: Document| {
        let fleet = document.content.expect("it is YAML").value();
        let clients = fleet["spec"]["clients"].as_array().cloned().unwrap_or_default();
        (name(&fleet["metadata"]), clients.iter().map(name).collect())
    };
    yaml::read(text).into_iter().map(fleet).collect()
}

#[test]
fn nobody_moves_from_one_export_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let first = import(folder, &export(0..9), &["--shard-size", "4"]);
    std::fs::write(folder.join("old.yaml"), &first.stdout).expect("it is written");
    let previous = ["--previous", "old.yaml", "--shard-size", "4", "--max-removals", "2"];

    let again = import(folder, &export(0..9), &previous);
    assert_eq!(again.stdout, first.stdout);
    assert!(String::from_utf8_lossy(&again.stderr).contains("unchanged 3 fleets"));

    // The next export lacks two clients of the first fleet and contains three new clients. Existing
    // clients must stay in their fleets, although the new client `AA-1` is the first in
    // alphabetical order.
    let next = export([0, 3, 4, 5, 6, 7, 8, 9, 10]) + "AA-1,3.59\n";
    let output = import(folder, &next, &previous);
    let of = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        fleets(&output.stdout),
        [
            ("emea-001".to_owned(), of(&["AA-1", "LT-000", "LT-003", "LT-009"])),
            ("emea-002".to_owned(), of(&["LT-004", "LT-005", "LT-006", "LT-007"])),
            ("emea-003".to_owned(), of(&["LT-008", "LT-010"])),
        ]
    );
    let smaller = ["--previous", "old.yaml", "--shard-size", "1"];
    let output = import(folder, &export(0..10), &smaller);
    let sizes: Vec<usize> =
        fleets(&output.stdout).iter().map(|(_, clients)| clients.len()).collect();
    assert_eq!(sizes, [4, 4, 1, 1]);
}

/// Checks that an import fills fleets to 100 clients by default, and that a fleet that an earlier
/// import has filled further keeps its clients.
#[test]
fn fleets_are_filled_to_100_and_larger_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let sizes = |output: &Output| -> Vec<usize> {
        fleets(&output.stdout).iter().map(|(_, clients)| clients.len()).collect()
    };
    assert_eq!(sizes(&import(folder, &export(0..250), &[])), [100, 100, 50]);

    let larger = import(folder, &export(0..250), &["--shard-size", "200"]);
    assert_eq!(sizes(&larger), [200, 50]);
    std::fs::write(folder.join("old.yaml"), &larger.stdout).expect("it is written");
    let same = import(folder, &export(0..250), &["--previous", "old.yaml"]);
    assert_eq!(same.stdout, larger.stdout);
    let next = import(folder, &export(0..310), &["--previous", "old.yaml"]);
    assert_eq!(sizes(&next), [200, 100, 10]);
    // Fewer clients in the larger fleet make no room for new ones while it has 100 or more.
    let options = ["--previous", "old.yaml", "--max-removals", "50"];
    let next = import(folder, &export(50..310), &options);
    assert_eq!(sizes(&next), [150, 100, 10]);
}

#[test]
fn clients_leave_only_as_many_as_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let first = import(folder, &export(0..40), &["--shard-size", "20"]);
    std::fs::write(folder.join("old.yaml"), &first.stdout).expect("it is written");
    let said = |export: &str, options: &[&str]| {
        let options = [&["--previous", "old.yaml", "-o", "json"], options].concat();
        let output = import(folder, export, &options);
        let words = String::from_utf8(output.stderr).expect("words are text");
        format!(
            "{options:?}: {:?}, {} bytes\n{words}",
            output.status.code(),
            output.stdout.len().min(1)
        )
    };
    let mut text = said(&export(0..38), &[]);
    text += &said(&export(0..25), &[]);
    text += &said(&export(0..20), &["--max-removals", "20"]);
    text += &said(&export(0..20), &["--max-removals", "50%", "--prune"]);
    text += &said(&export([]), &[]);
    insta::assert_snapshot!("removals", text);
}

#[test]
fn a_client_whose_row_is_bad_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let day = "name,version,time zone\nLT-1,3.58,Europe/Berlin\nLT-2,3.58,Asia/Tokyo\nLT-3,3.58,\n";
    std::fs::write(folder.join("old.yaml"), import(folder, day, &[]).stdout)
        .expect("it is written");
    let options = ["--previous", "old.yaml", "--skip-invalid", "--max-removals", "100%"];
    let bad = "name,version,time zone\nLT-1,3.59,CEST\nLT-2,3.59,Asia/Tokyo\nLT-9,3.59,CEST\n";
    insta::assert_snapshot!("a_bad_row", transcript(folder, bad, &options));
    let nameless = "name,version,time zone\nLT-2,3.59,Asia/Tokyo\n,3.59,\n";
    insta::assert_snapshot!("a_row_of_nobody", transcript(folder, nameless, &options));
}

#[test]
fn earlier_files_that_do_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).expect("it is written");
    };
    let fleet = |name: &str, prefix: &str, client: &str| {
        format!(
            "apiVersion: clientfleet.dev/v1alpha1\nkind: ClientFleet\nmetadata: {{name: {name}, \
             labels: {{clientfleet.dev/import: {prefix}}}}}\nspec: {{packageFrom: {{name: server}}, \
             clients: [{{name: {client}}}]}}\n---\n"
        )
    };
    write("other-prefix.yaml", &fleet("apac-001", "apac", "LT-1"));
    write("twice.yaml", &(fleet("emea-001", "emea", "LT-1") + &fleet("emea-002", "emea", "LT-1")));
    write(
        "foreign-name.yaml",
        &(fleet("emea-001", "emea", "LT-1") + &fleet("emea-002", "apac", "LT-2")),
    );
    write("odd-name.yaml", &fleet("emea-1", "emea", "LT-1"));
    write("empty.yaml", "");
    write(
        "elsewhere.yaml",
        &fleet("emea-001", "emea", "LT-1")
            .replace("{name: emea-001", "{namespace: clients, name: emea-001"),
    );
    let mut text = String::new();
    for file in
        ["other-prefix", "twice", "foreign-name", "odd-name", "empty", "elsewhere", "missing"]
    {
        let name = format!("{file}.yaml");
        let options = ["--previous", &name, "--shard-size", "1"];
        text += &format!(
            "# {file}\n{}\n",
            transcript(folder, &export([1, 2]).replace("LT-00", "LT-"), &options)
        );
    }
    insta::assert_snapshot!("earlier_files", text);
}

#[test]
fn clients_of_other_fleets_in_the_files_are_moved() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let fleet = |name: &str, labels: &str, clients: &str| {
        format!(
            "apiVersion: clientfleet.dev/v1alpha1\nkind: ClientFleet\nmetadata: {{name: {name}, \
             labels: {{{labels}}}}}\nspec: {{packageFrom: {{name: server}}, clients: [{clients}]}}\n---\n"
        )
    };
    let version = |name: &str| format!("{{name: {name}, reported: {{version: '3.59'}}}}");
    let files = fleet("emea-001", "clientfleet.dev/import: emea", &version("LT-001"))
        + &fleet(
            "apac-001",
            "clientfleet.dev/import: apac, site: x",
            &[version("LT-002"), version("LT-003")].join(", "),
        )
        + &fleet("lab", "site: z", &version("LT-004"));
    std::fs::write(folder.join("all.yaml"), files).expect("it is written");
    let mut text = String::new();
    for (options, names) in [
        (vec!["--previous", "all.yaml"], 1..3),
        (vec!["--previous", "all.yaml", "--move"], 1..3),
        (vec!["--previous", "all.yaml", "--move"], 1..5),
        (vec!["--move"], 1..3),
    ] {
        let said = transcript(folder, &export(names), &options);
        text += &format!("# {}\n{said}\n", options.join(" "));
    }
    insta::assert_snapshot!("moved_in_files", text);
}

#[test]
fn an_import_is_renamed_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let printed = String::from_utf8(import(folder, &export(1..3), &[]).stdout).expect("text");
    let printed = printed.replace("emea", "apac");
    std::fs::write(folder.join("apac.yaml"), printed).expect("it is written");
    let mut text = String::new();
    for options in [&["--previous", "apac.yaml"][..], &["--previous", "apac.yaml", "--move"]] {
        let said = transcript(folder, &export(1..3), options);
        text += &format!("# {}\n{said}\n", options.join(" "));
    }
    insta::assert_snapshot!("renamed_in_files", text);
}
