//! Resolves the module tree: finds source files that no module declares, and makes relative module
//! paths absolute.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::items::{Items, NamedPath};
use crate::source::Source;

/// Returns the paths of the source files that Cargo does not compile, because they are neither the
/// root of a target nor declared as a module.
pub fn dead_files(sources: &[Source], manifest: &str) -> Vec<String> {
    let items: BTreeMap<PathBuf, Items> = sources
        .iter()
        .map(|source| (PathBuf::from(&source.path), Items::of(&source.path, &source.text)))
        .collect();
    let mut alive = BTreeSet::new();
    let is_root =
        |path: &&PathBuf| is_root(path) || manifest.contains(&format!("\"{}\"", path.display()));
    let mut open: Vec<(PathBuf, bool)> =
        items.keys().filter(is_root).map(|path| (path.clone(), true)).collect();
    while let Some((path, owns_folder)) = open.pop() {
        let Some(found) = items.get(&path).filter(|_| alive.insert(path.clone())) else { continue };
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = if owns_folder { folder.to_owned() } else { path.with_extension("") };
        for module in &found.modules {
            match &module.path {
                Some(path) => open.push((normalized(&folder.join(path)), true)),
                None => {
                    let place: PathBuf = own.join(module.inside.iter().collect::<PathBuf>());
                    open.push((place.join(format!("{}.rs", module.name)), false));
                    open.push((place.join(&module.name).join("mod.rs"), true));
                }
            }
        }
    }
    items.keys().filter(|path| !alive.contains(*path)).map(|p| p.display().to_string()).collect()
}

/// Returns whether a file is the crate root of a target that Cargo discovers automatically.
fn is_root(path: &Path) -> bool {
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["src", file] => ["lib.rs", "main.rs"].contains(file),
        ["tests" | "benches", _] | ["tests" | "benches", _, "main.rs"] => true,
        _ => false,
    }
}

fn normalized(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        if part == Component::ParentDir {
            path.pop();
        } else {
            path.push(part);
        }
        path
    })
}

/// Resolves a leading `super` or `self` in a path of a source file, and returns all other paths
/// unchanged. For example, `super::super::api` in `src/plan/rules.rs` becomes `crate::api`.
pub fn absolute(source: &Source, path: &NamedPath) -> String {
    let mut segments = path.segments.iter().map(String::as_str).peekable();
    let file = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut place: Vec<&str> = file.split('/').collect();
    if ["mod", "lib", "main"].contains(place.last().unwrap_or(&"")) {
        place.pop();
    }
    place.extend(path.inside.iter().map(String::as_str));
    let is_relative = segments.peek().is_some_and(|first| ["super", "self"].contains(first));
    if !is_relative {
        return path.segments.join("::");
    }
    while let Some(word) = segments.next_if(|word| ["super", "self"].contains(word)) {
        if word == "super" {
            place.pop();
        }
    }
    ["crate"].into_iter().chain(place).chain(segments).collect::<Vec<_>>().join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_file_that_no_module_declares_is_dead() {
        let sources = [
            source("src/lib.rs", "mod a;"),
            source("src/a/mod.rs", "mod b; mod c { mod d; }"),
            source("src/a/b.rs", "#[path = \"../other.rs\"] mod e;"),
            source("src/a/c/d.rs", ""),
            source("src/other.rs", ""),
            source("src/a/old.rs", ""),
            source("tests/x/main.rs", "mod y;"),
            source("tests/x/y.rs", ""),
            source("tests/x/z.rs", ""),
            source("tests/demo/demo.rs", ""),
        ];
        let dead = dead_files(&sources, "path = \"tests/demo/demo.rs\"");
        assert_eq!(dead, ["src/a/old.rs", "tests/x/z.rs"]);
    }

    #[test]
    fn relative_paths_lead_to_the_layer_they_name() {
        for (file, inside, path, expected) in [
            ("src/plan/rules.rs", "", "super::super::cli::x", "crate::cli::x"),
            ("src/plan/diff/mod.rs", "", "super::super::api", "crate::api"),
            ("src/plan/rules.rs", "inner", "super::super::x", "crate::plan::x"),
            ("src/plan/rules.rs", "", "self::x", "crate::plan::rules::x"),
            ("src/plan/rules.rs", "", "tokio::time", "tokio::time"),
        ] {
            let path = NamedPath {
                inside: inside.split_terminator('/').map(ToOwned::to_owned).collect(),
                segments: path.split("::").map(ToOwned::to_owned).collect(),
                line: 1,
            };
            assert_eq!(absolute(&source(file, ""), &path), expected);
        }
    }
}
