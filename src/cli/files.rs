//! Finds and reads the files that `-f` names, and takes them apart into documents. Knows nothing of
//! Kubernetes objects.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::documents::Document;
use super::{json, yaml};

/// What `-f` names standard input by.
const STANDARD_INPUT: &str = "-";
/// The endings of the files that are read from a folder, as kubectl reads them.
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];
/// The largest file that is read: some 400,000 clients with their status. A device never ends.
const MAX_BYTES: u64 = 512 << 20;

/// A file's content, or why there is none.
pub struct File {
    /// As a person finds it.
    pub name: String,
    /// The bytes, or a sentence.
    pub content: Result<Vec<u8>, String>,
}

/// Reads what `-f` names, each when it is asked for: files, the files of folders without their
/// subfolders, and standard input.
pub fn read(paths: &[PathBuf]) -> impl Iterator<Item = File> + use<> {
    let mut sources = Vec::new();
    let mut has_input = false;
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            sources.push(Source::Input { again: std::mem::replace(&mut has_input, true) });
        } else if path.is_dir() {
            match folder(path) {
                Ok(paths) => sources.extend(paths.into_iter().map(Source::File)),
                Err(message) => sources.push(Source::Folder(path.clone(), message)),
            }
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    sources.into_iter().map(Source::read)
}

/// Where a file's content comes from.
enum Source {
    File(PathBuf),
    Folder(PathBuf, String),
    Input { again: bool },
}

impl Source {
    fn read(self) -> File {
        match self {
            Self::File(path) => {
                let content = fs::File::open(&path).and_then(limited);
                File { name: shown(&path), content: content.map_err(|error| unreadable(&error)) }
            }
            Self::Folder(path, message) => File { name: shown(&path), content: Err(message) },
            Self::Input { again } => {
                let content = if again {
                    Err("it is named twice: leave one `-f -` out".to_owned())
                } else {
                    limited(io::stdin()).map_err(|error| unreadable(&error))
                };
                File { name: "standard input".to_owned(), content }
            }
        }
    }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = entries
        .map_err(|error| unreadable(&error))?
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| has_ending(path) && !path.is_dir())
        .collect();
    if paths.is_empty() {
        return Err(
            "this folder holds no *.yaml, *.yml or *.json file; its subfolders are not read: \
                    name them with `-f` of their own"
                .to_owned(),
        );
    }
    paths.sort();
    Ok(paths)
}

fn has_ending(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending))
}

fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let limit = MAX_BYTES >> 20;
        return Err(io::Error::other(format!("it is larger than {limit} MiB: split it")));
    }
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    // The operating system's number means nothing to most people, its words do.
    let message = error.to_string();
    let words = message.split(" (os error").next().unwrap_or(&message);
    format!("this cannot be read: {words}")
}

/// A path as it may be printed: a name can hold what a terminal obeys.
fn shown(path: &Path) -> String {
    super::terminal::table::printable(&path.display().to_string()).into_owned()
}

/// The documents of a file, or why there are none. Never panics, whatever the bytes.
///
/// # Errors
///
/// A sentence, where the bytes are no text.
pub fn documents(bytes: Vec<u8>) -> Result<Vec<Document>, String> {
    let text = Arc::new(text(bytes)?);
    // As kubectl: what begins as JSON is tried as JSON first, which YAML's braces can be, too.
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(yaml::read(&text));
    }
    let of_json = json::read(&text);
    if of_json.iter().all(is_read) {
        return Ok(of_json);
    }
    let of_yaml = yaml::read(&text);
    Ok(if of_yaml.iter().all(is_read) { of_yaml } else { of_json })
}

fn is_read(document: &Document) -> bool {
    document.content.is_ok()
}

fn text(mut bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("this is UTF-16 text: save it as UTF-8".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (line, column) = place_after(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        format!("line {line}, column {column}: this is not UTF-8 text: save it as UTF-8")
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(index) => {
            let (line, column) = place_after(&text.as_bytes()[..index]);
            Err(format!("line {line}, column {column}: a NUL byte: this is not a text file"))
        }
    }
}

/// The place just behind these bytes.
fn place_after(bytes: &[u8]) -> (usize, usize) {
    let line_start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&bytes[line_start..]).chars().count();
    (line, column)
}
