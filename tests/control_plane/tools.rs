//! Finds the third-party programs that integration tests run, such as Helm. Builds missing programs
//! once, and caches them with the programs of the control plane.
//!
//! Each folder of `tests/tools` is a Go module that pins the exact versions of its programs:
//! - `go.mod` names packages to build in `tool` directives;
//! - `main.go` is optional; it is built as a program with the folder's name;
//! - `flags` is optional; it contains additional arguments of `go build`, one per line.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::go_build::{Build, Programs, cache_folder};
use super::say;

pub fn tool(name: &str) -> Result<PathBuf, Error> {
    tool_of(name, name)
}

pub fn tool_of(module: &str, program: &str) -> Result<PathBuf, Error> {
    let path = ensure(module)?.join(program);
    match path.is_file() {
        true => Ok(path),
        false => Err(Error::new(format!(
            "tests/tools/{module} makes no program named {program}: name it as `tool` in its go.mod, or write a main.go"
        ))),
    }
}

pub fn ensure_all() -> Result<Vec<PathBuf>, Error> {
    let folder = modules();
    let entries = fs::read_dir(&folder).map_err(Error::at("read", &folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::at("read", &folder))?.path();
        names.extend(path.is_dir().then(|| file_name(&path)));
    }
    names.sort();
    names.iter().map(|name| ensure(name)).collect()
}

fn ensure(module: &str) -> Result<PathBuf, Error> {
    let cache = cache_folder().ok_or_else(|| {
        Error::new(format!("there is no folder to build {module} into: set HOME or XDG_CACHE_HOME"))
    })?;
    let programs = Programs {
        name: module.to_owned(),
        modules: modules(),
        builds: vec![build(module)?],
        instead: "",
    };
    programs.ensure(&cache, &mut say)
}

fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools")
}

fn build(module: &str) -> Result<Build, Error> {
    let folder = modules().join(module);
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files)?;
    // Sort the files, because the order of directory entries is arbitrary but the hash must not
    // change. Include the paths in the hash, so that renaming a file causes a new build.
    files.sort();
    let of_name = |name: &str| files.iter().find(|(path, _)| path == name).map(|(_, text)| text);
    let go_mod = of_name("go.mod").ok_or_else(|| {
        Error::new(format!("there is no go.mod in tests/tools/{module}, which is to be built"))
    })?;
    let mut packages = Vec::new();
    packages.extend(go_mod.lines().any(|line| line.starts_with("tool ")).then(|| "tool".into()));
    packages.extend(of_name("main.go").map(|_| ".".into()));
    let more_flags = of_name("flags").into_iter().flat_map(|flags| flags.lines());
    Ok(Build {
        what: module.to_owned(),
        usual_duration: "a minute or two",
        module: module.to_owned(),
        flags: ["-ldflags=-s -w"].into_iter().chain(more_flags).map(ToOwned::to_owned).collect(),
        packages,
        output: "",
        module_files: files.into_iter().flat_map(|(path, text)| [path, text]).collect(),
    })
}

fn collect(top: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::at("read", folder))? {
        let path = entry.map_err(Error::at("read", folder))?.path();
        if path.is_dir() {
            collect(top, &path, files)?;
        } else {
            let text = fs::read_to_string(&path).map_err(Error::at("read", &path))?;
            files.push((path.strip_prefix(top).unwrap_or(&path).display().to_string(), text));
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}
