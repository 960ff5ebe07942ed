//! The style that a test can hold: what each file opens with, how long files and functions are, which
//! layer may know which, and what the program must not do.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 70;

/// A source file of the project.
struct Source {
    /// From the project's folder.
    path: String,
    text: String,
}

impl Source {
    /// Its lines before the tests at its end.
    fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    fn is_of(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        collect(&project.join(folder), &mut files);
    }
    let source = |path: PathBuf| Source {
        path: path.strip_prefix(project).unwrap().display().to_string(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(source).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn all() -> Vec<Source> {
    let all = sources(&["src", "tests", "benches"]);
    assert!(all.len() > 40, "the project's files are not found");
    all
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn each_file_says_first_what_it_is_for() {
    let silent = all().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("no `//!` in the first line", &silent.map(|s| s.path).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let long = all().into_iter().filter(|source| source.text.lines().count() > LONGEST_FILE);
    assert_none("over 500 lines", &long.map(|s| s.path).collect::<Vec<_>>());
}

#[test]
fn functions_fit_on_a_screen() {
    let mut long = Vec::new();
    for source in all() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| opens_function(line)) {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0) + 1;
            if length > LONGEST_FUNCTION {
                long.push(format!("{}:{}: {length} lines", source.path, start + 1));
            }
        }
    }
    assert_none("functions over 70 lines", &long);
}

fn opens_function(line: &str) -> bool {
    let words = ["pub ", "pub(super) ", "pub(crate) ", "const ", "async "];
    let mut rest = line.trim_start();
    while let Some(shorter) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = shorter;
    }
    rest.starts_with("fn ") && !line.trim_end().ends_with([';', '}'])
}

/// The layers, and what each must not know.
const LAYERS: &[(&str, &[&str])] = &[
    ("src/values", &["crate::api", "crate::plan", "crate::controller", "crate::cli", "kube::"]),
    ("src/api", &["crate::plan", "crate::controller", "crate::cli"]),
    (
        "src/plan",
        &["crate::controller", "crate::cli", "tokio::", "tracing::", "std::fs", "std::env"],
    ),
    ("src/controller", &["crate::cli"]),
    ("src/cli", &["crate::controller"]),
];

#[test]
fn each_layer_knows_only_those_below_it() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        for (layer, unknown) in LAYERS.iter().filter(|(layer, _)| source.is_of(layer)) {
            for (number, line) in
                source.program().filter(|(_, line)| !line.trim().starts_with("//"))
            {
                if let Some(word) = unknown.iter().find(|word| line.contains(**word)) {
                    found.push(format!("{}:{number}: {layer} must not know {word}", source.path));
                }
            }
        }
    }
    assert_none("layers", &found);
}

#[test]
fn below_the_shells_nothing_reads_a_clock() {
    let clocks = ["::now()", "SystemTime", "Instant::"];
    assert_absent(&["src/values", "src/api", "src/plan"], &clocks);
}

#[test]
fn the_program_does_not_panic_by_itself() {
    let panics = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    assert_absent(&["src"], &panics);
}

#[test]
fn no_test_is_switched_off() {
    let own = |source: &Source| source.path != "tests/tidy.rs";
    let off = all().into_iter().filter(own).filter(|s| s.text.contains("#[ignore"));
    assert_none("ignored tests", &off.map(|s| s.path).collect::<Vec<_>>());
}

fn assert_absent(folders: &[&str], words: &[&str]) {
    let mut found = Vec::new();
    for source in sources(folders) {
        for (number, line) in source.program().filter(|(_, line)| !line.trim().starts_with("//")) {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    assert_none("not here", &found);
}

#[test]
fn names_of_files_say_what_is_in_them() {
    let vague = ["utils", "util", "common", "manager", "helpers", "misc"];
    let parts = |source: &Source| -> Vec<String> {
        source.path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect()
    };
    let named =
        all().into_iter().filter(|s| parts(s).iter().any(|part| vague.contains(&part.as_str())));
    assert_none("vague names", &named.map(|s| s.path).collect::<Vec<_>>());
}
