//! Checks the rules of style that a test can verify, such as the size of files and functions, the
//! language of comments, and the dependencies between layers. Also checks that the program makes no
//! forbidden calls, such as `unwrap`.

mod items;
mod modules;
mod prose;
mod source;

use std::collections::BTreeMap;

use items::Items;
use modules::{absolute, dead_files};
use prose::banned_words;
use source::{Source, all, assert_none, sources};

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

fn items(source: &Source) -> Items {
    Items::of(&source.path, &source.text)
}

#[test]
fn each_file_says_first_what_it_is_for() {
    let silent = all().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("no `//!` in the first line", &silent.map(|s| s.path).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let long = all().into_iter().filter(|source| source.text.lines().count() > MAX_FILE_LINES);
    assert_none("over 500 lines", &long.map(|s| s.path).collect::<Vec<_>>());
}

#[test]
fn functions_fit_on_a_screen() {
    let mut long = Vec::new();
    let mut functions = 0;
    for source in all() {
        for function in items(&source).functions {
            functions += 1;
            let length = function.last_line - function.first_line + 1;
            if length > MAX_FUNCTION_LINES {
                let items::Function { name, first_line, .. } = function;
                long.push(format!("{}:{first_line}: {name}: {length} lines", source.path));
            }
        }
    }
    assert!(functions > 1000, "only {functions} functions are found");
    assert_none("functions over 70 lines", &long);
}

#[test]
fn each_file_is_declared_by_a_module() {
    let manifest = include_str!("../../Cargo.toml");
    assert_none("files that no module declares", &dead_files(&all(), manifest));
}

#[test]
fn comments_use_plain_words() {
    let own = |source: &Source| source.path != "tests/tidy/prose.rs";
    let found: Vec<String> = all().iter().filter(|s| own(s)).flat_map(banned_words).collect();
    assert_none("banned words in comments", &found);
}

#[test]
fn a_layer_has_one_type_of_a_name() {
    let mut places: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for source in sources(&["src"]) {
        for layer in LAYERS.iter().filter(|layer| layer.holds(&source)) {
            for (name, line) in items(&source).types {
                let place = format!("{}:{line}", source.path);
                places.entry((layer.name, name)).or_default().push(place);
            }
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    let twice = twice.map(|((_, name), places)| format!("{name}: {}", places.join(", ")));
    assert_none("types of one name in one layer", &twice.collect::<Vec<_>>());
}

/// A folder in `src` whose code may use only some of the others. The folder need not exist yet.
struct Layer {
    name: &'static str,
    /// Other layers that the code may use.
    uses: &'static [&'static str],
    /// Prefixes of other paths that the code must not use.
    avoids: &'static [&'static str],
}

/// Paths that a layer without I/O must not use.
const IO: &[&str] = &["tokio::", "hyper::", "tracing::", "std::fs::", "std::env::"];

const IO_AND_KUBE: &[&str] =
    &["kube::", "tokio::", "hyper::", "tracing::", "std::fs::", "std::env::"];

/// The layers from bottom to top. The last four are the shells, which do not know each other.
const LAYERS: &[Layer] = &[
    Layer { name: "values", uses: &[], avoids: &["kube::"] },
    Layer { name: "api", uses: &["values"], avoids: &[] },
    Layer { name: "plan", uses: &["values", "api"], avoids: IO },
    Layer { name: "ddi", uses: &["values", "api"], avoids: IO_AND_KUBE },
    Layer { name: "checkin", uses: &["values", "api", "plan", "ddi"], avoids: IO_AND_KUBE },
    Layer { name: "cluster", uses: &["values", "api", "plan"], avoids: &[] },
    Layer { name: "daemon", uses: &["values"], avoids: &["kube::"] },
    Layer {
        name: "controller",
        uses: &["values", "api", "plan", "cluster", "daemon"],
        avoids: &[],
    },
    Layer { name: "cli", uses: &["values", "api", "plan", "ddi", "cluster"], avoids: &[] },
    Layer {
        name: "serve",
        uses: &["values", "api", "plan", "ddi", "checkin", "cluster", "daemon"],
        avoids: &[],
    },
    Layer { name: "agent", uses: &["values", "ddi", "daemon"], avoids: &["kube::"] },
];

impl Layer {
    fn holds(&self, source: &Source) -> bool {
        source.is_in(&format!("src/{}/", self.name))
    }

    /// Returns whether code of this layer may use `path`, which is absolute and ends with `::`.
    fn may_use(&self, path: &str) -> bool {
        let own = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next());
        let is_unknown_layer = LAYERS.iter().any(|layer| {
            own == Some(layer.name) && layer.name != self.name && !self.uses.contains(&layer.name)
        });
        !is_unknown_layer && !self.avoids.iter().any(|avoided| path.starts_with(avoided))
    }
}

#[test]
fn each_layer_knows_only_those_below_it() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        for layer in LAYERS.iter().filter(|layer| layer.holds(&source)) {
            for path in items(&source).paths {
                let leads_to = format!("{}::", absolute(&source, &path));
                if !layer.may_use(&leads_to) {
                    let place = format!("{}:{}", source.path, path.line);
                    found.push(format!("{place}: {} must not know {leads_to}", layer.name));
                }
            }
        }
    }
    assert_none("layers", &found);
}

#[test]
fn a_shell_knows_what_shells_share_but_no_other_shell() {
    let layer = |name: &str| LAYERS.iter().find(|layer| layer.name == name).unwrap();
    for shell in ["controller", "cli", "serve", "agent"] {
        for other in ["controller", "cli", "serve", "agent"].iter().filter(|name| **name != shell) {
            assert!(!layer(shell).may_use(&format!("crate::{other}::x::")), "{shell}: {other}");
        }
        for shared in ["cluster", "daemon"] {
            assert!(!layer(shared).may_use(&format!("crate::{shell}::x::")), "{shared}: {shell}");
        }
        assert!(layer(shell).may_use(&format!("crate::{shell}::x::")));
    }
    assert!(layer("controller").may_use("crate::cluster::watch::"));
    assert!(!layer("plan").may_use("tokio::sync::"));
}

#[test]
fn below_the_shells_nothing_reads_a_clock() {
    let clocks = ["::now()", "SystemTime", "Instant::"];
    assert_absent(&["src/values", "src/api", "src/plan", "src/ddi", "src/checkin"], &clocks);
}

#[test]
fn the_program_does_not_panic_by_itself() {
    let panics = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    assert_absent(&["src"], &panics);
}

#[test]
fn no_test_is_switched_off() {
    let own = |source: &Source| !source.path.starts_with("tests/tidy/");
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
