//! Finds the source files of the project, and reads their text.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    /// Path relative to the project's folder.
    pub path: String,
    pub text: String,
}

impl Source {
    /// Returns the lines before the unit tests at the end of the file, each with its line number.
    pub fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    pub fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Returns the source files in the folders. A folder that does not exist contains none.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders.iter().map(|folder| project.join(folder)).filter(|path| path.exists()) {
        collect(&folder, &mut files);
    }
    let source = |path: PathBuf| Source {
        path: path.strip_prefix(project).unwrap().display().to_string(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(source).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

pub fn all() -> Vec<Source> {
    let all = sources(&["src", "tests", "benches"]);
    assert!(all.len() > 40, "the project's files are not found");
    all
}

pub fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}
