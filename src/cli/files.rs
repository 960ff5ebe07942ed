//! Finds and reads the files that `-f` names, and takes them apart into documents. Knows nothing of
//! Kubernetes objects.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::yaml::Document;
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

/// Reads what `-f` names: files, the files of folders without their subfolders, and standard input.
pub fn read(paths: &[PathBuf], standard_input: &mut dyn Read) -> Vec<File> {
    let mut files = Vec::new();
    let mut input = Some(standard_input);
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            let content = match input.take() {
                Some(input) => limited(input).map_err(|error| unreadable(&error)),
                None => Err("it is named twice: leave one `-f -` out".to_owned()),
            };
            files.push(File { name: "standard input".to_owned(), content });
        } else if path.is_dir() {
            match folder(path) {
                Ok(paths) => files.extend(paths.iter().map(|path| file(path))),
                Err(message) => files.push(File { name: shown(path), content: Err(message) }),
            }
        } else {
            files.push(file(path));
        }
    }
    files
}

fn file(path: &Path) -> File {
    let content = fs::File::open(path).and_then(limited).map_err(|error| unreadable(&error));
    File { name: shown(path), content }
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
pub fn documents(bytes: &[u8]) -> Result<Vec<Document>, String> {
    let text = text(bytes)?;
    // As kubectl: what begins as JSON is tried as JSON first, which YAML's braces can be, too.
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(yaml::read(text));
    }
    let of_json = json::read(text);
    if of_json.iter().all(is_read) {
        return Ok(of_json);
    }
    let of_yaml = yaml::read(text);
    Ok(if of_yaml.iter().all(is_read) { of_yaml } else { of_json })
}

fn is_read(document: &Document) -> bool {
    document.content.is_ok()
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("this is UTF-16 text: save it as UTF-8".to_owned());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place_after(&bytes[..error.valid_up_to()]);
        format!("line {line}, column {column}: this is not UTF-8 text: save it as UTF-8")
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(at) => {
            let (line, column) = place_after(&bytes[..at]);
            Err(format!("line {line}, column {column}: a NUL byte: this is not a text file"))
        }
    }
}

/// The place just behind these bytes.
fn place_after(bytes: &[u8]) -> (usize, usize) {
    let line_start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = 1 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&bytes[line_start..]).chars().count();
    (line, column)
}
